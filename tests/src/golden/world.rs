//! What the walk knows of the store: things out of answers, by pool and by the account that they
//! have their place in.

use crate::crash::Dice;
use serde_json::Value;
use std::collections::BTreeMap;

/// Most things of one pool in one place; the oldest makes room.
const MOST: usize = 40;

/// One thing that later requests may name.
#[derive(Clone, Debug, PartialEq)]
pub struct Thing {
    /// The account that it belongs to; none where it belongs nowhere.
    pub place: Option<String>,
    pub value: Value,
}

/// Everything that later requests may name.
#[derive(Debug, Default)]
pub struct World {
    /// What the table has from the beginning, and is never forgotten.
    fixed: Vec<Value>,
    pools: BTreeMap<String, Vec<Thing>>,
    made: u64,
    pub now_ms: u64,
}

impl World {
    pub fn new(pools: &BTreeMap<String, Vec<Value>>, now_ms: u64) -> World {
        let nowhere = |value: &Value| Thing {
            place: None,
            value: value.clone(),
        };
        World {
            fixed: pools.values().flatten().cloned().collect(),
            pools: pools
                .iter()
                .map(|(pool, values)| (pool.clone(), values.iter().map(nowhere).collect()))
                .collect(),
            made: 0,
            now_ms,
        }
    }

    /// A number that no other thing has.
    pub fn next_number(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    pub fn save(&mut self, pool: &str, thing: Thing) {
        let things = self.pools.entry(pool.to_owned()).or_default();
        if things.contains(&thing) {
            return;
        }
        let beside = |other: &&Thing| other.place == thing.place;
        if things.iter().filter(beside).count() >= MOST {
            let oldest = things.iter().position(|other| other.place == thing.place);
            oldest.map(|oldest| things.remove(oldest));
        }
        things.push(thing);
    }

    /// Forgets one thing of a pool.
    pub fn forget(&mut self, pool: &str, thing: &Thing) {
        if let Some(things) = self.pools.get_mut(pool) {
            things.retain(|other| other != thing);
        }
    }

    /// Forgets a thing in every pool, what has it as its token, and all that has its place there.
    pub fn erase(&mut self, gone: &Value) {
        if self.fixed.contains(gone) {
            return;
        }
        for things in self.pools.values_mut() {
            things.retain(|thing| {
                let token = thing.value.get("token");
                thing.value != *gone
                    && token != Some(gone)
                    && thing.place.as_deref() != gone.as_str()
            });
        }
    }

    /// A thing of the pool: mostly one from here, now and then any. Of tokens mostly the last, for
    /// they do not live long.
    pub fn pick(&self, dice: &mut Dice, pool: &str, here: Option<&str>) -> Option<Thing> {
        let things = self.pools.get(pool)?;
        if pool.starts_with("token_") && dice.roll(4) > 0 {
            return things.last().cloned();
        }
        if here.is_some() && dice.roll(16) > 0 {
            let is_near = |thing: &Thing| thing.place.is_none() || thing.place.as_deref() == here;
            return self.pick_among(dice, pool, is_near);
        }
        self.pick_among(dice, pool, |_| true)
    }

    /// A thing of the pool for which `fits` holds; where it holds for none, any.
    pub fn pick_among(
        &self,
        dice: &mut Dice,
        pool: &str,
        fits: impl Fn(&Thing) -> bool,
    ) -> Option<Thing> {
        let things = self.pools.get(pool)?;
        let fitting: Vec<&Thing> = things.iter().filter(|thing| fits(thing)).collect();
        let roll = |dice: &mut Dice, length: usize| dice.roll(length as u64) as usize;
        match (fitting.len(), things.len()) {
            (_, 0) => None,
            (0, length) => Some(things[roll(dice, length)].clone()),
            (length, _) => Some(fitting[roll(dice, length)].clone()),
        }
    }

    pub fn has(&self, pool: &str, place: &str, value: &Value) -> bool {
        let things = self.pools.get(pool).map(Vec::as_slice).unwrap_or_default();
        things
            .iter()
            .any(|thing| thing.place.as_deref() == Some(place) && thing.value == *value)
    }

    /// The only thing of its kind that an account has: its owner, its parent.
    pub fn of(&self, pool: &str, place: &str) -> Option<&Value> {
        self.pools
            .get(pool)?
            .iter()
            .rev()
            .find(|thing| thing.place.as_deref() == Some(place))
            .map(|thing| &thing.value)
    }

    /// An account in which the pool has this value.
    pub fn place_of(&self, pool: &str, value: &Value) -> Option<&str> {
        self.pools
            .get(pool)?
            .iter()
            .find(|thing| thing.value == *value)?
            .place
            .as_deref()
    }
}
