//! A role is put into a state, whether it is there or not.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::put::PutOutcome;
use crate::api::roles::{Create, Put, RolePut};
use crate::domain::roles::edit::{
    Watch, check, load_visible, owner_of, require_change, require_custom_roles, save_changed,
};
use crate::error::{Code, Error};
use crate::model::{Actor, Id, Role};
use crate::tables::roles::without_repeats;

impl Operation for Put {
    type Answer = RolePut;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<RolePut, Error> {
        let before = match load_visible(ctx, &self.id, "roles.edit", "/id") {
            // One that the actor does not see has an id that is taken, as for `roles.create`.
            Err(error) if error.code() == Code::NotFound => return self.create(ctx),
            found => found?,
        };
        self.change(ctx, before)
    }
}

impl Put {
    fn create(self, ctx: &mut Ctx<'_>) -> Result<RolePut, Error> {
        match ctx.actor {
            Actor::System => {}
            Actor::Operator { .. } => ctx.require_as_operator("roles.create")?,
            Actor::User { account: home, .. } => {
                ctx.require_in(self.account.as_ref().unwrap_or(home), "roles.create")?;
            }
        }
        let create = Create {
            id: Some(self.id),
            account: self.account,
            name: self.name,
            allow: self.allow,
            deny: self.deny,
            includes: self.includes,
        };
        Ok(RolePut {
            role: create.run(ctx)?,
            outcome: PutOutcome::Created,
        })
    }

    fn change(self, ctx: &mut Ctx<'_>, before: Role) -> Result<RolePut, Error> {
        // What is wrong with the role is wrong with the id that names it here.
        let at_id = |error: Error| match error.field() {
            Some("/role") => error.at("/id"),
            _ => error,
        };
        require_change(ctx, &before, "roles.edit").map_err(at_id)?;
        refuse_another_account(ctx, self.account, &before)?;
        require_custom_roles(ctx, before.account.as_ref())?;
        let watch = Watch::begin(ctx, &before.id).map_err(at_id)?;
        let wanted = Role {
            name: self.name,
            allow: self.allow,
            deny: self.deny,
            includes: without_repeats(self.includes),
            ..before.clone()
        };
        check(ctx, &wanted)?;
        // A role of administrators has what the host adds to the tree, written or not.
        if wanted.clone().with_nodes_of_host(&ctx.tree()) == before {
            return Ok(RolePut {
                role: before,
                outcome: PutOutcome::Unchanged,
            });
        }
        let field = if wanted.allow != before.allow {
            "/allow"
        } else if wanted.deny != before.deny {
            "/deny"
        } else {
            "/includes"
        };
        Ok(RolePut {
            role: save_changed(ctx, wanted, watch, field)?,
            outcome: PutOutcome::Changed,
        })
    }
}

/// A role stays where it was created.
fn refuse_another_account(ctx: &Ctx<'_>, named: Option<Id>, role: &Role) -> Result<(), Error> {
    if owner_of(ctx, named) == role.account {
        return Ok(());
    }
    let owner = match &role.account {
        Some(account) => format!("the account `{account}`"),
        None => "the platform".to_owned(),
    };
    let message = format!(
        "The role `{}` belongs to {owner} and stays there; choose another id.",
        role.id
    );
    Err(Error::new(Code::IdTaken, message).at("/id"))
}

#[cfg(test)]
mod tests {
    use crate::access::state::Engine;
    use crate::catalogue;
    use crate::error::{Code, Error};
    use crate::model::Actor;
    use crate::options::OpenOptions;
    use serde_json::{Value, json};
    use std::path::Path;
    use std::sync::Arc;

    fn call(engine: &Engine, operation: &str, request: Value) -> Result<Value, Error> {
        let entry = catalogue::find(operation).unwrap();
        let answer = (entry.run_json)(engine, &Actor::System, request.to_string().as_bytes())?;
        Ok(serde_json::from_str(&answer).unwrap())
    }

    fn store() -> Arc<Engine> {
        Engine::open(Path::new(":memory:"), &OpenOptions::default()).unwrap()
    }

    /// What was done, and whether anything was committed.
    fn put(engine: &Engine, request: &Value) -> (Value, bool) {
        let before = engine.kernel.backend.last_commit();
        let answer = call(engine, "roles.put", request.clone()).unwrap();
        let has_written = engine.kernel.backend.last_commit() != before;
        (answer["outcome"].clone(), has_written)
    }

    #[test]
    fn a_role_that_is_as_it_should_be_is_not_written() {
        let engine = store();
        let writer = json!({"id": "writer", "name": "Writer", "includes": ["author", "author"],
            "allow": [{"permission": "campaigns", "scope": "own"}], "deny": ["campaigns.send"]});
        assert_eq!(put(&engine, &writer), (json!("created"), true));
        assert_eq!(put(&engine, &writer), (json!("unchanged"), false));
        for (field, value) in [
            ("name", json!("Writers")),
            ("allow", json!([{"permission": "campaigns"}])),
            ("deny", json!([])),
            ("includes", json!([])),
        ] {
            let mut other = writer.clone();
            other[field] = value;
            assert_eq!(put(&engine, &other), (json!("changed"), true), "{field}");
            assert_eq!(put(&engine, &other), (json!("unchanged"), false));
            assert_eq!(put(&engine, &writer), (json!("changed"), true), "{field}");
        }
    }

    #[test]
    fn what_is_left_out_is_as_after_creation() {
        let engine = store();
        let bare = json!({"id": "bare", "name": "Bare"});
        let mut full = bare.clone();
        full["allow"] = json!([{"permission": "lists"}]);
        full["deny"] = json!(["contacts"]);
        full["includes"] = json!(["author"]);
        put(&engine, &full);
        put(&engine, &bare);
        let put = call(&engine, "roles.get", json!({"role": "bare"})).unwrap();
        let fresh = json!({"id": "fresh", "name": "Bare"});
        let fresh = call(&engine, "roles.create", fresh).unwrap();
        for field in [
            "name",
            "allow",
            "deny",
            "includes",
            "account",
            "administrator",
        ] {
            assert_eq!(put[field], fresh[field], "{field}");
        }
    }

    /// R-ROL-4, R-QTA-15: neither create nor edit sets these.
    #[test]
    fn a_trial_and_who_is_an_administrator_stay() {
        let engine = store();
        let copy = json!({"role": "administrator", "id": "boss", "name": "Boss"});
        let copy = call(&engine, "roles.copy", copy).unwrap();
        call(
            &engine,
            "permissions.add",
            json!({"permission": "deals", "title": "Deals"}),
        )
        .unwrap();
        // What the host has added since is in the copy by itself.
        let boss = json!({"id": "boss", "name": "Boss", "allow": copy["allow"],
            "deny": copy["deny"]});
        assert_eq!(put(&engine, &boss), (json!("unchanged"), false));
        let boss = json!({"id": "boss", "name": "Chief", "allow": copy["allow"]});
        assert_eq!(put(&engine, &boss), (json!("changed"), true));
        let now = call(&engine, "roles.get", json!({"role": "boss"})).unwrap();
        assert_eq!(now["administrator"], true);

        for id in ["now", "next"] {
            put(&engine, &json!({"id": id, "name": id}));
        }
        let trial = json!({"role": "now", "candidate": "next"});
        call(&engine, "roles.try_out", trial).unwrap();
        let now = json!({"id": "now", "name": "now"});
        assert_eq!(put(&engine, &now), (json!("unchanged"), false));
        let now = json!({"id": "now", "name": "Now"});
        assert_eq!(put(&engine, &now), (json!("changed"), true));
        let now = call(&engine, "roles.get", json!({"role": "now"})).unwrap();
        assert_eq!(now["trial"], "next");
    }

    #[test]
    fn a_role_stays_in_its_account() {
        let engine = store();
        for id in ["acme", "bolt"] {
            let account = json!({"id": id, "name": id,
                "owner": {"user": id, "email": format!("{id}@mail.example")}});
            call(&engine, "accounts.create", account).unwrap();
        }
        let own = json!({"id": "own", "account": "acme", "name": "Own"});
        assert_eq!(put(&engine, &own), (json!("created"), true));
        for account in [json!("bolt"), Value::Null] {
            let mut moved = own.clone();
            moved["account"] = account;
            let error = call(&engine, "roles.put", moved).unwrap_err();
            assert_eq!(
                (error.code(), error.field()),
                (Code::IdTaken, Some("/id")),
                "{error}"
            );
        }
        let error = call(&engine, "roles.put", json!({"id": "full", "name": "Full"})).unwrap_err();
        assert_eq!(
            (error.code(), error.field()),
            (Code::RoleBuiltIn, Some("/id"))
        );
    }
}
