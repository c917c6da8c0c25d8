//! API keys: what programs act with, each with permissions, addresses, an end and caps of its own
//! (R-SES-7).

#[cfg(test)]
mod tests;

use crate::access::authenticate::{actor_with, at_field};
use crate::access::escalation;
use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::access::visibility;
use crate::api::api_keys::{
    ApiKey, ApiKeyDeleted, ApiKeyList, ApiKeyProof, ApiKeyToken, Check, Create, Delete, Edit, List,
    Rotate,
};
use crate::domain::roles;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::kernel::revision::check_rev;
use crate::model::{
    self, Actor, Address, AddressRange, Count, FormerToken, Grant, Id, OutboxKind, OutboxMessage,
};
use crate::rules::api_key::{can_have, is_expired, is_wider, key_permissions};
use crate::tables::api_keys::ApiKeys;
use crate::tables::api_keys::{all_of, end, invalidate};
use crate::tables::{accounts, users};

/// The most API keys of an account.
const MOST_KEYS: usize = 100;
/// The most permissions of a key.
const MOST_PERMISSIONS: usize = 100;
/// The longest allow-list of a key.
const MOST_ADDRESSES: usize = 100;
/// The longest time for which a token stays good beside the one after it.
const LONGEST_OVERLAP_MS: u64 = 30 * 24 * 3_600_000;

pub(crate) fn answer_of(key: model::ApiKey, now_ms: u64) -> ApiKey {
    let former = key.former.map(|former| former.until_ms);
    ApiKey {
        account: key.account,
        id: key.id,
        user: key.user,
        name: key.name,
        permissions: key.permissions,
        allow_list: key.allow_list,
        expires_at_ms: key.expires_at_ms,
        former_token_until_ms: former.filter(|until_ms| now_ms < *until_ms),
        last_used_at_ms: key.last_used_at_ms,
        last_ip: key.last_ip,
        rev: key.rev,
        created_at_ms: key.created_at_ms,
        updated_at_ms: key.updated_at_ms,
    }
}

/// Reads a key that the actor sees: their own, or with a permission any. Others are not there.
fn load_visible(
    ctx: &mut Ctx<'_>,
    account: &Id,
    id: &Id,
    permission: &str,
    operator: &str,
) -> Result<model::ApiKey, Error> {
    let sees_all =
        sees_all(ctx, account, permission, operator).map_err(|error| error.at("/account"))?;
    let hidden = visibility::hidden_in(ctx, account)?;
    let key: Option<model::ApiKey> = ctx.tx.get(&keys::api_key(id))?;
    let seen = |key: &model::ApiKey| {
        visibility::is_self(ctx, &key.user) || (sees_all && !hidden.contains(&key.user))
    };
    key.filter(|key| key.account == *account && seen(key))
        .ok_or_else(|| Error::not_found("API key", id.as_str()).at("/api_key"))
}

/// Whether the actor sees the keys of others in an account. Refused for those to whom the account
/// is none of their business.
fn sees_all(
    ctx: &mut Ctx<'_>,
    account: &Id,
    permission: &str,
    operator: &str,
) -> Result<bool, Error> {
    match ctx.actor {
        Actor::System => accounts::load(&mut ctx.tx, account, "/account").map(|_| true),
        Actor::Operator { .. } => {
            ctx.require_as_operator(operator)?;
            accounts::load(&mut ctx.tx, account, "/account").map(|_| true)
        }
        Actor::User { .. } => {
            ctx.member_in(account)?;
            visibility::holds_in(ctx, account, permission)
        }
    }
}

/// The membership that a new key is of: users make keys for themselves.
fn member_for(ctx: &mut Ctx<'_>, account: &Id, named: Option<Id>) -> Result<model::Member, Error> {
    let user = match (ctx.actor, named) {
        (Actor::User { user, .. }, Some(named)) if named != *user => {
            return Err(Error::new(
                Code::PermissionDenied,
                format!("`{user}` cannot make API keys for `{named}`; everybody makes their own."),
            )
            .at("/user"));
        }
        (Actor::User { user, .. }, _) => user.clone(),
        (_, Some(named)) => named,
        (_, None) => {
            return Err(Error::invalid(
                "/user",
                "Name the `user` for whom the API key is.",
            ));
        }
    };
    accounts::load(&mut ctx.tx, account, "/account")?;
    ctx.tx
        .get(&keys::member(account, &user))?
        .ok_or_else(|| Error::not_found("member", user.as_str()).at("/user"))
}

/// Nobody gives a key what they lack (R-ROL-7). Where the package decides what members may do, that
/// is what it leaves them.
fn check_permissions(
    ctx: &mut Ctx<'_>,
    member: &model::Member,
    permissions: &[Grant],
) -> Result<(), Error> {
    const FIELD: &str = "/permissions";
    if !(1..=MOST_PERMISSIONS).contains(&permissions.len()) {
        return Err(Error::invalid(
            FIELD,
            format!(
                "An API key has 1 to {MOST_PERMISSIONS} permissions, not {}.",
                permissions.len()
            ),
        ));
    }
    let tree = ctx.tree();
    roles::edit::check_grants(&tree, permissions, FIELD)?;
    if let Some((at, grant)) = permissions
        .iter()
        .enumerate()
        .find(|(_, grant)| !can_have(grant.permission.as_str()))
    {
        return Err(Error::new(
            Code::NotWithApiKey,
            format!(
                "The permission `{}` is for people only, and an API key cannot have it; leave it \
                 out.",
                grant.permission
            ),
        )
        .at(format!("{FIELD}/{at}/permission")));
    }
    let Some(held) = ctx.nominal_in(&member.account)? else {
        return Ok(());
    };
    escalation::roles::refuse_beyond(
        &tree,
        &key_permissions(&tree, permissions),
        &held,
        "The API key would be allowed more than you are; leave out the permissions that you do not \
         hold.".to_owned(),
        FIELD,
    )
}

/// Tells the user what acts for them (R-SES-4).
fn tell(ctx: &mut Ctx<'_>, key: &model::ApiKey) -> Result<(), Error> {
    let person = users::load(&mut ctx.tx, &key.user, "/user")?;
    ctx.enqueue_message(&OutboxMessage {
        user: Some(person.id),
        to: Some(person.email),
        ..OutboxMessage::about(
            OutboxKind::ApiKeyCreated,
            Some(key.account.clone()),
            ctx.now_ms,
        )
    })
}

fn check_expiry(ctx: &Ctx<'_>, expires_at_ms: Option<Count>) -> Result<(), Error> {
    match expires_at_ms {
        Some(at_ms) if at_ms.get() <= ctx.now_ms => Err(Error::invalid(
            "/expires_at_ms",
            format!(
                "The API key would expire at {} ms, which is in the past; name a later time.",
                at_ms.get()
            ),
        )),
        _ => Ok(()),
    }
}

/// The list in order, without what stands there twice.
fn checked_list(mut list: Vec<AddressRange>) -> Result<Vec<AddressRange>, Error> {
    if list.len() > MOST_ADDRESSES {
        return Err(Error::invalid(
            "/allow_list",
            format!(
                "The list has room for {MOST_ADDRESSES} addresses, and has {}; leave some out.",
                list.len()
            ),
        ));
    }
    list.sort_unstable();
    list.dedup();
    Ok(list)
}

impl Operation for Create {
    type Answer = ApiKeyToken;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<ApiKeyToken, Error> {
        let member = member_for(ctx, &self.account, self.user)?;
        check_permissions(ctx, &member, &self.permissions)?;
        check_expiry(ctx, self.expires_at_ms)?;
        let allow_list = checked_list(self.allow_list)?;
        if all_of(&mut ctx.tx, &self.account, None)?.len() >= MOST_KEYS {
            return Err(Error::new(
                Code::LimitReached,
                format!(
                    "The account `{}` has {MOST_KEYS} API keys, and more are not allowed; delete \
                     one first.",
                    self.account
                ),
            )
            .at("/account"));
        }
        let id = ctx.new_id(None, keys::API_KEY, keys::api_key, "API key")?;
        let token = ctx.token_of::<model::ApiKey>(&id)?;
        let key = model::ApiKey {
            id,
            account: self.account,
            user: member.user,
            name: self.name,
            token_hash: token.hash(),
            former: None,
            permissions: self.permissions,
            allow_list,
            expires_at_ms: self.expires_at_ms.map(Count::get),
            rev: 1,
            created_at_ms: ctx.now_ms,
            updated_at_ms: ctx.now_ms,
            last_used_at_ms: None,
            last_ip: None,
        };
        ctx.tx.save::<ApiKeys>(&key)?;
        tell(ctx, &key)?;
        Ok(ApiKeyToken {
            api_key: answer_of(key, ctx.now_ms),
            token: token.reveal()?,
        })
    }
}

/// Reads a key that the actor may change, with the membership that it is of: users change their own
/// keys.
fn load_to_change(
    ctx: &mut Ctx<'_>,
    account: &Id,
    id: &Id,
    expected_rev: Option<Count>,
) -> Result<(model::ApiKey, model::Member), Error> {
    let key = load_visible(ctx, account, id, "api_keys.view", "clients.view_all")?;
    if matches!(ctx.actor, Actor::User { .. }) && !visibility::is_self(ctx, &key.user) {
        return Err(Error::new(
            Code::PermissionDenied,
            format!(
                "The API key `{}` belongs to another user; you can delete it, not change it.",
                key.id
            ),
        )
        .at("/api_key"));
    }
    let member = member_for(ctx, account, Some(key.user.clone()))?;
    check_rev(expected_rev, key.rev)?;
    Ok((key, member))
}

impl Operation for Edit {
    type Answer = ApiKey;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<ApiKey, Error> {
        let (mut key, member) =
            load_to_change(ctx, &self.account, &self.api_key, self.expected_rev)?;
        let before = key.clone();
        check_expiry(ctx, self.expires_at_ms)?;
        if self.never_expires && self.expires_at_ms.is_some() {
            return Err(Error::invalid(
                "/never_expires",
                "Send either `never_expires` or `expires_at_ms`, not both.",
            ));
        }
        if let Some(permissions) = self.permissions {
            check_permissions(ctx, &member, &permissions)?;
            key.permissions = permissions;
        }
        if let Some(list) = self.allow_list {
            key.allow_list = checked_list(list)?;
        }
        key.name = self.name.unwrap_or(key.name);
        key.expires_at_ms = if self.never_expires {
            None
        } else {
            self.expires_at_ms.map(Count::get).or(key.expires_at_ms)
        };
        key.rev += 1;
        key.updated_at_ms = ctx.now_ms;
        ctx.tx.save::<ApiKeys>(&key)?;
        invalidate(&mut ctx.tx, &key);
        if is_wider(&ctx.tree(), &before, &key) {
            tell(ctx, &key)?;
        }
        Ok(answer_of(key, ctx.now_ms))
    }
}

/// How long the token until now stays good.
fn checked_overlap(overlap_ms: Option<Count>) -> Result<u64, Error> {
    let overlap_ms = overlap_ms.map_or(0, Count::get);
    if overlap_ms > LONGEST_OVERLAP_MS {
        return Err(Error::invalid(
            "/overlap_ms",
            format!("`overlap_ms` must be from 0 to {LONGEST_OVERLAP_MS}, and is {overlap_ms}."),
        ));
    }
    Ok(overlap_ms)
}

impl Operation for Rotate {
    type Answer = ApiKeyToken;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<ApiKeyToken, Error> {
        let overlap_ms = checked_overlap(self.overlap_ms)?;
        let (mut key, member) =
            load_to_change(ctx, &self.account, &self.api_key, self.expected_rev)?;
        if is_expired(&key, ctx.now_ms) {
            return Err(Error::new(
                Code::ApiKeyInvalid,
                format!(
                    "The API key `{}` has expired; give it a later `expires_at_ms` first.",
                    key.id
                ),
            )
            .at("/api_key"));
        }
        // Whoever has the new token can do all of it.
        check_permissions(ctx, &member, &key.permissions).map_err(|error| error.at("/api_key"))?;
        let token = ctx.token_of::<model::ApiKey>(&key.id)?;
        let token_hash = std::mem::replace(&mut key.token_hash, token.hash());
        key.former = (overlap_ms > 0).then(|| FormerToken {
            token_hash,
            replaced_at_ms: ctx.now_ms,
            until_ms: ctx.now_ms.saturating_add(overlap_ms),
        });
        key.rev += 1;
        key.updated_at_ms = ctx.now_ms;
        ctx.tx.save::<ApiKeys>(&key)?;
        invalidate(&mut ctx.tx, &key);
        tell(ctx, &key)?;
        Ok(ApiKeyToken {
            api_key: answer_of(key, ctx.now_ms),
            token: token.reveal()?,
        })
    }
}

impl Operation for Delete {
    type Answer = ApiKeyDeleted;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<ApiKeyDeleted, Error> {
        let key = load_visible(
            ctx,
            &self.account,
            &self.api_key,
            "api_keys.revoke",
            "clients.status",
        )?;
        if !visibility::is_self(ctx, &key.user) {
            escalation::members::refuse_stronger_in(ctx, &key.account, &key.user)
                .map_err(|error| error.at("/api_key"))?;
        }
        end(&mut ctx.tx, &key)?;
        Ok(ApiKeyDeleted { api_key: key.id })
    }
}

impl Operation for List {
    type Answer = ApiKeyList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<ApiKeyList, Error> {
        let sees_all = sees_all(ctx, &self.account, "api_keys.view", "clients.view_all")
            .map_err(|error| error.at("/account"))?;
        let hidden = visibility::hidden_in(ctx, &self.account)?;
        let mut found = all_of(&mut ctx.tx, &self.account, self.user.as_ref())?;
        found.retain(|key| {
            visibility::is_self(ctx, &key.user) || (sees_all && !hidden.contains(&key.user))
        });
        Ok(ApiKeyList {
            api_keys: found
                .into_iter()
                .map(|key| answer_of(key, ctx.now_ms))
                .collect(),
        })
    }
}

impl Operation for Check {
    type Answer = ApiKeyProof;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<ApiKeyProof, Error> {
        let live = ctx
            .engine
            .api_key(self.token.reveal(), self.ip)
            .map_err(|error| at_field(error, ""))?;
        let key = &live.record;
        let actor = actor_with(key, self.ip.map(Address::ip));
        ctx.engine
            .ctx(&actor)
            .member_in(&key.account)
            .map_err(|error| at_field(error, ""))?;
        Ok(ApiKeyProof {
            api_key: key.id.clone(),
            account: key.account.clone(),
            user: key.user.clone(),
            permissions: key.permissions.clone(),
            expires_at_ms: key.expires_at_ms,
        })
    }
}
