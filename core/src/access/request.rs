//! What an operation runs with: who asks, when, and the transaction through which it reads and
//! writes.

use crate::access::state::Engine;
use crate::error::{Code, Error};
use crate::kernel::page::Reader;
use crate::kernel::{Tx, keys};
use crate::model::{
    Account, Actor, AuditActor, AuditChange, Edition, EffectivePolicies, Id, OutboxMessage,
    PermissionTree, PolicyRecord,
};
use crate::rules::policy;
use crate::tables::accounts::account_line;
use std::sync::Arc;

/// What an operation runs with.
// Whoever calls the library hands in requests; only the library runs them.
#[allow(unnameable_types)]
pub struct Ctx<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) actor: &'a Actor,
    pub(crate) now_ms: u64,
    pub(crate) tx: Tx<'a>,
    /// Who asked for what is done here, where that was another call.
    pub(crate) on_behalf: Option<AuditActor>,
    /// What the audit of the platform is to remember though no record tells of it.
    pub(crate) also_audited: Vec<AuditChange>,
}

impl Engine {
    pub(crate) fn ctx<'a>(&'a self, actor: &'a Actor) -> Ctx<'a> {
        self.with(actor, self.kernel.tx())
    }

    /// What only reads, all of it after the same commit.
    pub(crate) fn reading<'a>(&'a self, actor: &'a Actor) -> Ctx<'a> {
        self.with(actor, self.kernel.reading())
    }

    fn with<'a>(&'a self, actor: &'a Actor, tx: Tx<'a>) -> Ctx<'a> {
        Ctx {
            engine: self,
            actor,
            now_ms: tx.now_ms,
            tx,
            on_behalf: None,
            also_audited: Vec::new(),
        }
    }
}

/// How often meters and records are looked at until both are of one moment.
const LOOKS: usize = 4;

impl<'a> Reader<'a> for Ctx<'a> {
    fn tx(&mut self) -> &mut Tx<'a> {
        &mut self.tx
    }
}

impl Ctx<'_> {
    /// The id that the host gave, or a new one. An id that was ever used for the same kind of thing
    /// is `id_taken`.
    pub(crate) fn new_id(
        &mut self,
        given: Option<Id>,
        prefix: keys::Prefix,
        key_of: impl Fn(&Id) -> Vec<u8>,
        kind: &str,
    ) -> Result<Id, Error> {
        let ids = &self.engine.kernel.ids;
        let id = match given {
            Some(id) => id,
            None => {
                let id = ids.next(self.now_ms)?;
                if ids.are_new() {
                    self.tx.is_new(&id);
                }
                id
            }
        };
        if self.tx.has(&key_of(&id))? || self.tx.has(&keys::tombstone(prefix, &id))? {
            return Err(Error::new(
                Code::IdTaken,
                format!("The id `{id}` belongs or belonged to another {kind}; choose a new one."),
            )
            .at("/id"));
        }
        Ok(id)
    }

    /// The policies that count for an account, or for the platform (R-PLT-3).
    pub(crate) fn policies(&mut self, account: Option<&Id>) -> Result<EffectivePolicies, Error> {
        self.policy_levels(account)
            .map(|levels| policy::effective(&levels))
    }

    /// The policies that count for an account, with those above it.
    pub(crate) fn policies_of(&mut self, line: &[Account]) -> Result<EffectivePolicies, Error> {
        self.policy_levels_of(line)
            .map(|levels| policy::effective(&levels))
    }

    fn policy_levels(&mut self, account: Option<&Id>) -> Result<Vec<PolicyRecord>, Error> {
        let line = account.map(|id| account_line(&mut self.tx, id));
        self.policy_levels_of(&line.transpose()?.unwrap_or_default())
    }

    fn policy_levels_of(&mut self, line: &[Account]) -> Result<Vec<PolicyRecord>, Error> {
        let mut levels = Vec::new();
        for of in line.iter().map(|account| Some(&account.id)).chain([None]) {
            levels.extend(self.tx.get::<PolicyRecord>(&keys::policy(of))?);
        }
        Ok(levels)
    }

    /// Whether credits and reserves are included for an account, or for the platform (R-PLT-1).
    pub(crate) fn includes_credits(&mut self, account: Option<&Id>) -> Result<bool, Error> {
        let edition = self.engine.kernel.edition;
        Ok(policy::includes_credits(
            edition,
            &self.policy_levels(account)?,
        ))
    }

    /// Refuses what belongs to credits where these are not included.
    pub(crate) fn require_credits(
        &mut self,
        account: Option<&Id>,
        field: &str,
    ) -> Result<(), Error> {
        if self.includes_credits(account)? {
            Ok(())
        } else {
            self.require_licence(field)
        }
    }

    /// What belongs to the commercial edition is refused under the standard one (R-PLT-1).
    pub(crate) fn require_licence(&self, field: &str) -> Result<(), Error> {
        match self.engine.kernel.edition {
            Edition::Commercial => Ok(()),
            Edition::Standard => Err(Error::new(
                Code::FeatureNotLicensed,
                format!(
                    "`{}` needs the commercial edition; leave it out, or open the store with that \
                     edition.",
                    field.trim_start_matches('/')
                ),
            )
            .at(field)),
        }
    }

    /// Puts a message into the outbox, in the same commit as its cause (R-OUT-1).
    pub(crate) fn enqueue_message(&mut self, message: &OutboxMessage) -> Result<(), Error> {
        self.tx.enqueue_message(message)
    }

    /// Who is remembered as having done it.
    pub(crate) fn audit_actor(&self) -> AuditActor {
        let asked = self.on_behalf.clone();
        asked.unwrap_or_else(|| AuditActor::from(self.actor))
    }

    /// Looks at meters and at records of one moment. Meters are as memory has them now, and records
    /// as the snapshot of the operation has them: where something was committed since that, both
    /// are looked at again, in a newer one. While others never stop committing, the last look
    /// counts.
    pub(crate) fn at_one_moment<T>(
        &mut self,
        look: impl Fn(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let kernel = &self.engine.kernel;
        let mut answer = look(self)?;
        let mut is_of_one = kernel.reads_newest();
        for _ in 1..LOOKS {
            if is_of_one {
                break;
            }
            let _reading = kernel.begin_reading();
            self.engine.catch_up()?;
            self.tx = kernel.reading();
            answer = look(self)?;
            is_of_one = kernel.reads_newest();
        }
        Ok(answer)
    }

    /// Runs a part of an operation; where it is refused, what it wrote is taken back and the rest
    /// of the operation goes on.
    pub(crate) fn attempt<T>(
        &mut self,
        part: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let outer = self.tx.begin_savepoint();
        let answer = part(self);
        self.tx.end_savepoint(outer, answer.is_ok());
        answer
    }

    pub(crate) fn tree(&self) -> Arc<PermissionTree> {
        self.engine.views.tree.load_full()
    }
}
