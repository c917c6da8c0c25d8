//! The first two letters of each key: of which kind of record or index it is.

/// The first two letters of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Prefix(pub(super) [u8; 2]);

impl Prefix {
    /// That of a key; none where it is shorter.
    pub(crate) fn of(key: &[u8]) -> Option<Prefix> {
        key.first_chunk().copied().map(Prefix)
    }

    /// What its records are called where people read them; none where there is no such kind.
    pub(crate) fn name(&self) -> Option<String> {
        let at = ALL.iter().position(|prefix| prefix == self)?;
        NAMES.get(at).map(|name| name.to_ascii_lowercase())
    }

    /// The kind of records that is called so.
    pub(crate) fn named(name: &str) -> Option<Prefix> {
        let is_it = |other: &&str| other.eq_ignore_ascii_case(name);
        ALL.get(NAMES.iter().position(is_it)?).copied()
    }

    /// As a part of another key.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

macro_rules! prefixes {
    ($($(#[$doc:meta])* $name:ident = $letters:literal;)*) => {
        $($(#[$doc])* pub(crate) const $name: Prefix = Prefix(*$letters);)*
        /// All of them.
        pub(crate) const ALL: &[Prefix] = &[$($name),*];
        /// What they are called in answers and files, in the same order.
        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

// In the order of the alphabet, which is that of the keys. Capital letters tell about the store
// itself: they lie before all records that an operation wrote.
prefixes! {
    /// Attempts to log in.
    ATTEMPTS = b"AT";
    CLOCK = b"CL";
    /// As long as a copy is being made.
    COPYING = b"CO";
    TOKEN_KEY = b"TK";
    ACCOUNT = b"ac";
    AUDIT_HEAD = b"ah";
    ACCOUNT_INVITATION = b"ai";
    ACCOUNT_API_KEY = b"ak";
    ALLOW_LIST = b"al";
    ANSWERED = b"an";
    ACCOUNT_ORDER = b"ao";
    API_KEY = b"ap";
    ACCOUNT_ROLE = b"ar";
    AUDIT = b"au";
    AVATAR = b"av";
    /// Of whom the audit tells.
    AUDIT_PERSON = b"aw";
    CAMPAIGN = b"ca";
    CHILD = b"ch";
    CAP = b"cp";
    CREDIT = b"cr";
    STOPPED_CAMPAIGN = b"cs";
    DELETION = b"de";
    DEFAULTS = b"df";
    ADDRESS_INVITATION = b"di";
    DUE = b"du";
    EMAIL = b"em";
    /// When a reservation expires.
    EXPIRE = b"ex";
    FORGET = b"fo";
    GROUP_MEMBER = b"gm";
    GROUP = b"gr";
    INVITATION = b"in";
    INVITED = b"iv";
    LEASE = b"le";
    LINK = b"li";
    LAST_SEEN = b"ls";
    MEMBER = b"me";
    METER_HISTORY = b"mh";
    METER = b"mt";
    /// The accounts of a user.
    MEMBERSHIP = b"mu";
    OUTBOX = b"ob";
    OUTBOX_CONSUMER = b"oc";
    OPEN_INVITATION = b"oi";
    OUTBOX_NEXT = b"on";
    OPERATOR = b"op";
    OPEN_RESERVATION = b"or";
    /// Of whom the outbox tells.
    OUTBOX_PERSON = b"ow";
    PACKAGE_ACCOUNT = b"pa";
    PACE = b"pc";
    PERSON = b"pe";
    PACKAGE = b"pk";
    PACKAGE_NEXT = b"pn";
    POLICY = b"po";
    PRUNING = b"pr";
    PASSWORD = b"pw";
    RESOURCE = b"re";
    RESOURCE_OF_GROUP = b"rg";
    ROLE = b"ro";
    REPLACEMENT = b"rp";
    ROLE_USE = b"ru";
    RESERVATION = b"rv";
    RESOURCE_OF_OWNER = b"rw";
    /// When a slot is free again.
    SLOT_END = b"sd";
    SEAT = b"se";
    SECOND_FACTOR = b"sf";
    SHARE = b"sh";
    SLOT = b"sl";
    SESSION = b"ss";
    SUPPRESSION = b"su";
    SHARED_WITH = b"sw";
    TEAM_ACCOUNT = b"ta";
    TALLY = b"tl";
    TREE_NODE = b"tn";
    TOMBSTONE = b"to";
    TEAM_SUPPRESSION = b"ts";
    USER_SESSION = b"ue";
    USER_LINK = b"ul";
    USER = b"us";
}

/// Before the keys of all records: what lies before it tells about the store itself.
pub(crate) const FIRST: &[u8] = b"a";

const _: () = assert!(all_differ(ALL), "two kinds of record have the same prefix");

const fn all_differ(mut all: &[Prefix]) -> bool {
    while let Some((first, others)) = all.split_first() {
        let mut rest = others;
        while let Some((other, after)) = rest.split_first() {
            if u16::from_be_bytes(first.0) == u16::from_be_bytes(other.0) {
                return false;
            }
            rest = after;
        }
        all = others;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_have_small_letters_and_lie_behind_what_tells_of_the_store() {
        for prefix in ALL {
            let tells_of_store = [ATTEMPTS, CLOCK, COPYING, TOKEN_KEY].contains(prefix);
            let has_case = match tells_of_store {
                true => u8::is_ascii_uppercase,
                false => u8::is_ascii_lowercase,
            };
            assert!(prefix.0.iter().all(has_case), "{}", prefix.text());
            assert_eq!(prefix.0.as_slice() < FIRST, tells_of_store);
        }
        assert!(ALL.is_sorted());
        for prefix in ALL {
            assert_eq!(
                prefix.name().and_then(|name| Prefix::named(&name)),
                Some(*prefix)
            );
        }
        assert_eq!(MEMBER.name().as_deref(), Some("member"));
        assert_eq!(Prefix(*b"zz").name(), None);
        assert!(!all_differ(&[ACCOUNT, USER, ACCOUNT]));
    }
}
