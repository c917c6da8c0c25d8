//! The members of an account.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::access::visibility;
use crate::api::members::{List, MemberList, MemberOrder};
use crate::domain::members::show::answer_of_member;
use crate::domain::roles;
use crate::domain::users::show::is_inactive;
use crate::error::Error;
use crate::kernel::keys;
use crate::kernel::page::{page_size, walk_ahead, walk_merged};
use crate::model::{self, Id, Name};
use crate::tables::people::{self, Order, Search};
use crate::tables::roles::use_spans;
use crate::tables::{accounts, groups, users};

impl Operation for List {
    type Answer = MemberList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<MemberList, Error> {
        let account = accounts::load(&mut ctx.tx, &self.account, "/account")?.id;
        if let Some(role) = &self.role {
            roles::load_for(ctx, role, &account, "/role")?;
        }
        if let Some(group) = &self.group {
            groups::load(&mut ctx.tx, &account, group, "/group")?;
        }
        let hidden = visibility::hidden_in(ctx, &account)?;
        let steps = ctx.policies(Some(&account))?.pending_until;
        let search = self.list_of_people();
        let words = self
            .contains
            .as_ref()
            .map(|text| people::searched(text.as_str()));
        // By id there are shorter lists of those who are in a group, or have a role.
        let spans = match (&search, &self.group, &self.role) {
            (Some(search), ..) => search.spans(account.as_str()),
            (None, Some(group), _) => vec![keys::range(
                keys::GROUP_MEMBER,
                &[account.as_str(), group.as_str()],
            )],
            (None, None, Some(role)) => {
                use_spans(&mut ctx.tx, role, &["member", account.as_str()])?
            }
            (None, None, None) => vec![keys::range(keys::MEMBER, &[account.as_str()])],
        };
        let (size, after) = (page_size(self.limit)?, self.after.as_ref());
        let ahead = |ctx: &mut Ctx<'_>, keys: &[Vec<u8>]| fetch(ctx, &account, keys);
        let keep = |ctx: &mut Ctx<'_>, _: usize, key: &[u8]| {
            let Some(id) = keys::last_id(key).filter(|id| !hidden.contains(id)) else {
                return Ok(None);
            };
            let Some(member) = ctx.tx.get::<model::Member>(&keys::member(&account, &id))? else {
                return Ok(None);
            };
            if (self.role.is_some() && member.role != self.role)
                || (self.group.is_some() && member.group != self.group)
            {
                return Ok(None);
            }
            let user = users::load(&mut ctx.tx, &id, "/after")?;
            let is_first = |search: &Search| search.is_first(key, &user);
            let is_named = |words: &String| people::is_user_named(&user, words);
            if !search.as_ref().is_none_or(is_first) || !words.as_ref().is_none_or(is_named) {
                return Ok(None);
            }
            let last_seen_at_ms = users::last_seen(&mut ctx.tx, &user)?;
            if !is_inactive(&user, last_seen_at_ms, self.inactive_since_ms) {
                return Ok(None);
            }
            let member = answer_of_member(ctx, member, user, &steps)?;
            Ok(self
                .status
                .is_none_or(|asked| asked == member.status)
                .then_some(member))
        };
        // In the order of their ids, also while the role is put in the place of another.
        let (members, next) = if search.is_none() && spans.len() > 1 {
            walk_merged(ctx, &spans, after, self.limit, keep)?
        } else {
            walk_ahead(ctx, &spans, after, size, ahead, |ctx, key| {
                keep(ctx, 0, key)
            })?
        };
        Ok(MemberList { members, next })
    }
}

impl List {
    /// The list of people to go through; none where members are listed by id.
    fn list_of_people(&self) -> Option<Search> {
        let text = self.search.as_ref().map(Name::as_str);
        match (self.order, text) {
            (Some(MemberOrder::Name), text) => Some(Search::new(Order::Name, text)),
            (Some(MemberOrder::Email), text) => Some(Search::new(Order::Email, text)),
            (_, Some(text)) => Some(Search::new(Order::Email, Some(text))),
            (Some(MemberOrder::Id) | None, None) => None,
        }
    }
}

/// Reads at once what is shown of the members at these keys.
fn fetch(ctx: &mut Ctx<'_>, account: &Id, keys: &[Vec<u8>]) -> Result<(), Error> {
    let listed = keys.iter().filter_map(|key| keys::last_id(key));
    ctx.tx.fetch(listed.flat_map(|id| {
        let member = keys::member(account, &id);
        [member, keys::user(&id), keys::last_seen(&id)]
    }))
}
