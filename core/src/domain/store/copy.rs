//! A copy of the store at another place, of any kind.

use super::{StateHasher, each_step, state_hash};
use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::store::{Copy, StoreCopy, StoreStateHash};
use crate::error::Error;
use crate::kernel::keys;
use crate::kernel::snapshot::Reads;
use std::path::Path;
use tenantry_store::{At, Backend, Batch, CommitError, Options};

/// How much of the copy is kept in memory while it is made.
const CACHE_BYTES: u64 = 16 << 20;

impl Operation for Copy {
    type Answer = StoreCopy;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<StoreCopy, Error> {
        let at = At::new(Path::new(self.to.as_str()));
        if at == At::Memory {
            return Err(Error::invalid(
                "/to",
                "A store in `:memory:` ends with who has it open; name a folder, a file, or a \
                 database.",
            ));
        }
        let how = Options {
            cache_bytes: CACHE_BYTES,
            ..Options::default()
        };
        let of_copy = |error| Error::from(error).at("/to");
        let copy = tenantry_store::open(&at, &how).map_err(of_copy)?;
        if copy.last_commit() > 0 {
            return Err(Error::invalid(
                "/to",
                format!("There is a store at `{}`; name another place.", at.shown()),
            ));
        }
        if let Some(key) = ctx.engine.auth.tokens.kept_beside() {
            tenantry_store::keep_token_key(&at, key).map_err(of_copy)?;
        }
        let copied = fill(ctx, &*copy)?;
        let store_id = copy.store_id();
        copy.close().map_err(of_copy)?;
        Ok(StoreCopy {
            store_id,
            records: copied.records,
            state_hash: copied.state_hash,
        })
    }
}

/// Writes all records into an empty store, and reads what it has then.
fn fill(ctx: &Ctx<'_>, copy: &dyn Backend) -> Result<StoreStateHash, Error> {
    // As long as this is there, the copy cannot be opened.
    commit(copy, vec![(keys::copying(), Some(b"null".to_vec()))])?;
    let mut hash = StateHasher::default();
    each_step(ctx.tx.reads(), |rows| {
        let write = |(key, record): &(Vec<u8>, _)| {
            let record: &tenantry_store::Record = record;
            (key.clone(), Some(record.value.clone()))
        };
        rows.iter().for_each(|(key, record)| hash.add(key, record));
        commit(copy, rows.iter().map(write).collect())?;
        copy.relieve();
        Ok(())
    })?;
    let (copied, found) = (hash.finish(), state_hash(&Reads::newest(copy))?);
    if copied.state_hash != found.state_hash {
        return Err(Error::internal(
            "The copy does not hold what was written to it; remove it, and look at its disk.",
        ));
    }
    let whole = commit(copy, vec![(keys::copying(), None)])?;
    copy.sync(whole)
        .map_err(|error| Error::from(error).at("/to"))?;
    Ok(copied)
}

fn commit(copy: &dyn Backend, writes: Vec<(Vec<u8>, Option<Vec<u8>>)>) -> Result<u64, Error> {
    let batch = Batch {
        writes,
        ..Batch::default()
    };
    copy.commit(&batch).map_err(|error| match error {
        CommitError::Store(error) => Error::from(error).at("/to"),
        CommitError::Conflict => Error::internal("Nothing was expected, and something differs."),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use crate::{OpenOptions, Tenantry};
    use serde_json::{Value, json};
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    use std::time::Duration;

    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Folder {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("tenantry-copy-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&path).unwrap();
            Folder(path)
        }

        fn at(&self, name: &str) -> String {
            self.0.join(name).to_str().unwrap().to_owned()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn open(path: &str) -> Result<Tenantry, Error> {
        Tenantry::open(path, OpenOptions::default())
    }

    fn call(store: &Tenantry, operation: &str, request: Value) -> Result<Value, Error> {
        let request = request.to_string();
        let answer = store.call_json(b"", operation.as_bytes(), request.as_bytes())?;
        Ok(serde_json::from_str(&answer).unwrap())
    }

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

    /// The token of an invitation, as the outbox has it.
    fn invited(store: &Tenantry) -> Value {
        call(
            store,
            "roles.create",
            json!({"id": "plain", "name": "Plain"}),
        )
        .unwrap();
        let request = json!({"account": "acme", "addresses": "bob@acme.example",
            "role": "plain"});
        call(store, "invitations.create", request).unwrap();
        let mut page = call(store, "outbox.read", json!({})).unwrap();
        let messages = page["messages"].as_array_mut().unwrap();
        messages.pop().unwrap()["token"].take()
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

    #[test]
    fn a_copy_that_was_cut_off_is_not_opened() {
        let folder = Folder::new();
        let place = folder.at("copy");
        let how = Options {
            cache_bytes: CACHE_BYTES,
            ..Options::default()
        };
        let copy = tenantry_store::open(&At::new(Path::new(&place)), &how).unwrap();
        let marked = commit(&*copy, vec![(keys::copying(), Some(b"null".to_vec()))]).unwrap();
        copy.sync(marked).unwrap();
        copy.close().unwrap();
        let refused = open(&place).err().unwrap();
        assert_eq!(refused.code(), Code::StoreCorrupt);
        assert!(refused.message().contains("cut off"), "{refused}");
    }
}
