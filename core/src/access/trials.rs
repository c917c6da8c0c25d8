//! Roles that are tried in the place of others, and what they would have refused (R-QTA-15).
//!
//! The counts are in memory alone: they begin anew with each trial and with each opening of the
//! store.

use crate::model::{Id, PermissionTree};
use crate::rules::trial::MissingPermission;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};

/// What the trials of all roles have counted.
pub(crate) struct Trials {
    opened_at_ms: u64,
    by_role: Mutex<HashMap<Id, Counts>>,
}

/// What one trial has counted.
#[derive(Clone)]
pub(crate) struct Counts {
    candidate: Id,
    pub(crate) since_ms: u64,
    /// By permission. There are no more than the tree has nodes.
    pub(crate) refused: BTreeMap<String, u64>,
}

impl Trials {
    pub(crate) fn new(opened_at_ms: u64) -> Trials {
        Trials {
            opened_at_ms,
            by_role: Mutex::default(),
        }
    }

    fn fresh(candidate: &Id, since_ms: u64) -> Counts {
        Counts {
            candidate: candidate.clone(),
            since_ms,
            refused: BTreeMap::new(),
        }
    }

    /// The trial of a role begins, or is over where there is no candidate.
    pub(crate) fn begin(&self, role: &Id, candidate: Option<&Id>, now_ms: u64) {
        let mut by_role = self.by_role.lock();
        match candidate {
            Some(candidate) => by_role.insert(role.clone(), Trials::fresh(candidate, now_ms)),
            None => by_role.remove(role),
        };
    }

    /// Which roles are on trial is not known here any more.
    pub(crate) fn forget_all(&self) {
        self.by_role.lock().clear();
    }

    /// The candidate would have refused. Who still saw another trial of the role counts nothing.
    pub(crate) fn count(&self, missing: &MissingPermission) {
        let mut by_role = self.by_role.lock();
        let counts = by_role
            .entry(missing.role.clone())
            .or_insert_with(|| Trials::fresh(&missing.candidate, self.opened_at_ms));
        if counts.candidate != missing.candidate {
            return;
        }
        if let Some(count) = counts.refused.get_mut(&missing.permission) {
            *count = count.saturating_add(1);
        } else if counts.refused.len() < PermissionTree::MAX_NODES {
            counts.refused.insert(missing.permission.clone(), 1);
        }
    }

    /// What the trial of a role has counted; one that began before the store was opened, since
    /// then.
    pub(crate) fn of(&self, role: &Id, candidate: &Id) -> Counts {
        let known = self
            .by_role
            .lock()
            .get(role)
            .filter(|counts| counts.candidate == *candidate)
            .cloned();
        known.unwrap_or_else(|| Trials::fresh(candidate, self.opened_at_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tenantry;
    use serde_json::{Value, json};

    fn id(text: &str) -> Id {
        Id::new(text).unwrap()
    }

    fn missing(candidate: &str, permission: &str) -> MissingPermission {
        MissingPermission {
            role: id("own"),
            candidate: id(candidate),
            permission: permission.to_owned(),
        }
    }

    /// R-QTA-15: each refusal counts for its permission, a trial that begins anew counts from
    /// nothing, and what somebody saw of the one before it does not count.
    #[test]
    fn each_trial_counts_for_itself() {
        let trials = Trials::new(5);
        assert_eq!(
            (
                trials.of(&id("own"), &id("a")).since_ms,
                trials.of(&id("own"), &id("a")).refused.len()
            ),
            (5, 0)
        );
        for permission in ["sms.send", "campaigns.send", "sms.send"] {
            trials.count(&missing("a", permission));
        }
        let counts = trials.of(&id("own"), &id("a"));
        assert_eq!(
            counts.refused.into_iter().collect::<Vec<_>>(),
            [("campaigns.send".to_owned(), 1), ("sms.send".to_owned(), 2)]
        );
        trials.begin(&id("own"), Some(&id("b")), 9);
        trials.count(&missing("a", "sms.send"));
        trials.count(&missing("b", "sms.send"));
        let counts = trials.of(&id("own"), &id("b"));
        assert_eq!(
            (counts.since_ms, counts.refused.get("sms.send")),
            (9, Some(&1))
        );
        trials.begin(&id("own"), None, 10);
        assert_eq!(trials.of(&id("own"), &id("b")).refused.len(), 0);
    }

    #[test]
    fn there_are_no_more_counts_than_nodes() {
        let trials = Trials::new(0);
        (0..PermissionTree::MAX_NODES + 5)
            .for_each(|number| trials.count(&missing("a", &format!("p{number}"))));
        assert_eq!(
            trials.of(&id("own"), &id("a")).refused.len(),
            PermissionTree::MAX_NODES
        );
    }

    fn call_as(
        store: &Tenantry,
        actor: &Value,
        operation: &str,
        request: Value,
    ) -> Result<Value, crate::Error> {
        let answer = store.call_json(
            actor.to_string().as_bytes(),
            operation.as_bytes(),
            request.to_string().as_bytes(),
        )?;
        Ok(serde_json::from_str(&answer).unwrap())
    }

    fn call(store: &Tenantry, operation: &str, request: Value) -> Value {
        call_as(store, &json!({"kind": "system"}), operation, request).unwrap()
    }

    fn counted(store: &Tenantry) -> Value {
        call(store, "roles.trial", json!({"role": "own"}))["would_refuse"].take()
    }

    /// R-QTA-15: each call counts once and is answered as without the trial: by ids, prepared, by
    /// operations, by who acts themselves. Where there is no trial, or the candidate allows it too,
    /// nothing is counted.
    #[test]
    fn every_call_counts_once_and_none_is_refused() {
        let store = Tenantry::open_json(
            ":memory:",
            br#"{"clock": {"manual_ms": 1781524800000}, "seed": 1}"#,
        )
        .unwrap();
        let grants = json!([{"permission": "campaigns"}, {"permission": "lists"}]);
        call(
            &store,
            "roles.create",
            json!({"id": "own", "name": "Own", "allow": grants}),
        );
        call(
            &store,
            "roles.create",
            json!({"id": "less", "name": "Less", "allow": [{"permission": "lists"}]}),
        );
        call(
            &store,
            "packages.create",
            json!({"id": "small", "name": "Small", "limits": {"email_per_day": 1000}}),
        );
        let owner = json!({"user": "olga", "email": "olga@acme.example"});
        call(
            &store,
            "accounts.create",
            json!({"id": "acme", "name": "Acme", "package": "small", "owner": owner}),
        );
        call(
            &store,
            "members.add",
            json!({"account": "acme", "user": "ann", "email": "ann@acme.example", "role": "own"}),
        );
        let send = store.access("acme", "ann", "campaigns.send").unwrap();
        let lists = store.access("acme", "ann", "lists.view").unwrap();
        let sender = store.sender("acme", Some("ann")).unwrap();
        assert!(send.allowed().unwrap() && lists.allowed().unwrap());
        // By the fourth time more is drawn than is asked for.
        for _ in 0..4 {
            assert_eq!(sender.admit(1).unwrap().granted, 1);
        }
        assert!(sender.try_admit(1).unwrap().is_some());

        call(
            &store,
            "roles.try_out",
            json!({"role": "own", "candidate": "less"}),
        );
        assert_eq!(counted(&store), json!([]));
        assert!(
            send.allowed().unwrap()
                && send.allowed().unwrap()
                && store.allowed("acme", "ann", "campaigns.send").unwrap()
        );
        assert!(lists.allowed().unwrap() && store.allowed("acme", "ann", "lists.view").unwrap());
        assert!(
            store.allowed("acme", "olga", "campaigns.send").unwrap()
                && !store.allowed("acme", "ann", "forms.view").unwrap()
        );
        assert_eq!(
            counted(&store),
            json!([{"permission": "campaigns.send", "count": 3}])
        );

        assert!(sender.try_admit(1).unwrap().is_none());
        assert_eq!(counted(&store)[0]["count"], 3);
        assert_eq!(sender.admit(5).unwrap().granted, 5);
        assert_eq!(store.admit("acme", Some("ann"), 2).unwrap().granted, 2);
        assert_eq!(store.admit("acme", Some("ann"), 5000).unwrap().granted, 0);
        assert_eq!(store.admit("acme", None, 1).unwrap().granted, 1);
        assert_eq!(counted(&store)[0]["count"], 6);
        let ann = json!({"kind": "user", "user": "ann", "account": "acme"});
        for (actor, request) in [
            (&ann, json!({"account": "acme", "count": 1})),
            (
                &json!({"kind": "system"}),
                json!({"account": "acme", "user": "ann", "count": 1}),
            ),
        ] {
            assert_eq!(
                call_as(&store, actor, "sending.admit", request).unwrap()["granted"],
                1
            );
        }
        let sends = json!([{"account": "acme", "user": "ann", "count": 1}, {"account": "acme",
            "user": "ann", "count": 1}]);
        call(&store, "sending.admit_batch", json!({"sends": sends}));
        assert_eq!(
            counted(&store),
            json!([{"permission": "campaigns.send", "count": 10}])
        );

        call(
            &store,
            "accounts.hold",
            json!({"account": "acme", "reason": "abuse"}),
        );
        assert!(!send.allowed().unwrap());
        assert_eq!(sender.admit(1).unwrap().granted, 0);
        assert_eq!(counted(&store)[0]["count"], 10);
        call(
            &store,
            "accounts.release",
            json!({"account": "acme", "hold": 1}),
        );

        call(
            &store,
            "roles.try_out",
            json!({"role": "own", "candidate": "less"}),
        );
        assert!(send.allowed().unwrap());
        assert_eq!(
            counted(&store),
            json!([{"permission": "campaigns.send", "count": 1}])
        );
        call(&store, "roles.try_out", json!({"role": "own"}));
        assert!(send.allowed().unwrap() && sender.try_admit(1).unwrap().is_some());
        assert_eq!(
            call_as(
                &store,
                &json!({"kind": "system"}),
                "roles.trial",
                json!({"role": "own"})
            )
            .unwrap_err()
            .code(),
            crate::Code::NotFound
        );
    }
}
