//! Users are listed.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::access::visibility;
use crate::api::members::MemberStatus;
use crate::api::users::{List, UserEntry, UserList, UserMembership, UserOrder};
use crate::domain::users::show::{MAX_MEMBERSHIPS, is_inactive, memberships_among};
use crate::error::Error;
use crate::kernel::keys;
use crate::kernel::page::{page_size, walk_ahead};
use crate::model::{self, Actor, Id, Name, PendingStep, TEAM_PERMISSION};
use crate::rules::user::missing_steps;
use crate::tables::accounts;
use crate::tables::people::{self, Order, Search};
use crate::tables::users::{accounts_of, last_seen, load};
use std::cell::RefCell;
use std::collections::BTreeMap;

impl Operation for List {
    type Answer = UserList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<UserList, Error> {
        let scope = self.scope(ctx)?;
        if let Some(sub_account) = &self.sub_account {
            let known = ctx.tx.has(&keys::account(sub_account))?;
            let within = match &scope {
                Some(scope) => known && visibility::is_within(ctx, sub_account, scope)?,
                None => known,
            };
            if !within {
                return Err(Error::not_found("account", sub_account.as_str()).at("/sub_account"));
            }
        }
        let steps = ctx.policies(scope.as_ref())?.pending_until;
        let order = match self.order.unwrap_or(UserOrder::Email) {
            UserOrder::Email => Order::Email,
            UserOrder::Name => Order::Name,
        };
        let search = Search::new(order, self.search.as_ref().map(Name::as_str));
        let listed = self
            .sub_account
            .as_ref()
            .or(scope.as_ref())
            .map_or(people::PLATFORM, Id::as_str);
        let words = self
            .contains
            .as_ref()
            .map(|text| people::searched(text.as_str()));
        let places = RefCell::default();
        let (users, next) = walk_ahead(
            ctx,
            &search.spans(listed),
            self.after.as_ref(),
            page_size(self.limit)?,
            |ctx, keys| {
                *places.borrow_mut() = fetch(ctx, keys, scope.is_some())?;
                Ok(())
            },
            |ctx, key| {
                let Some(user) = keys::last_id(key)
                    .map(|id| load(&mut ctx.tx, &id, "/after"))
                    .transpose()?
                else {
                    return Ok(None);
                };
                let is_named = |words: &String| people::is_user_named(&user, words);
                if !search.is_first(key, &user) || !words.as_ref().is_none_or(is_named) {
                    return Ok(None);
                }
                let accounts = places.borrow_mut().remove(&user.id).unwrap_or_default();
                let memberships = memberships_among(ctx, &user.id, &accounts, scope.as_ref())?;
                self.entry(ctx, user, &memberships, &steps)
            },
        )?;
        Ok(UserList { users, next })
    }
}

/// Reads at once what is shown of the users at these keys; answers the accounts that each is in.
fn fetch(
    ctx: &mut Ctx<'_>,
    keys: &[Vec<u8>],
    with_accounts: bool,
) -> Result<BTreeMap<Id, Vec<Id>>, Error> {
    let mut places = BTreeMap::new();
    let mut wanted = Vec::new();
    for user in keys.iter().filter_map(|key| keys::last_id(key)) {
        let accounts = accounts_of(&mut ctx.tx, &user, usize::MAX)?;
        wanted.extend([keys::user(&user), keys::last_seen(&user)]);
        for account in &accounts {
            wanted.push(keys::member(account, &user));
            if with_accounts {
                wanted.push(keys::account(account));
            }
        }
        places.insert(user, accounts);
    }
    ctx.tx.fetch(wanted)?;
    Ok(places)
}

impl List {
    /// The account whose users are listed, with those of all accounts below; none for the whole
    /// platform.
    fn scope(&self, ctx: &mut Ctx<'_>) -> Result<Option<Id>, Error> {
        let Some(home) = visibility::home(ctx) else {
            if matches!(ctx.actor, Actor::Operator { .. }) {
                ctx.require_as_operator("clients.view_all")?;
            }
            return match &self.account {
                Some(account) => {
                    accounts::load(&mut ctx.tx, account, "/account").map(|account| Some(account.id))
                }
                None => Ok(None),
            };
        };
        let account = self.account.clone().unwrap_or(home);
        ctx.require_in(&account, TEAM_PERMISSION)
            .map_err(|error| error.at("/account"))?;
        visibility::require_parent(ctx)?;
        Ok(Some(account))
    }

    /// A user as they are listed; none where they do not fit the filters.
    fn entry(
        &self,
        ctx: &mut Ctx<'_>,
        user: model::User,
        memberships: &[model::Member],
        steps: &[PendingStep],
    ) -> Result<Option<UserEntry>, Error> {
        let counts = |member: &&model::Member| {
            self.sub_account
                .as_ref()
                .is_none_or(|account| member.account == *account)
        };
        if self.sub_account.is_some() && !memberships.iter().any(|member| counts(&member)) {
            return Ok(None);
        }
        if self.role.is_some()
            && !memberships
                .iter()
                .filter(counts)
                .any(|member| member.role == self.role)
        {
            return Ok(None);
        }
        let here: Vec<_> = memberships.iter().filter(counts).collect();
        let disabled =
            user.disabled || (!here.is_empty() && here.iter().all(|member| member.disabled));
        let pending = missing_steps(steps, &user);
        let status = MemberStatus::of(disabled, &pending);
        if self.status.is_some_and(|asked| asked != status) {
            return Ok(None);
        }
        let last_seen_at_ms = last_seen(&mut ctx.tx, &user)?;
        if !is_inactive(&user, last_seen_at_ms, self.inactive_since_ms) {
            return Ok(None);
        }
        let shown = |member: &model::Member| UserMembership {
            account: member.account.clone(),
            role: member.role.clone(),
            owner: member.owner,
            disabled: member.disabled,
        };
        Ok(Some(UserEntry {
            id: user.id,
            email: user.email.into(),
            first_name: user.profile.first_name,
            last_name: user.profile.last_name,
            status,
            pending,
            memberships_count: memberships.len() as u64,
            last_seen_at_ms,
            memberships: memberships
                .iter()
                .take(MAX_MEMBERSHIPS)
                .map(shown)
                .collect(),
            created_at_ms: user.created_at_ms,
        }))
    }
}

#[cfg(test)]
mod tests {
    use crate::Tenantry;
    use crate::kernel::page::SCAN_MAX;
    use serde_json::{Value, json};

    fn call(store: &Tenantry, operation: &str, request: Value) -> Value {
        let answer = store.call_json(b"", operation.as_bytes(), request.to_string().as_bytes());
        serde_json::from_str(&answer.unwrap()).unwrap()
    }

    /// R-ACC-8: a call looks at so many users and no more, whether a text is in any of them or not.
    #[test]
    fn a_text_that_hardly_anybody_has_is_looked_for_a_page_at_a_time() {
        let store = Tenantry::open_json(":memory:", br#"{"seed":1,"clock":{"manual_ms":1000000}}"#)
            .unwrap();
        let many = SCAN_MAX + 10;
        for number in 0..many {
            let email = format!("u{number:05}@many.example");
            call(&store, "users.create", json!({"email": email}));
        }
        call(
            &store,
            "users.create",
            json!({"id": "zoe", "email": "zoe@rare.example"}),
        );
        let page = |after: &Value| {
            let request = json!({"contains": "@RARE.", "after": after});
            call(&store, "users.list", request)
        };
        let first = page(&Value::Null);
        assert_eq!(first["users"], json!([]));
        let second = page(&first["next"]);
        assert_eq!(second["users"][0]["id"], "zoe");
        assert_eq!(second["next"], Value::Null);
    }
}
