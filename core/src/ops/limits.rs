//! Limits of accounts: overridden or inherited, one by one (R-PKG-2, R-PKG-3).

use super::{Access, Effect, Operation, accounts, packages};
use crate::engine::view::account_line;
use crate::engine::{Ctx, keys};
use crate::error::Error;
use crate::model::{Id, Limit, LimitName, Limits};
use crate::rules::limit::{Source, candidates};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Gives an account a limit of its own, over that of its package (R-PKG-2).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// The account.
    pub account: Id,
    /// Which limit.
    pub limit: LimitName,
    /// `unlimited`, 0 for nothing, or a number.
    pub value: Limit,
}

/// Takes an account's own limit away, so that it inherits again (R-PKG-2).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inherit {
    /// The account.
    pub account: Id,
    /// Which limit.
    pub limit: LimitName,
}

/// Sets what counts where neither account nor package says anything; `unlimited` until then (R-PKG-3).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetDefault {
    /// Which limit.
    pub limit: LimitName,
    /// `unlimited`, 0 for nothing, or a number.
    pub value: Limit,
}

/// Shows for every limit of an account which value counts, where it comes from and what it hides (R-PKG-3).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// The account.
    pub account: Id,
}

/// The limits of an account explained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LimitExplanations {
    /// The account.
    pub account: Id,
    /// One entry for each limit.
    pub limits: Vec<LimitExplanation>,
}

/// One limit explained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LimitExplanation {
    /// Which limit.
    pub limit: LimitName,
    /// The account's own value.
    pub value: Limit,
    /// Where it comes from.
    pub source: Source,
    /// The smallest along the accounts above, this one included: nothing goes out beyond it.
    pub smallest: Limit,
    /// Every value that was looked at, the one that counts first.
    pub candidates: Vec<LimitCandidate>,
}

/// A value that a limit could have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LimitCandidate {
    /// Where it comes from.
    pub source: Source,
    /// The account or package that carries it; absent for the platform's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carrier: Option<Id>,
    /// The value.
    pub value: Limit,
}

/// The platform's default limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DefaultLimits {
    /// The values that were set; an absent one is unlimited.
    pub limits: Limits,
}

fn explain(ctx: &mut Ctx<'_>, id: &Id) -> Result<LimitExplanations, Error> {
    let line = account_line(&mut ctx.tx, id)?;
    let mut line_packages = Vec::new();
    for account in &line {
        line_packages.push(account.package.as_ref().map(|package| packages::load(ctx, package, "/account")).transpose()?);
    }
    let defaults: Limits = ctx.tx.get(&keys::defaults())?.unwrap_or_default();
    let pairs: Vec<_> = line.iter().zip(line_packages.iter().map(Option::as_ref)).collect();
    let mut limits = Vec::new();
    for limit in LimitName::ALL.iter().copied() {
        let found = candidates(limit, &pairs, &defaults, ctx.engine.edition);
        let above = (0..pairs.len()).filter_map(|level| candidates(limit, pairs.get(level..)?, &defaults, ctx.engine.edition).first().map(|first| first.limit));
        let smallest = above.min().unwrap_or(Limit::Unlimited);
        let (value, source) = found.first().map_or((Limit::Unlimited, Source::PlatformDefault), |first| (first.limit, first.source));
        let candidates = found.into_iter().map(|one| LimitCandidate { source: one.source, carrier: one.carrier, value: one.limit }).collect();
        limits.push(LimitExplanation { limit, value, source, smallest, candidates });
    }
    Ok(LimitExplanations { account: id.clone(), limits })
}

/// The account's own value of one limit (R-PKG-3).
pub(crate) fn value_of(ctx: &mut Ctx<'_>, account: &Id, name: LimitName) -> Result<Limit, Error> {
    let line = account_line(&mut ctx.tx, account)?;
    let mut line_packages = Vec::new();
    for account in &line {
        line_packages.push(account.package.as_ref().map(|package| packages::load(ctx, package, "/account")).transpose()?);
    }
    let defaults: Limits = ctx.tx.get(&keys::defaults())?.unwrap_or_default();
    let pairs: Vec<_> = line.iter().zip(line_packages.iter().map(Option::as_ref)).collect();
    Ok(candidates(name, &pairs, &defaults, ctx.engine.edition).first().map_or(Limit::Unlimited, |first| first.limit))
}

fn set_override(ctx: &mut Ctx<'_>, id: &Id, limit: LimitName, value: Option<Limit>) -> Result<LimitExplanations, Error> {
    let mut account = accounts::load(ctx, id, "/account")?;
    account.overrides.set(limit, value);
    accounts::save(ctx, account)?;
    explain(ctx, id)
}

impl Operation for Set {
    const NAME: &'static str = "limits.set";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::System;
    type Answer = LimitExplanations;

    fn account(&self) -> Option<&Id> {
        Some(&self.account)
    }

    fn run(self, ctx: &mut Ctx<'_>) -> Result<LimitExplanations, Error> {
        set_override(ctx, &self.account, self.limit, Some(self.value))
    }
}

impl Operation for Inherit {
    const NAME: &'static str = "limits.inherit";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::System;
    type Answer = LimitExplanations;

    fn account(&self) -> Option<&Id> {
        Some(&self.account)
    }

    fn run(self, ctx: &mut Ctx<'_>) -> Result<LimitExplanations, Error> {
        set_override(ctx, &self.account, self.limit, None)
    }
}

impl Operation for SetDefault {
    const NAME: &'static str = "limits.set_default";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::System;
    type Answer = DefaultLimits;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<DefaultLimits, Error> {
        let mut limits: Limits = ctx.tx.get(&keys::defaults())?.unwrap_or_default();
        limits.set(self.limit, Some(self.value));
        ctx.tx.put(keys::defaults(), &limits)?;
        ctx.tx.touch_everything();
        Ok(DefaultLimits { limits })
    }
}

impl Operation for Explain {
    const NAME: &'static str = "limits.explain";
    const EFFECT: Effect = Effect::Read;
    const ACCESS: Access = Access::account("limits.explain", "clients.view_all");
    type Answer = LimitExplanations;

    fn account(&self) -> Option<&Id> {
        Some(&self.account)
    }

    fn run(self, ctx: &mut Ctx<'_>) -> Result<LimitExplanations, Error> {
        explain(ctx, &self.account)
    }
}
