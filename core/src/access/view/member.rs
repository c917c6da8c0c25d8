//! What a member may do in an account now, and what is prepared for them.

use crate::error::Code;
use crate::meters::Prepared;
use crate::model::{AddressRange, Channel, Id, Member, PermissionTree};
use crate::rules::account::Status;
use crate::rules::role::PermissionSet;
use crate::rules::trial::Trial;
use arc_swap::ArcSwapOption;
use std::sync::Arc;

/// Sending prepared by e-mail and by text message.
#[derive(Default)]
pub(crate) struct PerChannel {
    email: ArcSwapOption<Prepared>,
    sms: ArcSwapOption<Prepared>,
}

impl PerChannel {
    pub(crate) fn of(&self, channel: Channel) -> &ArcSwapOption<Prepared> {
        match channel {
            Channel::Email => &self.email,
            Channel::Sms => &self.sms,
        }
    }

    pub(super) fn clear(&self) {
        self.email.store(None);
        self.sms.store(None);
    }
}

/// What a member may do in an account now.
pub(crate) struct MemberView {
    pub(crate) stamp: u64,
    /// Why the member may do nothing at all, from whichever account they come.
    pub(crate) refusal: Option<Code>,
    /// Why they cannot enter the account itself; whoever comes from above does not enter it.
    pub(crate) entry: Option<Code>,
    pub(crate) permissions: PermissionSet,
    /// The allow-lists on the way to the account: each must hold the address that the member comes
    /// from (R-SES-3).
    pub(crate) addresses: Vec<Vec<AddressRange>>,
    /// The membership, in no group where the account has none by policy; none for who is a member
    /// of accounts above alone.
    pub(crate) member: Option<Arc<Member>>,
    /// Whether they manage the team of the account from above it.
    pub(crate) from_ancestor: bool,
    /// What is tried in the place of the role.
    pub(crate) trial: Option<Arc<Trial>>,
    /// Sending by this member, prepared, for each channel.
    pub(crate) prepared: PerChannel,
}

impl MemberView {
    /// The group; owner and administrators are in none.
    pub(crate) fn group(&self) -> Option<&Id> {
        self.member.as_deref()?.group.as_ref()
    }

    /// Who is no member and manages nothing from above.
    pub(super) fn stranger(stamp: u64, tree: &PermissionTree) -> MemberView {
        MemberView {
            stamp,
            refusal: Some(Code::NotMember),
            entry: Some(Code::NotMember),
            permissions: PermissionSet::none(tree),
            addresses: Vec::new(),
            member: None,
            from_ancestor: false,
            trial: None,
            prepared: PerChannel::default(),
        }
    }

    /// The same to whom they are not there (R-INV-10).
    pub(crate) fn as_stranger(&self, tree: &PermissionTree) -> MemberView {
        MemberView::stranger(self.stamp, tree)
    }

    /// The same with nothing prepared: what differs sends otherwise.
    fn unprepared(&self) -> MemberView {
        MemberView {
            stamp: self.stamp,
            refusal: self.refusal,
            entry: self.entry,
            permissions: self.permissions.clone(),
            addresses: self.addresses.clone(),
            member: self.member.clone(),
            from_ancestor: self.from_ancestor,
            trial: self.trial.clone(),
            prepared: PerChannel::default(),
        }
    }

    /// The same member with no more than this, who enters the account where it lets everybody in
    /// alone.
    pub(crate) fn under(&self, most: &PermissionSet, status: Status) -> MemberView {
        MemberView {
            entry: self.entry.or(status.refusal()),
            permissions: self.permissions.clone().under(most),
            ..self.unprepared()
        }
    }

    /// The same member where another acts as them, with no more than this: the allow-lists of that
    /// person count, not theirs.
    pub(crate) fn by_another(&self, most: Option<&PermissionSet>) -> MemberView {
        MemberView {
            permissions: most
                .into_iter()
                .fold(self.permissions.clone(), PermissionSet::under),
            addresses: Vec::new(),
            ..self.unprepared()
        }
    }

    /// The same where what is tried is another role, or none.
    pub(crate) fn trying(&self, trial: Option<Arc<Trial>>) -> MemberView {
        MemberView {
            trial,
            ..self.unprepared()
        }
    }
}
