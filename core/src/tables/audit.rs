//! Whether the chains of the audit hold together, and what lies beside them is theirs (R-AUD-1).

use crate::error::Error;
use crate::kernel::check::{Look, broken};
use crate::kernel::keys;
use crate::kernel::table::{Declared, Owner};
use crate::model::{AuditChain, AuditHead, AuditKind, AuditLink, AuditPerson, AuditRecord, Id};
use crate::rules::audit::{follows, hash};

pub(super) const TABLES: &[Declared] = &[
    Declared::plain(
        keys::AUDIT,
        None,
        Owner::Nobody,
        |look, _, parts| match parts {
            [of, account, number] => look.audit(of, account, number),
            _ => look.no_such_key(),
        },
    ),
    Declared::plain(
        keys::AUDIT_HEAD,
        Some(AuditKind::Audit),
        Owner::Nobody,
        |look, _, parts| match parts {
            [of, account] => look.audit_head(of, account),
            _ => look.no_such_key(),
        },
    ),
    Declared::plain(
        keys::AUDIT_PERSON,
        None,
        Owner::Nobody,
        |look, key, parts| match parts {
            [keys::ACTOR, user, of, account, number, _] => {
                let user = look.id(user)?;
                look.audit_actor(key, &user, (of, account), number)
            }
            [_, _, of, account, number, place] => {
                look.audit_person(key, (of, account), number, place)
            }
            _ => look.no_such_key(),
        },
    ),
];

fn chain(of: &str, account: &str) -> Result<AuditChain, Error> {
    AuditChain::from_parts(of, account)
        .ok_or_else(|| broken("There is no audit chain of this name."))
}

fn number(text: &str) -> Result<u64, Error> {
    u64::from_str_radix(text, 16).map_err(|_| broken("The key does not end in a number."))
}

impl Look<'_> {
    /// Each record is looked at together with the one before and the one behind.
    fn audit(&mut self, of: &str, account: &str, at: &str) -> Result<(), Error> {
        let (chain, at) = (chain(of, account)?, number(at)?);
        let record: AuditRecord = self.record()?;
        self.must(
            record.number == at,
            "The number in the audit record differs from that in its key.",
        );
        let head: AuditHead = self
            .tx
            .get(&keys::audit_head(&chain))?
            .ok_or_else(|| broken("The head of its audit chain does not exist."))?;
        self.must(
            head.base.number < at && at <= head.last.number,
            "The audit record lies outside the range that the head of its chain names.",
        );
        if at == head.base.number + 1 {
            self.must(
                record.previous == head.base.hash,
                "The first audit record does not follow the ones that were pruned.",
            );
        } else {
            self.must_have(keys::audit(&chain, at.saturating_sub(1)))?;
        }
        let link = AuditLink {
            number: at,
            hash: hash(self.value),
        };
        if at == head.last.number {
            self.must(
                link == head.last,
                "The last audit record differs from the one that the head of its chain names.",
            );
        } else {
            let next = self.reads.get(&keys::audit(&chain, at + 1))?;
            self.must(
                next.is_some_and(|next| follows(&link, &next.value).is_some()),
                "The next audit record does not exist, or does not follow this one.",
            );
        }
        for (place, change) in record.changes.iter().enumerate() {
            if let Some(person) = &change.person {
                self.must_have(keys::audit_person(
                    person.kind,
                    &person.id,
                    &chain,
                    at,
                    place,
                ))?;
            }
        }
        if let (Some(user), Some(_)) = (&record.actor.user, &record.actor_hash) {
            self.must_have(keys::audit_actor(user, &chain, at))?;
        }
        Ok(())
    }

    fn audit_head(&mut self, of: &str, account: &str) -> Result<(), Error> {
        let chain = chain(of, account)?;
        let head: AuditHead = self.record()?;
        if head.last.number == head.base.number {
            self.must(
                head.last == head.base && head.last.number > 0,
                "The head of an empty audit chain names two different records.",
            );
            return Ok(());
        }
        self.must_have(keys::audit(&chain, head.last.number))?;
        self.must_have(keys::audit(&chain, head.base.number + 1))
    }

    /// What tells who somebody is must be what was written, and is deleted only with them.
    fn audit_person(
        &mut self,
        key: &[u8],
        (of, account): (&str, &str),
        at: &str,
        place: &str,
    ) -> Result<(), Error> {
        let (chain, at) = (chain(of, account)?, number(at)?);
        let place = usize::try_from(number(place)?).unwrap_or(usize::MAX);
        let record: Option<AuditRecord> = self.tx.get(&keys::audit(&chain, at))?;
        let person = record
            .and_then(|record| record.changes.into_iter().nth(place))
            .and_then(|change| change.person);
        let known = person
            .filter(|person| keys::audit_person(person.kind, &person.id, &chain, at, place) == key);
        let Some(AuditPerson {
            kind,
            id: of,
            hash: written,
        }) = known
        else {
            return Err(broken(
                "No audit record refers to what is kept here about a person.",
            ));
        };
        match (written, self.value) {
            (None, value) => self.must(
                value == b"null",
                "Something is kept about a person of whom the audit record knows nothing.",
            ),
            (Some(_), b"null") => {
                let known: Option<serde_json::Value> =
                    self.tx.get(&keys::record_of_person(kind, &of))?;
                let there = known.is_some_and(|record| {
                    record.get("email").is_some_and(|email| !email.is_null())
                });
                self.must(
                    !there,
                    "What the audit knows of a person is gone, though the person still exists.",
                );
            }
            (Some(written), value) => self.must(
                hash(value) == written,
                "What is kept about a person differs from what was written with the audit record.",
            ),
        }
        Ok(())
    }

    /// Where somebody acted from must be what was written, and is deleted only with them.
    fn audit_actor(
        &mut self,
        key: &[u8],
        user: &Id,
        (of, account): (&str, &str),
        at: &str,
    ) -> Result<(), Error> {
        let (chain, at) = (chain(of, account)?, number(at)?);
        let record: Option<AuditRecord> = self.tx.get(&keys::audit(&chain, at))?;
        let acted = record.filter(|_| keys::audit_actor(user, &chain, at) == key);
        let Some(written) = acted
            .filter(|record| record.actor.user.as_ref() == Some(user))
            .and_then(|record| record.actor_hash)
        else {
            return Err(broken(
                "No audit record refers to the address that is kept here.",
            ));
        };
        if self.value == b"null" {
            let there = self.tx.has(&keys::user(user))?;
            self.must(
                !there,
                "The address of who acted is gone, though the person still exists.",
            );
        } else {
            self.must(
                hash(self.value) == written,
                "What is kept about a person differs from what was written with the audit record.",
            );
        }
        Ok(())
    }
}
