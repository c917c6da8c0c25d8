//! Who may do what: the actor of every operation is checked here, not by the host (section 1 of the
//! rules).

use crate::access::request::Ctx;
use crate::access::state::Engine;
use crate::access::view::{MemberView, NominalCache};
use crate::api::operation::{Access, Contract};
use crate::error::{Class, Code, Error};
use crate::kernel::{Tx, keys};
use crate::model::{
    self, Actor, AddressRange, Behind, Id, LogIn, Operator, SecondFactorPolicy, TEAM_PERMISSION,
};
use crate::rules::account::Status;
use crate::rules::api_key::key_permissions;
use crate::rules::role::{PermissionSet, role_permissions};
use crate::rules::session::may_come_from;
use crate::rules::trial::Trial;
use crate::tables::accounts::account_line;
use std::sync::Arc;

impl Engine {
    /// Whether this actor may call the operation of this contract about this account. What is not
    /// the actor's is `not_found`.
    pub(crate) fn authorise(
        &self,
        ctx: &mut Ctx<'_>,
        contract: &Contract,
        account: Option<&Id>,
    ) -> Result<(), Error> {
        let Contract { name, gates, .. } = contract;
        if ctx.actor.api_key().is_some() && !gates.api_key {
            return Err(Error::new(
                Code::NotWithApiKey,
                format!("`{name}` cannot be called with an API key; let a person call it."),
            ));
        }
        if ctx.actor.behind().is_some() && !gates.log_in_as {
            return Err(Error::new(
                Code::NotAsAnother,
                format!(
                    "`{name}` can be called only by the user in person, not by somebody who acts \
                     as them."
                ),
            ));
        }
        // Others than users do not look up what they may do there.
        if let Some(account) = account
            && self.is_leaving(account)?
        {
            return Err(Error::not_found("account", account.as_str()).at("/account"));
        }
        ctx.require_access(contract, account)?;
        match ctx.actor.log_in() {
            Some(log_in) => ctx.require_log_in(contract, log_in),
            None => Ok(()),
        }
    }
}

impl Ctx<'_> {
    fn require_access(&mut self, contract: &Contract, account: Option<&Id>) -> Result<(), Error> {
        let name = contract.name;
        match (self.actor, contract.access) {
            (Actor::System, _) => Ok(()),
            (_, Access::System) => Err(Error::new(
                Code::ActorNotAllowed,
                format!("Only the actor `system` may call `{name}`; let the host call it."),
            )),
            (Actor::User { .. }, Access::Operator(_)) => Err(Error::new(
                Code::ActorNotAllowed,
                format!("Only operators may call `{name}`; ask one of them."),
            )),
            (Actor::Operator { .. }, Access::Account { operator: None, .. }) => Err(Error::new(
                Code::ActorNotAllowed,
                format!("Only users of an account may call `{name}`; call it as one of them."),
            )),
            (
                Actor::Operator { .. },
                Access::Operator(permission)
                | Access::Account {
                    operator: Some(permission),
                    ..
                },
            ) => self.require_as_operator(permission),
            (
                Actor::User { account: home, .. },
                Access::Account {
                    user: permission, ..
                },
            ) => {
                let account = account.unwrap_or(home);
                if contract.gates.on_hold && account == home && self.actor.is_in_person() {
                    self.require_on_hold(home, permission)
                } else {
                    self.require_in(account, permission)
                }
            }
            (Actor::Operator { .. }, Access::Rule(_)) => self.operator_permissions().map(drop),
            (Actor::User { account: home, .. }, Access::Rule(_)) => self.member_in(home).map(drop),
        }
    }

    /// Refuses what a session does not do: where a second factor is asked for, anything without
    /// one, and what needs a log-in that is recent (R-SES-1).
    fn require_log_in(&mut self, contract: &Contract, log_in: LogIn) -> Result<(), Error> {
        if !contract.gates.before_second_factor {
            let home = match self.actor {
                Actor::User { account, .. } => Some(account),
                Actor::System | Actor::Operator { .. } => None,
            };
            self.require_second_factor(log_in, home)?;
        }
        if !contract.gates.needs_recent_log_in {
            return Ok(());
        }
        let recent_ms = self.policies(None)?.recent_log_in_ms.get();
        if self.now_ms.saturating_sub(log_in.authenticated_at_ms) <= recent_ms {
            return Ok(());
        }
        let message = format!(
            "`{}` needs a log-in of the last {} seconds; use `sessions.renew`.",
            contract.name,
            recent_ms / 1000
        );
        Err(Error::new(Code::LogInAgain, message)
            .at("/actor/token")
            .with("recent_log_in_ms", recent_ms))
    }

    /// Refuses a session without second factor where an account, or for operators the platform,
    /// asks for one.
    pub(crate) fn require_second_factor(
        &mut self,
        log_in: LogIn,
        account: Option<&Id>,
    ) -> Result<(), Error> {
        let is_needed = match (self.actor, account) {
            _ if log_in.with_second_factor => false,
            (Actor::User { .. }, Some(account)) => {
                self.engine
                    .cell(account)?
                    .view(self.engine)?
                    .needs_second_factor
            }
            (Actor::Operator { .. }, _) => {
                self.policies(None)?.second_factor == SecondFactorPolicy::Required
            }
            _ => false,
        };
        if !is_needed {
            return Ok(());
        }
        let place = account.map_or_else(
            || "the platform".to_owned(),
            |account| format!("`{account}`"),
        );
        Err(Error::new(
            Code::SecondFactorMissing,
            format!("A log-in without a second factor is not enough for {place}; log in with one."),
        )
        .at("/actor/token"))
    }

    /// What the acting user can do in an account: where they act, or below it when they manage its
    /// team.
    ///
    /// Everything else is `not_found`, whether it is there or not.
    pub(crate) fn member_in(&mut self, account: &Id) -> Result<Arc<MemberView>, Error> {
        let Actor::User {
            user,
            account: home,
            ..
        } = self.actor
        else {
            return Err(Error::new(
                Code::ActorNotAllowed,
                "Only a user acts in an account; call this as one of its users.",
            ));
        };
        let engine = self.engine;
        let own = self.narrowed_member(home, user)?;
        if own.entry == Some(Code::NotMember) {
            return Err(Error::not_found("account", home.as_str()));
        }
        self.require_address(&own.addresses)?;
        if let Some(code) = own.entry {
            return Err(Error::new(
                code,
                format!("`{user}` cannot act in `{home}`. {}", code.sentence()),
            )
            .with("account", home.as_str()));
        }
        if account == home {
            return Ok(own);
        }
        let cell = engine.cell(account)?;
        let is_descendant = cell
            .view(engine)?
            .ancestors
            .iter()
            .any(|ancestor| ancestor.id == *home);
        if !is_descendant || !holds(engine, &own, TEAM_PERMISSION) {
            return Err(Error::not_found("account", account.as_str()));
        }
        let there = self.narrowed_member(account, user)?;
        self.require_address(&there.addresses)?;
        // However an operation names the account: what it asks for is told to who reaches it alone.
        if let Some(log_in) = self.actor.log_in() {
            self.require_second_factor(log_in, Some(account))?;
        }
        // Where what is tried would not reach below at all, the check above has counted that.
        let tree = engine.views.tree.load();
        let reaches = |trial: &Trial| {
            tree.place(TEAM_PERMISSION)
                .is_some_and(|place| trial.permissions.at(place).is_some())
        };
        let trial = if own.trial.as_deref().is_none_or(reaches) {
            there.trial.clone()
        } else {
            None
        };
        Ok(Arc::new(there.trying(trial)))
    }

    /// Why the acting user could do nothing in an account, were it the one that they act in; none
    /// where they could (R-SES-5).
    pub(crate) fn entry_refusal(&self, account: &Id) -> Result<Option<Code>, Error> {
        let mut there = self.actor.clone();
        if let Actor::User { account: home, .. } = &mut there {
            *home = account.clone();
        }
        let mut ctx = self.engine.ctx(&there);
        let entered = ctx.member_in(account).and_then(|_| match there.log_in() {
            Some(log_in) => ctx.require_second_factor(log_in, Some(account)),
            None => Ok(()),
        });
        match entered {
            Ok(()) => Ok(None),
            Err(error) if error.is_refusal() => Ok(Some(error.code())),
            Err(error) => Err(error),
        }
    }

    /// What the acting user may do in an account, and where an API key acts for them, what it
    /// leaves of that (R-SES-7): no key enters an account that is on hold, not even that of an
    /// owner who may.
    fn narrowed_member(&self, account: &Id, user: &Id) -> Result<Arc<MemberView>, Error> {
        let cell = self.engine.cell(account)?;
        let member = cell.member(self.engine, user.as_str())?;
        if let Some(behind) = self.actor.behind() {
            let theirs = self.member_behind(behind, account, user)?;
            return Ok(Arc::new(
                member.by_another(theirs.as_deref().map(|theirs| &theirs.permissions)),
            ));
        }
        let Some(scope) = self.actor.api_key() else {
            return Ok(member);
        };
        Ok(Arc::new(member.under(
            &key_permissions(&self.tree(), &scope.permissions),
            cell.view(self.engine)?.status,
        )))
    }

    /// What the person behind a log-in-as may do in an account themself, which bounds what they may
    /// do there as another; an operator has no bound of that kind. Their own address and
    /// allow-lists count. The session is over for who may no longer begin one (R-SES-6).
    fn member_behind(
        &self,
        behind: &Behind,
        account: &Id,
        subject: &Id,
    ) -> Result<Option<Arc<MemberView>>, Error> {
        let person = behind.in_person(self.actor.raw_ip());
        let mut ctx = self.engine.ctx(&person);
        let member = ctx
            .require_log_in_as(account, subject)
            .and_then(|()| match person {
                Actor::User { .. } => ctx.member_in(account).map(Some),
                _ => Ok(None),
            });
        member.map_err(|error| match error.code().class() {
            Class::Store | Class::Handle => error,
            _ if error.code() == Code::IpNotAllowed => error,
            _ => Error::new(
                Code::SessionInvalid,
                format!("`{}` may no longer act as others; log in.", behind.user),
            ),
        })
    }

    /// Refuses who may not act as a user of an account: operators with `clients.login_as` may where
    /// the policy lets them, there and wherever what the user may do there comes from, and users
    /// with `impersonation.start` in the accounts below their own (R-SES-6).
    pub(crate) fn require_log_in_as(&mut self, account: &Id, subject: &Id) -> Result<(), Error> {
        match self.actor {
            Actor::System => Err(Error::new(
                Code::ActorNotAllowed,
                "The host cannot act as a user; call this as an operator or a user.",
            )),
            Actor::Operator { .. } => {
                self.require_as_operator("clients.login_as")?;
                let view = self
                    .engine
                    .cell(account)
                    .and_then(|cell| cell.view(self.engine))
                    .map_err(|error| error.at("/account"))?;
                let tree = self.tree();
                let judged = view.judge(&mut self.tx, &mut NominalCache::new(&tree), subject)?;
                let by = judged
                    .iter()
                    .flat_map(|judged| judged.all_memberships().map(|member| &member.account));
                for place in std::iter::once(account).chain(by) {
                    if !self.policies(Some(place))?.operators_log_in_as {
                        let message = format!(
                            "The policy `operators_log_in_as` does not let operators act as users \
                             of `{place}`; set it to allow that."
                        );
                        return Err(Error::new(Code::PolicyForbids, message)
                            .at("/account")
                            .with("policy", "operators_log_in_as"));
                    }
                }
                Ok(())
            }
            Actor::User { account: home, .. } => {
                self.require_in(home, "impersonation.start")?;
                self.member_in(account)
                    .map_err(|error| error.at("/account"))?;
                if account != home {
                    return Ok(());
                }
                Err(Error::new(
                    Code::ActorNotAllowed,
                    format!(
                        "`{account}` is your own account; you can act only as users of the \
                         accounts below it."
                    ),
                )
                .at("/account"))
            }
        }
    }

    /// Refuses an actor whose address these allow-lists do not hold (R-SES-3).
    pub(crate) fn require_address(&self, lists: &[Vec<AddressRange>]) -> Result<(), Error> {
        if may_come_from(lists.iter().map(Vec::as_slice), self.actor.ip()) {
            return Ok(());
        }
        Err(Error::new(
            Code::IpNotAllowed,
            format!(
                "`{}` may not call from this address; add the address to the allow-lists.",
                self.actor.label()
            ),
        ))
    }

    /// Refuses unless the actor holds a permission in an account. The host may do everything; an
    /// operator, nothing here.
    pub(crate) fn require_in(&mut self, account: &Id, permission: &str) -> Result<(), Error> {
        let Actor::User { user, .. } = self.actor else {
            return match self.actor {
                Actor::System => Ok(()),
                _ => Err(Error::new(
                    Code::ActorNotAllowed,
                    "An operator has no permissions in an account; ask as one of its users.",
                )),
            };
        };
        let member = self.member_in(account)?;
        if holds(self.engine, &member, permission) {
            return Ok(());
        }
        Err(Error::new(
            Code::PermissionDenied,
            format!(
                "`{user}` does not hold `{permission}` in `{account}`; ask for a role that has it."
            ),
        )
        .with("missing", permission))
    }

    /// As [`require_in`](Ctx::require_in), for a member of an account that may be on hold.
    fn require_on_hold(&mut self, account: &Id, permission: &str) -> Result<(), Error> {
        let engine = self.engine;
        let Some(user) = self.actor.user() else {
            return self.require_in(account, permission);
        };
        let cell = engine.cell(account)?;
        let is_on_hold = cell.view(engine)?.status == Status::Suspended;
        let own = cell.member_whatever_status(engine, user)?;
        let is_member = own.member.as_ref().is_some_and(|member| !member.disabled);
        if is_on_hold && is_member && own.refusal.is_none() && holds(engine, &own, permission) {
            return self.require_address(&own.addresses);
        }
        self.require_in(account, permission)
    }

    /// As [`require_in`](Ctx::require_in) for a user; an operator has to hold `operator`.
    pub(crate) fn require(
        &mut self,
        account: &Id,
        permission: &str,
        operator: &str,
    ) -> Result<(), Error> {
        match self.actor {
            Actor::Operator { .. } => self.require_as_operator(operator),
            _ => self.require_in(account, permission),
        }
    }

    /// Refuses unless the acting operator holds a permission of the platform.
    pub(crate) fn require_as_operator(&mut self, permission: &str) -> Result<(), Error> {
        let permissions = self.operator_permissions()?;
        if self
            .tree()
            .place(permission)
            .is_some_and(|place| permissions.at(place).is_some())
        {
            return Ok(());
        }
        let who = self.actor.label();
        Err(Error::new(
            Code::PermissionDenied,
            format!("`{who}` does not hold `{permission}`; ask for a role that has it."),
        )
        .with("missing", permission))
    }

    /// What the acting operator may do.
    pub(crate) fn operator_permissions(&mut self) -> Result<PermissionSet, Error> {
        let Some(user) = self.actor.user() else {
            return Err(Error::new(
                Code::ActorNotAllowed,
                "Only operators may do this; ask one of them.",
            ));
        };
        let list = self.tx.get(&keys::user_allow_list(user))?;
        self.require_address(list.as_slice())?;
        operator_permissions(&mut self.tx, &self.engine.views.tree.load(), user)
    }

    /// What bounds the roles that the actor hands out in an account, and whom they act on there:
    /// what they hold in it before any ceiling, from whichever account they come. None for host and
    /// operators, who answer for accounts without having permissions in them (R-ROL-7).
    pub(crate) fn nominal_in(&mut self, account: &Id) -> Result<Option<PermissionSet>, Error> {
        let Actor::User { user, .. } = self.actor else {
            return Ok(None);
        };
        // An API key and a log-in-as belong to one membership.
        if !self.actor.is_in_person() && self.member_in(account).is_err() {
            return Ok(Some(PermissionSet::none(&self.tree())));
        }
        let held = self.nominal_of(account, user, false)?;
        if let Some(scope) = self.actor.api_key() {
            return Ok(Some(
                held.under(&key_permissions(&self.tree(), &scope.permissions)),
            ));
        }
        let Some(behind) = self.actor.behind() else {
            return Ok(Some(held));
        };
        let theirs = self
            .engine
            .ctx(&behind.in_person(None))
            .nominal_in(account)?;
        Ok(Some(theirs.iter().fold(held, PermissionSet::under)))
    }

    /// What bounds what the actor does about permissions that somebody has in an account: what they
    /// hold there, and where these let one reach the accounts below, what they hold in those
    /// (R-ROL-7). As [`nominal_in`](Ctx::nominal_in) for each; empty for host and operators.
    pub(crate) fn nominal_where(
        &mut self,
        account: &Id,
        set: &PermissionSet,
    ) -> Result<Vec<PermissionSet>, Error> {
        let mut sets: Vec<PermissionSet> = self.nominal_in(account)?.into_iter().collect();
        if !sets.is_empty() && self.may_manage_tree(account, set)? {
            self.nominal_of_descendants(account, &mut sets)?;
        }
        Ok(sets)
    }

    /// Whether who holds this in an account reaches those below it.
    pub(crate) fn may_manage_tree(&self, account: &Id, set: &PermissionSet) -> Result<bool, Error> {
        Ok(self
            .engine
            .cell(account)?
            .view(self.engine)?
            .may_manage_tree(&self.tree(), set))
    }

    /// What the actor holds in the accounts below one. In the first of them where they have no
    /// place of their own they hold the least, so that no other needs to be looked at.
    pub(crate) fn nominal_of_descendants(
        &mut self,
        account: &Id,
        sets: &mut Vec<PermissionSet>,
    ) -> Result<(), Error> {
        let Some(user) = self.actor.user() else {
            return Ok(());
        };
        let (mut from, until) = keys::range(keys::CHILD, &[account.as_str()]);
        while let Some((key, ())) = self.tx.range::<()>(&from, &until, 1)?.pop() {
            let Some(child) = keys::last_id(&key) else {
                break;
            };
            sets.extend(self.nominal_in(&child)?);
            if !self.tx.has(&keys::member(&child, user))? {
                break;
            }
            self.nominal_of_descendants(&child, sets)?;
            from = key;
            from.push(0);
        }
        Ok(())
    }

    /// As [`nominal_in`](Ctx::nominal_in), in the account that the actor acts in.
    pub(crate) fn nominal(&mut self) -> Result<Option<PermissionSet>, Error> {
        match self.actor {
            Actor::User { account: home, .. } => self.nominal_in(home),
            Actor::System | Actor::Operator { .. } => Ok(None),
        }
    }

    /// What a user holds in an account before the ceilings, as a member and as who manages its team
    /// from above: what counts now, or all that can, with what is disabled or on hold.
    pub(crate) fn nominal_of(
        &mut self,
        account: &Id,
        user: &Id,
        all: bool,
    ) -> Result<PermissionSet, Error> {
        let view = self.engine.cell(account)?.view(self.engine)?;
        view.nominal(
            &mut self.tx,
            &mut NominalCache::new(&self.engine.views.tree.load()),
            user,
            all,
        )
    }

    /// Whether the actor manages the team of an account: from above it, or as the host or an
    /// operator.
    pub(crate) fn manages_team_of(&mut self, account: &Id) -> Result<bool, Error> {
        let Actor::User { account: home, .. } = self.actor else {
            return Ok(true);
        };
        // What is not there answers like what is somebody else's.
        let line = match account_line(&mut self.tx, account) {
            Err(error) if error.code() == Code::NotFound => return Ok(false),
            line => line?,
        };
        if !line.iter().any(|ancestor| ancestor.id == *home) {
            return Ok(false);
        }
        let member = self.member_in(home)?;
        Ok(holds(self.engine, &member, TEAM_PERMISSION))
    }
}

/// Whether a member holds a permission, as far as it may reach; see [`MemberView::may`].
pub(crate) fn holds(engine: &Engine, member: &MemberView, permission: &str) -> bool {
    engine
        .views
        .tree
        .load()
        .place(permission)
        .is_some_and(|place| member.may(engine, place))
}

/// What an operator may do; `not_found` for who is none.
pub(crate) fn operator_permissions(
    tx: &mut Tx<'_>,
    tree: &model::PermissionTree,
    user: &Id,
) -> Result<PermissionSet, Error> {
    let operator: Operator = tx
        .get(&keys::operator(user))?
        .ok_or_else(|| Error::not_found("operator", user.as_str()))?;
    let disabled = operator.disabled
        || tx
            .get::<model::User>(&keys::user(user))?
            .is_none_or(|user| user.disabled);
    if disabled {
        return Err(Error::new(
            Code::UserDisabled,
            format!("`{user}` cannot act. {}", Code::UserDisabled.sentence()),
        ));
    }
    // A role that is gone grants nothing.
    Ok(role_permissions(
        tree,
        &crate::tables::roles::role_with_includes(tx, tree, &operator.role)?,
    )
    .within_platform(tree))
}
