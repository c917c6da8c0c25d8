//! What a host said.

use super::Effect;
use std::collections::BTreeMap;

/// What one run of a host said before it was killed.
#[derive(Default)]
pub struct Said {
    pub(super) acknowledged: Vec<Effect>,
    /// The last effect of each thread that was not.
    pub(super) open: BTreeMap<String, Effect>,
    pub(super) granted: BTreeMap<String, u64>,
    /// How many lines acknowledge something.
    pub acknowledgements: u64,
}

impl Said {
    pub(super) fn hear_all(lines: impl IntoIterator<Item = String>) -> Said {
        let mut said = Said::default();
        lines.into_iter().for_each(|line| said.hear(&line));
        said
    }

    /// `try <thread> <effect>`, `ack <thread>`, `busy <thread>` (nothing was changed), `granted
    /// <account> <count>`.
    fn hear(&mut self, line: &str) {
        let mut words = line.splitn(3, ' ');
        let mut word = || {
            words
                .next()
                .unwrap_or_else(|| panic!("the host said `{line}`"))
        };
        match word() {
            "try" => {
                let thread = word().to_owned();
                let effect = serde_json::from_str(word())
                    .unwrap_or_else(|error| panic!("the host said `{line}`: {error}"));
                self.open.insert(thread, effect);
            }
            "ack" => {
                self.acknowledged
                    .push(self.open.remove(word()).expect("tried before"));
                self.acknowledgements += 1;
            }
            "busy" => drop(self.open.remove(word()).expect("tried before")),
            "granted" => {
                let granted = self.granted.entry(word().to_owned()).or_default();
                *granted += word()
                    .parse::<u64>()
                    .unwrap_or_else(|error| panic!("the host said `{line}`: {error}"));
                self.acknowledgements += 1;
            }
            _ => panic!("the host said `{line}`"),
        }
    }
}
