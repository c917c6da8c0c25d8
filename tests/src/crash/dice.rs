//! The dice that a test throws, and how often it does something.

use std::time::Duration;

/// The dice of a test: the seed comes from TENANTRY_SEED or is new, and is printed either way.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    pub fn of_test(test: &str) -> Dice {
        let seed = match std::env::var("TENANTRY_SEED") {
            Ok(text) => text.parse().expect("TENANTRY_SEED is a number"),
            Err(_) => std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64,
        };
        println!("{test}: TENANTRY_SEED={seed}");
        Dice(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// 0 up to `below`, without it.
    pub fn roll(&mut self, below: u64) -> u64 {
        self.number() % below
    }

    /// A daily limit: often one that is soon used up.
    pub fn roll_limit(&mut self) -> u64 {
        let most = [20, 1000, 1_000_000][self.roll(3) as usize];
        self.roll(most)
    }

    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_micros(from * 1000 + self.roll((to - from) * 1000))
    }
}

/// How often something is done: from the environment, for long runs.
pub fn count(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number"))
    })
}
