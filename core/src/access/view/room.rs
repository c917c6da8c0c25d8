//! Accounts that nobody uses make room for others.

use crate::access::state::Engine;
use crate::access::view::cell::AccountCell;
use crate::access::view::cells::Cells;
use crate::model::Id;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

impl Cells {
    pub(crate) fn get_or_insert(&self, engine: &Engine, id: &Id) -> Arc<AccountCell> {
        if let Some(cell) = self.get(id.as_str()) {
            return cell;
        }
        let mut shard = self.shard(id.as_str()).write();
        if shard.len() >= self.most_in_shard {
            self.make_room(engine, &mut shard);
        }
        shard
            .entry(id.clone())
            .or_insert_with(|| self.apart(id))
            .clone()
    }

    /// Forgets the accounts of a shard that nobody uses now; half of them, so that this is seldom.
    fn make_room(&self, engine: &Engine, shard: &mut HashMap<Id, Arc<AccountCell>, RandomState>) {
        let mut going = shard.len() / 2;
        shard.retain(|_, cell| {
            if going == 0 || cell.is_in_use(engine, &self.members_kept) {
                return true;
            }
            going -= 1;
            self.epoch_floor
                .fetch_max(cell.epoch.load(Ordering::Acquire), Ordering::AcqRel);
            false
        });
    }
}

impl AccountCell {
    /// Whether somebody else holds the account in memory, or its meters hold something. What it has
    /// cached is dropped.
    fn is_in_use(self: &Arc<AccountCell>, engine: &Engine, members_kept: &AtomicUsize) -> bool {
        if Arc::strong_count(self) > 1 {
            return true;
        }
        self.view.store(None);
        self.prepared.clear();
        self.forget_members(members_kept);
        let team = self.team.get();
        team.is_some_and(|team| Arc::strong_count(team) > 1 || !engine.puts_down(team))
    }
}

#[cfg(test)]
mod tests {
    use crate::access::allowed::allowed;
    use crate::access::state::Engine;
    use crate::access::view::cells::SHARDS;
    use crate::kernel::keys;
    use crate::options::OpenOptions;
    use crate::rules::account::Status;
    use serde_json::json;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    fn engine() -> Arc<Engine> {
        Engine::open(
            Path::new(":memory:"),
            &OpenOptions {
                cache_mib: 1,
                ..OpenOptions::default()
            },
        )
        .unwrap()
    }

    fn call(engine: &Engine, operation: &str, request: serde_json::Value) {
        let entry = crate::catalogue::find(operation).unwrap();
        (entry.run_json)(
            engine,
            &crate::model::Actor::System,
            request.to_string().as_bytes(),
        )
        .unwrap();
    }

    fn make_account(engine: &Engine, id: &str) {
        let owner = json!({"user": format!("of-{id}"), "email": format!("of-{id}@owners.example")});
        call(
            engine,
            "accounts.create",
            json!({"id": id, "name": id, "owner": owner}),
        );
    }

    fn in_memory(engine: &Engine) -> (usize, usize) {
        let cells: Vec<_> = engine
            .views
            .cells
            .shards
            .iter()
            .flat_map(|shard| shard.read().values().cloned().collect::<Vec<_>>())
            .collect();
        (
            cells.len(),
            cells.iter().map(|cell| cell.members.read().len()).sum(),
        )
    }

    /// However many accounts are asked about, those in memory are as many as there is room for;
    /// whoever holds one keeps it, and for one that comes back the stamps still only grow.
    #[test]
    fn accounts_that_nobody_uses_go() {
        const ACCOUNTS: usize = 2_000;
        let engine = engine();
        let most = engine.views.cells.most_in_shard * SHARDS;
        assert!(most < ACCOUNTS / 4, "{most}");
        make_account(&engine, "held");
        let held = engine.cell_by_text("held").unwrap();
        let mut stamps = Vec::new();
        for number in 0..ACCOUNTS {
            let id = format!("a{number}");
            make_account(&engine, &id);
            let cell = engine.cell_by_text(&id).unwrap();
            assert!(allowed(&engine, &cell, &format!("of-{id}"), "campaigns.send").unwrap());
            call(
                &engine,
                "accounts.hold",
                json!({"account": id, "reason": "abuse"}),
            );
            stamps.push((id, cell.view(&engine).unwrap().frame.stamp));
            let (cells, members) = in_memory(&engine);
            assert!(
                cells <= most && members <= engine.views.cells.most_members,
                "{cells} accounts, {members} members"
            );
        }
        assert!(Arc::ptr_eq(&held, &engine.cell_by_text("held").unwrap()));
        for (id, before) in stamps {
            let view = engine.cell_by_text(&id).unwrap().view(&engine).unwrap();
            assert!(
                view.frame.stamp >= before && view.status == Status::Suspended,
                "{id}: {} after {before}",
                view.frame.stamp
            );
        }
        assert_eq!(
            engine.views.cells.members_kept.load(Ordering::Acquire),
            in_memory(&engine).1
        );
    }

    /// However many members are asked about, in one account or in many.
    #[test]
    fn cached_members_are_counted() {
        const MEMBERS: usize = 2_000;
        let engine = engine();
        assert!(
            engine.views.cells.most_members < MEMBERS / 2,
            "{}",
            engine.views.cells.most_members
        );
        make_account(&engine, "other");
        make_account(&engine, "big");
        let addresses: Vec<_> = (0..MEMBERS)
            .map(|number| format!("m{number}@big.example\n"))
            .collect();
        for part in addresses.chunks(500) {
            call(
                &engine,
                "users.import_csv",
                json!({"account": "big", "role": "editor", "csv": format!("email\n{}",
                    part.concat())}),
            );
        }
        let (other, big) = (
            engine.cell_by_text("other").unwrap(),
            engine.cell_by_text("big").unwrap(),
        );
        let (from, until) = keys::range(keys::MEMBER, &["big"]);
        let users = engine
            .kernel
            .tx()
            .range::<serde::de::IgnoredAny>(&from, &until, usize::MAX)
            .unwrap();
        assert_eq!(users.len(), MEMBERS + 1);
        for (key, _) in users.iter().chain(&users) {
            let user = keys::last_id(key).unwrap();
            assert!(allowed(&engine, &big, user.as_str(), "campaigns.edit").unwrap());
            assert!(allowed(&engine, &other, "of-other", "campaigns.edit").unwrap());
            let (_, kept) = in_memory(&engine);
            assert!(
                kept <= engine.views.cells.most_members
                    && kept == engine.views.cells.members_kept.load(Ordering::Acquire),
                "{kept}"
            );
        }
        call(&engine, "accounts.delete", json!({"account": "other"}));
        assert_eq!(
            engine.views.cells.members_kept.load(Ordering::Acquire),
            in_memory(&engine).1
        );
    }
}
