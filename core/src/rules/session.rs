//! How long a session lasts (R-SES-1), and which addresses it may come from (R-SES-3).

use crate::model::{Address, AddressRange, Session};

/// How long a session may stay unwritten after it was used, at most.
const UNWRITTEN_MS: u64 = 5 * 60_000;

/// Whether a session is over at an instant: used for too long in all, or not for too long.
pub fn is_over(session: &Session, last_seen_at_ms: u64, idle_ms: u64, now_ms: u64) -> bool {
    now_ms >= session.expires_at_ms || now_ms >= last_seen_at_ms.saturating_add(idle_ms)
}

/// Whether it is time to write down that a session was used.
pub fn is_to_be_written(written_at_ms: u64, idle_ms: u64, now_ms: u64) -> bool {
    now_ms.saturating_sub(written_at_ms) >= UNWRITTEN_MS.min(idle_ms / 4)
}

/// Whether somebody may come from an address: every list that is not empty holds it.
pub fn may_come_from<'a>(
    lists: impl IntoIterator<Item = &'a [AddressRange]>,
    address: Option<Address>,
) -> bool {
    let mut lists = lists.into_iter().filter(|list| !list.is_empty());
    match address {
        Some(address) => lists.all(|list| list.iter().any(|range| range.contains(address))),
        None => lists.next().is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Id;

    /// S8: both sides of both bounds.
    #[test]
    fn a_session_ends_when_it_is_idle_and_when_it_is_old() {
        let id = || Id::new("s").unwrap();
        let session = Session {
            id: id(),
            user: id(),
            token_hash: String::new(),
            device: None,
            ip: None,
            created_at_ms: 0,
            authenticated_at_ms: 0,
            with_second_factor: false,
            last_seen_at_ms: 0,
            last_ip: None,
            expires_at_ms: 1000,
            behind: None,
        };
        for (seen, now, over) in [
            (0, 99, false),
            (0, 100, true),
            (950, 999, false),
            (950, 1000, true),
            (999, 1000, true),
        ] {
            assert_eq!(
                is_over(&session, seen, 100, now),
                over,
                "seen {seen}, now {now}"
            );
        }
        assert!(!is_to_be_written(0, 1 << 40, 299_999) && is_to_be_written(0, 1 << 40, 300_000));
        assert!(!is_to_be_written(0, 1000, 249) && is_to_be_written(0, 1000, 250));
        // A clock that steps back writes nothing and ends nothing.
        assert!(!is_to_be_written(500, 1000, 100) && !is_over(&session, 500, 100, 100));
    }

    /// R-SES-3
    #[test]
    fn every_list_that_is_not_empty_must_hold_the_address() {
        let list = |range: &str| vec![AddressRange::new(range).unwrap()];
        let (office, home, none) = (list("192.0.2.0/24"), list("192.0.2.7"), Vec::new());
        let at = |text: &str| Some(Address::new(text).unwrap());
        let may = |lists: [&[AddressRange]; 3], address| may_come_from(lists, address);
        assert!(may([&none, &none, &none], None));
        assert!(may([&office, &none, &home], at("192.0.2.7")));
        assert!(!may([&office, &none, &home], at("192.0.2.8")));
        assert!(may([&office, &none, &none], at("192.0.2.8")));
        assert!(!may([&none, &none, &home], None));
    }
}
