//! Keys of meters, of paces, of the caps that they are of, and of what clears them away.

use crate::kernel::keys::accounts;
use crate::kernel::keys::codec::{key, part, sortable};
use crate::kernel::keys::prefixes::{CAP, METER, METER_HISTORY, PACE, PRUNING};
use crate::model::Id;

/// The cap that a meter, a window of one or a pace is of.
pub(crate) fn cap_of_meter(meter: &[u8]) -> Option<Id> {
    Id::new(part(meter, 2)?.strip_prefix("cap ")?).ok()
}

/// How far the clearing of meters that are over has come.
pub(crate) fn pruning() -> Vec<u8> {
    key(PRUNING, &["meters"])
}

/// Without which records the record of a meter or of a pace would be of nobody: its account and
/// its cap.
pub(crate) fn owners_of_meter(meter: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let account = part(meter, 1).and_then(|id| Id::new(id).ok());
    let cap = cap_of_meter(meter).map(|id| cap(account.as_ref(), &id));
    account
        .as_ref()
        .map(accounts::account)
        .into_iter()
        .chain(cap)
}

/// Where a window of the meter at a key is kept.
pub(crate) fn history_of(meter: &[u8], starts_at_ms: u64) -> Vec<u8> {
    let parts = meter.strip_prefix(&METER.0).unwrap_or(meter);
    [
        &METER_HISTORY.0,
        parts,
        &[0],
        sortable(starts_at_ms).as_bytes(),
    ]
    .concat()
}

/// Where a pace stands; its parts are those of a meter.
pub(crate) fn pace(account: Option<&Id>, name: &str, scope: &str, subject: &str) -> Vec<u8> {
    key(PACE, &[account_or_platform(account), scope, subject, name])
}

/// What is drawn from a limit; `scope` and `subject` are empty for one of the account itself.
pub(crate) fn meter(account: Option<&Id>, name: &str, scope: &str, subject: &str) -> Vec<u8> {
    key(METER, &[account_or_platform(account), scope, subject, name])
}

/// The scope of the meters of a cap; that of a group is `group`, that of an account itself is
/// empty.
pub(crate) fn of_cap(cap: &Id) -> String {
    format!("cap {cap}")
}

/// A window of a meter that is over.
pub(crate) fn meter_history(
    account: Option<&Id>,
    name: &str,
    scope: &str,
    subject: &str,
    starts_at_ms: u64,
) -> Vec<u8> {
    key(
        METER_HISTORY,
        &[
            account_or_platform(account),
            scope,
            subject,
            name,
            &sortable(starts_at_ms),
        ],
    )
}

/// An account in the keys of caps and meters, or the platform, which no id can be.
pub(crate) fn account_or_platform(account: Option<&Id>) -> &str {
    account.map_or("", Id::as_str)
}

/// A cap.
pub(crate) fn cap(account: Option<&Id>, cap: &Id) -> Vec<u8> {
    key(CAP, &[account_or_platform(account), cap.as_str()])
}
