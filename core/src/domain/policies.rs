//! Policies: where platforms differ, for the platform and account by account (R-PLT-3).

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::policies::{Get, PolicyOrigin, PolicyPut, PolicyReport, Preset, Put, Set, Unset};
use crate::api::put::PutOutcome;
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

/// Refuses unless the actor sets policies of this account, or of the platform.
fn require_change(ctx: &mut Ctx<'_>, account: Option<&Id>) -> Result<(), Error> {
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
    match account {
        Some(id) => accounts::load(&mut ctx.tx, id, "/account").map(drop),
        None => Ok(()),
    }
}

/// Writes what is set on one level; everyone below sees it at once.
fn write(ctx: &mut Ctx<'_>, account: Option<&Id>, record: &PolicyRecord) -> Result<(), Error> {
    let key = keys::policy(account);
    if *record == PolicyRecord::default() {
        ctx.tx.delete(key);
    } else {
        ctx.tx.put(key, record)?;
    }
    match account {
        Some(id) => members::invalidate(&mut ctx.tx, id),
        None => {
            ctx.tx.invalidate_all();
            Ok(())
        }
    }
}

/// Changes what is set on one level.
fn change(
    ctx: &mut Ctx<'_>,
    account: Option<Id>,
    how: impl FnOnce(&mut PolicyRecord) -> Result<(), Error>,
) -> Result<PolicyReport, Error> {
    require_change(ctx, account.as_ref())?;
    let key = keys::policy(account.as_ref());
    let mut record: PolicyRecord = ctx.tx.get(&key)?.unwrap_or_default();
    how(&mut record)?;
    write(ctx, account.as_ref(), &record)?;
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

impl Operation for Put {
    type Answer = PolicyPut;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<PolicyPut, Error> {
        let Put {
            account,
            preset,
            policies: set,
        } = self;
        if account.is_some() {
            check_for_account(&set)?;
        }
        require_change(ctx, account.as_ref())?;
        check(&set)?;
        let before: Option<PolicyRecord> = ctx.tx.get(&keys::policy(account.as_ref()))?;
        let record = PolicyRecord { preset, set };
        let outcome = match before {
            None if record == PolicyRecord::default() => PutOutcome::Unchanged,
            None => PutOutcome::Created,
            Some(before) if before == record => PutOutcome::Unchanged,
            Some(_) => PutOutcome::Changed,
        };
        if outcome != PutOutcome::Unchanged {
            write(ctx, account.as_ref(), &record)?;
        }
        Ok(PolicyPut {
            report: report(ctx, account)?,
            outcome,
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

#[cfg(test)]
mod tests {
    use crate::access::state::Engine;
    use crate::catalogue;
    use crate::error::{Code, Error};
    use crate::model::Actor;
    use crate::options::OpenOptions;
    use serde_json::{Value, json};
    use std::path::Path;

    fn call(engine: &Engine, operation: &str, request: Value) -> Result<Value, Error> {
        let entry = catalogue::find(operation).unwrap();
        let answer = (entry.run_json)(engine, &Actor::System, request.to_string().as_bytes())?;
        Ok(serde_json::from_str(&answer).unwrap())
    }

    /// What was done, and whether anything was committed.
    fn put(engine: &Engine, request: &Value) -> (Value, bool) {
        let before = engine.kernel.backend.last_commit();
        let answer = call(engine, "policies.put", request.clone()).unwrap();
        let has_written = engine.kernel.backend.last_commit() != before;
        (answer["outcome"].clone(), has_written)
    }

    #[test]
    fn policies_are_put_into_a_state_and_left_there() {
        let engine = Engine::open(Path::new(":memory:"), &OpenOptions::default()).unwrap();
        let owner = json!({"user": "olga", "email": "olga@acme.example"});
        let account = json!({"id": "acme", "name": "Acme", "owner": owner});
        call(&engine, "accounts.create", account).unwrap();
        for place in [json!({}), json!({"account": "acme"})] {
            let with = |field: &str, value: Value| {
                let mut request = place.clone();
                request[field] = value;
                request
            };
            assert_eq!(put(&engine, &place), (json!("unchanged"), false));
            let one = with("policies", json!({"time_zone": "Asia/Tokyo", "seats": 5}));
            assert_eq!(put(&engine, &one), (json!("created"), true));
            assert_eq!(put(&engine, &one), (json!("unchanged"), false));
            let other = with("policies", json!({"seats": 5}));
            assert_eq!(put(&engine, &other), (json!("changed"), true));
            let report = call(&engine, "policies.get", place.clone()).unwrap();
            assert_eq!(report["set"], json!({"seats": 5}));
            let preset = with("preset", json!("groups"));
            assert_eq!(put(&engine, &preset), (json!("changed"), true));
            assert_eq!(put(&engine, &preset), (json!("unchanged"), false));
            assert_eq!(put(&engine, &place), (json!("changed"), true));
            assert_eq!(put(&engine, &place), (json!("unchanged"), false));
        }
    }

    /// R-PLT-3: what an account cannot have of its own is refused here as it is by `policies.set`.
    #[test]
    fn what_cannot_be_set_cannot_be_put() {
        let engine = Engine::open(Path::new(":memory:"), &OpenOptions::default()).unwrap();
        let owner = json!({"user": "olga", "email": "olga@acme.example"});
        let account = json!({"id": "acme", "name": "Acme", "owner": owner});
        call(&engine, "accounts.create", account).unwrap();
        for request in [
            json!({"account": "acme", "policies": {"password_memory_kib": 20000}}),
            json!({"account": "acme", "policies": {"billing_day": 40}}),
            json!({"policies": {"billing_day": 40}}),
            json!({"account": "nowhere", "policies": {"billing_day": 4}}),
        ] {
            let [set, put] = ["policies.set", "policies.put"]
                .map(|operation| call(&engine, operation, request.clone()).unwrap_err());
            assert_eq!(
                (put.code(), put.field()),
                (set.code(), set.field()),
                "{request}"
            );
            assert!([Code::InvalidArgument, Code::NotFound].contains(&put.code()));
        }
    }
}
