//! Which floor a file lies on (`floors.json`): from low to high, the files and folders of each.

use serde::Deserialize;
use std::collections::BTreeMap;

/// A floor: its files may import from it and from lower ones.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floor {
    pub name: String,
    /// Files (`a/b.rs`), or what belongs to a name (`a/b`: the file `a/b.rs` and the folder `a/b`).
    pub places: Vec<String>,
}

/// The floors from low to high.
pub struct Floors {
    pub floors: Vec<Floor>,
    /// The number of the floor of each place.
    places: BTreeMap<String, usize>,
}

impl Floors {
    /// Those of this workspace.
    pub fn read() -> Floors {
        Floors::of(serde_json::from_str(include_str!("floors.json")).unwrap())
    }

    pub fn of(floors: Vec<Floor>) -> Floors {
        let mut places = BTreeMap::new();
        for (number, floor) in floors.iter().enumerate() {
            for place in &floor.places {
                let earlier = places.insert(place.clone(), number);
                assert!(earlier.is_none(), "floors.json names {place} twice");
            }
        }
        Floors { floors, places }
    }

    /// The number of the floor of a file: the longest place that it belongs to decides.
    pub fn of_file(&self, file: &str) -> Option<usize> {
        let mut name = file;
        loop {
            if let Some(number) = self.places.get(name) {
                return Some(*number);
            }
            name = match name.strip_suffix(".rs") {
                Some(name) => name,
                None => name.rsplit_once('/')?.0,
            };
        }
    }

    pub fn name(&self, number: usize) -> &str {
        &self.floors[number].name
    }

    /// The places to which no file belongs.
    pub fn left(&self, files: &[String]) -> Vec<&str> {
        let places = self.floors.iter().flat_map(|floor| &floor.places);
        places
            .map(String::as_str)
            .filter(|place| !files.iter().any(|f| lies_in(f, place)))
            .collect()
    }
}

/// Whether a file belongs to a place.
pub fn lies_in(file: &str, place: &str) -> bool {
    file.strip_prefix(place)
        .is_some_and(|rest| rest.is_empty() || rest == ".rs" || rest.starts_with('/'))
}
