//! Policies: where platforms differ, for the platform and account by account (R-PLT-3).

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::policies::{Get, PolicyOrigin, PolicyReport, Preset, Set, Unset};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::model::{Actor, Id, Policies, PolicyRecord};
use crate::rules::policy::{PolicySource, check, check_for_account, effective, origin};
use crate::tables::accounts::{self, account_line};
use crate::tables::members;

/// Most names in one request.
const MOST_NAMES: usize = 500;

fn report(ctx: &mut Ctx<'_>, account: Option<Id>) -> Result<PolicyReport, Error> {
    let mut owners = Vec::new();
    if let Some(id) = &account {
        let line = account_line(&mut ctx.tx, id).map_err(|error| error.at("/account"))?;
        owners.extend(line.into_iter().map(|ancestor| Some(ancestor.id)));
    }
    owners.push(None);
    let mut records: Vec<PolicyRecord> = Vec::new();
    for owner in &owners {
        records.push(
            ctx.tx
                .get(&keys::policy(owner.as_ref()))?
                .unwrap_or_default(),
        );
    }
    let levels: Vec<&PolicyRecord> = records.iter().collect();
    let sources = Policies::NAMES.iter().map(|name| {
        let found = origin(name, &levels)
            .and_then(|(level, by_itself)| Some((owners.get(level)?.clone(), by_itself)));
        let (source, account) = match found {
            None => (PolicySource::Default, None),
            Some((owner, false)) => (PolicySource::Preset, owner),
            Some((Some(owner), true)) => (PolicySource::Account, Some(owner)),
            Some((None, true)) => (PolicySource::Platform, None),
        };
        PolicyOrigin {
            policy: (*name).to_owned(),
            source,
            account,
        }
    });
    let sources = sources.collect();
    let policies = effective(levels.iter().copied());
    let own = records.into_iter().next().unwrap_or_default();
    Ok(PolicyReport {
        account,
        preset: own.preset,
        set: own.set,
        policies,
        sources,
    })
}

/// Changes what is set on one level; everyone below sees it at once.
fn change(
    ctx: &mut Ctx<'_>,
    account: Option<Id>,
    how: impl FnOnce(&mut PolicyRecord) -> Result<(), Error>,
) -> Result<PolicyReport, Error> {
    match ctx.actor {
        Actor::System => {}
        Actor::Operator { .. } => ctx.require_as_operator(if account.is_some() {
            "clients.edit"
        } else {
            "platform.policies"
        })?,
        Actor::User { .. } => {
            return Err(Error::new(
                Code::ActorNotAllowed,
                "Policies are set by the platform; ask the host or an operator.",
            ));
        }
    }
    if let Some(id) = &account {
        accounts::load(&mut ctx.tx, id, "/account")?;
    }
    let key = keys::policy(account.as_ref());
    let mut record: PolicyRecord = ctx.tx.get(&key)?.unwrap_or_default();
    how(&mut record)?;
    if record == PolicyRecord::default() {
        ctx.tx.delete(key);
    } else {
        ctx.tx.put(key, &record)?;
    }
    match &account {
        Some(id) => members::invalidate(&mut ctx.tx, id)?,
        None => ctx.tx.invalidate_all(),
    }
    report(ctx, account)
}

impl Operation for Get {
    type Answer = PolicyReport;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<PolicyReport, Error> {
        match (ctx.actor, &self.account) {
            (Actor::System, _) => {}
            (Actor::User { .. }, None) => {
                return Err(Error::new(
                    Code::ActorNotAllowed,
                    "Users read the policies of accounts only; name an `account`.",
                )
                .at("/account"));
            }
            (Actor::Operator { .. }, None) => ctx.require_as_operator("platform.policies")?,
            (_, Some(account)) => ctx
                .require(account, "accounts.view", "clients.view_all")
                .map_err(at_account)?,
        }
        report(ctx, self.account)
    }
}

fn at_account(error: Error) -> Error {
    if error.code() == Code::NotFound {
        error.at("/account")
    } else {
        error
    }
}

impl Operation for Set {
    type Answer = PolicyReport;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<PolicyReport, Error> {
        let Set { account, policies } = self;
        if account.is_some() {
            check_for_account(&policies)?;
        }
        change(ctx, account, |record| {
            check(&policies)?;
            record.set = policies.or(&record.set);
            Ok(())
        })
    }
}

impl Operation for Unset {
    type Answer = PolicyReport;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<PolicyReport, Error> {
        let Unset { account, names } = self;
        change(ctx, account, |record| {
            if names.len() > MOST_NAMES {
                return Err(Error::invalid(
                    "/names",
                    format!(
                        "One call takes at most {MOST_NAMES} names, not {}; send the rest in \
                         another call.",
                        names.len()
                    ),
                ));
            }
            for (at, name) in names.iter().enumerate() {
                if !record.set.unset(name.as_str()) {
                    return Err(Error::invalid(
                        format!("/names/{at}"),
                        format!(
                            "There is no policy `{name}`; `policies.get` lists those that there \
                             are."
                        ),
                    ));
                }
            }
            Ok(())
        })
    }
}

impl Operation for Preset {
    type Answer = PolicyReport;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<PolicyReport, Error> {
        let Preset { account, preset } = self;
        change(ctx, account, |record| {
            record.preset = preset;
            Ok(())
        })
    }
}
