//! May this user do this here? (R-ROL-9)

use super::{Access, Effect, Operation, unknown_permission};
use crate::engine::view::{account_line, role_with_includes};
use crate::engine::{Ctx, keys};
use crate::error::{Code, Error};
use crate::handle;
use crate::model::{Id, Member, PermissionTree, Role, Scope};
use crate::rules::role::powers;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a user may do something in an account. The prepared and by-id calls of each language answer the same.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
    /// The permission.
    pub permission: Id,
}

/// Why a user may or may not do something: which grant, ceiling or denial decided (R-ROL-9).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
    /// The permission.
    pub permission: Id,
}

/// The answer to a permission check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccessCheck {
    /// Whether the user may.
    pub allowed: bool,
}

/// A permission check explained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccessExplanation {
    /// Whether the user may.
    pub allowed: bool,
    /// How far the permission reaches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// The ids from the top of the permission tree to this permission.
    pub path: Vec<String>,
    /// Why not, where a code says it: the status of the account, the user or the membership, or `permission_denied`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Code>,
    /// What was looked at, in order; the last entry decided.
    pub steps: Vec<AccessStep>,
}

/// One thing that a permission check looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccessStep {
    /// What kind of thing.
    pub kind: AccessStepKind,
    /// The role, account or user that it belongs to.
    pub subject: Id,
    /// The node that was granted or denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission: Option<String>,
    /// How far it reaches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// The status that forbids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
}

/// What kind of thing a permission check looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessStepKind {
    /// The user is the owner: every permission, under the ceilings.
    Owner,
    /// A role allows it.
    Grant,
    /// A role denies it.
    Denial,
    /// No role of the member allows it.
    NoGrant,
    /// The role of a package leaves it, so far.
    Ceiling,
    /// The role of a package does not leave it.
    CeilingMissing,
    /// The status of account, user or membership forbids everything.
    Status,
}

impl Operation for Check {
    const NAME: &'static str = "access.check";
    const EFFECT: Effect = Effect::Read;
    const ACCESS: Access = Access::account("users.view", "clients.view_all");
    type Answer = AccessCheck;

    fn account(&self) -> Option<&Id> {
        Some(&self.account)
    }

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AccessCheck, Error> {
        let cell = ctx.engine.cell(&self.account)?;
        Ok(AccessCheck { allowed: handle::allowed(ctx.engine, &cell, self.user.as_str(), self.permission.as_str())? })
    }
}

impl Operation for Explain {
    const NAME: &'static str = "access.explain";
    const EFFECT: Effect = Effect::Read;
    const ACCESS: Access = Access::account("users.view", "clients.view_all");
    type Answer = AccessExplanation;

    fn account(&self) -> Option<&Id> {
        Some(&self.account)
    }

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AccessExplanation, Error> {
        let tree = ctx.tree();
        let place = tree.place(self.permission.as_str()).ok_or_else(|| unknown_permission(self.permission.as_str(), "/permission"))?;
        let decided = ctx.engine.cell(&self.account)?.member(ctx.engine, self.user.as_str())?;
        let scope = decided.powers.at(place).filter(|_| decided.refusal.is_none());
        let steps = match decided.refusal {
            Some(code) => {
                let subject = match code {
                    Code::UserDisabled | Code::MemberDisabled | Code::NotMember => self.user.clone(),
                    _ => self.account.clone(),
                };
                vec![AccessStep { kind: AccessStepKind::Status, subject, permission: None, scope: None, code: Some(code) }]
            }
            None => steps(ctx, &tree, place, &self.account, &self.user)?,
        };
        let refusal = decided.refusal.or(if scope.is_none() { Some(Code::PermissionDenied) } else { None });
        Ok(AccessExplanation { allowed: scope.is_some(), scope, path: tree.path(place).into_iter().map(str::to_owned).collect(), refusal, steps })
    }
}

fn steps(ctx: &mut Ctx<'_>, tree: &PermissionTree, place: usize, account: &Id, user: &Id) -> Result<Vec<AccessStep>, Error> {
    let Some(member) = ctx.tx.get::<Member>(&keys::member(account, user))? else { return Ok(Vec::new()) };
    let mut steps = Vec::new();
    let step = |kind, subject: &Id, permission: Option<&Id>, scope| AccessStep {
        kind,
        subject: subject.clone(),
        permission: permission.map(Id::to_string),
        scope,
        code: None,
    };
    if member.owner {
        steps.push(step(AccessStepKind::Owner, user, None, Some(Scope::Any)));
    } else {
        let roles = match &member.role {
            Some(role) => role_with_includes(&mut ctx.tx, role)?,
            None => Vec::new(),
        };
        for role in &roles {
            for grant in &role.allow {
                if let Some(scope) = powers(tree, &[only(role, |alone| alone.allow = vec![grant.clone()])]).at(place) {
                    steps.push(step(AccessStepKind::Grant, &role.id, Some(&grant.permission), Some(scope)));
                }
            }
        }
        let path = tree.path(place);
        for role in &roles {
            for denied in role.deny.iter().filter(|denied| path.contains(&denied.as_str())) {
                steps.push(step(AccessStepKind::Denial, &role.id, Some(denied), None));
            }
        }
        if steps.is_empty() {
            steps.push(step(AccessStepKind::NoGrant, user, None, None));
        }
        if powers(tree, &roles).at(place).is_none() {
            return Ok(steps);
        }
    }
    for above in account_line(&mut ctx.tx, account)? {
        let Some(package) = &above.package else { continue };
        let Some(role) = ctx.tx.get::<crate::model::Package>(&keys::package(package))?.and_then(|package| package.role) else { continue };
        let ceiling = powers(tree, &role_with_includes(&mut ctx.tx, &role)?).at(place);
        let kind = if ceiling.is_some() { AccessStepKind::Ceiling } else { AccessStepKind::CeilingMissing };
        steps.push(step(kind, &role, None, ceiling));
        if ceiling.is_none() {
            break;
        }
    }
    Ok(steps)
}

/// The role with nothing in it but what `keep` puts there.
fn only(role: &Role, keep: impl FnOnce(&mut Role)) -> Role {
    let mut alone = Role { allow: Vec::new(), deny: Vec::new(), includes: Vec::new(), ..role.clone() };
    keep(&mut alone);
    alone
}
