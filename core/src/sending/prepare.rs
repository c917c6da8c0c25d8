//! Sending is prepared: what stands in its way, and what it is charged to.

use crate::access::sending::Sending;
use crate::access::state::Engine;
use crate::access::view::{AccountCell, MemberView, View};
use crate::error::{Code, Error};
use crate::meters::{Prepared, Remembered, Wanted};
use crate::model::{
    Actor, Assets, Channel, Id, LimitName, MessageClass, MessageInput, Name, OverLimit,
};
use crate::sending::counters::{uncounted, wanted_of, wanted_of_cap};
use crate::sending::credits;
use crate::sending::refund::Sent;
use crate::tables::campaigns;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

impl Prepared {
    /// For an account: nobody in particular sends, and nothing but the counters stands in the way.
    pub(crate) fn new(cell: &AccountCell, view: &View, wanted: Vec<Wanted>) -> Prepared {
        let pays = view.pays || view.later.iter().any(|later| later.pays);
        let lifts = |wanted: &Wanted| {
            pays && wanted.id.is_own_of(&cell.id) && wanted.resolved.over == OverLimit::UseCredits
        };
        let (planned, wanted): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|wanted| !wanted.counts);
        let (planned_paces, planned): (Vec<_>, Vec<_>) =
            planned.into_iter().partition(|wanted| wanted.is_pace);
        let (paced, mut wanted): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|wanted| wanted.is_pace);
        // Credits pay beyond these: they lie together, the first of all.
        wanted.sort_by_key(|wanted| !lifts(wanted));
        Prepared {
            lifted: wanted.iter().take_while(|wanted| lifts(wanted)).count(),
            stamp: view.frame.stamp,
            refusal: None,
            missing: None,
            until_ms: u64::MAX,
            account: cell.id.clone(),
            team: view.team.clone(),
            wanted,
            places: Arc::default(),
            allowance: Arc::default(),
            channel: Channel::Email,
            group: None,
            pays: false,
            pays_from: Vec::new(),
            credits: 0,
            promised: Arc::default(),
            planned: planned.into_iter().map(|wanted| (wanted, 0)).collect(),
            paced,
            pace_places: Box::default(),
            held: Vec::new(),
            planned_paces,
            asked: AtomicBool::new(false),
            remembered: Remembered::default(),
        }
    }
}

impl Engine {
    /// Prepares sending by an account, on behalf of a member where one is named.
    pub(crate) fn prepare(
        &self,
        cell: &Arc<AccountCell>,
        sending: &Sending<'_>,
    ) -> Result<Prepared, Error> {
        self.prepare_as(cell, &*cell.view(self)?, sending)
    }

    /// As [`prepare`](Engine::prepare), where this counts for the account.
    pub(crate) fn prepare_as(
        &self,
        cell: &Arc<AccountCell>,
        view: &View,
        sending: &Sending<'_>,
    ) -> Result<Prepared, Error> {
        let group = sending.member.and_then(MemberView::group);
        let prepared = self.prepare_in(cell, view, sending, group)?;
        Ok(prepared.shared())
    }

    /// As [`prepare_as`](Engine::prepare_as), with the counters of this group.
    fn prepare_in(
        &self,
        cell: &Arc<AccountCell>,
        view: &View,
        sending: &Sending<'_>,
        group: Option<&Id>,
    ) -> Result<Prepared, Error> {
        let wanted = self.wanted_of_send(cell, view, sending, group)?;
        let refusal = self.refusal_before_limits(view, sending)?;
        let place = self.views.tree.load().place(sending.channel.permission());
        let missing = sending
            .member
            .filter(|_| refusal.is_none())
            .zip(place)
            .and_then(|(member, place)| member.missing(self, place));
        let (credits, until_ms) = if view.pays {
            self.available_credits(&cell.id, sending.channel, group)?
        } else {
            (0, u64::MAX)
        };
        let prepared = Prepared {
            channel: sending.channel,
            group: group.cloned(),
            pays: view.pays,
            pays_from: pays_from(view),
            credits,
            until_ms,
            refusal,
            missing,
            ..Prepared::new(cell, view, wanted)
        };
        prepared.hold_places(self.kernel.clock.now_ms())
    }

    /// The counters that a send is charged to: by the limits and caps of the account and of those
    /// above, by the caps of the platform, and by the group.
    fn wanted_of_send(
        &self,
        cell: &Arc<AccountCell>,
        view: &View,
        sending: &Sending<'_>,
        group: Option<&Id>,
    ) -> Result<Vec<Wanted>, Error> {
        let mut wanted = Vec::new();
        let class = Some(
            sending
                .message
                .message_class
                .unwrap_or(MessageClass::Marketing),
        );
        let mut child = None;
        let ancestors = view
            .ancestors
            .iter()
            .map(|ancestor| Ok((ancestor, ancestor.view(self)?)))
            .collect::<Result<Vec<_>, Error>>()?;
        for (cell, view) in std::iter::once((cell, view))
            .chain(ancestors.iter().map(|(cell, view)| (*cell, &**view)))
        {
            wanted.extend(wanted_of(
                cell,
                view,
                child.replace(&cell.id),
                sending.channel.limits(),
                class,
            ));
            wanted.extend(
                view.caps
                    .iter()
                    .filter_map(|cap| wanted_of_cap(&view.frame, cap, sending)),
            );
        }
        wanted.extend(
            view.platform
                .caps
                .iter()
                .filter_map(|cap| wanted_of_cap(&view.platform.frame, cap, sending)),
        );
        if let Some(group) = group {
            wanted.extend(self.wanted_of_group(
                view,
                group,
                sending.channel,
                view.group_cap_period,
            )?);
        }
        Ok(wanted)
    }

    /// Prepares what a limit of an account does not count.
    pub(crate) fn prepare_uncounted(
        &self,
        cell: &Arc<AccountCell>,
        limit: LimitName,
    ) -> Result<Option<Prepared>, Error> {
        let (Some(window), view) = (limit.window(), cell.view(self)?) else {
            return Ok(None);
        };
        let wanted = uncounted(cell, &view, limit, window, &[]);
        Prepared::new(cell, &view, vec![wanted])
            .hold_places(self.kernel.clock.now_ms())
            .map(Some)
    }

    /// Prepares what is counted by one limit of an account, and of those above.
    pub(crate) fn prepare_limit(
        &self,
        cell: &Arc<AccountCell>,
        limit: LimitName,
    ) -> Result<Arc<Prepared>, Error> {
        let view = cell.view(self)?;
        let mut wanted = Vec::new();
        let mut child = None;
        for level in std::iter::once(cell).chain(&view.ancestors) {
            wanted.extend(wanted_of(
                level,
                &*level.view(self)?,
                child.replace(&level.id),
                [limit],
                None,
            ));
        }
        let prepared = Prepared {
            refusal: view.status.refusal(),
            ..Prepared::new(cell, &view, wanted)
        };
        Ok(Arc::new(prepared.hold_places(self.kernel.clock.now_ms())?))
    }

    /// Prepares what a group of the account counts (R-GRP-8).
    pub(crate) fn prepare_group(
        &self,
        cell: &Arc<AccountCell>,
        group: &Id,
        channel: Channel,
    ) -> Result<Prepared, Error> {
        let view = cell.view(self)?;
        let wanted = self.wanted_of_group(&view, group, channel, view.group_cap_period)?;
        Prepared::new(cell, &view, wanted.into_iter().collect())
            .hold_places(self.kernel.clock.now_ms())
    }

    /// Prepares giving messages back that were granted at an instant: the group then gets its own
    /// (R-GRP-4).
    pub(crate) fn prepare_return(
        &self,
        cell: &Arc<AccountCell>,
        sent: &Sent<'_>,
    ) -> Result<Prepared, Error> {
        let member = sent
            .user
            .map(|user| cell.member(self, user.as_str()))
            .transpose()?;
        let sending = Sending {
            member: member.as_deref(),
            channel: sent.channel,
            message: sent.message,
        };
        self.prepare_in(cell, &*cell.view(self)?, &sending, sent.groups.first())
    }

    /// How many credits there are to pay with now, and until when so many.
    fn available_credits(
        &self,
        account: &Id,
        channel: Channel,
        group: Option<&Id>,
    ) -> Result<(u64, u64), Error> {
        let grants = credits::payable_parts(
            &mut self.reading(&Actor::System),
            account,
            channel,
            group,
            &[],
        )?;
        let until_ms = grants
            .iter()
            .map(|part| part.until_ms)
            .min()
            .unwrap_or(u64::MAX);
        Ok((
            grants
                .iter()
                .map(|part| part.amount)
                .fold(0, u64::saturating_add),
            until_ms,
        ))
    }

    /// Why nothing at all may go out: who may not send learns of no limit (R-QTA-1).
    fn refusal_before_limits(
        &self,
        view: &View,
        sending: &Sending<'_>,
    ) -> Result<Option<Code>, Error> {
        if let Some(code) = view.status.refusal() {
            return Ok(Some(code));
        }
        if let Some(member) = sending.member {
            let place = self.views.tree.load().place(sending.channel.permission());
            match (
                member.refusal,
                place.and_then(|place| member.permissions.at(place)),
            ) {
                (Some(code), _) => return Ok(Some(code)),
                (None, None) => return Ok(Some(Code::PermissionDenied)),
                (None, Some(_)) => {}
            }
        }
        let MessageInput {
            sending_domain,
            node,
            bounce_address,
            ..
        } = sending.message;
        let Assets {
            domains,
            nodes,
            bounce_addresses,
        } = &view.assets;
        let is_assigned = |used: &Option<Name>, assigned: &[Name]| {
            used.as_ref()
                .is_none_or(|used| assigned.is_empty() || assigned.contains(used))
        };
        if !(is_assigned(sending_domain, domains)
            && is_assigned(node, nodes)
            && is_assigned(bounce_address, bounce_addresses))
        {
            return Ok(Some(Code::AssetNotAssigned));
        }
        if let Some(campaign) = &sending.message.campaign
            && campaigns::is_stopped(&mut self.kernel.tx(), &view.account, campaign)?
        {
            return Ok(Some(Code::BounceStop));
        }
        Ok(None)
    }
}

/// From when on credits pay, or pay no longer, as packages have it; empty where they never do.
fn pays_from(view: &View) -> Vec<(u64, bool)> {
    let later = view.later.iter().map(|later| (later.from_ms, later.pays));
    let instants = std::iter::once((0, view.pays)).chain(later);
    if instants.clone().any(|(_, pays)| pays) {
        instants.collect()
    } else {
        Vec::new()
    }
}
