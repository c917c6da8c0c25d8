//! Sends that were prepared before what they are charged to was deleted, and charge after it.
//!
//! Whoever deletes an account or a cap takes its counters along. A record of a counter that is
//! there already goes with them, and the version that a draw names tells. A record that a draw
//! makes would stay for ever: it is written only where whose it is is still there, by the same
//! commit.

use crate::access::state::Engine;
use crate::error::Error;
use crate::kernel::decode;
use crate::kernel::keys::{self, Prefix};
use crate::meters::overtaken;
use crate::model::{Account, Id};
use std::borrow::Cow;
use std::collections::BTreeSet;
use tenantry_store::Batch;

impl Engine {
    /// Draws of a sender that are committed only while the accounts and caps are there whose
    /// counters and paces they make. Where the sender's own account is gone, the answer is that of
    /// one that never was; where another is, or a cap, what was prepared is out of date.
    pub(super) fn with_owners<'b>(
        &self,
        draws: &'b Batch,
        sender: &Id,
    ) -> Result<Cow<'b, Batch>, Error> {
        let is_made = |key: &&(Vec<u8>, u64)| {
            key.1 == 0 && matches!(Prefix::of(&key.0), Some(keys::METER | keys::PACE))
        };
        let mut draws = Cow::Borrowed(draws);
        let made = draws.expected.iter().filter(is_made);
        let mut owners: BTreeSet<_> = made
            .flat_map(|(key, _)| keys::meters::owners_of_meter(key))
            .collect();
        if owners.is_empty() {
            return Ok(draws);
        }
        // The sender first: where it is gone, the others may well be.
        let own = keys::account(sender);
        owners.remove(&own);
        for owner in std::iter::once(&own).chain(&owners) {
            let Some(version) = self.owner_at(owner)? else {
                return Err(if *owner == own {
                    Error::not_found("account", sender.as_str())
                } else {
                    overtaken()
                });
            };
            let expected = &mut draws.to_mut().expected;
            expected.push((owner.clone(), version));
        }
        Ok(draws)
    }

    /// The version of an account or a cap that counters belong to; none where it is gone. An
    /// account that is being erased is gone for everybody.
    fn owner_at(&self, key: &[u8]) -> Result<Option<u64>, Error> {
        let Some(record) = self.kernel.backend.get(key)? else {
            return Ok(None);
        };
        if Prefix::of(key) == Some(keys::ACCOUNT) {
            let account: Account = decode(key, &record.value)?;
            if account.leaving {
                return Ok(None);
            }
        }
        Ok(Some(record.version))
    }

    /// Waits for whoever writes just now: what they have deleted, here or in another process, is
    /// then deleted in memory as well.
    pub(crate) fn wait_for_writer(&self) -> Result<(), Error> {
        drop(self.kernel.writer.lock());
        self.catch_up()
    }
}

#[cfg(test)]
mod tests {
    use crate::Tenantry;
    use crate::access::state::Engine;
    use crate::error::Code;
    use crate::kernel::keys;
    use crate::meters::{Ask, Prepared, draw_ahead};
    use crate::model::Channel;
    use serde_json::{Value, json};
    use std::sync::Arc;
    use tenantry_store::Order;

    fn call(store: &Tenantry, operation: &str, request: &Value) -> Value {
        let answer = store
            .call_json(b"", operation.as_bytes(), request.to_string().as_bytes())
            .unwrap_or_else(|error| panic!("{operation}: {error:?}"));
        serde_json::from_str(&answer).unwrap()
    }

    /// `top` and `kid` below it, with a pace.
    fn store() -> Tenantry {
        let options = json!({"clock": {"manual_ms": 1_781_524_800_000_u64}, "seed": 1});
        let store = Tenantry::open_json(":memory:", options.to_string().as_bytes()).unwrap();
        for (id, parent) in [("top", None), ("kid", Some("top"))] {
            let owner = json!({"user": format!("of-{id}"), "email": format!("{id}@x.example")});
            let mut account = json!({"id": id, "name": id, "owner": owner});
            if let Some(parent) = parent {
                account["parent"] = parent.into();
            }
            call(&store, "accounts.create", &account);
        }
        let pace = json!({"account": "kid", "id": "slowly", "scope": "account", "window": "hour",
            "limit": 3600, "burst": 100, "over": "spread"});
        call(&store, "caps.set", &pace);
        store
    }

    fn engine(store: &Tenantry) -> &Arc<Engine> {
        &store.guard_for_tests().engine
    }

    fn prepared(store: &Tenantry, account: &str) -> Arc<Prepared> {
        let engine = engine(store);
        let cell = engine.cell_by_text(account).unwrap();
        cell.sending(engine, None, Channel::Email, &Default::default())
            .unwrap()
    }

    fn charge(store: &Tenantry, prepared: &Arc<Prepared>) -> Result<u64, Code> {
        let charged = prepared.charge(&**engine(store), Ask::exact(1));
        charged
            .map(|decision| decision.granted)
            .map_err(|error| error.code())
    }

    /// How many records there are of meters and paces.
    fn records(store: &Tenantry) -> usize {
        let of = |prefix| {
            let (from, until) = keys::range(prefix, &[]);
            let backend = &engine(store).kernel.backend;
            backend
                .range(&from, &until, Order::Ascending, 1000)
                .unwrap()
                .len()
        };
        of(keys::METER) + of(keys::METER_HISTORY) + of(keys::PACE)
    }

    fn verify(store: &Tenantry) {
        let verified = call(store, "store.verify", &json!({}));
        assert_eq!(verified["damaged"], json!([]));
    }

    /// A send that was prepared before its account was deleted is refused as one by ids, whether it
    /// had sent before or not, and nothing is written, at the end neither (20.6).
    #[test]
    fn who_is_gone_sends_nothing() {
        for sent_before in [0, 1, 50] {
            let store = store();
            let sends = prepared(&store, "kid");
            let sender = store.sender("kid", None).unwrap();
            (0..sent_before).for_each(|_| assert_eq!(charge(&store, &sends), Ok(1)));
            call(&store, "accounts.delete", &json!({"account": "kid"}));
            let before = records(&store);
            assert_eq!(charge(&store, &sends), Err(Code::NotFound));
            draw_ahead(&**engine(&store), &[sends]).unwrap();
            assert_eq!(sender.admit(1).unwrap_err().code(), Code::NotFound);
            // Of what was never asked for memory can tell nothing.
            assert!(!matches!(sender.try_admit(1), Ok(Some(_))));
            verify(&store);
            let top = prepared(&store, "top");
            assert_eq!(
                top.readings(&**engine(&store), 1).unwrap()[0].reading.used,
                sent_before
            );
            top.team_for_tests()
                .give_blocks_back(&engine(&store).kernel)
                .unwrap();
            verify(&store);
            assert_eq!(records(&store), before);
        }
    }

    /// Where the account above is gone, or a cap, the sender finds anew what it is charged to: its
    /// message goes out.
    #[test]
    fn who_is_left_sends_on() {
        let detach = json!({"account": "top", "children": "detach"});
        let remove = json!({"account": "kid", "cap": "slowly"});
        for (operation, request) in [("accounts.delete", detach), ("caps.remove", remove)] {
            let store = store();
            let old = prepared(&store, "kid");
            call(&store, operation, &request);
            assert_eq!(charge(&store, &old), Err(Code::Busy));
            let engine = engine(&store);
            let cell = engine.cell_by_text("kid").unwrap();
            let looked = std::cell::Cell::new(0);
            let prepare = || {
                looked.set(looked.get() + 1);
                match looked.get() {
                    1 => Ok(old.clone()),
                    _ => cell.sending(engine, None, Channel::Email, &Default::default()),
                }
            };
            let decision =
                crate::sending::decide::decide(engine, &cell, prepare, Ask::exact(1)).unwrap();
            assert_eq!((decision.granted, looked.get()), (1, 2));
            verify(&store);
        }
    }
}
