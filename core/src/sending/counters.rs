//! Which counters and paces a send is charged to: of limits, caps and groups, of the account
//! and of those above.

use crate::access::sending::Sending;
use crate::access::state::Engine;
use crate::access::view::{AccountCell, View};
use crate::error::Error;
use crate::kernel::keys;
use crate::meters::{
    Frame, MeterId, MeterScope, PLATFORM, Resolved, Term, Wanted, over_of, value_of,
};
use crate::model::{
    Cap, CapPeriod, CapScope, Channel, Group, Id, Limit, LimitName, MessageClass, Window,
};
use crate::rules::limit::Source;
use crate::sending::refund::Sent;
use std::sync::Arc;

/// The counters and paces of limits of one account, which may be above the one that sends, for
/// messages of a class.
pub(crate) fn wanted_of(
    cell: &AccountCell,
    view: &View,
    child: Option<&Id>,
    limits: impl IntoIterator<Item = LimitName>,
    class: Option<MessageClass>,
) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    for limit in limits {
        let (Some(window), resolved) = (limit.window(), view.limit(limit)) else {
            continue;
        };
        let term = |resolved: Resolved| Term {
            resolved,
            counts: resolved
                .class
                .is_none_or(|only| class.is_none_or(|class| class == only)),
        };
        let now = term(resolved);
        let later: Vec<_> = view
            .later
            .iter()
            .map(|later| (later.from_ms, term(value_of(&later.limits, limit))))
            .collect();
        if !now.counts {
            wanted.push(uncounted(cell, view, limit, window, &later));
        }
        let id = MeterId {
            account: Some(cell.id.clone()),
            scope: MeterScope::Account,
            limit: limit.name(),
        };
        let counter = Wanted {
            counts: now.counts,
            over: over_of(resolved),
            kept: view
                .guaranteed
                .iter()
                .find(|guaranteed| guaranteed.limit == limit)
                .cloned(),
            child: child.cloned(),
            ..view.frame.wanted(id, window, resolved)
        };
        let counts = now.counts || later.iter().any(|(_, term)| term.counts);
        let (spreads, will_spread) = (
            now.pace(window).is_some(),
            later.iter().any(|(_, term)| term.pace(window).is_some()),
        );
        let counter = Wanted { later, ..counter };
        let pace = Wanted {
            is_pace: true,
            counts: spreads,
            burst: resolved.burst,
            ..counter.clone()
        };
        wanted.extend(
            counts
                .then_some(counter)
                .into_iter()
                .chain((spreads || will_spread).then_some(pace)),
        );
    }
    wanted
}

/// The counter of messages that a limit of an account does not count.
pub(super) fn uncounted(
    cell: &AccountCell,
    view: &View,
    limit: LimitName,
    window: Window,
    later: &[(u64, Term)],
) -> Wanted {
    let id = MeterId {
        account: Some(cell.id.clone()),
        scope: MeterScope::Uncounted,
        limit: limit.name(),
    };
    let resolved = Resolved::plain(Limit::Unlimited, view.limit(limit).source);
    let later = later
        .iter()
        .map(|(from_ms, term)| {
            (
                *from_ms,
                Term {
                    resolved,
                    counts: !term.counts,
                },
            )
        })
        .collect();
    Wanted {
        later,
        ..view.frame.wanted(id, window, resolved)
    }
}

/// The counter of a cap, where it counts this send.
pub(crate) fn wanted_of_cap(frame: &Frame, cap: &Cap, sending: &Sending<'_>) -> Option<Wanted> {
    let class = sending
        .message
        .message_class
        .unwrap_or(MessageClass::Marketing);
    if cap.message_class.is_some_and(|only| only != class) {
        return None;
    }
    let user = sending
        .member
        .and_then(|member| member.member.as_ref())
        .map(|member| &member.user);
    counter_of_cap(
        frame,
        cap,
        &Sent {
            user,
            groups: &[],
            channel: sending.channel,
            message: sending.message,
        },
    )
}

/// The same, whatever class the cap counts.
fn counter_of_cap(frame: &Frame, cap: &Cap, sent: &Sent<'_>) -> Option<Wanted> {
    let message = sent.message;
    if cap.channel != sent.channel {
        return None;
    }
    let subject = match cap.scope {
        CapScope::Account => Some(cap.account.as_ref().map_or(PLATFORM, Id::as_str)),
        CapScope::Member => sent.user.map(Id::as_str),
        CapScope::Campaign => message.campaign.as_ref().map(Id::as_str),
        CapScope::ApiKey => message.api_key.as_ref().map(Id::as_str),
        CapScope::SendingDomain => message
            .sending_domain
            .as_ref()
            .map(|domain| domain.as_str()),
        CapScope::RecipientDomain => message
            .recipient_domain
            .as_ref()
            .map(|domain| domain.as_str()),
    }?;
    if cap
        .subject
        .as_ref()
        .is_some_and(|only| only.as_str() != subject)
    {
        return None;
    }
    Some(frame.wanted_of_cap(cap, subject))
}

impl Engine {
    /// What a group counts, also where it has no cap (R-GRP-5).
    pub(crate) fn wanted_of_group(
        &self,
        view: &View,
        group: &Id,
        channel: Channel,
        period: CapPeriod,
    ) -> Result<Option<Wanted>, Error> {
        let mut tx = self.kernel.tx();
        let Some(group) = tx.get::<Group>(&keys::group(&view.account, group))? else {
            return Ok(None);
        };
        let cap = match channel {
            Channel::Email => group.caps.email,
            Channel::Sms => group.caps.sms,
        };
        let (limit, window) = match (channel, period) {
            (Channel::Email, CapPeriod::Month) => ("email_per_month", Window::Month),
            (Channel::Email, CapPeriod::Year) => ("email_per_year", Window::Year),
            (Channel::Sms, CapPeriod::Month) => ("sms_per_month", Window::Month),
            (Channel::Sms, CapPeriod::Year) => ("sms_per_year", Window::Year),
        };
        let id = MeterId {
            account: Some(view.account.clone()),
            scope: MeterScope::Group(group.id),
            limit,
        };
        Ok(Some(view.frame.wanted(
            id,
            window,
            Resolved::plain(cap.unwrap_or(Limit::Unlimited), Source::Group),
        )))
    }

    /// Every counter that messages may have been charged to, whatever class limits and caps count
    /// by now, and in whichever period groups do.
    pub(crate) fn may_be_charged(
        &self,
        cell: &Arc<AccountCell>,
        view: &View,
        sent: &Sent<'_>,
    ) -> Result<Vec<Wanted>, Error> {
        let (limits, mut wanted, mut child) = (sent.channel.limits(), Vec::new(), None);
        for level in std::iter::once(cell).chain(&view.ancestors) {
            let of_account = level.view(self)?;
            wanted.extend(wanted_of(
                level,
                &of_account,
                child.replace(&level.id),
                limits,
                None,
            ));
            wanted.extend(limits.into_iter().filter_map(|limit| {
                Some(uncounted(level, &of_account, limit, limit.window()?, &[]))
            }));
            wanted.extend(
                of_account
                    .caps
                    .iter()
                    .filter_map(|cap| counter_of_cap(&of_account.frame, cap, sent)),
            );
        }
        wanted.extend(
            view.platform
                .caps
                .iter()
                .filter_map(|cap| counter_of_cap(&view.platform.frame, cap, sent)),
        );
        for group in sent.groups {
            for period in [CapPeriod::Month, CapPeriod::Year] {
                wanted.extend(self.wanted_of_group(view, group, sent.channel, period)?);
            }
        }
        Ok(wanted)
    }
}
