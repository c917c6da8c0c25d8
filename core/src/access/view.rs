//! The read model: what the hot path asks about an account, taken from the store once and again
//! after each change.
//!
//! A cell is out of date as soon as the sum of the platform's epoch and its own has moved; both
//! only ever grow.

use crate::access::sending::Sending;
use crate::access::state::Engine;
use crate::error::{Code, Error};
use crate::kernel::{Tx, keys};
use crate::meters::{
    Frame, Guarantee, Guaranteed, Prepared, Resolved, Room, TRIED, Team, value_of,
};
use crate::model::{
    Account, AddressRange, ApiKey, Assets, Cap, CapPeriod, Channel, Edition, HoldReason, Id, Limit,
    LimitName, Limits, Member, MessageInput, Name, OverLimit, Package, PermissionTree,
    PolicyRecord, Role, RoleScope, SecondFactorPolicy, User,
};
use crate::options::ActingSender;
use crate::rules::account::{Status, effective_status};
use crate::rules::api_key::{is_expired, powers_of_key};
use crate::rules::limit::{Source, candidates, guarantees_hold, terms};
use crate::rules::policy::includes_credits;
use crate::rules::role::Powers;
use crate::rules::session::may_come_from;
use crate::rules::trial::{Lacking, Trial};
use crate::rules::window::Calendar;
use crate::tables::accounts::living_line;
use crate::tables::caps::caps_of;
use crate::tables::limits::promised_key;
use crate::tables::roles::role_with_includes;
use arc_swap::ArcSwapOption;
use foldhash::fast::RandomState;
use jiff::tz::TimeZone;
use once_cell::sync::OnceCell;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const SHARDS: usize = 16;

/// Sending prepared by e-mail and by text message.
#[derive(Default)]
struct PerChannel {
    email: ArcSwapOption<Prepared>,
    sms: ArcSwapOption<Prepared>,
}

impl PerChannel {
    fn of(&self, channel: Channel) -> &ArcSwapOption<Prepared> {
        match channel {
            Channel::Email => &self.email,
            Channel::Sms => &self.sms,
        }
    }

    fn clear(&self) {
        self.email.store(None);
        self.sms.store(None);
    }
}

/// An account in memory.
pub(crate) struct AccountCell {
    pub(crate) id: Id,
    epoch: AtomicU64,
    view: ArcSwapOption<View>,
    members: RwLock<HashMap<Id, Arc<MemberView>, RandomState>>,
    /// Sending by the host itself, prepared, for each channel.
    prepared: PerChannel,
    /// The meters of the whole tree, where this is its top account.
    team: OnceCell<Arc<Team>>,
}

/// What counts for an account now.
pub(crate) struct View {
    pub(crate) account: Id,
    pub(crate) frame: Frame,
    pub(crate) status: Status,
    /// In the order of [`LimitName::ALL`].
    pub(crate) limits: [Resolved; LimitName::COUNT],
    /// Whether credits pay for what exceeds the account's own limits (R-CRD-2).
    pub(crate) pays: bool,
    /// What planned packages make of it, in order (R-PKG-6).
    pub(crate) later: Vec<Later>,
    /// What is guaranteed to the accounts directly below, of each limit that something of is
    /// (R-TEA-9).
    pub(crate) guaranteed: Vec<Arc<Guaranteed>>,
    /// The account's own caps.
    pub(crate) caps: Vec<Cap>,
    /// What it may send with; of a kind of which none is assigned, everything (R-PKG-5).
    pub(crate) assets: Assets,
    /// The allow-lists of the account and of those above.
    pub(crate) addresses: Vec<Vec<AddressRange>>,
    /// The accounts above, up to the top.
    pub(crate) above: Vec<Arc<AccountCell>>,
    /// The meters of the tree.
    pub(crate) team: Arc<Team>,
    /// What counts for all accounts together.
    pub(crate) platform: Arc<Platform>,
    /// What bounds the members of the account and of each account above it, from the account up.
    levels: Vec<Level>,
    /// Whether there are groups here; where there are none, those that were made bind nobody.
    pub(crate) groups: bool,
    pub(crate) group_cap_period: CapPeriod,
    /// Whether sessions need a second factor here (R-SES-1).
    pub(crate) needs_second_factor: bool,
}

/// What counts from an instant on, when a planned package comes into force.
pub(crate) struct Later {
    pub(crate) from_ms: u64,
    pub(crate) limits: [Resolved; LimitName::COUNT],
    pub(crate) pays: bool,
}

/// What nobody does from an account above: an API key belongs to a membership of its account
/// (R-SES-7).
pub(crate) const OF_OWN_MEMBERS: &str = "api_keys.create";

/// What bounds the members of one account of a line.
struct Level {
    account: Id,
    /// What the roles of its package and of those above leave; everything where there is none
    /// (R-ROL-5).
    ceiling: Option<Arc<Powers>>,
    /// Whether members have their powers from the package, by policy `role_scope` (R-INV-8).
    by_package: bool,
    status: Status,
    /// Whether an owner may enter in spite of the status (R-ACC-3).
    owner_may_enter: bool,
}

impl Level {
    /// Why the account cannot be entered now, by an owner or by somebody else.
    fn refusal(&self, owner: bool) -> Option<Code> {
        self.status
            .refusal()
            .filter(|_| !(owner && self.owner_may_enter))
    }

    /// Whether this membership has its powers from the package.
    fn is_by_package(&self, member: &Member) -> bool {
        self.by_package && !member.owner
    }

    fn under_ceiling(&self, held: Powers) -> Powers {
        match &self.ceiling {
            Some(ceiling) => held.under(ceiling),
            None => held,
        }
    }

    /// What a membership gives before the ceilings.
    fn paper(
        &self,
        tx: &mut Tx<'_>,
        papers: &mut Papers<'_>,
        member: &Member,
    ) -> Result<Powers, Error> {
        match (self.is_by_package(member), &self.ceiling) {
            (false, _) => papers.of(tx, member),
            (true, Some(ceiling)) => Ok(ceiling.as_ref().clone()),
            // Without a package there is no role to have.
            (true, None) => Ok(Powers::none(papers.tree)),
        }
    }

    /// Whether who holds this here reaches the accounts below (R-TEA-3).
    fn reaches_below(&self, tree: &PermissionTree, paper: &Powers) -> bool {
        let held = |place| {
            paper.at(place).is_some()
                && self
                    .ceiling
                    .as_ref()
                    .is_none_or(|ceiling| ceiling.at(place).is_some())
        };
        tree.place(crate::access::authorise::TEAM_PERMISSION)
            .is_some_and(held)
    }
}

/// What counts for all accounts together. Its windows are those of UTC.
pub(crate) struct Platform {
    pub(crate) frame: Frame,
    pub(crate) caps: Vec<Cap>,
}

/// What a member may do in an account now.
pub(crate) struct MemberView {
    stamp: u64,
    /// Why the member may do nothing at all, from whichever account they come.
    pub(crate) refusal: Option<Code>,
    /// Why they cannot enter the account itself; whoever comes from above does not enter it.
    pub(crate) entry: Option<Code>,
    pub(crate) powers: Powers,
    /// The allow-lists on the way to the account: each must hold the address that the member comes
    /// from (R-SES-3).
    pub(crate) addresses: Vec<Vec<AddressRange>>,
    /// The membership, in no group where the account has none by policy; none for who is a member
    /// of accounts above alone.
    pub(crate) member: Option<Arc<Member>>,
    /// Whether they manage the team of the account from above it.
    pub(crate) from_above: bool,
    /// What is tried in the place of the role.
    pub(crate) trial: Option<Arc<Trial>>,
    /// Sending by this member, prepared, for each channel.
    prepared: PerChannel,
}

impl MemberView {
    /// Whether the permission at this place is held, as far as it may reach. Where a role is tried
    /// that would refuse, that counts: this is for checks that decide (R-QTA-15).
    pub(crate) fn may(&self, engine: &Engine, place: usize) -> bool {
        if let Some(lacking) = self.lacking(engine, place) {
            engine.trials.count(&lacking);
        }
        self.powers.at(place).is_some()
    }

    /// What a role that is tried would refuse here, though it is held.
    pub(crate) fn lacking(&self, engine: &Engine, place: usize) -> Option<Lacking> {
        let trial = self.trial.as_deref()?;
        self.powers.at(place)?;
        trial.lacking(&engine.views.tree.load(), place)
    }

    /// The group; owner and administrators are in none.
    pub(crate) fn group(&self) -> Option<&Id> {
        self.member.as_deref()?.group.as_ref()
    }

    /// Who is no member and manages nothing from above.
    fn stranger(stamp: u64, tree: &PermissionTree) -> MemberView {
        MemberView {
            stamp,
            refusal: Some(Code::NotMember),
            entry: Some(Code::NotMember),
            powers: Powers::none(tree),
            addresses: Vec::new(),
            member: None,
            from_above: false,
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
            powers: self.powers.clone(),
            addresses: self.addresses.clone(),
            member: self.member.clone(),
            from_above: self.from_above,
            trial: self.trial.clone(),
            prepared: PerChannel::default(),
        }
    }

    /// The same member with no more than this, who enters the account where it lets everybody in
    /// alone.
    pub(crate) fn under(&self, most: &Powers, status: Status) -> MemberView {
        MemberView {
            entry: self.entry.or(status.refusal()),
            powers: self.powers.clone().under(most),
            ..self.unprepared()
        }
    }

    /// The same member where another acts as them, with no more than this: the allow-lists of that
    /// person count, not theirs.
    pub(crate) fn by_another(&self, most: Option<&Powers>) -> MemberView {
        MemberView {
            powers: most.into_iter().fold(self.powers.clone(), Powers::under),
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

/// What a user may do in an account now, and why they may do anything there.
pub(crate) struct Judged {
    /// Why they may do nothing at all, from whichever account they come.
    pub(crate) refusal: Option<Code>,
    /// Why they cannot enter the account itself.
    pub(crate) entry: Option<Code>,
    /// The same, whatever the status of the account.
    pub(crate) disabled: Option<Code>,
    pub(crate) powers: Powers,
    /// What gives them these: a membership of this account, and those of accounts above from which
    /// they manage its team; from the account up.
    held: Vec<Holding>,
    /// What gives them nothing while its account cannot be entered.
    on_hold: Vec<Holding>,
}

/// A membership and what it gives in an account before the ceilings.
struct Holding {
    member: Member,
    paper: Powers,
    /// Whether its own account can be entered now, or one between that and this.
    enters: bool,
}

/// What belongs to accounts that cannot be entered gives nothing beside what belongs to one that
/// can; takes it out.
fn set_aside(held: &mut Vec<Holding>) -> Vec<Holding> {
    if held.iter().any(|holding| holding.enters) {
        held.extract_if(.., |holding| !holding.enters).collect()
    } else {
        Vec::new()
    }
}

fn united(tree: &PermissionTree, held: &[Holding]) -> Powers {
    held.iter().fold(Powers::none(tree), |all, holding| {
        all.united(&holding.paper)
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
            .max_by_key(|holding| holding.paper.at(place))
            .map(|holding| &holding.member)
    }
}

impl View {
    /// What a user holds here before the ceilings, membership by membership: of this account, and
    /// as one who manages the team of accounts above (R-SES-5, R-TEA-2); those included that are
    /// disabled.
    fn held(
        &self,
        tx: &mut Tx<'_>,
        papers: &mut Papers<'_>,
        user: &Id,
    ) -> Result<Vec<Holding>, Error> {
        let mut held = Vec::new();
        for (height, level) in self.levels.iter().enumerate() {
            let Some(member) = tx.get::<Member>(&keys::member(&level.account, user))? else {
                continue;
            };
            let paper = level.paper(tx, papers, &member)?;
            if height == 0 || level.reaches_below(papers.tree, &paper) {
                let enters = self.enters(papers.tree, height, member.owner, &paper);
                held.push(Holding {
                    member,
                    paper,
                    enters,
                });
            }
        }
        Ok(held)
    }

    /// Whether one who holds this by a membership so many levels up can act here now: they enter
    /// the account of the membership, or one between that and this from which they reach it. A
    /// membership counts by the status of its own account, the worst along that line.
    fn enters(&self, tree: &PermissionTree, height: usize, owner: bool, paper: &Powers) -> bool {
        let mut line = self.levels.iter().take(height + 1).enumerate();
        line.any(|(at, level)| {
            level.refusal(owner).is_none() && (at == 0 || level.reaches_below(tree, paper))
        })
    }

    /// What a user holds here before the ceilings: what counts now, or all that can, with what is
    /// disabled or on hold.
    pub(crate) fn paper(
        &self,
        tx: &mut Tx<'_>,
        papers: &mut Papers<'_>,
        user: &Id,
        all: bool,
    ) -> Result<Powers, Error> {
        let mut held = self.held(tx, papers, user)?;
        if !all {
            held.retain(|holding| !holding.member.disabled);
            set_aside(&mut held);
        }
        Ok(united(papers.tree, &held))
    }

    /// What the package leaves a member here who has their powers from it (R-INV-8): none where
    /// there is no package.
    pub(crate) fn paper_by_package(&self, tree: &PermissionTree) -> Powers {
        let ceiling = self.levels.first().and_then(|own| own.ceiling.as_deref());
        ceiling.cloned().unwrap_or_else(|| Powers::none(tree))
    }

    /// Whether who holds this here reaches the accounts below.
    pub(crate) fn lets_reach_below(&self, tree: &PermissionTree, paper: &Powers) -> bool {
        self.levels
            .first()
            .is_some_and(|own| own.reaches_below(tree, paper))
    }

    /// Whether a membership of this account lets a user reach those below it.
    pub(crate) fn reaches_below(
        &self,
        tx: &mut Tx<'_>,
        papers: &mut Papers<'_>,
        user: &Id,
    ) -> Result<bool, Error> {
        let (Some(own), Some(member)) = (
            self.levels.first(),
            tx.get::<Member>(&keys::member(&self.account, user))?,
        ) else {
            return Ok(false);
        };
        let paper = own.paper(tx, papers, &member)?;
        Ok(own.reaches_below(papers.tree, &paper))
    }

    /// The membership, in no group where there are none.
    fn grouped(&self, member: &Member) -> Member {
        Member {
            group: member.group.clone().filter(|_| self.groups),
            ..member.clone()
        }
    }

    fn is_own(&self, member: &Member) -> bool {
        member.account == self.account
    }

    /// Whether a membership of this account has its powers from the package, by policy `role_scope`
    /// (R-INV-8).
    pub(crate) fn is_by_package(&self, member: &Member) -> bool {
        self.levels
            .iter()
            .any(|level| level.account == member.account && level.is_by_package(member))
    }

    /// What a user may do here now, and by which memberships; none for a stranger. Every answer to
    /// "may they?" is made here, for whoever asks and from whichever account they come (R-ROL-9).
    pub(crate) fn judge(
        &self,
        tx: &mut Tx<'_>,
        papers: &mut Papers<'_>,
        user: &Id,
    ) -> Result<Option<Judged>, Error> {
        self.judge_by(tx, papers, user, true)
    }

    /// The same as if all accounts of the line were active; what was begun before one was put on
    /// hold is judged like that, and who may take that back.
    pub(crate) fn judge_whatever_status(
        &self,
        tx: &mut Tx<'_>,
        papers: &mut Papers<'_>,
        user: &Id,
    ) -> Result<Option<Judged>, Error> {
        self.judge_by(tx, papers, user, false)
    }

    fn judge_by(
        &self,
        tx: &mut Tx<'_>,
        papers: &mut Papers<'_>,
        user: &Id,
        status_counts: bool,
    ) -> Result<Option<Judged>, Error> {
        let mut held = self.held(tx, papers, user)?;
        // What is disabled gives nothing beside what is not.
        if held.iter().any(|holding| !holding.member.disabled) {
            held.retain(|holding| !holding.member.disabled);
        }
        let owns = held.iter().any(|holding| holding.member.owner);
        let on_hold = match status_counts {
            true => set_aside(&mut held),
            false => Vec::new(),
        };
        let Some(nearest) = held.first() else {
            return Ok(None);
        };
        let disabled = match tx
            .get::<User>(&keys::user(user))?
            .is_none_or(|user| user.disabled)
        {
            true => Some(Code::UserDisabled),
            false => nearest.member.disabled.then_some(Code::MemberDisabled),
        };
        let here = self.levels.first().and_then(|level| level.refusal(owns));
        let status = here.filter(|_| status_counts && !held.iter().any(|holding| holding.enters));
        let mut powers = self.under_ceiling(united(papers.tree, &held));
        if !self.is_own(&nearest.member) {
            powers = powers.only(papers.tree, |permission| permission != OF_OWN_MEMBERS);
        }
        Ok(Some(Judged {
            refusal: status.or(disabled),
            entry: here.or(disabled),
            disabled,
            powers,
            held,
            on_hold,
        }))
    }

    fn member(
        &self,
        tx: &mut Tx<'_>,
        tree: &PermissionTree,
        stamp: u64,
        user: &Id,
        judged: &Judged,
    ) -> Result<MemberView, Error> {
        let mut addresses = self.addresses.clone();
        addresses.extend(tx.get(&keys::user_allow_list(user))?);
        for member in judged.all_memberships() {
            addresses.extend(tx.get(&keys::member_allow_list(&member.account, user))?);
        }
        Ok(MemberView {
            stamp,
            refusal: judged.refusal,
            entry: judged.entry,
            powers: judged.powers.clone(),
            addresses,
            // They are in its group whether it is on hold or not.
            member: judged
                .all_memberships()
                .find(|member| self.is_own(member))
                .map(|member| Arc::new(self.grouped(member))),
            from_above: judged.memberships().any(|member| !self.is_own(member)),
            trial: self.trial(tx, tree, judged)?.map(Arc::new),
            prepared: PerChannel::default(),
        })
    }

    /// What is tried in the place of a role by which a user holds what they hold here. Owners, and
    /// who has their powers from the package, are bound by none.
    fn trial(
        &self,
        tx: &mut Tx<'_>,
        tree: &PermissionTree,
        judged: &Judged,
    ) -> Result<Option<Trial>, Error> {
        for (at, Holding { member, .. }) in judged.held.iter().enumerate() {
            let level = self
                .levels
                .iter()
                .find(|level| level.account == member.account);
            let Some((role, level)) = member
                .role
                .as_ref()
                .zip(level)
                .filter(|(_, level)| !(member.owner || level.is_by_package(member)))
            else {
                continue;
            };
            let Some(candidate) = tx
                .get::<Role>(&keys::role(role))?
                .and_then(|role| role.trial)
            else {
                continue;
            };
            let tried = role_powers(tx, tree, &candidate)?;
            let tried = if self.is_own(member) || level.reaches_below(tree, &tried) {
                tried
            } else {
                Powers::none(tree)
            };
            let others = judged
                .held
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != at);
            let paper = others.fold(tried, |all, (_, holding)| all.united(&holding.paper));
            return Ok(Some(Trial {
                role: role.clone(),
                candidate,
                powers: self.under_ceiling(paper),
            }));
        }
        Ok(None)
    }

    fn under_ceiling(&self, held: Powers) -> Powers {
        match self.levels.first() {
            Some(own) => own.under_ceiling(held),
            None => held,
        }
    }

    /// The value of a limit of the account itself.
    pub(crate) fn limit(&self, name: LimitName) -> Resolved {
        value_of(&self.limits, name)
    }
}

impl AccountCell {
    fn new(id: Id, epoch: u64) -> AccountCell {
        AccountCell {
            id,
            epoch: AtomicU64::new(epoch),
            view: ArcSwapOption::empty(),
            members: RwLock::new(HashMap::default()),
            prepared: PerChannel::default(),
            team: OnceCell::new(),
        }
    }

    /// Changes whenever something that this account depends on does.
    #[inline]
    pub(crate) fn stamp(&self, engine: &Engine) -> u64 {
        engine.views.epoch.load(Ordering::Acquire) + self.epoch.load(Ordering::Acquire)
    }

    /// What counts now.
    pub(crate) fn view(self: &Arc<AccountCell>, engine: &Engine) -> Result<Arc<View>, Error> {
        let stamp = self.stamp(engine);
        let kept = self
            .view
            .load_full()
            .filter(|view| view.frame.stamp == stamp);
        // An operation that was overtaken by a commit goes on with what its snapshot says. What was
        // kept may know more, and of what is built of it nothing may be kept.
        if !engine.kernel.reads_newest() {
            return Ok(Arc::new(self.viewed(engine, TRIED, None)?));
        }
        if let Some(view) = kept {
            return Ok(view);
        }
        let view = Arc::new(self.viewed(engine, stamp, None)?);
        self.view.store(Some(view.clone()));
        Ok(view)
    }

    /// What would count if the account had another package now, and none were planned for it
    /// (R-QTA-15).
    pub(crate) fn view_under(
        self: &Arc<AccountCell>,
        engine: &Engine,
        package: Package,
    ) -> Result<View, Error> {
        self.viewed(engine, TRIED, Some(package))
    }

    fn viewed(
        self: &Arc<AccountCell>,
        engine: &Engine,
        stamp: u64,
        other: Option<Package>,
    ) -> Result<View, Error> {
        let mut tx = engine.kernel.reading();
        let mut line = living_line(&mut tx, &self.id)?;
        let mut packages = Vec::new();
        for account in &line {
            packages.push(
                account
                    .package
                    .as_ref()
                    .map(|id| tx.get::<Package>(&keys::package(id)))
                    .transpose()?
                    .flatten(),
            );
        }
        if let Some((other, (account, package))) =
            other.zip(line.first_mut().zip(packages.first_mut()))
        {
            (account.package, account.next_package, *package) =
                (Some(other.id.clone()), None, Some(other));
        }
        let defaults: Limits = tx.get(&keys::defaults())?.unwrap_or_default();
        let pairs: Vec<_> = line
            .iter()
            .zip(packages.iter().map(Option::as_ref))
            .collect();
        let (mut records, mut addresses) = (Vec::new(), Vec::new());
        for account in &line {
            addresses.extend(tx.get(&keys::account_allow_list(&account.id))?);
            records.push(tx.get::<PolicyRecord>(&keys::policy(Some(&account.id)))?);
        }
        records.push(tx.get::<PolicyRecord>(&keys::policy(None))?);
        let policies = crate::rules::policy::effective(records.iter().flatten());
        let ruled = Ruled {
            line: &line,
            defaults: &defaults,
            edition: engine.kernel.edition,
            over_limit: policies.over_limit,
            includes_credits: includes_credits(engine.kernel.edition, records.iter().flatten()),
        };
        let now = packages.iter().map(Option::as_ref).collect::<Vec<_>>();
        let planned = planned_packages(&mut tx, &line)?;
        let (guaranteed, later) = (
            ruled.guaranteed(&mut tx, &now, &planned)?,
            ruled.later(&now, &planned),
        );
        let levels = levels(&mut tx, &engine.views.tree.load(), &pairs, &records)?;
        let zone_name = line
            .first()
            .map_or("UTC", |account| account.time_zone.as_str());
        let above: Vec<_> = line
            .iter()
            .skip(1)
            .map(|account| engine.views.cells.get_or_insert(engine, &account.id))
            .collect();
        let platform = engine.views.cells.platform(engine)?;
        Ok(View {
            account: self.id.clone(),
            frame: Frame::new(stamp, zone_name, &policies),
            status: effective_status(&line),
            limits: ruled.limits(&now),
            pays: ruled.pays(&now),
            later,
            guaranteed,
            caps: caps_of(&mut tx, Some(&self.id))?,
            assets: assigned(&pairs),
            addresses,
            team: match platform.caps.is_empty() {
                true => above
                    .last()
                    .unwrap_or(self)
                    .team
                    .get_or_init(|| Team::in_room(&engine.views.room))
                    .clone(),
                false => engine.views.cells.all.clone(),
            },
            platform,
            above,
            levels,
            groups: policies.groups,
            group_cap_period: policies.group_cap_period,
            needs_second_factor: policies.second_factor == SecondFactorPolicy::Required,
        })
    }

    /// The view as it was when it was last asked for.
    pub(crate) fn last_view(&self) -> Option<Arc<View>> {
        self.view.load_full()
    }

    /// Sending by the account, on behalf of a member where one is named; prepared once for all that
    /// ask by ids, where nothing is said of the message.
    pub(crate) fn sending(
        self: &Arc<AccountCell>,
        engine: &Engine,
        user: Option<&str>,
        channel: Channel,
        message: &MessageInput,
    ) -> Result<Arc<Prepared>, Error> {
        // What changes while this is found out makes it out of date at once.
        let stamp = self.stamp(engine);
        let member = user.map(|user| self.member(engine, user)).transpose()?;
        let prepare = || {
            let mut prepared = engine.prepare(
                self,
                &Sending {
                    member: member.as_deref(),
                    channel,
                    message,
                },
            )?;
            prepared.stamp = stamp;
            Ok(Arc::new(prepared))
        };
        if *message != MessageInput::default() {
            return prepare();
        }
        let kept = member
            .as_ref()
            .map_or(&self.prepared, |member| &member.prepared)
            .of(channel);
        let is_good = |prepared: &Arc<Prepared>| {
            prepared.stamp == stamp
                && engine.kernel.clock.now_ms() < prepared.until_ms
                && engine.kernel.reads_newest()
        };
        if let Some(prepared) = kept.load_full().filter(is_good) {
            return Ok(prepared);
        }
        let prepared: Arc<Prepared> = prepare()?;
        if engine.kernel.reads_newest() {
            kept.store(Some(prepared.clone()));
        }
        Ok(prepared)
    }

    /// Looks at what [`sending`](AccountCell::sending) answers for messages of which nothing more
    /// is said, where that is at hand.
    #[inline]
    pub(crate) fn look_at_sending<T>(
        &self,
        engine: &Engine,
        user: Option<&str>,
        channel: Channel,
        at: impl FnOnce(&Arc<Prepared>) -> T,
    ) -> Option<T> {
        let stamp = self.stamp(engine);
        let look = |kept: &PerChannel| {
            kept.of(channel)
                .load()
                .as_ref()
                .filter(|prepared| prepared.stamp == stamp)
                .map(at)
        };
        match user {
            None => look(&self.prepared),
            Some(user) => self
                .members
                .read()
                .get(user)
                .filter(|member| member.stamp == stamp)
                .and_then(|member| look(&member.prepared)),
        }
    }

    /// Sending by a member themself, or by a program with an API key of theirs. Whoever may not
    /// come from where they come from is refused before all else (R-SES-3).
    pub(crate) fn sending_themself(
        self: &Arc<AccountCell>,
        engine: &Engine,
        user: &Id,
        channel: Channel,
        message: &MessageInput,
        acting: &ActingSender,
    ) -> Result<Prepared, Error> {
        // What changes while this is found out makes it out of date at once.
        let stamp = self.stamp(engine);
        let member = self.member(engine, user.as_str())?;
        let mut refusal = (!may_come_from(member.addresses.iter().map(Vec::as_slice), acting.ip))
            .then_some(Code::IpNotAllowed);
        let mut until_ms = u64::MAX;
        let mut narrowed = None;
        if let Some(id) = &acting.api_key {
            let key: Option<ApiKey> = engine.kernel.tx().get(&keys::api_key(id))?;
            let theirs = |key: &ApiKey| {
                key.account == self.id
                    && key.user == *user
                    && !is_expired(key, engine.kernel.clock.now_ms())
            };
            match key.filter(theirs) {
                Some(key) => {
                    if !may_come_from([key.allow_list.as_slice()], acting.ip) {
                        refusal = refusal.or(Some(Code::IpNotAllowed));
                    }
                    until_ms = key.expires_at_ms.unwrap_or(until_ms);
                    narrowed = Some(member.under(
                        &powers_of_key(&engine.views.tree.load(), &key.permissions),
                        self.view(engine)?.status,
                    ));
                }
                None => refusal = Some(Code::ApiKeyInvalid),
            }
        }
        let member = narrowed.as_ref().unwrap_or(&member);
        let mut prepared = engine.prepare(
            self,
            &Sending {
                member: Some(member),
                channel,
                message,
            },
        )?;
        prepared.stamp = stamp;
        prepared.until_ms = until_ms;
        prepared.refusal = refusal.or(prepared.refusal);
        Ok(prepared)
    }

    /// Whether somebody else holds the account in memory, or its meters hold something. What it
    /// keeps at hand is dropped.
    fn is_in_use(self: &Arc<AccountCell>, engine: &Engine, members_kept: &AtomicUsize) -> bool {
        if Arc::strong_count(self) > 1 {
            return true;
        }
        self.view.store(None);
        self.prepared.clear();
        self.forget_members(members_kept);
        let team = self.team.get();
        team.is_some_and(|team| Arc::strong_count(team) > 1 || !engine.puts_down(team))
    }

    /// What a member may do now; `not_member` as the refusal of those who are none.
    pub(crate) fn member(
        self: &Arc<AccountCell>,
        engine: &Engine,
        user: &str,
    ) -> Result<Arc<MemberView>, Error> {
        let stamp = self.stamp(engine);
        let kept = self
            .members
            .read()
            .get(user)
            .filter(|member| member.stamp == stamp)
            .cloned();
        let is_newest = engine.kernel.reads_newest();
        if let Some(member) = kept.filter(|_| is_newest) {
            return Ok(member);
        }
        let stamp = if is_newest { stamp } else { TRIED };
        let view = self.view(engine)?;
        let user = Id::new(user).map_err(|error| Error::invalid("/user", error))?;
        let tree = engine.views.tree.load();
        let mut tx = engine.kernel.reading();
        let Some(judged) = view.judge(&mut tx, &mut Papers::new(&tree), &user)? else {
            // Not kept: strangers are without number.
            return Ok(Arc::new(MemberView::stranger(stamp, &tree)));
        };
        let member = Arc::new(view.member(&mut tx, &tree, stamp, &user, &judged)?);
        if is_newest {
            engine.views.cells.keep_member(self, user, member.clone());
        }
        Ok(member)
    }

    /// Looks at a member who is at hand.
    pub(crate) fn member_at_hand<T>(
        &self,
        engine: &Engine,
        user: &str,
        at: impl FnOnce(&MemberView) -> T,
    ) -> Option<T> {
        let stamp = self.stamp(engine);
        self.members
            .read()
            .get(user)
            .filter(|member| member.stamp == stamp)
            .map(|member| at(member))
    }

    /// The same as if all accounts of the line were active.
    pub(crate) fn member_whatever_status(
        self: &Arc<AccountCell>,
        engine: &Engine,
        user: &Id,
    ) -> Result<Arc<MemberView>, Error> {
        let view = self.view(engine)?;
        if view.status == Status::Active {
            return self.member(engine, user.as_str());
        }
        let (stamp, tree) = (view.frame.stamp, engine.views.tree.load());
        let mut tx = engine.kernel.reading();
        let judged = view.judge_whatever_status(&mut tx, &mut Papers::new(&tree), user)?;
        Ok(Arc::new(match judged {
            Some(judged) => view.member(&mut tx, &tree, stamp, user, &judged)?,
            None => MemberView::stranger(stamp, &tree),
        }))
    }

    /// Answers how many there were.
    fn forget_members(&self, kept: &AtomicUsize) -> usize {
        let mut members = self.members.write();
        // The table goes too, not only what is in it.
        let gone = std::mem::take(&mut *members).len();
        kept.fetch_sub(gone, Ordering::AcqRel);
        gone
    }
}

/// The accounts in memory, by id; those that nobody uses go when there are too many.
pub(crate) struct Cells {
    shards: [RwLock<HashMap<Id, Arc<AccountCell>, RandomState>>; SHARDS],
    hasher: RandomState,
    most_in_shard: usize,
    platform: ArcSwapOption<Platform>,
    /// The meters of all accounts, where caps of the platform count them together: all are charged
    /// under one lock then.
    all: Arc<Team>,
    /// How many members all accounts keep at hand. It changes under the lock of those that it
    /// counts.
    members_kept: AtomicUsize,
    most_members: usize,
    /// No epoch of an account that went was higher: one that comes back begins here, so that its
    /// stamps still only grow.
    epoch_floor: AtomicU64,
}

impl Cells {
    /// Room for accounts and their members in this much memory, half of it for each.
    pub(crate) fn new(bytes: u64, room: &Arc<Room>) -> Cells {
        /// What an account in memory takes, with a view.
        const CELL_BYTES: u64 = 4096;
        /// What a member takes, with what was prepared for them.
        const MEMBER_BYTES: u64 = 1024;
        let most = |of_one: u64| usize::try_from(bytes / 2 / of_one).unwrap_or(usize::MAX);
        Cells {
            shards: Default::default(),
            hasher: RandomState::default(),
            platform: ArcSwapOption::empty(),
            all: Team::in_room(room),
            most_in_shard: (most(CELL_BYTES) / SHARDS).max(16),
            members_kept: AtomicUsize::new(0),
            most_members: most(MEMBER_BYTES),
            epoch_floor: AtomicU64::new(0),
        }
    }

    /// Keeps at hand what a member of an account may do; where that is one too many, about half of
    /// all are forgotten first.
    fn keep_member(&self, cell: &AccountCell, user: Id, member: Arc<MemberView>) {
        if self.members_kept.load(Ordering::Acquire) >= self.most_members {
            self.forget_members(self.most_members / 2);
        }
        let mut members = cell.members.write();
        if members.insert(user, member).is_none() {
            self.members_kept.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Forgets at least so many members, account by account.
    fn forget_members(&self, mut going: usize) {
        for shard in &self.shards {
            for cell in shard.read().values() {
                if going == 0 {
                    return;
                }
                going = going.saturating_sub(cell.forget_members(&self.members_kept));
            }
        }
    }

    fn shard(&self, id: &str) -> &RwLock<HashMap<Id, Arc<AccountCell>, RandomState>> {
        use std::hash::BuildHasher;
        let at = usize::try_from(self.hasher.hash_one(id) % SHARDS as u64).unwrap_or(0);
        let [first, ..] = &self.shards;
        self.shards.get(at).unwrap_or(first)
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<AccountCell>> {
        self.shard(id).read().get(id).cloned()
    }

    /// Looks at an account that is in memory, without holding on to it.
    #[inline]
    pub(crate) fn look<T>(
        &self,
        id: &str,
        at: impl FnOnce(&AccountCell) -> Option<T>,
    ) -> Option<T> {
        self.shard(id).read().get(id).and_then(|cell| at(cell))
    }

    pub(crate) fn get_or_insert(&self, engine: &Engine, id: &Id) -> Arc<AccountCell> {
        if let Some(cell) = self.get(id.as_str()) {
            return cell;
        }
        let mut shard = self.shard(id.as_str()).write();
        if shard.len() >= self.most_in_shard {
            self.make_room(engine, &mut shard);
        }
        shard
            .entry(id.clone())
            .or_insert_with(|| self.apart(id))
            .clone()
    }

    /// An account that does not stay in memory.
    pub(crate) fn apart(&self, id: &Id) -> Arc<AccountCell> {
        let floor = self.epoch_floor.load(Ordering::Acquire);
        Arc::new(AccountCell::new(id.clone(), floor))
    }

    /// Forgets the accounts of a shard that nobody uses now; half of them, so that this is seldom.
    fn make_room(&self, engine: &Engine, shard: &mut HashMap<Id, Arc<AccountCell>, RandomState>) {
        let mut going = shard.len() / 2;
        shard.retain(|_, cell| {
            if going == 0 || cell.is_in_use(engine, &self.members_kept) {
                return true;
            }
            going -= 1;
            self.epoch_floor
                .fetch_max(cell.epoch.load(Ordering::Acquire), Ordering::AcqRel);
            false
        });
    }

    pub(crate) fn remove(&self, id: &Id) {
        if let Some(cell) = self.shard(id.as_str()).write().remove(id) {
            cell.forget_members(&self.members_kept);
            cell.team.get().inspect(|team| team.end());
            self.epoch_floor
                .fetch_max(cell.epoch.load(Ordering::Acquire), Ordering::AcqRel);
        }
    }

    /// What counts for all accounts together now.
    pub(crate) fn platform(&self, engine: &Engine) -> Result<Arc<Platform>, Error> {
        let stamp = engine.views.epoch.load(Ordering::Acquire);
        let kept = self
            .platform
            .load_full()
            .filter(|platform| platform.frame.stamp == stamp);
        let is_newest = engine.kernel.reads_newest();
        if let Some(platform) = kept.filter(|_| is_newest) {
            return Ok(platform);
        }
        let stamp = if is_newest { stamp } else { TRIED };
        let mut tx = engine.kernel.reading();
        let policies: Option<PolicyRecord> = tx.get(&keys::policy(None))?;
        let frame = Frame::new(
            stamp,
            "UTC",
            &crate::rules::policy::effective(policies.as_slice()),
        );
        let platform = Arc::new(Platform {
            frame,
            caps: caps_of(&mut tx, None)?,
        });
        if is_newest {
            self.platform.store(Some(platform.clone()));
        }
        Ok(platform)
    }

    /// The meters of every tree of accounts, and those of the platform.
    pub(crate) fn teams(&self) -> Vec<Arc<Team>> {
        let of_trees = |shard: &RwLock<HashMap<Id, Arc<AccountCell>, RandomState>>| {
            shard
                .read()
                .values()
                .filter_map(|cell| cell.team.get().cloned())
                .collect::<Vec<_>>()
        };
        self.shards
            .iter()
            .flat_map(of_trees)
            .chain([self.all.clone()])
            .collect()
    }

    /// The account is to be looked at again.
    pub(crate) fn touch(&self, id: &Id) {
        if let Some(cell) = self.get(id.as_str()) {
            cell.epoch.fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// An account and those above it, with what else their limits depend on.
struct Ruled<'a> {
    line: &'a [Account],
    defaults: &'a Limits,
    edition: Edition,
    /// What happens beyond a limit of which nothing else is said.
    over_limit: OverLimit,
    includes_credits: bool,
}

/// The packages along a line, as they are at a time.
type Packages<'a> = [Option<&'a Package>];

impl Ruled<'_> {
    /// The value of a limit of the account at a level of the line.
    fn value(&self, packages: &Packages<'_>, level: usize, name: LimitName) -> Resolved {
        let pairs: Vec<_> = self
            .line
            .iter()
            .zip(packages.iter().copied())
            .skip(level)
            .collect();
        let first = candidates(name, &pairs, self.defaults, self.edition)
            .into_iter()
            .next();
        let plain = Resolved::plain(Limit::Unlimited, Source::PlatformDefault);
        first.map_or(plain, |first| {
            Resolved::of(&first, terms(name, &pairs, self.defaults), self.over_limit)
        })
    }

    fn limits(&self, packages: &Packages<'_>) -> [Resolved; LimitName::COUNT] {
        let mut limits =
            [Resolved::plain(Limit::Unlimited, Source::PlatformDefault); LimitName::COUNT];
        for (slot, name) in limits.iter_mut().zip(LimitName::ALL) {
            *slot = self.value(packages, 0, *name);
        }
        limits
    }

    /// Whether credits pay for what exceeds the account's own limits.
    fn pays(&self, packages: &Packages<'_>) -> bool {
        self.includes_credits
            && packages
                .iter()
                .flatten()
                .next()
                .is_some_and(|package| package.credits && package.overuse)
    }

    /// The packages at an instant.
    fn packages_at<'p>(
        now: &Packages<'p>,
        planned: &'p [Option<(u64, Package)>],
        at_ms: u64,
    ) -> Vec<Option<&'p Package>> {
        let then = |planned: &'p Option<(u64, Package)>| {
            planned
                .as_ref()
                .filter(|(from_ms, _)| *from_ms <= at_ms)
                .map(|(_, package)| package)
        };
        now.iter()
            .zip(planned)
            .map(|(now, planned)| then(planned).or(*now))
            .collect()
    }

    fn turns(planned: &[Option<(u64, Package)>]) -> std::collections::BTreeSet<u64> {
        planned
            .iter()
            .flatten()
            .map(|(from_ms, _)| *from_ms)
            .collect()
    }

    fn later(&self, now: &Packages<'_>, planned: &[Option<(u64, Package)>]) -> Vec<Later> {
        let at = |from_ms| {
            let packages = Ruled::packages_at(now, planned, from_ms);
            Later {
                from_ms,
                limits: self.limits(&packages),
                pays: self.pays(&packages),
            }
        };
        Ruled::turns(planned).into_iter().map(at).collect()
    }

    /// What is guaranteed to the accounts directly below the first of the line.
    fn guaranteed(
        &self,
        tx: &mut Tx<'_>,
        now: &Packages<'_>,
        planned: &[Option<(u64, Package)>],
    ) -> Result<Vec<Arc<Guaranteed>>, Error> {
        let Some(account) = self.line.first().filter(|account| account.children > 0) else {
            return Ok(Vec::new());
        };
        let mut sums = Vec::new();
        for name in LimitName::ALL
            .iter()
            .copied()
            .filter(|name| name.window().is_some())
        {
            sums.extend(
                tx.get::<u64>(&promised_key(&account.id, name))?
                    .map(|sum| (name, sum)),
            );
        }
        if sums.is_empty() {
            return Ok(Vec::new());
        }
        let children = guaranteed_children(tx, &account.id)?;
        let of_each = sums.into_iter().map(|(limit, sum)| {
            let smallest = |packages: &Packages<'_>| {
                (0..self.line.len())
                    .map(|level| self.value(packages, level, limit).limit)
                    .min()
            };
            let holds = |packages: &Packages<'_>| {
                guarantees_hold(sum, smallest(packages).unwrap_or(Limit::Unlimited))
            };
            let later = Ruled::turns(planned)
                .into_iter()
                .map(|at_ms| (at_ms, holds(&Ruled::packages_at(now, planned, at_ms))));
            let holds = std::iter::once((0, holds(now))).chain(later).collect();
            Arc::new(Guaranteed {
                limit,
                parts: self.parts_of(now, &children, limit),
                holds,
            })
        });
        Ok(of_each.collect())
    }

    fn parts_of(
        &self,
        now: &Packages<'_>,
        children: &[(Account, Option<Package>)],
        limit: LimitName,
    ) -> Vec<Guarantee> {
        let part = |(child, package): &(Account, Option<Package>)| match child.overrides.get(limit)
        {
            Some(Limit::At(part)) if child.guaranteed.contains(&limit) => {
                let line: Vec<_> = std::iter::once((child, package.as_ref()))
                    .chain(self.line.iter().zip(now.iter().copied()))
                    .collect();
                Some(Guarantee {
                    account: child.id.clone(),
                    // No window of a limit follows the billing day.
                    calendar: Arc::new(Calendar {
                        zone: crate::rules::window::zone(&child.time_zone).unwrap_or(TimeZone::UTC),
                        billing_day: 1,
                    }),
                    part: part.get(),
                    takes_credits: terms(limit, &line, self.defaults)
                        .over
                        .unwrap_or(self.over_limit)
                        == OverLimit::UseCredits,
                })
            }
            _ => None,
        };
        children.iter().filter_map(part).collect()
    }
}

/// The accounts directly below that are guaranteed a part of a limit, with their packages.
fn guaranteed_children(tx: &mut Tx<'_>, id: &Id) -> Result<Vec<(Account, Option<Package>)>, Error> {
    let (from, until) = keys::below(keys::CHILD, &[id.as_str()]);
    let mut children = Vec::new();
    for (key, ()) in tx.range::<()>(&from, &until, usize::MAX)? {
        let Some(child) = keys::last_id(&key) else {
            continue;
        };
        let Some(child) = tx
            .get::<Account>(&keys::account(&child))?
            .filter(|child| !child.guaranteed.is_empty())
        else {
            continue;
        };
        let package = child
            .package
            .as_ref()
            .map(|id| tx.get::<Package>(&keys::package(id)))
            .transpose()?
            .flatten();
        children.push((child, package));
    }
    Ok(children)
}

/// The package that each account of a line is to get, and when.
fn planned_packages(
    tx: &mut Tx<'_>,
    line: &[Account],
) -> Result<Vec<Option<(u64, Package)>>, Error> {
    let planned = line.iter().map(|account| {
        let Some(next) = &account.next_package else {
            return Ok(None);
        };
        Ok(tx
            .get::<Package>(&keys::package(&next.package))?
            .map(|package| (next.from_ms, package)))
    });
    planned.collect()
}

/// What is assigned, along the line up to the first package; domains in normal form.
fn assigned(line: &[(&Account, Option<&Package>)]) -> Assets {
    let mut all = Assets::default();
    for (account, package) in line {
        for assets in std::iter::once(&account.assets).chain(package.map(|package| &package.assets))
        {
            let normal = |domain: &Name| {
                crate::model::normal_domain(domain.as_str())
                    .ok()
                    .and_then(|normal| Name::new(&normal).ok())
            };
            all.domains.extend(
                assets
                    .domains
                    .iter()
                    .map(|domain| normal(domain).unwrap_or_else(|| domain.clone())),
            );
            all.nodes.extend(assets.nodes.iter().cloned());
            all.bounce_addresses
                .extend(assets.bounce_addresses.iter().cloned());
        }
        if package.is_some() {
            break;
        }
    }
    all
}

/// What a member's role allows, or the owner's everything, before any ceiling (R-ROL-5).
fn powers_on_paper(
    tx: &mut Tx<'_>,
    tree: &PermissionTree,
    member: &Member,
) -> Result<Powers, Error> {
    match (&member.role, member.owner) {
        (_, true) => Ok(Powers::all(tree)),
        (Some(role), false) => role_powers(tx, tree, role),
        (None, false) => Ok(Powers::none(tree)),
    }
}

/// What roles allow on paper, each worked out once however many members of a list have it.
pub(crate) struct Papers<'a> {
    pub(crate) tree: &'a PermissionTree,
    roles: HashMap<Id, Powers>,
}

impl<'a> Papers<'a> {
    pub(crate) fn new(tree: &'a PermissionTree) -> Papers<'a> {
        Papers {
            tree,
            roles: HashMap::new(),
        }
    }

    /// As [`powers_on_paper`].
    fn of(&mut self, tx: &mut Tx<'_>, member: &Member) -> Result<Powers, Error> {
        let Some(role) = member.role.as_ref().filter(|_| !member.owner) else {
            return powers_on_paper(tx, self.tree, member);
        };
        if let Some(known) = self.roles.get(role) {
            return Ok(known.clone());
        }
        let held = powers_on_paper(tx, self.tree, member)?;
        self.roles.insert(role.clone(), held.clone());
        Ok(held)
    }
}

/// What bounds the members of each account of a line, given their packages and policies; the last
/// of these are the platform's.
fn levels(
    tx: &mut Tx<'_>,
    tree: &PermissionTree,
    line: &[(&Account, Option<&Package>)],
    policies: &[Option<PolicyRecord>],
) -> Result<Vec<Level>, Error> {
    let mut levels: Vec<Level> = Vec::with_capacity(line.len());
    for (height, (account, package)) in line.iter().enumerate().rev() {
        let above = levels.last().and_then(|level| level.ceiling.clone());
        let own = package
            .and_then(|package| package.role.as_ref())
            .map(|role| role_powers(tx, tree, role))
            .transpose()?;
        let ceiling = match (own, above) {
            (Some(own), Some(above)) => Some(Arc::new(own.under(&above))),
            (Some(own), None) => Some(Arc::new(own)),
            (None, above) => above,
        };
        let from_here = policies.iter().skip(height).flatten();
        let policies = crate::rules::policy::effective(from_here);
        let line = || line.iter().skip(height).map(|(account, _)| *account);
        let status = effective_status(line());
        levels.push(Level {
            account: account.id.clone(),
            ceiling,
            by_package: policies.role_scope == RoleScope::Package,
            status,
            owner_may_enter: policies.billing_hold_owner_enters
                && held_for_billing_alone(status, line()),
        });
    }
    levels.reverse();
    Ok(levels)
}

/// What a role allows to a member of an account.
pub(crate) fn role_powers(
    tx: &mut Tx<'_>,
    tree: &PermissionTree,
    role: &Id,
) -> Result<Powers, Error> {
    Ok(
        crate::rules::role::role_powers(tree, &role_with_includes(tx, tree, role)?)
            .within_accounts(tree),
    )
}

/// Whether unpaid invoices are all that keeps an account of this status from being active.
fn held_for_billing_alone<'a>(status: Status, line: impl Iterator<Item = &'a Account>) -> bool {
    status == Status::Suspended
        && line
            .flat_map(|account| &account.holds)
            .all(|hold| hold.reason == HoldReason::Billing)
}

#[cfg(test)]
mod tests {
    use crate::access::allowed::allowed;
    use crate::access::state::Engine;
    use crate::access::view::SHARDS;
    use crate::kernel::keys;
    use crate::options::OpenOptions;
    use crate::rules::account::Status;
    use serde_json::json;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    fn engine() -> Arc<Engine> {
        Engine::open(
            Path::new(":memory:"),
            &OpenOptions {
                cache_mib: 1,
                ..OpenOptions::default()
            },
        )
        .unwrap()
    }

    fn call(engine: &Engine, operation: &str, request: serde_json::Value) {
        let entry = crate::catalogue::find(operation).unwrap();
        (entry.run_json)(
            engine,
            &crate::model::Actor::System,
            request.to_string().as_bytes(),
        )
        .unwrap();
    }

    fn make_account(engine: &Engine, id: &str) {
        let owner = json!({"user": format!("of-{id}"), "email": format!("of-{id}@owners.example")});
        call(
            engine,
            "accounts.create",
            json!({"id": id, "name": id, "owner": owner}),
        );
    }

    fn in_memory(engine: &Engine) -> (usize, usize) {
        let cells: Vec<_> = engine
            .views
            .cells
            .shards
            .iter()
            .flat_map(|shard| shard.read().values().cloned().collect::<Vec<_>>())
            .collect();
        (
            cells.len(),
            cells.iter().map(|cell| cell.members.read().len()).sum(),
        )
    }

    /// However many accounts are asked about, those in memory are as many as there is room for;
    /// whoever holds one keeps it, and for one that comes back the stamps still only grow.
    #[test]
    fn accounts_that_nobody_uses_go() {
        const ACCOUNTS: usize = 2_000;
        let engine = engine();
        let most = engine.views.cells.most_in_shard * SHARDS;
        assert!(most < ACCOUNTS / 4, "{most}");
        make_account(&engine, "held");
        let held = engine.cell_by_text("held").unwrap();
        let mut stamps = Vec::new();
        for number in 0..ACCOUNTS {
            let id = format!("a{number}");
            make_account(&engine, &id);
            let cell = engine.cell_by_text(&id).unwrap();
            assert!(allowed(&engine, &cell, &format!("of-{id}"), "campaigns.send").unwrap());
            call(
                &engine,
                "accounts.hold",
                json!({"account": id, "reason": "abuse"}),
            );
            stamps.push((id, cell.view(&engine).unwrap().frame.stamp));
            let (cells, members) = in_memory(&engine);
            assert!(
                cells <= most && members <= engine.views.cells.most_members,
                "{cells} accounts, {members} members"
            );
        }
        assert!(Arc::ptr_eq(&held, &engine.cell_by_text("held").unwrap()));
        for (id, before) in stamps {
            let view = engine.cell_by_text(&id).unwrap().view(&engine).unwrap();
            assert!(
                view.frame.stamp >= before && view.status == Status::Suspended,
                "{id}: {} after {before}",
                view.frame.stamp
            );
        }
        assert_eq!(
            engine.views.cells.members_kept.load(Ordering::Acquire),
            in_memory(&engine).1
        );
    }

    /// However many members are asked about, in one account or in many.
    #[test]
    fn members_that_are_kept_at_hand_are_counted() {
        const MEMBERS: usize = 2_000;
        let engine = engine();
        assert!(
            engine.views.cells.most_members < MEMBERS / 2,
            "{}",
            engine.views.cells.most_members
        );
        make_account(&engine, "other");
        make_account(&engine, "big");
        let addresses: Vec<_> = (0..MEMBERS)
            .map(|number| format!("m{number}@big.example\n"))
            .collect();
        for part in addresses.chunks(500) {
            call(
                &engine,
                "users.import_csv",
                json!({"account": "big", "role": "editor", "csv": format!("email\n{}",
                    part.concat())}),
            );
        }
        let (other, big) = (
            engine.cell_by_text("other").unwrap(),
            engine.cell_by_text("big").unwrap(),
        );
        let (from, until) = keys::below(keys::MEMBER, &["big"]);
        let users = engine
            .kernel
            .tx()
            .range::<serde::de::IgnoredAny>(&from, &until, usize::MAX)
            .unwrap();
        assert_eq!(users.len(), MEMBERS + 1);
        for (key, _) in users.iter().chain(&users) {
            let user = keys::last_id(key).unwrap();
            assert!(allowed(&engine, &big, user.as_str(), "campaigns.edit").unwrap());
            assert!(allowed(&engine, &other, "of-other", "campaigns.edit").unwrap());
            let (_, kept) = in_memory(&engine);
            assert!(
                kept <= engine.views.cells.most_members
                    && kept == engine.views.cells.members_kept.load(Ordering::Acquire),
                "{kept}"
            );
        }
        call(&engine, "accounts.delete", json!({"account": "other"}));
        assert_eq!(
            engine.views.cells.members_kept.load(Ordering::Acquire),
            in_memory(&engine).1
        );
    }
}
