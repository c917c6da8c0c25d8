//! A copy of the store at another place, of any kind.

use super::each_step;
use super::new::NewStore;
use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::store::{Copy, StoreCopy};
use crate::error::Error;

impl Operation for Copy {
    type Answer = StoreCopy;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<StoreCopy, Error> {
        let mut copy = NewStore::begin(&self.to, ctx.engine.auth.tokens.kept_beside())?;
        each_step(ctx.tx.reads(), |rows| {
            copy.write(
                rows.iter()
                    .map(|(key, record)| (key.clone(), record.value.clone()))
                    .collect(),
            )
        })?;
        copy.finish(|_, _| Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::store::tests::{Folder, call, invited, open};
    use crate::error::Code;
    use crate::{OpenOptions, Tenantry};
    use serde_json::json;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    fn furnish(store: &Tenantry) {
        let owner = json!({"user": "ann", "email": "ann@acme.example"});
        call(
            store,
            "accounts.create",
            json!({"id": "acme", "name": "Acme", "owner": owner}),
        )
        .unwrap();
        // Values of many chunks, where a store has them, and more of them than one step.
        let reason = "r".repeat(2000);
        for part in 0..4 {
            let entry = |number: u32| {
                json!({"value": format!("b{part}-{number}@x.example"),
                "message_class": "marketing", "reason": reason})
            };
            let entries: Vec<_> = (0..300).map(entry).collect();
            let request = json!({"account": "acme", "entries": entries});
            call(store, "suppressions.add", request).unwrap();
        }
    }

    #[test]
    fn a_copy_of_each_kind_is_the_same_store() {
        let folder = Folder::new();
        let places = [
            folder.at("folder"),
            format!("sqlite:{}", folder.at("file.db")),
            folder.at("again"),
        ];
        let mut store = open(":memory:").unwrap();
        furnish(&store);
        let mut ids = Vec::new();
        for place in &places {
            let hash = call(&store, "store.state_hash", json!({})).unwrap();
            let copied = call(&store, "store.copy", json!({"to": place})).unwrap();
            assert_eq!(copied["state_hash"], hash["state_hash"], "{place}");
            assert_eq!(copied["records"], hash["records"], "{place}");
            store.close().unwrap();
            store = open(place).unwrap();
            let info = call(&store, "store.info", json!({})).unwrap();
            assert_eq!(info["store_id"], copied["store_id"], "{place}");
            assert!(!ids.contains(&info["store_id"]));
            ids.push(info["store_id"].clone());
            assert_eq!(call(&store, "store.state_hash", json!({})).unwrap(), hash);
            assert_eq!(
                call(&store, "store.verify", json!({})).unwrap()["whole"],
                true
            );
        }
        store.close().unwrap();
    }

    /// The links that were sent before go on in the copy.
    #[test]
    fn the_key_of_the_tokens_comes_along() {
        let folder = Folder::new();
        let store = open(&folder.at("store")).unwrap();
        furnish(&store);
        let token = invited(&store);
        let places = [
            folder.at("copy"),
            format!("sqlite:{}", folder.at("copy.db")),
        ];
        for place in &places {
            call(&store, "store.copy", json!({"to": place})).unwrap();
            let copy = open(place).unwrap();
            let found = call(&copy, "invitations.look_up", json!({"token": token})).unwrap();
            assert_eq!(found["email"], "bob@acme.example", "{found}");
        }
        // A key that the host keeps for itself is not put on the disk.
        let options = || OpenOptions {
            token_key: Some("ab".repeat(32).try_into().unwrap()),
            ..OpenOptions::default()
        };
        let own = Tenantry::open(folder.at("own"), options()).unwrap();
        call(&own, "store.copy", json!({"to": folder.at("own-copy")})).unwrap();
        assert!(!folder.0.join("own-copy/token.key").exists());
        assert_eq!(
            open(&folder.at("own-copy")).err().unwrap().code(),
            Code::StoreCorrupt
        );
        Tenantry::open(folder.at("own-copy"), options()).unwrap();
    }

    /// Ends the other thread, also where this one panics.
    struct Ends<'a>(&'a AtomicBool);

    impl Drop for Ends<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }

    /// What others commit meanwhile is in it whole or not at all.
    #[test]
    fn a_copy_is_of_one_instant() {
        let folder = Folder::new();
        let store = open(":memory:").unwrap();
        furnish(&store);
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let _ends = Ends(&is_over);
            scope.spawn(|| {
                for number in 0_u64.. {
                    if is_over.load(Ordering::Acquire) {
                        return;
                    }
                    // Slower than what a copy outlives (64 MiB of changes).
                    std::thread::sleep(Duration::from_millis(1));
                    let name = format!("Name {number}");
                    call(
                        &store,
                        "accounts.edit",
                        json!({"account": "acme", "name": name}),
                    )
                    .unwrap();
                }
            });
            for number in 0..3 {
                let place = folder.at(&number.to_string());
                let copied = call(&store, "store.copy", json!({"to": place})).unwrap();
                let copy = open(&place).unwrap();
                let verified = call(&copy, "store.verify", json!({})).unwrap();
                assert_eq!(verified["damaged"], json!([]));
                let hash = call(&copy, "store.state_hash", json!({})).unwrap();
                assert_eq!(hash["state_hash"], copied["state_hash"]);
                for chain in [json!({"account": "acme"}), json!({"chain": "platform"})] {
                    assert_eq!(call(&copy, "audit.verify", chain).unwrap()["whole"], true);
                }
            }
        });
    }

    #[test]
    fn what_is_there_is_left_as_it_is() {
        let folder = Folder::new();
        let (first, other) = (folder.at("first"), folder.at("other"));
        let store = open(&first).unwrap();
        furnish(&store);
        let there = open(&other).unwrap();
        let hash = call(&there, "store.state_hash", json!({})).unwrap();
        there.close().unwrap();
        std::fs::write(folder.0.join("file"), "text").unwrap();
        for (to, code) in [
            (&first, Code::StoreLocked),
            (&other, Code::InvalidArgument),
            (&":memory:".to_owned(), Code::InvalidArgument),
            (&folder.at("file"), Code::InvalidArgument),
            (
                &format!("sqlite:{}", folder.at("file")),
                Code::InvalidArgument,
            ),
            (
                &format!("sqlite:{}", folder.at("none/file")),
                Code::InvalidArgument,
            ),
        ] {
            let refused = call(&store, "store.copy", json!({"to": to})).unwrap_err();
            assert_eq!(
                (refused.code(), refused.field()),
                (code, Some("/to")),
                "{to}: {refused}"
            );
        }
        assert_eq!(
            std::fs::read_to_string(folder.0.join("file")).unwrap(),
            "text"
        );
        let there = open(&other).unwrap();
        assert_eq!(call(&there, "store.state_hash", json!({})).unwrap(), hash);
    }
}
