//! Reservations: when something happens to each, and to whose counters it comes back.

use crate::error::Error;
use crate::kernel::Tx;
use crate::kernel::keys::{self, due};
use crate::kernel::table::{Declared, Index, Lines, Owner, Table, id};
use crate::model::{self, AuditKind, Id, Reservation, ReservationState};
use crate::tables::accounts::{self, account_line};

/// Of an account with more open reservations only those that come back first are looked at to say
/// when a send fits.
const MOST_LOOKED_AT: usize = 10_000;

pub(super) const TABLES: &[Declared] = &[Declared::of::<Reservations>()];

pub(crate) struct Reservations;

impl Table for Reservations {
    type Record = Reservation;
    const PREFIX: keys::Prefix = keys::RESERVATION;
    const AUDIT: Option<AuditKind> = None;
    const OWNER: Owner = Owner::Account;
    const LINES: &'static [Index] = &[
        Index {
            prefix: keys::OPEN_RESERVATION,
            source: |parts, _| match parts {
                [_, _, account, reservation] => key_of(account, reservation),
                _ => None,
            },
        },
        Index {
            prefix: keys::EXPIRE,
            source: |parts, _| match due::RESERVATION.of(parts)? {
                [account, reservation] => key_of(account, reservation),
                _ => None,
            },
        },
        Index {
            prefix: keys::FORGET,
            source: |parts, _| match due::ENDED_RESERVATION.of(parts)? {
                [account, reservation] => key_of(account, reservation),
                _ => None,
            },
        },
    ];

    fn key(reservation: &Reservation) -> Vec<u8> {
        keys::reservation(&reservation.account, &reservation.id)
    }

    fn lines(tx: &mut Tx<'_>, reservation: &Reservation, lines: &mut Lines) -> Result<(), Error> {
        let line = account_line(tx, &reservation.account)?;
        let Reservation { account, id, .. } = reservation;
        let kind = match reservation.state {
            ReservationState::Open => due::RESERVATION,
            _ => due::ENDED_RESERVATION,
        };
        let parts = [account.as_str(), id.as_str()];
        lines.index(kind.key(reservation.due_at_ms(), &parts));
        if reservation.state == ReservationState::Open && reservation.listed {
            // With the account, those above it, and the platform.
            for ancestor in line.iter().map(|ancestor| Some(&ancestor.id)).chain([None]) {
                let at_ms = reservation.expires_at_ms;
                lines.index(keys::open_reservation(ancestor, at_ms, account, id));
            }
        }
        Ok(())
    }
}

fn key_of(account: &str, reservation: &str) -> Option<Vec<u8>> {
    Some(keys::reservation(&id(account)?, &id(reservation)?))
}

pub(crate) fn load(tx: &mut Tx<'_>, account: &Id, id: &Id) -> Result<model::Reservation, Error> {
    accounts::load(tx, account, "/account")?;
    let now_ms = tx.now_ms;
    let mut found = tx
        .get::<Reservation>(&keys::reservation(account, id))?
        // One that has ended is forgotten at its instant, whenever it is erased.
        .filter(|found| found.state == ReservationState::Open || now_ms < found.due_at_ms())
        .ok_or_else(|| Error::not_found("reservation", id.as_str()).at("/reservation"))?;
    // One whose time is over has expired, whenever it comes back.
    if found.is_over(now_ms) {
        found.state = ReservationState::Expired;
    }
    Ok(found)
}

/// Whether any reservation is open.
pub(crate) fn are_open(tx: &mut Tx<'_>) -> Result<bool, Error> {
    let (from, until) = keys::range(keys::OPEN_RESERVATION, &[]);
    Ok(!tx.range::<()>(&from, &until, 1)?.is_empty())
}

/// The open reservations of an account and of all below it, or of the platform, those that come
/// back first first. One whose time is over comes back with one of the next calls.
pub(crate) fn open_in_tree(
    tx: &mut Tx<'_>,
    ancestor: Option<&Id>,
) -> Result<Vec<model::Reservation>, Error> {
    let (from, until) = keys::range(
        keys::OPEN_RESERVATION,
        &[keys::account_or_platform(ancestor)],
    );
    let (mut open, soon_ms) = (Vec::new(), tx.now_ms.saturating_add(1));
    for (key, ()) in tx.range::<()>(&from, &until, MOST_LOOKED_AT)? {
        if let Some((account, id)) = keys::last_pair(&key) {
            let reservation = tx.get::<model::Reservation>(&keys::reservation(&account, &id))?;
            open.extend(reservation.map(|open| model::Reservation {
                expires_at_ms: open.expires_at_ms.max(soon_ms),
                ..open
            }));
        }
    }
    Ok(open)
}
