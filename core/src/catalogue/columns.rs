//! The columns of a row of the catalogue. A row that lacks a column, or has an unknown word in it,
//! does not match and does not build.

use crate::api::operation::Access;

/// Makes the catalogue, and the functions that look into it, from its rows, each of which has nine
/// columns:
///
/// ```text
/// name: request => answer, effect account [on hold, key, log-in as, recent, no 2FA] access;
/// ```
///
/// - **effect**: `Read`, `Write` or `Send`, see [`Effect`](crate::api::operation::Effect);
/// - **account**: the account that the operation is about, from its request: `at account` names the
///   field, `maybe account` one that may be absent, `by scope` a method, `at -` is about none;
/// - the **gates**, each by its word for yes and `-` for no, see
///   [`Gates`](crate::api::operation::Gates): callable in one's own account while that is
///   `on_hold`, with an API `key`, while logged in as another (`log_in_as`), only after a `recent`
///   log-in, without the second factor that is required (`no_2fa`);
/// - **access**: who may call it, see [`Access`](crate::api::operation::Access).
macro_rules! operations {
    ($(
        $noun:ident.$verb:ident: $request:ty => $answer:ty, $effect:ident $how:ident $field:tt
            [$on_hold:tt $key:tt $log_in_as:tt $recent:tt $no_2fa:tt] $access:expr;
    )*) => {
        $(impl Request for $request {
            const CONTRACT: &'static Contract = &Contract {
                name: concat!(stringify!($noun), ".", stringify!($verb)),
                effect: Effect::$effect,
                access: $access,
                gates: Gates {
                    on_hold: gate!(on_hold, $on_hold),
                    api_key: gate!(key, $key),
                    log_in_as: gate!(log_in_as, $log_in_as),
                    needs_recent_log_in: gate!(recent, $recent),
                    before_second_factor: gate!(no_2fa, $no_2fa),
                },
            };

            fn account(&self) -> Option<&Id> {
                account_of!(self, $how $field)
            }
        })*

        /// Every operation, sorted by name.
        pub static CATALOGUE: &[Entry] = &[$(entry::<$request, $answer>(),)*];

        /// Shows a visitor the operation of this name; none when there is no such operation.
        pub fn visit<V: Visitor>(name: &str, visitor: V) -> Option<V::Output> {
            $(if name == <$request as Request>::NAME {
                return Some(visitor.operation::<$request>());
            })*
            None
        }

        const NAMES: &[&str] = &[$(<$request as Request>::NAME,)*];

        const _: () = assert!(
            lookup::is_sorted(NAMES),
            "the catalogue is sorted by name, each name once"
        );

        /// The operation of this name.
        ///
        /// ```
        /// use tenantry::{Effect, catalogue};
        ///
        /// let get = catalogue::find("accounts.get").map(|entry| entry.effect);
        /// assert_eq!(get, Some(Effect::Read));
        /// assert!(catalogue::find("accounts.fly").is_none());
        /// ```
        pub fn find(name: &str) -> Option<&'static Entry> {
            lookup::find(CATALOGUE, name)
        }

        /// The error for the name of an operation that there is not.
        pub(crate) fn unknown(name: &str) -> crate::error::Error {
            lookup::unknown(CATALOGUE, name)
        }

        /// The hash that a binding compares when it is loaded. It changes with every name and type
        /// of the catalogue, and with every error code.
        pub fn hash() -> &'static str {
            static HASH: Lazy<String> = Lazy::new(|| lookup::hash(CATALOGUE));
            &HASH
        }
    };
}

/// Whether a gate is open: a column says its own word, or `-`.
macro_rules! gate {
    ($word:ident, -) => {
        false
    };
    (on_hold, on_hold) => {
        true
    };
    (key, key) => {
        true
    };
    (log_in_as, log_in_as) => {
        true
    };
    (recent, recent) => {
        true
    };
    (no_2fa, no_2fa) => {
        true
    };
}

/// The account that a request is about, by the column of its row.
macro_rules! account_of {
    ($request:ident, at -) => {
        None
    };
    ($request:ident, at $field:ident) => {
        Some(&$request.$field)
    };
    ($request:ident, maybe $field:ident) => {
        $request.$field.as_ref()
    };
    ($request:ident, by $method:ident) => {
        $request.$method()
    };
}

/// Users who hold the first permission, and operators who hold the second.
pub(super) const fn account(user: &'static str, operator: &'static str) -> Access {
    Access::account(user, operator)
}

/// Users who hold a permission, and no operators.
pub(super) const fn users(user: &'static str) -> Access {
    Access::users(user)
}

pub(super) use {account_of, gate, operations};
