//! Limits of accounts: overridden or inherited, one by one (R-PKG-2, R-PKG-3).

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::limits::{
    Allocate, DefaultLimits, Explain, Inherit, LimitCandidate, LimitExplanation, LimitExplanations,
    Set, SetDefault,
};
use crate::error::{Code, Error};
use crate::kernel::revision::check_rev;
use crate::kernel::{Lowered, keys};
use crate::model::{
    Account, Actor, Channel, Count, CountedClass, Edition, Id, Limit, LimitKind, LimitName,
    LimitTerms, Limits, OverLimit, Package,
};
use crate::rules::limit::{
    self, Candidate, LimitLevel, Source, candidates, guarantees_hold, needs_licence, terms,
};
use crate::tables::accounts::{self, account_line};
use crate::tables::limits::{all_promised, promised, promised_key};
use crate::tables::{self, packages};
use std::collections::BTreeMap;

/// An account and those above it, with all that their limits come from.
pub(crate) struct Line {
    pub(crate) accounts: Vec<Account>,
    pub(crate) packages: Vec<Option<Package>>,
    defaults: Limits,
    edition: Edition,
}

impl Line {
    pub(crate) fn load(ctx: &mut Ctx<'_>, account: &Id) -> Result<Line, Error> {
        let accounts = account_line(&mut ctx.tx, account)?;
        let mut packages = Vec::new();
        for account in &accounts {
            packages.push(
                account
                    .package
                    .as_ref()
                    .map(|package| packages::load(&mut ctx.tx, package, "/account"))
                    .transpose()?,
            );
        }
        Ok(Line {
            accounts,
            packages,
            defaults: ctx.tx.get(&keys::defaults())?.unwrap_or_default(),
            edition: ctx.engine.kernel.edition,
        })
    }

    /// The values of a limit for the account at this level, the one that counts first (R-PKG-3).
    pub(crate) fn candidates(&self, level: usize, name: LimitName) -> Vec<Candidate> {
        candidates(name, &self.upward(level), &self.defaults, self.edition)
    }

    /// The accounts from this level up, each with its package.
    fn upward(&self, level: usize) -> Vec<(&Account, Option<&Package>)> {
        let packages = self.packages.iter().map(Option::as_ref);
        self.accounts.iter().zip(packages).skip(level).collect()
    }

    /// What a limit of the account at the start counts, and what happens beyond it.
    fn terms(&self, name: LimitName) -> LimitTerms {
        terms(name, &self.upward(0), &self.defaults)
    }

    /// The own value of the account at this level.
    pub(crate) fn value(&self, level: usize, name: LimitName) -> Limit {
        limit::value(name, &self.upward(level), &self.defaults, self.edition)
    }

    /// The smallest value from this level up to the top.
    pub(crate) fn smallest(&self, level: usize, name: LimitName) -> Limit {
        (level..self.accounts.len())
            .map(|level| self.value(level, name))
            .min()
            .unwrap_or(Limit::Unlimited)
    }
}

fn explain(ctx: &mut Ctx<'_>, id: &Id) -> Result<LimitExplanations, Error> {
    let line = Line::load(ctx, id)?;
    let policy = ctx.policies_of(&line.accounts)?.over_limit;
    let sums = all_promised(&mut ctx.tx, id)?;
    let sums_of_ancestors = match line.accounts.as_slice() {
        [account, parent, ..] if !account.guaranteed.is_empty() => {
            all_promised(&mut ctx.tx, &parent.id)?
        }
        _ => BTreeMap::new(),
    };
    let sum = |sums: &BTreeMap<_, u64>, limit| sums.get(&limit).copied().unwrap_or(0);
    let mut limits = Vec::new();
    for limit in LimitName::ALL.iter().copied() {
        let found = line.candidates(0, limit);
        let (value, source) = found
            .first()
            .map_or((Limit::Unlimited, Source::PlatformDefault), |first| {
                (first.limit, first.source)
            });
        let candidates = found.into_iter().map(|one| LimitCandidate {
            source: one.source,
            set_by: one.set_by,
            value: one.limit,
            enforced: one.enforced,
        });
        let guaranteed = match line.accounts.as_slice() {
            [account, _, ..] if account.guaranteed.contains(&limit) => Some(guarantees_hold(
                sum(&sums_of_ancestors, limit),
                line.smallest(1, limit),
            )),
            _ => None,
        };
        let terms = line.terms(limit);
        limits.push(LimitExplanation {
            limit,
            value,
            source,
            message_class: terms.message_class.and_then(CountedClass::only),
            over: limit.window().map(|_| terms.over.unwrap_or(policy)),
            smallest: line.smallest(0, limit),
            guaranteed,
            promised: Some(sum(&sums, limit)).filter(|sum| *sum > 0),
            candidates: candidates.collect(),
        });
    }
    Ok(LimitExplanations {
        account: id.clone(),
        limits,
        now_best_effort: Vec::new(),
    })
}

/// The account's own value of one limit (R-PKG-3).
pub(crate) fn value_of(ctx: &mut Ctx<'_>, account: &Id, name: LimitName) -> Result<Limit, Error> {
    Ok(Line::load(ctx, account)?.value(0, name))
}

/// Refuses what could not be meant of limits, of which `known` says something already, and what the
/// licence does not include.
pub(crate) fn check_terms(
    ctx: &mut Ctx<'_>,
    account: Option<&Id>,
    terms: &[LimitTerms],
    known: &Limits,
    field: &str,
) -> Result<(), Error> {
    for (at, one) in terms.iter().enumerate() {
        if terms
            .iter()
            .take(at)
            .any(|before| before.limit == one.limit)
        {
            return Err(Error::invalid(
                format!("{field}/{at}/limit"),
                format!(
                    "The limit `{}` is named twice; name it once.",
                    one.limit.name()
                ),
            ));
        }
        check_terms_of(ctx, account, one, known, &format!("{field}/{at}"))?;
    }
    Ok(())
}

fn check_terms_of(
    ctx: &mut Ctx<'_>,
    account: Option<&Id>,
    terms: &LimitTerms,
    known: &Limits,
    field: &str,
) -> Result<(), Error> {
    let name = terms.limit.name();
    let counts_messages = Channel::ALL
        .iter()
        .any(|channel| channel.limits().contains(&terms.limit));
    if terms.message_class.is_some() && !counts_messages {
        return Err(Error::invalid(
            format!("{field}/message_class"),
            format!("`{name}` counts no messages and has no `message_class`; leave it out."),
        ));
    }
    if terms.over.is_some() && terms.limit.window().is_none() {
        return Err(Error::invalid(
            format!("{field}/over"),
            format!(
                "`{name}` has no window, and what exceeds it is always refused; leave out `over`."
            ),
        ));
    }
    match terms.burst.map(Count::get) {
        Some(_) if terms.or(known.terms_of(terms.limit)).over != Some(OverLimit::Spread) => {
            return Err(Error::invalid(
                format!("{field}/burst"),
                "Only a limit with `over` set to `spread` has a `burst`; leave it out.",
            ));
        }
        Some(0) => {
            return Err(Error::invalid(
                format!("{field}/burst"),
                "A `burst` is at least 1; name a larger one, or leave it out.",
            ));
        }
        _ => {}
    }
    match terms.over {
        Some(OverLimit::UseCredits) => ctx.require_credits(account, &format!("{field}/over")),
        _ => Ok(()),
    }
}

/// What an account has of its own is checked against the licence (R-PLT-1).
pub(crate) fn check_own(ctx: &mut Ctx<'_>, own: &Limits, parent: Option<&Id>) -> Result<(), Error> {
    check_terms(ctx, parent, &own.terms, &Limits::default(), "/limits/terms")?;
    for name in LimitName::ALL
        .iter()
        .copied()
        .filter(|name| own.get(*name).is_some() && needs_licence(*name, LimitLevel::Account))
    {
        ctx.require_licence(&format!("/limits/{}", name.name()))?;
    }
    Ok(())
}

/// What who wants more than a limit allows is told: whose limit it is, and how much of it is used.
pub(crate) fn reached(limit: LimitName, subject: &Id, value: u64, used: u64) -> Error {
    let what = limit.name();
    Error::new(
        Code::LimitReached,
        format!(
            "`{subject}` and all below it can have {value} of `{what}`, and have {used}; free \
             some, or raise the limit."
        ),
    )
    .with("limit", what)
    .with("subject", subject.as_str())
    .with("value", value)
    .with("used", used)
}

/// Whether one more account fits below each of these (R-PKG-1, R-PKG-3).
pub(crate) fn check_children(ctx: &mut Ctx<'_>, line: &[Account]) -> Result<(), Error> {
    for ancestor in line {
        let most = value_of(ctx, &ancestor.id, LimitName::ChildAccounts)?.ceiling();
        let used = ctx
            .tx
            .count(&keys::tally(&ancestor.id, tables::accounts::DESCENDANTS))?;
        if used >= most {
            let error = reached(LimitName::ChildAccounts, &ancestor.id, most, used);
            return Err(error.at("/parent").with("account", ancestor.id.as_str()));
        }
    }
    Ok(())
}

/// Most accounts that the answer to a change names.
const MOST_NAMED: usize = 500;

/// A change of one limit of an account's own.
struct Change {
    limit: LimitName,
    /// None to inherit again.
    value: Option<Limit>,
    /// What is said of it beside the value; what is absent stays, but where it is to inherit again.
    terms: LimitTerms,
    /// Whether it is given by the account above, and not by the platform.
    allocated: bool,
    guaranteed: bool,
    expected_rev: Option<Count>,
}

fn change(ctx: &mut Ctx<'_>, id: &Id, change: Change) -> Result<LimitExplanations, Error> {
    let Change { limit, value, .. } = change;
    let mut account = accounts::load(&mut ctx.tx, id, "/account")?;
    check_rev(change.expected_rev, account.rev)?;
    if value != account.overrides.get(limit) && needs_licence(limit, LimitLevel::Account) {
        ctx.require_licence("/limit")?;
    }
    let held_before = held_by_descendants(ctx, id, limit)?;
    promise(ctx, &account, limit, false)?;
    account.overrides.set(limit, value);
    check_terms_of(ctx, Some(id), &change.terms, &account.overrides, "")?;
    let known = account.overrides.terms_of(limit);
    account.overrides.set_terms(if value.is_some() {
        change.terms.or(known)
    } else {
        LimitTerms::none(limit)
    });
    account.allocated.retain(|name| *name != limit);
    account.guaranteed.retain(|name| *name != limit);
    if change.allocated && value.is_some() {
        account.allocated.push(limit);
    }
    if change.guaranteed {
        account.guaranteed.push(limit);
        promise(ctx, &account, limit, true)?;
    }
    accounts::save(&mut ctx.tx, account)?;
    if matches!(limit.kind(), LimitKind::Window(_)) {
        ctx.tx.recheck_limits(Lowered::Account(id.clone()));
    }
    let mut explained = explain(ctx, id)?;
    if held_before && !held_by_descendants(ctx, id, limit)? {
        explained.now_best_effort = guaranteed_to_descendants(ctx, id, limit)?;
    }
    Ok(explained)
}

/// Adds an account's guaranteed part of a limit to what its parent has promised, or takes it off.
fn promise(
    ctx: &mut Ctx<'_>,
    account: &Account,
    limit: LimitName,
    given: bool,
) -> Result<(), Error> {
    let (Some(parent), Some(Limit::At(part)), true) = (
        &account.parent,
        account.overrides.get(limit),
        account.guaranteed.contains(&limit),
    ) else {
        return Ok(());
    };
    // What is kept apart concerns the account above and all below it.
    ctx.tx.invalidate_all();
    let key = promised_key(parent, limit);
    let sum = ctx.tx.count(&key)?;
    let sum = if given {
        sum.saturating_add(part.get())
    } else {
        sum.saturating_sub(part.get())
    };
    if given {
        let value = Line::load(ctx, parent)?.smallest(0, limit);
        // Never more than a number can be in every language, whatever is unlimited.
        if !guarantees_hold(sum, value) || sum > Count::MAX {
            return Err(Error::new(
                Code::GuaranteeExceeded,
                format!(
                    "`{parent}` would guarantee {sum} of `{}` in all, more than it has; guarantee \
                     less.",
                    limit.name()
                ),
            )
            .at("/value")
            .with("limit", limit.name())
            .with("account", parent.as_str())
            .with("sum", sum)
            .with("value", value.ceiling().min(Count::MAX)));
        }
    }
    if sum == 0 {
        ctx.tx.delete(key);
        Ok(())
    } else {
        ctx.tx.put(key, &sum)
    }
}

/// An account that is no longer below its parent has no part of its limits any more.
pub(crate) fn give_back(ctx: &mut Ctx<'_>, account: &mut Account) -> Result<(), Error> {
    for limit in account.guaranteed.clone() {
        promise(ctx, account, limit, false)?;
    }
    account.guaranteed.clear();
    account.allocated.clear();
    Ok(())
}

/// Whether the limit of an account still holds all that it guarantees to those below.
fn held_by_descendants(ctx: &mut Ctx<'_>, id: &Id, limit: LimitName) -> Result<bool, Error> {
    let sum = promised(&mut ctx.tx, id, limit)?;
    Ok(sum == 0 || guarantees_hold(sum, Line::load(ctx, id)?.smallest(0, limit)))
}

/// The accounts directly below that were guaranteed a part of a limit.
fn guaranteed_to_descendants(
    ctx: &mut Ctx<'_>,
    id: &Id,
    limit: LimitName,
) -> Result<Vec<Id>, Error> {
    let mut named = Vec::new();
    for child in accounts::children_of(&mut ctx.tx, id)? {
        if named.len() == MOST_NAMED {
            break;
        }
        if accounts::load(&mut ctx.tx, &child, "/account")?
            .guaranteed
            .contains(&limit)
        {
            named.push(child);
        }
    }
    Ok(named)
}

impl Operation for Set {
    type Answer = LimitExplanations;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<LimitExplanations, Error> {
        let Set {
            account,
            limit,
            value,
            message_class,
            over,
            burst,
            expected_rev,
        } = self;
        let terms = LimitTerms {
            limit,
            message_class,
            over,
            burst,
        };
        change(
            ctx,
            &account,
            Change {
                limit,
                value: Some(value),
                terms,
                allocated: false,
                guaranteed: false,
                expected_rev,
            },
        )
    }
}

impl Operation for Inherit {
    type Answer = LimitExplanations;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<LimitExplanations, Error> {
        let Inherit {
            account,
            limit,
            expected_rev,
        } = self;
        change(
            ctx,
            &account,
            Change {
                limit,
                value: None,
                terms: LimitTerms::none(limit),
                allocated: false,
                guaranteed: false,
                expected_rev,
            },
        )
    }
}

impl Operation for Allocate {
    type Answer = LimitExplanations;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<LimitExplanations, Error> {
        let Allocate {
            account: id,
            limit,
            value,
            guaranteed,
            expected_rev,
        } = self;
        match ctx.actor {
            Actor::System => {}
            Actor::Operator { .. } => ctx.require_as_operator("packages.override_limits")?,
            Actor::User { account: home, .. } if *home == id => {
                return Err(Error::new(
                    Code::PermissionDenied,
                    format!("Only the account above `{id}` gives it a part of a limit; ask there."),
                )
                .at("/account"));
            }
            Actor::User { .. } => {
                if !ctx
                    .manages_team_of(&id)
                    .map_err(|error| error.at("/account"))?
                {
                    return Err(Error::not_found("account", id.as_str()).at("/account"));
                }
            }
        }
        let account = accounts::load(&mut ctx.tx, &id, "/account")?;
        if account.parent.is_none() {
            return Err(Error::invalid(
                "/account",
                format!(
                    "`{id}` has no account above it whose limit can be divided; use `limits.set`."
                ),
            ));
        }
        let is_number = matches!(value, Some(Limit::At(_)));
        if guaranteed == Some(true) && !is_number {
            return Err(Error::invalid(
                "/guaranteed",
                "Only a number can be `guaranteed`; name one as `value`, or leave it out.",
            ));
        }
        let guaranteed =
            is_number && guaranteed.unwrap_or_else(|| account.guaranteed.contains(&limit));
        let by_platform =
            account.overrides.get(limit).is_some() && !account.allocated.contains(&limit);
        if by_platform && matches!(ctx.actor, Actor::User { .. }) {
            return Err(Error::new(
                Code::PermissionDenied,
                format!(
                    "The platform has set `{}` of `{id}`; ask the platform to change it.",
                    limit.name()
                ),
            )
            .at("/limit"));
        }
        change(
            ctx,
            &id,
            Change {
                limit,
                value,
                terms: LimitTerms::none(limit),
                allocated: true,
                guaranteed,
                expected_rev,
            },
        )
    }
}

impl Operation for SetDefault {
    type Answer = DefaultLimits;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<DefaultLimits, Error> {
        let mut limits: Limits = ctx.tx.get(&keys::defaults())?.unwrap_or_default();
        if needs_licence(self.limit, LimitLevel::Package)
            && limits.get(self.limit) != Some(self.value)
        {
            ctx.require_licence("/limit")?;
        }
        limits.set(self.limit, Some(self.value));
        let SetDefault {
            limit,
            message_class,
            over,
            burst,
            ..
        } = self;
        let terms = LimitTerms {
            limit,
            message_class,
            over,
            burst,
        };
        check_terms_of(ctx, None, &terms, &limits, "")?;
        limits.set_terms(terms.or(limits.terms_of(limit)));
        ctx.tx.put(keys::defaults(), &limits)?;
        ctx.tx.invalidate_all();
        if matches!(self.limit.kind(), LimitKind::Window(_)) {
            ctx.tx.recheck_limits(Lowered::Everybody);
        }
        Ok(DefaultLimits { limits })
    }
}

impl Operation for Explain {
    type Answer = LimitExplanations;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<LimitExplanations, Error> {
        explain(ctx, &self.account).map_err(|error| error.at("/account"))
    }
}
