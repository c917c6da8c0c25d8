//! Roles: of the platform, and of accounts' own (R-ROL-1, R-ROL-3, R-ROL-4, R-ROL-6 to R-ROL-8).

pub(crate) mod delete;
pub(crate) mod edit;
mod put;
pub(crate) mod replace;
pub(crate) mod uses;

use crate::access::request::Ctx;
use crate::error::Error;
use crate::kernel::keys;
use crate::model::{BuiltIn, Id, Role};
use crate::tables::accounts::account_line;
use crate::tables::roles::{load_role, no_role};

/// Reads a role inside an operation.
pub(crate) fn load(ctx: &mut Ctx<'_>, id: &Id, field: &str) -> Result<Role, Error> {
    load_role(&mut ctx.tx, &ctx.engine.views.tree.load(), id)?.ok_or_else(|| no_role(id, field))
}

/// Reads a role of the platform, for what belongs to no account: packages and operators.
pub(crate) fn load_of_platform(ctx: &mut Ctx<'_>, id: &Id, field: &str) -> Result<Role, Error> {
    let role = load(ctx, id, field)?;
    if role.account.is_none() {
        Ok(role)
    } else {
        Err(no_role(id, field))
    }
}

/// Reads a role that can be used in an account: one of the platform, or of the account's own, or of
/// an account above it.
pub(crate) fn load_for(
    ctx: &mut Ctx<'_>,
    id: &Id,
    account: &Id,
    field: &str,
) -> Result<Role, Error> {
    let role = load(ctx, id, field)?;
    let usable = match &role.account {
        None => true,
        Some(of) => account_line(&mut ctx.tx, account)?
            .iter()
            .any(|ancestor| ancestor.id == *of),
    };
    if usable {
        Ok(role)
    } else {
        Err(no_role(id, field))
    }
}

/// Whether a role is that of administrators; as [`load_for`], without writing out what a built-in
/// role allows.
pub(crate) fn is_administrator(
    ctx: &mut Ctx<'_>,
    id: &Id,
    account: &Id,
    field: &str,
) -> Result<bool, Error> {
    match BuiltIn::named(id.as_str()) {
        Some(role) => Ok(role.is_administrator()),
        None => Ok(load_for(ctx, id, account, field)?.administrator),
    }
}

/// Reads a role that is usable wherever a role of this account, or of the platform, is.
fn load_usable_with(
    ctx: &mut Ctx<'_>,
    id: &Id,
    account: Option<&Id>,
    field: &str,
) -> Result<Role, Error> {
    match account {
        Some(account) => load_for(ctx, id, account, field),
        None => load_of_platform(ctx, id, field),
    }
}

/// The roles of an account's own.
fn own_roles(ctx: &mut Ctx<'_>, account: &Id) -> Result<Vec<Role>, Error> {
    let (from, until) = keys::range(keys::ACCOUNT_ROLE, &[account.as_str()]);
    let ids: Vec<Id> = ctx
        .tx
        .range::<()>(&from, &until, usize::MAX)?
        .iter()
        .filter_map(|(key, ())| keys::last_id(key))
        .collect();
    ids.iter().map(|id| load(ctx, id, "/account")).collect()
}

#[cfg(test)]
mod tests {
    use crate::access::state::Engine;
    use crate::catalogue;
    use crate::domain::roles::uses::{MAX_USES, USES_COUNTED};
    use crate::error::{Code, Error};
    use crate::kernel::{Tx, keys};
    use crate::model::{self, Actor, Id, Invitation, Policies, PolicyRecord};
    use crate::options::OpenOptions;
    use serde_json::{Value, json};
    use std::path::Path;

    fn call(engine: &Engine, operation: &str, request: Value) -> Result<Value, Error> {
        let answer = (catalogue::find(operation).unwrap().run_json)(
            engine,
            &Actor::System,
            request.to_string().as_bytes(),
        )?;
        Ok(serde_json::from_str(&answer).unwrap())
    }

    fn write(engine: &Engine, records: impl FnOnce(&mut Tx<'_>)) {
        let mut tx = engine.kernel.tx();
        records(&mut tx);
        assert!(
            engine
                .kernel
                .backend
                .commit(&tx.finish().0.unwrap())
                .is_ok()
        );
        engine
            .views
            .epoch
            .fetch_add(1, std::sync::atomic::Ordering::AcqRel);
    }

    fn store() -> std::sync::Arc<Engine> {
        let engine = Engine::open(Path::new(":memory:"), &OpenOptions::default()).unwrap();
        call(
            &engine,
            "accounts.create",
            json!({"id": "acme", "name": "Acme",
            "owner": {"user": "olga", "email": "olga@acme.example"}}),
        )
        .unwrap();
        engine
    }

    fn id(text: &str) -> Id {
        Id::new(text).unwrap()
    }

    /// R-ROL-4: without the policy an account keeps the roles it has, but makes, copies and changes
    /// none; it can delete them.
    #[test]
    fn an_account_has_roles_of_its_own_where_the_policy_says_so() {
        let engine = store();
        call(
            &engine,
            "roles.create",
            json!({"id": "own", "account": "acme", "name": "Own"}),
        )
        .unwrap();
        let off = Policies {
            custom_roles: Some(false),
            ..Policies::default()
        };
        write(&engine, |tx| {
            tx.put(
                keys::policy(Some(&id("acme"))),
                &PolicyRecord {
                    preset: None,
                    set: off,
                },
            )
            .unwrap()
        });
        for (operation, request) in [
            (
                "roles.create",
                json!({"id": "more", "account": "acme", "name": "More"}),
            ),
            ("roles.copy", json!({"role": "editor", "account": "acme"})),
            ("roles.edit", json!({"role": "own", "name": "Mine"})),
        ] {
            let error = call(&engine, operation, request).unwrap_err();
            assert_eq!(
                (error.code(), &error.details()["policy"]),
                (Code::PolicyForbids, &json!("custom_roles")),
                "{operation}"
            );
        }
        call(
            &engine,
            "roles.create",
            json!({"id": "platform", "name": "Of the platform"}),
        )
        .unwrap();
        call(
            &engine,
            "members.add",
            json!({"account": "acme", "user": "ann", "email": "ann@acme.example", "role": "own"}),
        )
        .unwrap();
        call(
            &engine,
            "roles.delete",
            json!({"role": "own", "replace_with": "editor"}),
        )
        .unwrap();
    }

    /// R-ROL-8: the default role of an account, and what an invitation offers, are replaced too.
    #[test]
    fn defaults_and_invitations_use_roles() {
        let engine = store();
        call(&engine, "roles.create", json!({"id": "old", "name": "Old"})).unwrap();
        let invitation = id("019a0000-0000-7000-8000-000000000001");
        let record = json!({"id": invitation, "kind": "member", "team": "acme",
            "email": "new@acme.example", "first_name": null, "last_name": null,
            "grants": [{"account": "acme", "role": "old"}, {"account": "acme", "role": "editor"}],
                "invited_by": "system", "generation": 1,
            "sent_at_ms": 1, "life_ms": 1, "state": "open", "delivery": null, "counted_in": [],
                "rev": 1, "created_at_ms": 1, "updated_at_ms": 1});
        let record: Invitation = serde_json::from_value(record).unwrap();
        write(&engine, |tx| {
            let mut account: model::Account = tx.get(&keys::account(&id("acme"))).unwrap().unwrap();
            account.default_role = Some(id("old"));
            tx.put(keys::account(&id("acme")), &account).unwrap();
            tx.put(keys::invitation(&invitation), &record).unwrap();
            tx.mark(keys::role_use(&id("old"), "account", &["acme"]));
            tx.mark(keys::role_use(
                &id("old"),
                "invitation",
                &["acme", invitation.as_str()],
            ));
        });
        let error = call(&engine, "roles.delete", json!({"role": "old"})).unwrap_err();
        assert_eq!(error.code(), Code::RoleInUse);
        assert_eq!(
            error.details()["used_by"],
            json!(["account acme", format!("invitation acme {invitation}")])
        );
        call(
            &engine,
            "roles.create",
            json!({"id": "of-acme", "account": "acme", "name": "Of acme"}),
        )
        .unwrap();
        assert_eq!(
            call(
                &engine,
                "roles.delete",
                json!({"role": "old", "replace_with": "of-acme"})
            )
            .unwrap()["replaced"],
            2
        );
        let mut tx = engine.kernel.tx();
        let account: model::Account = tx.get(&keys::account(&id("acme"))).unwrap().unwrap();
        assert_eq!(account.default_role, Some(id("of-acme")));
        let changed: Invitation = tx.get(&keys::invitation(&invitation)).unwrap().unwrap();
        assert_eq!(
            changed
                .grants
                .iter()
                .map(|grant| grant.role.clone())
                .collect::<Vec<_>>(),
            [Some(id("of-acme")), Some(id("editor"))]
        );
        let error = call(&engine, "roles.delete", json!({"role": "of-acme"})).unwrap_err();
        assert_eq!(error.details()["uses"], 2);
    }

    /// R-ROL-8: what uses a role in a way that is not known here is never left without one.
    #[test]
    fn an_unknown_use_keeps_the_role() {
        let engine = store();
        call(&engine, "roles.create", json!({"id": "old", "name": "Old"})).unwrap();
        write(&engine, |tx| {
            tx.mark(keys::role_use(&id("old"), "api_key", &["k1"]))
        });
        let error = call(
            &engine,
            "roles.delete",
            json!({"role": "old", "replace_with": "editor"}),
        )
        .unwrap_err();
        assert_eq!(
            (error.code(), &error.details()["used_by"]),
            (Code::RoleInUse, &json!(["api_key k1"]))
        );
        assert!(call(&engine, "roles.get", json!({"role": "old"})).is_ok());
    }

    /// R-ROL-8: a role that very many use is refused with the first of them and a count.
    #[test]
    fn uses_are_counted_as_far_as_that_is_quick() {
        let engine = store();
        call(&engine, "roles.create", json!({"id": "old", "name": "Old"})).unwrap();
        write(&engine, |tx| {
            (0..=USES_COUNTED).for_each(|number| {
                tx.mark(keys::role_use(
                    &id("old"),
                    "member",
                    &["acme", &format!("u{number}")],
                ))
            })
        });
        let error = call(&engine, "roles.delete", json!({"role": "old"})).unwrap_err();
        assert_eq!(error.details()["uses"], USES_COUNTED);
        assert_eq!(
            error.details()["used_by"].as_array().unwrap().len(),
            MAX_USES
        );
    }
}
