//! What a user may do in an account, and the memberships that give it to them.

use crate::error::Code;
use crate::model::{Member, PermissionTree};
use crate::rules::role::PermissionSet;

/// What a user may do in an account now, and why they may do anything there.
pub(crate) struct Judged {
    /// Why they may do nothing at all, from whichever account they come.
    pub(crate) refusal: Option<Code>,
    /// Why they cannot enter the account itself.
    pub(crate) entry: Option<Code>,
    /// The same, whatever the status of the account.
    pub(crate) disabled: Option<Code>,
    pub(crate) permissions: PermissionSet,
    /// What gives them these: a membership of this account, and those of accounts above from which
    /// they manage its team; from the account up.
    pub(super) held: Vec<Holding>,
    /// What gives them nothing while its account cannot be entered.
    pub(super) on_hold: Vec<Holding>,
}

/// A membership and what it gives in an account before the ceilings.
pub(super) struct Holding {
    pub(super) member: Member,
    pub(super) nominal: PermissionSet,
    /// Whether its own account can be entered now, or one between that and this.
    pub(super) enters: bool,
}

/// What belongs to accounts that cannot be entered gives nothing beside what belongs to one that
/// can; takes it out.
pub(super) fn set_aside(held: &mut Vec<Holding>) -> Vec<Holding> {
    if held.iter().any(|holding| holding.enters) {
        held.extract_if(.., |holding| !holding.enters).collect()
    } else {
        Vec::new()
    }
}

pub(super) fn united(tree: &PermissionTree, held: &[Holding]) -> PermissionSet {
    held.iter().fold(PermissionSet::none(tree), |all, holding| {
        all.united(&holding.nominal)
    })
}

impl Judged {
    /// The membership that is nearest to the account.
    pub(crate) fn member(&self) -> Option<&Member> {
        self.held.first().map(|holding| &holding.member)
    }

    /// The memberships, from the account up.
    pub(crate) fn memberships(&self) -> impl Iterator<Item = &Member> {
        self.held.iter().map(|holding| &holding.member)
    }

    /// Those that give nothing now, since their account cannot be entered.
    pub(crate) fn memberships_on_hold(&self) -> impl Iterator<Item = &Member> {
        self.on_hold.iter().map(|holding| &holding.member)
    }

    /// All of these.
    pub(crate) fn all_memberships(&self) -> impl Iterator<Item = &Member> {
        self.memberships().chain(self.memberships_on_hold())
    }

    /// The membership by which the permission at this place reaches furthest; of several the
    /// nearest.
    pub(crate) fn by(&self, place: usize) -> Option<&Member> {
        self.held
            .iter()
            .rev()
            .max_by_key(|holding| holding.nominal.at(place))
            .map(|holding| &holding.member)
    }
}
