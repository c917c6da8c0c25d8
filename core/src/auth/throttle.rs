//! Delays after failed log-ins: growing, never longer than a quarter of an hour, never for ever
//! (R-SES-1).
//!
//! Failures are counted for a person, for the place that they come from, and for both together. Who
//! is delayed because of the failures of others gets a turn: when it comes, they are let in
//! whatever others have done since. So somebody who fails on purpose keeps nobody out, from however
//! many places.
//!
//! It is all in memory, and where other processes may have the store open in a part of the store
//! that does not grow ([`attempts`]). An address that nobody has is counted like any other, so that
//! it answers alike.

use super::attempts::{self, Entry, FORGOTTEN_MS};
use super::token::TokenKey;
use crate::error::Error;
use crate::kernel::Kernel;
use crate::model::{Address, Id};
use foldhash::fast::RandomState;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

/// The longest delay.
pub(crate) const LONGEST_MS: u64 = 15 * 60_000;
/// The first delay; each further failure doubles it.
const FIRST_MS: u64 = 1000;
/// How often one may fail before the first delay: a person from one place, a person from
/// everywhere, a place.
const FREE_OF_BOTH: u32 = 5;
const FREE_OF_PERSON: u32 = 20;
const FREE_OF_PLACE: u32 = 50;
/// How many wrong codes of a second factor somebody may give in a day: of a million, three are
/// right.
const MOST_CODES: u32 = 30;
/// The most entries.
const MOST: usize = 100_000;

#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Both(String, Option<IpAddr>),
    Person(String),
    Place(IpAddr),
}

impl Entry {
    /// The end of the delay. One that lies further ahead than any can is from before the clock
    /// stepped back.
    fn delayed_until(&self, now_ms: u64) -> Option<u64> {
        Some(self.until_ms).filter(|until_ms| now_ms < *until_ms && until_ms - now_ms <= LONGEST_MS)
    }

    fn fail(&mut self, free: u32, now_ms: u64) {
        if now_ms.saturating_sub(self.last_ms) >= FORGOTTEN_MS {
            *self = Entry::default();
        }
        self.failures = self.failures.saturating_add(1);
        self.last_ms = now_ms;
        self.scheduled = false;
        let delay_ms = match self.failures.saturating_sub(free) {
            0 => 0,
            beyond => FIRST_MS
                .checked_shl(beyond - 1)
                .filter(|delay| delay >> (beyond - 1).min(63) == FIRST_MS)
                .unwrap_or(LONGEST_MS)
                .min(LONGEST_MS),
        };
        self.until_ms = now_ms.saturating_add(delay_ms);
    }
}

/// What is known of a person from a place, of the person, and of the place.
type Three = [Option<Entry>; 3];

/// See [`Throttle::admit`].
fn admit(known: &mut Three, has_place: bool, now_ms: u64) -> Result<(), u64> {
    let delay = |entry: &Option<Entry>| entry.and_then(|entry| entry.delayed_until(now_ms));
    let [both, one, other] = known;
    if let Some(until_ms) = delay(both) {
        return Err(until_ms);
    }
    let is_scheduled = both.is_some_and(|entry| entry.scheduled);
    let by_others = delay(one).max(delay(other));
    if let (Some(until_ms), false) = (by_others, is_scheduled) {
        let entry = both.get_or_insert_default();
        entry.until_ms = until_ms;
        entry.last_ms = now_ms;
        entry.scheduled = true;
        return Err(until_ms);
    }
    both.get_or_insert_default().fail(FREE_OF_BOTH, now_ms);
    one.get_or_insert_default().fail(FREE_OF_PERSON, now_ms);
    if has_place {
        other.get_or_insert_default().fail(FREE_OF_PLACE, now_ms);
    }
    Ok(())
}

/// See [`Throttle::withdrawn`].
fn withdraw(known: &mut Three) {
    for entry in known.iter_mut().flatten() {
        entry.failures = entry.failures.saturating_sub(1);
    }
}

/// See [`Throttle::succeeded`].
fn succeed(known: &mut Three) {
    let [both, one, other] = known;
    (*both, *one) = (None, None);
    if let Some(entry) = other {
        entry.failures = entry.failures.saturating_sub(1);
        entry.until_ms = entry.last_ms;
    }
}

/// See [`Throttle::admit_code`]. The day begins with the first code.
fn admit_code(known: &mut Option<Entry>, now_ms: u64) -> Result<(), u64> {
    let is_of_today =
        |entry: &Entry| now_ms >= entry.last_ms && now_ms - entry.last_ms < FORGOTTEN_MS;
    let mut entry = known.filter(is_of_today).unwrap_or(Entry {
        last_ms: now_ms,
        ..Entry::default()
    });
    if entry.failures >= MOST_CODES {
        return Err(entry.last_ms.saturating_add(FORGOTTEN_MS));
    }
    entry.failures += 1;
    *known = Some(entry);
    Ok(())
}

/// Who has failed how often.
#[derive(Default)]
pub(crate) struct Throttle {
    entries: Mutex<HashMap<Key, Entry, RandomState>>,
    /// By user.
    codes: Mutex<HashMap<Id, Entry, RandomState>>,
}

/// The same for a store: where other processes may have it open, in the store.
pub(crate) struct Attempts<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) tokens: &'a TokenKey,
    pub(super) throttle: &'a Throttle,
}

impl Attempts<'_> {
    fn change<T>(
        &self,
        person: &str,
        place: Option<Address>,
        run: impl Fn(&mut Three) -> T,
    ) -> Result<T, Error> {
        let names = keys(person, place).map(|key| key.map(|key| key.name()));
        let now_ms = self.kernel.clock.now_ms();
        attempts::change(self.kernel, self.tokens, &names, now_ms, run)
    }

    fn change_codes<T>(
        &self,
        user: &Id,
        run: impl Fn(&mut Option<Entry>) -> T,
    ) -> Result<T, Error> {
        let names = [Some(format!("codes {user}"))];
        let now_ms = self.kernel.clock.now_ms();
        attempts::change(self.kernel, self.tokens, &names, now_ms, |[entry]| {
            run(entry)
        })
    }

    /// As [`Throttle::admit`].
    pub(crate) fn admit(
        &self,
        person: &str,
        place: Option<Address>,
        now_ms: u64,
    ) -> Result<Result<(), u64>, Error> {
        match self.kernel.is_shared() {
            true => self.change(person, place, |of| admit(of, place.is_some(), now_ms)),
            false => Ok(self.throttle.admit(person, place, now_ms)),
        }
    }

    /// As [`Throttle::withdrawn`].
    pub(crate) fn withdrawn(&self, person: &str, place: Option<Address>) -> Result<(), Error> {
        match self.kernel.is_shared() {
            true => self.change(person, place, withdraw),
            false => {
                self.throttle.withdrawn(person, place);
                Ok(())
            }
        }
    }

    /// As [`Throttle::succeeded`].
    pub(crate) fn succeeded(&self, person: &str, place: Option<Address>) -> Result<(), Error> {
        match self.kernel.is_shared() {
            true => self.change(person, place, succeed),
            false => {
                self.throttle.succeeded(person, place);
                Ok(())
            }
        }
    }

    /// As [`Throttle::admit_code`].
    pub(crate) fn admit_code(&self, user: &Id, now_ms: u64) -> Result<Result<(), u64>, Error> {
        match self.kernel.is_shared() {
            true => self.change_codes(user, |entry| admit_code(entry, now_ms)),
            false => Ok(self.throttle.admit_code(user, now_ms)),
        }
    }

    /// As [`Throttle::code_taken`].
    pub(crate) fn code_taken(&self, user: &Id) -> Result<(), Error> {
        match self.kernel.is_shared() {
            true => self.change_codes(user, |entry| *entry = None),
            false => {
                self.throttle.code_taken(user);
                Ok(())
            }
        }
    }
}

impl Throttle {
    fn change<T>(
        &self,
        person: &str,
        place: Option<Address>,
        run: impl FnOnce(&mut Three) -> T,
    ) -> T {
        let keys = keys(person, place);
        let mut entries = self.entries.lock();
        if entries.len() >= MOST {
            make_room(&mut entries);
        }
        let mut of = keys
            .each_ref()
            .map(|key| entries.get(key.as_ref()?).copied());
        let done = run(&mut of);
        for (key, entry) in keys.into_iter().zip(of) {
            match (key, entry) {
                (Some(key), Some(entry)) => drop(entries.insert(key, entry)),
                (Some(key), None) => drop(entries.remove(&key)),
                (None, _) => {}
            }
        }
        done
    }

    /// Counts an attempt as a failure until [`succeeded`](Throttle::succeeded) says otherwise, so
    /// that many at once count too. Refused, with the instant of the next turn, it counts for
    /// nothing.
    pub(crate) fn admit(
        &self,
        person: &str,
        place: Option<Address>,
        now_ms: u64,
    ) -> Result<(), u64> {
        self.change(person, place, |of| admit(of, place.is_some(), now_ms))
    }

    /// The attempt was neither a failure nor a success: the right password without the code that is
    /// needed besides.
    pub(crate) fn withdrawn(&self, person: &str, place: Option<Address>) {
        self.change(person, place, withdraw);
    }

    /// Counts a code of a second factor as a wrong one until [`code_taken`](Throttle::code_taken).
    /// Refused, with the instant from which on codes count again, when there were too many: six
    /// digits are soon guessed, from however many places.
    pub(crate) fn admit_code(&self, user: &Id, now_ms: u64) -> Result<(), u64> {
        let mut codes = self.codes.lock();
        if codes.len() >= MOST {
            codes.retain(|_, entry| now_ms.saturating_sub(entry.last_ms) < FORGOTTEN_MS);
        }
        let mut entry = codes.get(user).copied();
        admit_code(&mut entry, now_ms)?;
        if let Some(entry) = entry {
            codes.insert(user.clone(), entry);
        }
        Ok(())
    }

    /// The code was the right one.
    pub(crate) fn code_taken(&self, user: &Id) {
        self.codes.lock().remove(user);
    }

    /// The attempt was none that failed: the failures of this person are forgotten. Those of the
    /// place are not: who has a password of their own could try those of others for ever.
    pub(crate) fn succeeded(&self, person: &str, place: Option<Address>) {
        self.change(person, place, succeed);
    }
}

impl Key {
    fn name(&self) -> String {
        match self {
            Key::Both(person, Some(place)) => format!("both {place} {person}"),
            Key::Both(person, None) => format!("both - {person}"),
            Key::Person(person) => format!("person {person}"),
            Key::Place(place) => format!("place {place}"),
        }
    }
}

fn keys(person: &str, place: Option<Address>) -> [Option<Key>; 3] {
    let place = place.map(network);
    [
        Some(Key::Both(person.to_owned(), place)),
        Some(Key::Person(person.to_owned())),
        place.map(Key::Place),
    ]
}

/// One place: whoever has a network of v6 has more addresses than can be counted.
fn network(address: Address) -> IpAddr {
    match address.ip() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

/// Forgets those who failed least.
fn make_room(entries: &mut HashMap<Key, Entry, RandomState>) {
    let mut least = 0;
    while entries.len() > MOST / 2 {
        entries.retain(|_, entry| entry.failures > least);
        least = least.saturating_mul(2).saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    fn place(text: &str) -> Option<Address> {
        Some(Address::new(text).unwrap())
    }

    /// S6: the delay grows, and has an end.
    #[test]
    fn the_delay_doubles_up_to_a_quarter_of_an_hour() {
        let (throttle, mut now_ms) = (Throttle::default(), 1_000_000);
        for _ in 0..=FREE_OF_BOTH {
            assert_eq!(throttle.admit("ann", place("192.0.2.1"), now_ms), Ok(()));
        }
        let mut delays = Vec::new();
        for _ in 0..100 {
            let until_ms = throttle
                .admit("ann", place("192.0.2.1"), now_ms)
                .unwrap_err();
            assert_eq!(
                throttle.admit("ann", place("192.0.2.1"), until_ms - 1),
                Err(until_ms)
            );
            delays.push(until_ms - now_ms);
            now_ms = until_ms;
            assert_eq!(throttle.admit("ann", place("192.0.2.1"), now_ms), Ok(()));
        }
        assert_eq!(delays[..4], [1000, 2000, 4000, 8000]);
        assert_eq!(delays[20..], [LONGEST_MS; 80]);
        throttle.succeeded("ann", place("192.0.2.1"));
        assert_eq!(throttle.admit("ann", place("192.0.2.1"), now_ms), Ok(()));
    }

    /// S6: from a new address one gets in within a quarter of an hour, whatever others do meanwhile
    /// from however many places.
    #[test]
    fn nobody_keeps_another_out() {
        let (throttle, mut now_ms, mut tries) = (Throttle::default(), 1_000_000, 0_u32);
        let mut attack = |now_ms: u64, times: u32| {
            for _ in 0..times {
                tries += 1;
                let from = Address::from(IpAddr::V4(tries.into()));
                let _ = throttle.admit("ann", Some(from), now_ms);
            }
        };
        attack(now_ms, 1000);
        let Err(scheduled_ms) = throttle.admit("ann", place("203.0.113.9"), now_ms) else {
            panic!("nothing delays her")
        };
        assert!(scheduled_ms - now_ms <= LONGEST_MS);
        while now_ms < scheduled_ms {
            now_ms += MINUTE / 2;
            attack(now_ms.min(scheduled_ms), 50);
        }
        assert_eq!(
            throttle.admit("ann", place("203.0.113.9"), scheduled_ms),
            Ok(())
        );
    }

    /// S6: 64 at once are not 64 free attempts.
    #[test]
    fn attempts_at_once_all_count() {
        let throttle = Throttle::default();
        let admitted = std::thread::scope(|scope| {
            let all: Vec<_> = (0..64)
                .map(|_| scope.spawn(|| throttle.admit("ann", place("192.0.2.1"), 1000).is_ok()))
                .collect();
            all.into_iter()
                .filter(|_| true)
                .map(|one| one.join().unwrap())
                .filter(|admitted| *admitted)
                .count()
        });
        assert_eq!(admitted as u32, FREE_OF_BOTH + 1);
    }

    #[test]
    fn a_place_is_delayed_for_many_people_and_a_network_of_v6_is_one_place() {
        let throttle = Throttle::default();
        for number in 0..=FREE_OF_PLACE {
            assert_eq!(
                throttle.admit(
                    &format!("user {number}"),
                    place(&format!("2001:db8::{number:x}")),
                    1000
                ),
                Ok(())
            );
        }
        assert_eq!(
            throttle.admit("another", place("2001:db8::ffff:1"), 1000),
            Err(2000)
        );
        assert_eq!(
            throttle.admit("another", place("2001:db8:0:1::1"), 1000),
            Ok(())
        );
    }

    /// S6: with the right password one tries few codes a day, from however many places, and a day
    /// later again.
    #[test]
    fn codes_are_few_in_a_day() {
        let (throttle, ann) = (Throttle::default(), Id::new("ann").unwrap());
        for at_ms in 0..u64::from(MOST_CODES) {
            assert_eq!(throttle.admit_code(&ann, 1000 + at_ms), Ok(()));
        }
        assert_eq!(
            throttle.admit_code(&ann, 1000 + FORGOTTEN_MS - 1),
            Err(1000 + FORGOTTEN_MS)
        );
        assert_eq!(throttle.admit_code(&Id::new("bob").unwrap(), 2000), Ok(()));
        assert_eq!(throttle.admit_code(&ann, 1000 + FORGOTTEN_MS), Ok(()));
        for _ in 0..100 {
            throttle.admit_code(&ann, 1000 + FORGOTTEN_MS).unwrap();
            throttle.code_taken(&ann);
        }
    }

    /// S6: the right password without its code is no failure, and forgives none.
    #[test]
    fn a_withdrawn_attempt_counts_for_nothing() {
        let throttle = Throttle::default();
        for _ in 0..100 {
            throttle.admit("ann", place("192.0.2.1"), 1000).unwrap();
            throttle.withdrawn("ann", place("192.0.2.1"));
        }
        for _ in 0..=FREE_OF_BOTH {
            throttle.admit("ann", place("192.0.2.1"), 1000).unwrap();
        }
        throttle.withdrawn("ann", place("192.0.2.1"));
        assert!(throttle.admit("ann", place("192.0.2.1"), 1000).is_err());
    }

    #[test]
    fn a_clock_that_steps_back_delays_nobody_for_long() {
        let throttle = Throttle::default();
        for _ in 0..=FREE_OF_BOTH {
            throttle.admit("ann", None, 1 << 40).unwrap();
        }
        assert!(throttle.admit("ann", None, 1 << 40).is_err());
        assert_eq!(throttle.admit("ann", None, 1000), Ok(()));
    }

    #[test]
    fn strangers_do_not_fill_the_memory() {
        let throttle = Throttle::default();
        for _ in 0..=FREE_OF_BOTH {
            throttle.admit("ann", None, 1000).unwrap();
        }
        for number in 0..MOST {
            throttle.admit(&number.to_string(), None, 1000).unwrap();
        }
        assert!(throttle.entries.lock().len() <= MOST + 2);
        assert!(throttle.admit("ann", None, 1000).is_err());
    }
}
