//! Users are deleted, and what they owned is passed on.

use crate::access::escalation::members::refuse_stronger_in;
use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::access::visibility;
use crate::api;
use crate::api::users::{Delete, UserDeleted};
use crate::domain::users::edit::require_of_user;
use crate::domain::users::erase;
use crate::domain::users::show::memberships_in;
use crate::domain::{invitations, membership};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::model::{Actor, Id};
use crate::tables::{accounts, members, resources, users};

/// Most successors in one request.
const MOST_SUCCESSORS: usize = 500;

impl Operation for Delete {
    type Answer = UserDeleted;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<UserDeleted, Error> {
        if self.successors.len() > MOST_SUCCESSORS {
            return Err(Error::invalid(
                "/successors",
                format!(
                    "One call takes at most {MOST_SUCCESSORS} successors, not {}.",
                    self.successors.len()
                ),
            ));
        }
        let scope = match ctx.actor {
            Actor::System => None,
            Actor::Operator { .. } => {
                ctx.require_as_operator("clients.delete")?;
                None
            }
            Actor::User { account: home, .. } => {
                ctx.require_in(home, "users.delete")?;
                Some(visibility::require_parent(ctx)?)
            }
        };
        visibility::refuse_self(ctx, &self.user, "delete")?;
        let user = visibility::load_visible(ctx, &self.user, "/user")?;
        if ctx.tx.has(&keys::operator(&user.id))? {
            return Err(Error::new(
                Code::IsOperator,
                format!(
                    "`{}` is an operator; remove the operator first (`operators.remove`).",
                    user.id
                ),
            )
            .at("/user"));
        }
        for member in memberships_in(ctx, &user.id, scope.as_ref())? {
            refuse_stronger_in(ctx, &member.account, &member.user)?;
        }
        if scope.is_none() {
            invitations::records::forget(ctx, &user, None)?;
        }
        self.pass_on(ctx)?;
        let accounts_deleted = self.end_owned(ctx, scope.as_ref())?;
        let mut left = Vec::new();
        for member in memberships_in(ctx, &user.id, scope.as_ref())? {
            membership::leave(ctx, &member, self.resources_to.as_ref())?;
            left.push(member.account);
        }
        if scope.is_none() {
            end_in_leaving(ctx, &user.id)?;
        }
        // A user without any account has no last one to go with.
        if scope.is_none() && ctx.tx.has(&keys::user(&user.id))? {
            erase(ctx, &user)?;
        }
        Ok(UserDeleted {
            user: user.id,
            left,
            accounts_deleted,
        })
    }
}

/// Ends the memberships in accounts that are being erased, which are all that are left. Nobody gets
/// what the user owns there.
fn end_in_leaving(ctx: &mut Ctx<'_>, user: &Id) -> Result<(), Error> {
    for account in users::memberships_of(&mut ctx.tx, user, usize::MAX)? {
        ctx.tx.find_leaving();
        resources::erase_all_of_owner(&mut ctx.tx, &account, user)?;
        let member = members::load(&mut ctx.tx, &account, user)?;
        membership::erase(ctx, &member)?;
    }
    Ok(())
}

impl Delete {
    /// Gives what the user owns to the successors, from the top down: accounts below may follow
    /// (`child_owner`).
    fn pass_on(&self, ctx: &mut Ctx<'_>) -> Result<(), Error> {
        let mut steps = Vec::new();
        for (at, next) in self.successors.iter().enumerate() {
            let field = format!("/successors/{at}/account");
            require_of_user(ctx, &next.account, "accounts.transfer_owner")
                .map_err(|error| error.at(field.as_str()))?;
            let account = accounts::load(&mut ctx.tx, &next.account, &field)?;
            if account.owner.as_ref() != Some(&self.user) {
                return Err(Error::invalid(
                    field,
                    format!(
                        "`{}` does not own `{}`; name accounts that they own.",
                        self.user, next.account
                    ),
                ));
            }
            if self
                .successors
                .iter()
                .take(at)
                .any(|before| before.account == next.account)
            {
                return Err(Error::invalid(
                    field,
                    format!("`{}` is named twice; name each account once.", next.account),
                ));
            }
            if next.user == self.user {
                return Err(Error::invalid(
                    format!("/successors/{at}/user"),
                    format!(
                        "The successor `{}` is the user who is being deleted; name somebody else.",
                        next.user
                    ),
                ));
            }
            let depth = crate::tables::accounts::account_line(&mut ctx.tx, &next.account)?.len();
            steps.push((depth, at, next));
        }
        steps.sort_by_key(|(depth, at, _)| (*depth, *at));
        for (_, at, next) in steps {
            membership::make_owner(ctx, &next.account, &next.user, None).map_err(|error| {
                match error.field() {
                    Some("/user") => error.at(format!("/successors/{at}/user")),
                    _ => error.at(format!("/successors/{at}/account")),
                }
            })?;
        }
        Ok(())
    }

    /// What the user still owns goes with them, from the bottom up, where that was asked for.
    fn end_owned(&self, ctx: &mut Ctx<'_>, scope: Option<&Id>) -> Result<Vec<Id>, Error> {
        let mut owned = Vec::new();
        for member in memberships_in(ctx, &self.user, scope)?
            .into_iter()
            .filter(|member| member.owner)
        {
            let depth = crate::tables::accounts::account_line(&mut ctx.tx, &member.account)?.len();
            owned.push((depth, member.account));
        }
        if !owned.is_empty() && !self.delete_accounts {
            let message = format!(
                "`{}` owns {} accounts; name in `successors` who owns each of them next.",
                self.user,
                owned.len()
            );
            let owned: Vec<String> = owned
                .iter()
                .take(10)
                .map(|(_, account)| account.to_string())
                .collect();
            return Err(Error::new(Code::OwnerTransferRequired, message)
                .at("/successors")
                .with("accounts", owned));
        }
        owned.sort_by(|(one, _), (other, _)| other.cmp(one));
        let mut gone = Vec::new();
        for (_, account) in owned {
            require_of_user(ctx, &account, "accounts.delete")
                .map_err(|error| error.at("/delete_accounts"))?;
            api::accounts::Delete {
                account: account.clone(),
                children: None,
                expected_rev: None,
            }
            .run(ctx)
            .map_err(|error| error.at("/delete_accounts"))?;
            gone.push(account);
        }
        Ok(gone)
    }
}
