//! What must hold in teams whatever is asked, in which order and by whom: random operations on
//! groups, invitations, owners, shared templates and suppressions against a naive model, in a small
//! tree of accounts and beside a foreign team.
//!
//! The test prints its seed; `TENANTRY_SEED` repeats it. `TENANTRY_RUNS` says how many walks.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tenantry::Tenantry;
use tenantry_tests::crash::{Dice, count};
use tenantry_tests::walk::{Said, Who, call, must, one_of, only_what_was_said, start_ms};

const DAY_MS: u64 = 24 * 3_600_000;
const LIFE_MS: u64 = 14 * DAY_MS;
/// How deep accounts may lie.
const DEPTH: usize = 3;
/// What is never there.
const NOWHERE: &str = "nowhere";
/// The accounts that a walk begins with: `deep` lies so deep that nothing can be below it. The
/// first four stay.
const ACCOUNTS: [(&str, Option<&str>); 6] = [
    ("top", None),
    ("left", Some("top")),
    ("right", Some("top")),
    ("other", None),
    ("deep", Some("left")),
    ("nest", Some("other")),
];
const THAT_STAY: usize = 4;
const MOST_ACCOUNTS: usize = 9;
const ADDRESSES: u64 = 40;

/// Walks that once failed, by the seed of the walk: they are walked again every time.
const REGRESSIONS: &[u64] = &[];

// ---- The model. It keeps everything in plain maps, computes everything anew, and knows no index
// and no count.

/// How far a permission reaches; what is not about resources reaches everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    No,
    Own,
    Group,
    Any,
}
use Scope::{Any, Group, No, Own};

type Grants = &'static [(&'static str, Scope)];

/// What one membership gives. Built-in roles hold more than the walk asks for, and so are told from
/// each other by name.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Held {
    Owner,
    Administrator,
    Full,
    Listed(Grants),
}

/// What somebody may do: by all memberships that reach an account together.
#[derive(Clone, Debug, Default)]
struct PermissionSet(Vec<Held>);

const TEAM: &str = "accounts.team";
const TRANSFER: &str = "accounts.transfer_owner";
/// Implies `templates.share`, which no role of the walk has by name.
const SHARE: &str = "templates.create";

const GUEST: Grants = &[("templates.view", Own), ("templates.use_shared", Any)];
const WORKER: Grants = &[
    ("templates.view", Group),
    ("templates.create", Group),
    ("templates.edit", Group),
    ("templates.delete", Group),
    ("templates.use_shared", Group),
];
const CLERK: Grants = &[
    ("templates.view", Group),
    ("templates.create", Group),
    ("templates.edit", Group),
    ("templates.delete", Group),
    ("templates.use_shared", Any),
    ("users.view", Any),
    ("users.invite", Any),
    ("users.invitations.edit", Any),
    ("users.invitations.delete", Any),
    ("users.invitations.resend", Any),
    ("users.edit_role", Any),
    ("users.revoke_account", Any),
    ("groups.view", Any),
    ("groups.create", Any),
    ("groups.members.add", Any),
    ("groups.members.remove", Any),
    ("suppressions.view", Any),
    ("suppressions.add", Any),
];
const SHARER: Grants = &[
    ("templates.view", Any),
    ("templates.create", Any),
    ("templates.edit", Group),
    ("templates.delete", Own),
    ("templates.share_down", Group),
    ("templates.unshare", Any),
    ("suppressions.share", Any),
];
/// Manages the team without owning anything; may ask for the change of an owner, and may not make
/// one.
const STEWARD: Grants = &[
    (TEAM, Any),
    (TRANSFER, Any),
    ("users.view", Any),
    ("users.invite", Any),
    ("users.invitations.edit", Any),
    ("users.invitations.delete", Any),
    ("users.invitations.resend", Any),
    ("users.edit_role", Any),
    ("users.grant_account", Any),
    ("users.revoke_account", Any),
    ("users.disable", Any),
    ("groups.view", Any),
    ("groups.create", Any),
    ("groups.rename", Any),
    ("groups.delete", Any),
    ("groups.members.add", Any),
    ("groups.members.remove", Any),
    ("groups.members.transfer", Any),
    ("templates.view", Any),
    ("templates.create", Any),
    ("templates.edit", Any),
    ("templates.delete", Any),
    ("templates.share_down", Any),
    ("templates.unshare", Any),
    ("templates.use_shared", Any),
    ("suppressions.view", Any),
    ("suppressions.add", Any),
    ("suppressions.remove", Any),
    ("suppressions.share", Any),
    ("suppressions.domains.add", Any),
    ("suppressions.domains.remove", Any),
];
/// The role of the account `left`, which is no role anywhere else but below it.
const LEFTY: Grants = &[("templates.view", Any), ("templates.use_shared", Any)];

const CUSTOM: [(&str, Grants); 6] = [
    ("guest", GUEST),
    ("worker", WORKER),
    ("clerk", CLERK),
    ("sharer", SHARER),
    ("steward", STEWARD),
    ("lefty", LEFTY),
];
const ROLES: [&str; 9] = [
    "guest",
    "worker",
    "worker",
    "clerk",
    "sharer",
    "steward",
    "lefty",
    "full",
    "administrator",
];

impl Held {
    fn of(role: &str) -> Held {
        match role {
            "administrator" => Held::Administrator,
            "full" => Held::Full,
            _ => Held::Listed(CUSTOM.iter().find(|(name, _)| *name == role).unwrap().1),
        }
    }

    fn scope(self, permission: &str) -> Scope {
        let holds = match self {
            Held::Owner => true,
            Held::Administrator => ![TEAM, TRANSFER].contains(&permission),
            Held::Full => {
                ["templates", "suppressions"].contains(&permission.split('.').next().unwrap())
            }
            Held::Listed(grants) => {
                return grants
                    .iter()
                    .find(|(name, _)| *name == permission)
                    .map_or(No, |grant| grant.1);
            }
        };
        if holds { Any } else { No }
    }
}

impl PermissionSet {
    fn of(role: &str) -> PermissionSet {
        PermissionSet(vec![Held::of(role)])
    }

    fn scope(&self, permission: &str) -> Scope {
        self.0
            .iter()
            .map(|held| held.scope(permission))
            .max()
            .unwrap_or(No)
    }

    fn holds(&self, permission: &str) -> bool {
        self.scope(permission) != No
    }

    /// Whether these are more than those.
    fn exceed(&self, held: &PermissionSet) -> bool {
        let among = |enough: &[Held]| held.0.iter().any(|one| enough.contains(one));
        self.0.iter().any(|wanted| match wanted {
            Held::Owner => !among(&[Held::Owner]),
            Held::Administrator => !among(&[Held::Owner, Held::Administrator]),
            Held::Full => !among(&[Held::Owner, Held::Administrator, Held::Full]),
            Held::Listed(grants) => grants
                .iter()
                .any(|(permission, scope)| *scope > held.scope(permission)),
        })
    }
}

#[derive(Clone, Debug, Default)]
struct Account {
    parent: Option<String>,
    owner: String,
    seats: Option<u64>,
    default_role: Option<&'static str>,
    default_group: String,
    groups: BTreeMap<String, String>,
    groups_gone: BTreeSet<String>,
    members: BTreeMap<String, Member>,
    templates: BTreeMap<String, Template>,
    shares: BTreeMap<String, Share>,
    /// Whether it ever shared anything.
    folder: bool,
    pooled: bool,
    /// By value and class; until when.
    suppressions: BTreeMap<(String, &'static str), Option<u64>>,
}

#[derive(Clone, Debug, Default)]
struct Member {
    role: Option<String>,
    group: Option<String>,
    disabled: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Template {
    owner: String,
    group: Option<String>,
    shared: bool,
    rev: u64,
}

#[derive(Clone, Debug)]
struct Share {
    all: bool,
    accounts: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Open,
    Accepted,
    Deleted,
    Superseded,
    /// Its accounts, or whoever accepted it, are gone.
    Erased,
}

#[derive(Clone, Debug)]
struct Grant {
    account: String,
    role: Option<String>,
    group: Option<String>,
}

#[derive(Clone, Debug)]
struct Invitation {
    /// Known once the store has answered.
    id: String,
    email: String,
    grants: Vec<Grant>,
    by: String,
    state: State,
    /// Whether nothing tells any more whom it was for.
    forgotten: bool,
    generation: u64,
    sent_at_ms: u64,
}

#[derive(Clone, Default)]
struct Model {
    now_ms: u64,
    /// By policy: whether who owns one account is a member of no other.
    exclusive: bool,
    accounts: BTreeMap<String, Account>,
    /// With their addresses.
    users: BTreeMap<String, String>,
    gone: BTreeSet<String>,
    invitations: Vec<Invitation>,
    /// Every link that went out: the token, the invitation and its generation.
    links: Vec<(String, usize, u64)>,
    /// The invitations for which the operation puts a message into the outbox.
    to_send: Vec<usize>,
}

type Refusal = &'static str;

const CLASSES: [&str; 2] = ["marketing", "transactional"];

impl Model {
    // -- Accounts and who acts in them.

    fn account(&self, id: &str) -> Result<&Account, Refusal> {
        self.accounts.get(id).ok_or("not_found")
    }

    fn change(&mut self, id: &str) -> &mut Account {
        self.accounts.get_mut(id).unwrap()
    }

    fn line(&self, account: &str) -> Vec<String> {
        let mut line = vec![account.to_owned()];
        while let Some(parent) = &self.accounts[line.last().unwrap()].parent {
            line.push(parent.clone());
        }
        line
    }

    fn team(&self, account: &str) -> String {
        self.line(account).pop().unwrap()
    }

    fn is_within(&self, account: &str, above: &str) -> bool {
        self.accounts.contains_key(account) && self.line(account).iter().any(|one| one == above)
    }

    fn children(&self, of: &str) -> Vec<String> {
        self.accounts
            .iter()
            .filter(|(_, account)| account.parent.as_deref() == Some(of))
            .map(|(id, _)| id.clone())
            .collect()
    }

    fn subtree(&self, of: &str) -> Vec<String> {
        let mut found = vec![of.to_owned()];
        let mut at = 0;
        while at < found.len() {
            found.extend(self.children(&found[at]));
            at += 1;
        }
        found
    }

    fn member(&self, account: &str, user: &str) -> Option<&Member> {
        self.accounts.get(account)?.members.get(user)
    }

    fn accounts_of(&self, user: &str) -> Vec<String> {
        self.accounts
            .iter()
            .filter(|(_, account)| account.members.contains_key(user))
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// What a membership gives.
    fn membership(&self, account: &str, user: &str) -> PermissionSet {
        match self.member(account, user) {
            None => PermissionSet::default(),
            Some(_) if self.accounts[account].owner == user => PermissionSet(vec![Held::Owner]),
            Some(member) => {
                PermissionSet(member.role.as_deref().map(Held::of).into_iter().collect())
            }
        }
    }

    /// The accounts by whose memberships a user acts in an account: that one, and those above whose
    /// team they manage.
    fn memberships(&self, account: &str, user: &str) -> Vec<String> {
        let line = if self.accounts.contains_key(account) {
            self.line(account)
        } else {
            Vec::new()
        };
        let manages = |at: &str| self.membership(at, user).holds(TEAM);
        let counts = |(level, at): &(usize, String)| {
            self.member(at, user).is_some() && (*level == 0 || manages(at))
        };
        line.into_iter()
            .enumerate()
            .filter(counts)
            .map(|(_, at)| at)
            .collect()
    }

    /// Of these, what is disabled gives nothing beside what is not.
    fn acts_by(&self, account: &str, user: &str) -> Vec<String> {
        let all = self.memberships(account, user);
        let (disabled, enabled): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|at| self.accounts[at].members[user].disabled);
        if enabled.is_empty() {
            disabled
        } else {
            enabled
        }
    }

    fn united(&self, by: &[String], user: &str) -> PermissionSet {
        PermissionSet(
            by.iter()
                .flat_map(|at| self.membership(at, user).0)
                .collect(),
        )
    }

    /// What a user may do in an account, and why they may do nothing.
    fn judged(&self, account: &str, user: &str) -> Result<PermissionSet, Refusal> {
        let by = self.acts_by(account, user);
        let nearest = by.first().ok_or("not_member")?;
        if self.accounts[nearest].members[user].disabled {
            Err("member_disabled")
        } else {
            Ok(self.united(&by, user))
        }
    }

    /// What an acting user may do in an account: where they act, or below it. Everything else is
    /// not there.
    fn permissions_in(
        &self,
        user: &str,
        home: &str,
        account: &str,
    ) -> Result<PermissionSet, Refusal> {
        let own = match self.judged(home, user) {
            Err("not_member") => return Err("not_found"),
            judged => judged?,
        };
        match account == home {
            true => Ok(own),
            false if self.is_within(account, home) && own.holds(TEAM) => self.judged(account, user),
            false => Err("not_found"),
        }
    }

    fn require(&self, who: &Who, account: &str, permission: &str) -> Result<(), Refusal> {
        let Who::User(user, home) = who else {
            return Ok(());
        };
        if self.permissions_in(user, home, account)?.holds(permission) {
            Ok(())
        } else {
            Err("permission_denied")
        }
    }

    /// As `require`; and the account is there, for the host too.
    fn enter(&self, who: &Who, account: &str) -> Result<(), Refusal> {
        match who {
            Who::User(user, home) => self.permissions_in(user, home, account).map(drop),
            Who::System => self.account(account).map(drop),
        }
    }

    /// Nobody gives in an account what is more than they hold there, or below, where it lets one
    /// reach that (R-ROL-7).
    fn refuse_beyond(
        &self,
        who: &Who,
        account: &str,
        wanted: &PermissionSet,
    ) -> Result<(), Refusal> {
        let Who::User(user, _) = who else {
            return Ok(());
        };
        let counts =
            |at: &&String| *at == account || wanted.holds(TEAM) && self.is_within(at, account);
        let exceeds = |at: &String| wanted.exceed(&self.judged(at, user).unwrap_or_default());
        if self.accounts.keys().filter(counts).any(exceeds) {
            Err("escalation_refused")
        } else {
            Ok(())
        }
    }

    /// Nobody acts on who can do more in an account, were they enabled.
    fn refuse_stronger(&self, who: &Who, account: &str, user: &str) -> Result<(), Refusal> {
        self.refuse_beyond(
            who,
            account,
            &self.united(&self.memberships(account, user), user),
        )
    }

    fn manages_team(&self, who: &Who, account: &str) -> bool {
        match who {
            Who::System => true,
            Who::User(user, home) => {
                self.is_within(account, home)
                    && self
                        .permissions_in(user, home, home)
                        .is_ok_and(|own| own.holds(TEAM))
            }
        }
    }

    /// Whether a member of an account is hidden from an actor: who owns an account above is, from
    /// who manages it (R-INV-10).
    fn hides(&self, who: &Who, account: &str, member: &str) -> bool {
        let Who::User(user, home) = who else {
            return false;
        };
        let from_above = self.permissions_in(user, home, account).is_ok()
            && self.acts_by(account, user).iter().any(|at| at != account);
        !from_above
            && user != member
            && self
                .line(account)
                .iter()
                .skip(1)
                .any(|above| self.accounts[above].owner == member)
    }

    /// Whether an actor sees that a user acts in an account, be it from above (R-INV-10).
    fn sees_acting(&self, who: &Who, account: &str, user: &str) -> bool {
        let Who::User(actor, home) = who else {
            return true;
        };
        let inside = self.acts_by(account, user).iter().any(|at| at == account);
        actor == user
            || (!self.hides(who, account, user)
                && (inside || self.membership_of_actor(actor, home).holds(TEAM)))
    }

    fn membership_of_actor(&self, actor: &str, home: &str) -> PermissionSet {
        self.judged(home, actor).unwrap_or_default()
    }

    /// Whether an actor sees a user in any account.
    fn sees(&self, who: &Who, user: &str) -> bool {
        let Who::User(actor, home) = who else {
            return true;
        };
        if actor == user {
            return true;
        }
        if self.membership_of_actor(actor, home).holds(TEAM) {
            return self
                .accounts_of(user)
                .iter()
                .any(|account| self.is_within(account, home));
        }
        self.member(home, user).is_some() && !self.hides(who, home, user)
    }

    fn has_group(&self, account: &str, group: &str) -> Result<(), Refusal> {
        if self.accounts[account].groups.contains_key(group) {
            Ok(())
        } else {
            Err("not_found")
        }
    }

    fn has_role(&self, account: &str, role: &str) -> Result<(), Refusal> {
        let usable = match role {
            "lefty" => self.is_within(account, "left"),
            _ => ROLES.contains(&role),
        };
        if usable { Ok(()) } else { Err("not_found") }
    }

    // -- Seats and membership.

    fn seats(&self, account: &str) -> u64 {
        self.line(account)
            .iter()
            .find_map(|above| self.accounts[above].seats)
            .unwrap_or(u64::MAX)
    }

    fn users_below(&self, top: &str) -> BTreeSet<String> {
        self.subtree(top)
            .iter()
            .flat_map(|id| self.accounts[id].members.keys().cloned())
            .collect()
    }

    /// Those of them who hold a seat: a membership that is disabled holds none, unless it is the
    /// owner's (R-INV-9).
    fn seated(&self, top: &str) -> BTreeSet<String> {
        let holds = |id: &String, user: &str| {
            self.accounts[id].owner == user || !self.accounts[id].members[user].disabled
        };
        self.subtree(top)
            .iter()
            .flat_map(|id| {
                self.accounts[id]
                    .members
                    .keys()
                    .filter(|user| holds(id, user))
                    .cloned()
            })
            .collect()
    }

    /// Users and open invitations, each once.
    fn taken(&self, top: &str) -> u64 {
        let invited = self
            .invitations
            .iter()
            .filter(|one| self.status(one) == "pending");
        let counted = invited.filter(|one| {
            one.grants
                .iter()
                .any(|grant| self.is_within(&grant.account, top))
        });
        (self.seated(top).len() + counted.count()) as u64
    }

    /// A seat for one more in the accounts and in all above them, but where a user has theirs.
    fn refuse_without_seat(&self, accounts: &[String], user: Option<&str>) -> Result<(), Refusal> {
        let all: BTreeSet<String> = accounts
            .iter()
            .flat_map(|account| self.line(account))
            .collect();
        let full = |above: &String| {
            self.taken(above) >= self.seats(above)
                && !user.is_some_and(|user| self.seated(above).contains(user))
        };
        if all.iter().any(full) {
            Err("seats_exhausted")
        } else {
            Ok(())
        }
    }

    fn refuse_shared_owner(&self, account: &str, user: &str, owner: bool) -> Result<(), Refusal> {
        let others: Vec<String> = self
            .accounts_of(user)
            .into_iter()
            .filter(|other| other != account)
            .collect();
        let owns = others
            .iter()
            .any(|other| self.accounts[other].owner == user);
        if self.exclusive && !others.is_empty() && (owner || owns) {
            Err("owner_not_exclusive")
        } else {
            Ok(())
        }
    }

    /// The group that a member comes into: none for owner and administrators (R-GRP-2).
    fn group_for(
        &self,
        account: &str,
        role: Option<&str>,
        owner: bool,
        now: Option<&str>,
        named: Option<&str>,
    ) -> Result<Option<String>, Refusal> {
        match named {
            _ if owner || role == Some("administrator") => {
                if named.is_some() {
                    return Err("admin_has_no_group");
                }
                Ok(None)
            }
            Some(group) => self
                .has_group(account, group)
                .map(|()| Some(group.to_owned())),
            None => Ok(Some(
                now.unwrap_or(&self.accounts[account].default_group)
                    .to_owned(),
            )),
        }
    }

    /// Makes a user a member.
    fn join(
        &mut self,
        account: &str,
        user: &str,
        role: Option<String>,
        owner: bool,
        group: Option<&str>,
    ) -> Result<(), Refusal> {
        self.refuse_shared_owner(account, user, owner)?;
        // Who is in the team needs no invitation to it any more.
        let (team, email) = (self.team(account), self.users[user].clone());
        if let Some(open) = self.open_invitation(&team, &email) {
            self.invitations[open].state = State::Superseded;
        }
        self.refuse_without_seat(&[account.to_owned()], Some(user))?;
        let role = if owner { None } else { role };
        if let Some(role) = &role {
            self.has_role(account, role)?;
        }
        let group = self.group_for(account, role.as_deref(), owner, None, group)?;
        self.change(account).members.insert(
            user.to_owned(),
            Member {
                role,
                group,
                disabled: false,
            },
        );
        Ok(())
    }

    /// Ends a membership; the user goes with the last one, and with them what their address was
    /// invited to there.
    fn part(&mut self, account: &str, user: &str) -> bool {
        self.change(account).members.remove(user);
        let last = self.accounts_of(user).is_empty();
        if last {
            let email = self.users.remove(user).unwrap();
            self.gone.insert(user.to_owned());
            let team = self.team(account);
            let theirs = |model: &Model, one: &Invitation| {
                !one.forgotten
                    && one.email == email
                    && one.state != State::Erased
                    && model.team(&one.grants[0].account) == team
            };
            for at in 0..self.invitations.len() {
                if theirs(self, &self.invitations[at]) {
                    self.invitations[at].state = State::Erased;
                }
            }
        }
        last
    }

    fn new_user(&mut self, user: &str, email: &str) -> Result<(), Refusal> {
        if self.users.values().any(|taken| taken == email) {
            return Err("email_taken");
        }
        if self.users.contains_key(user) || self.gone.contains(user) {
            return Err("id_taken");
        }
        self.users.insert(user.to_owned(), email.to_owned());
        Ok(())
    }

    // -- Invitations.

    fn status(&self, invitation: &Invitation) -> &'static str {
        match invitation.state {
            State::Open if self.now_ms >= invitation.sent_at_ms + LIFE_MS => "expired",
            State::Open => "pending",
            State::Accepted => "accepted",
            State::Deleted | State::Erased => "deleted",
            State::Superseded => "superseded",
        }
    }

    fn dead(&self, invitation: &Invitation) -> Result<(), Refusal> {
        match self.status(invitation) {
            "expired" => Err("invitation_expired"),
            "accepted" => Err("invitation_already_accepted"),
            "deleted" => Err("invitation_deleted"),
            "superseded" => Err("invitation_superseded"),
            _ => Ok(()),
        }
    }

    /// The invitation of an address to a team that was not ended, expired or not.
    fn open_invitation(&self, team: &str, email: &str) -> Option<usize> {
        self.invitations.iter().position(|one| {
            one.state == State::Open
                && one.email == email
                && self.team(&one.grants[0].account) == team
        })
    }

    fn reached(&self, who: &Who, invitation: &Invitation, permission: &str) -> Vec<String> {
        let all = invitation.grants.iter().map(|grant| grant.account.clone());
        all.filter(|account| self.require(who, account, permission).is_ok())
            .collect()
    }

    fn load_reached(
        &self,
        who: &Who,
        id: &str,
        permission: &str,
    ) -> Result<(usize, Vec<String>), Refusal> {
        let found = self
            .invitations
            .iter()
            .position(|one| one.id == id && one.state != State::Erased)
            .ok_or("not_found")?;
        let mine = self.reached(who, &self.invitations[found], permission);
        if mine.is_empty() {
            Err("not_found")
        } else {
            Ok((found, mine))
        }
    }

    fn refuse_offer_above(&self, who: &Who, at: usize, mine: &[String]) -> Result<(), Refusal> {
        let grants = self.invitations[at]
            .grants
            .iter()
            .filter(|grant| mine.contains(&grant.account));
        let mut offers = grants.filter_map(|grant| {
            Some((
                &grant.account,
                grant
                    .role
                    .as_deref()
                    .or(self.accounts[&grant.account].default_role)?,
            ))
        });
        offers.try_for_each(|(account, role)| {
            self.refuse_beyond(who, account, &PermissionSet::of(role))
        })
    }

    fn check_grants(
        &self,
        who: &Who,
        team: &str,
        wanted: Vec<Grant>,
        permission: &str,
    ) -> Result<Vec<Grant>, Refusal> {
        let mut grants: Vec<Grant> = Vec::new();
        for Grant {
            account,
            role,
            group,
        } in wanted
        {
            self.account(&account)?;
            self.require(who, &account, permission)?;
            if grants.iter().any(|earlier| earlier.account == account)
                || self.team(&account) != team
            {
                return Err("invalid_argument");
            }
            let role = role
                .or(self.accounts[&account].default_role.map(str::to_owned))
                .ok_or("invalid_argument")?;
            self.has_role(&account, &role)?;
            self.refuse_beyond(who, &account, &PermissionSet::of(&role))?;
            if role == "administrator" && group.is_some() {
                return Err("admin_has_no_group");
            }
            if let Some(group) = &group {
                self.has_group(&account, group)?;
            }
            grants.push(Grant {
                account,
                role: Some(role),
                group,
            });
        }
        Ok(grants)
    }

    fn shown_invitation(&self, who: &Who, at: usize) -> Value {
        let invitation = &self.invitations[at];
        let seen = self.reached(who, invitation, "users.view");
        let grants: Vec<Value> = invitation
            .grants
            .iter()
            .filter(|grant| seen.contains(&grant.account))
            .map(
                |grant| json!({"account": grant.account, "role": grant.role, "group": grant.group}),
            )
            .collect();
        let is_self = matches!(who, Who::User(user, _) if *user == invitation.by);
        let colleague = || {
            seen.iter().any(|account| {
                self.member(account, &invitation.by).is_some()
                    && !self.hides(who, account, &invitation.by)
            })
        };
        let by = is_self
            || self.manages_team(who, &self.team(&invitation.grants[0].account))
            || colleague();
        json!({
            "id": invitation.id, "email": (!invitation.forgotten).then_some(&invitation.email),
                "accounts": grants, "status": self.status(invitation),
            "invited_by": by.then(|| invitation.by.clone()), "sent_at_ms": invitation.sent_at_ms,
        })
    }

    /// By id.
    fn listed_invitations(&self, who: &Who, account: &str, below: bool) -> Value {
        let offered = |one: &Invitation| {
            one.grants.iter().any(|grant| {
                grant.account == account || (below && self.is_within(&grant.account, account))
            })
        };
        let all = (0..self.invitations.len()).filter(|at| {
            self.invitations[*at].state != State::Erased && offered(&self.invitations[*at])
        });
        let mut listed: Vec<Value> = all.map(|at| self.shown_invitation(who, at)).collect();
        listed.sort_by_key(|one| one["id"].to_string());
        listed.into()
    }

    /// Whom it was for is forgotten, of those before it to the same address as well.
    fn delete_invitation(&mut self, at: usize) {
        self.invitations[at].state = State::Deleted;
        let (email, team) = (
            self.invitations[at].email.clone(),
            self.team(&self.invitations[at].grants[0].account),
        );
        for earlier in 0..self.invitations.len() {
            let one = &self.invitations[earlier];
            let ended = matches!(one.state, State::Deleted | State::Superseded);
            if ended && one.email == email && self.team(&one.grants[0].account) == team {
                self.invitations[earlier].forgotten = true;
            }
        }
    }

    fn no_longer_offered(&mut self, account: &str) {
        for invitation in self
            .invitations
            .iter_mut()
            .filter(|one| one.state != State::Erased)
        {
            if invitation
                .grants
                .iter()
                .any(|grant| grant.account == account)
            {
                if invitation.grants.len() == 1 {
                    invitation.state = State::Erased;
                } else {
                    invitation.grants.retain(|grant| grant.account != account);
                }
            }
        }
    }

    // -- Groups.

    /// The members of these names, each once, all in groups and in `from` where it is given.
    fn named(
        &self,
        who: &Who,
        account: &str,
        users: &[String],
        from: Option<&str>,
    ) -> Result<Vec<String>, Refusal> {
        if users.is_empty() {
            return Err("invalid_argument");
        }
        let mut found = Vec::new();
        for user in users.iter() {
            if found.contains(user) {
                continue;
            }
            let member = self
                .member(account, user)
                .filter(|_| !self.hides(who, account, user))
                .ok_or("not_found")?;
            let group = member.group.as_deref().ok_or("admin_has_no_group")?;
            if from.is_some_and(|from| from != group) {
                return Err("invalid_argument");
            }
            self.refuse_stronger(who, account, user)?;
            found.push(user.clone());
        }
        Ok(found)
    }

    fn move_members(&mut self, account: &str, users: &[String], to: &str, follow: bool) -> Value {
        let (mut members, mut resources) = (0, 0);
        for user in users {
            let member = self.change(account).members.get_mut(user).unwrap();
            if member.group.as_deref() == Some(to) {
                continue;
            }
            member.group = Some(to.to_owned());
            members += 1;
            if follow {
                for template in self
                    .change(account)
                    .templates
                    .values_mut()
                    .filter(|template| template.owner == *user)
                {
                    resources += u64::from(Model::regroup(template, to));
                }
            }
        }
        json!({"account": account, "group": to, "members": members, "resources": resources})
    }

    fn regroup(template: &mut Template, to: &str) -> bool {
        let other = template.group.as_deref() != Some(to);
        if other {
            template.group = Some(to.to_owned());
            template.rev += 1;
        }
        other
    }

    fn shown_group(&self, account: &str, group: &str) -> Value {
        let there = &self.accounts[account];
        let members = there
            .members
            .values()
            .filter(|member| member.group.as_deref() == Some(group))
            .count();
        json!({"id": group, "account": account, "name": there.groups[group],
            "is_default": there.default_group == group, "members": members})
    }

    fn shown_member(&self, account: &str, user: &str) -> Value {
        let (owner, member) = (
            self.accounts[account].owner == user,
            &self.accounts[account].members[user],
        );
        let administrator = member.role.as_deref() == Some("administrator");
        json!({
            "account": account, "user": user, "email": self.users[user], "owner": owner,
                "administrator": administrator,
            "disabled": member.disabled, "role": member.role, "group": member.group,
        })
    }

    // -- Templates.

    /// By what somebody who may do this much in an account sees a template.
    fn covers(
        &self,
        account: &str,
        user: &str,
        group: Option<&str>,
        scope: Scope,
        id: &str,
    ) -> Option<&'static str> {
        let template = &self.accounts[account].templates[id];
        let in_group = group.is_some()
            && group == template.group.as_deref()
            && template.shared
            && self.shares(account, &template.owner);
        match scope {
            No => None,
            _ if template.owner == user => Some("owner"),
            Group | Any if in_group => Some("group"),
            Any => Some("any"),
            Own | Group => None,
        }
    }

    /// Whether a member's group sees anything of theirs (R-GRP-3).
    fn shares(&self, account: &str, owner: &str) -> bool {
        self.member(account, owner).is_none()
            || self
                .united(&self.acts_by(account, owner), owner)
                .holds(SHARE)
    }

    /// The group in which somebody acts in an account: that of their membership, if it is by that.
    fn acting_group(&self, account: &str, user: &str) -> Option<String> {
        let nearest = self.acts_by(account, user).into_iter().next();
        if nearest.as_deref() == Some(account) {
            self.accounts[account].members[user].group.clone()
        } else {
            None
        }
    }

    /// What a user may do in an account, whether they act themselves or are asked about.
    fn viewed(&self, who: &Who, account: &str, user: &str) -> Result<PermissionSet, Refusal> {
        match who {
            Who::User(actor, home) if actor == user => self.permissions_in(actor, home, account),
            _ if !self.sees_acting(who, account, user) => Err("not_member"),
            _ => self.judged(account, user),
        }
    }

    fn sees_template(
        &self,
        who: &Who,
        account: &str,
        user: &str,
        permission: &str,
        id: &str,
    ) -> Option<&'static str> {
        let scope = self
            .viewed(who, account, user)
            .map_or(No, |permissions| permissions.scope(permission));
        self.covers(
            account,
            user,
            self.acting_group(account, user).as_deref(),
            scope,
            id,
        )
    }

    /// A template that the actor may look at; any other is not there.
    fn look(&self, who: &Who, account: &str, id: &str) -> Result<Template, Refusal> {
        self.enter(who, account)?;
        let template = self.accounts[account]
            .templates
            .get(id)
            .ok_or("not_found")?;
        match who {
            Who::User(user, _)
                if self
                    .sees_template(who, account, user, "templates.view", id)
                    .is_none() =>
            {
                Err("not_found")
            }
            _ => Ok(template.clone()),
        }
    }

    /// As [`look`](Self::look), to change it: what an account above shares is changed there alone.
    fn look_to_change(&self, who: &Who, account: &str, id: &str) -> Result<Template, Refusal> {
        match self.look(who, account, id) {
            Err("not_found")
                if self.enter(who, account).is_ok() && self.is_shared_alone(account, id) =>
            {
                match who {
                    Who::User(user, _)
                        if self.shared_refusal(who, account, user, "preview").is_some() =>
                    {
                        Err("not_found")
                    }
                    _ => Err("shared_read_only"),
                }
            }
            found => found,
        }
    }

    fn may(&self, who: &Who, account: &str, permission: &str, id: &str) -> Result<(), Refusal> {
        match who {
            Who::User(user, _)
                if self
                    .sees_template(who, account, user, permission, id)
                    .is_none() =>
            {
                Err("permission_denied")
            }
            _ => Ok(()),
        }
    }

    /// Whether the actor may do it with every template of the account.
    fn may_with_all(&self, who: &Who, account: &str, permission: &str) -> bool {
        self.scope_in(who, account, permission) == Any
    }

    /// How far a permission of the actor reaches.
    fn scope_in(&self, who: &Who, account: &str, permission: &str) -> Scope {
        match who {
            Who::System => Any,
            Who::User(user, home) => self
                .permissions_in(user, home, account)
                .map_or(No, |permissions| permissions.scope(permission)),
        }
    }

    fn group_of(&self, who: &Who, account: &str, user: &str) -> Result<Option<String>, Refusal> {
        let seen = self
            .member(account, user)
            .filter(|_| !self.hides(who, account, user));
        Ok(seen.ok_or("not_found")?.group.clone())
    }

    fn shown_template(&self, account: &str, id: &str) -> Value {
        let template = &self.accounts[account].templates[id];
        json!({
            "account": account, "kind": "template", "id": id, "owner": template.owner,
                "group": template.group, "shared": template.shared,
            "rev": template.rev,
        })
    }

    fn hand_over(
        &mut self,
        who: &Who,
        account: &str,
        from: &str,
        to: &Value,
    ) -> Result<(), Refusal> {
        let id = to["id"].as_str();
        let owner = self.accounts[account].owner.clone();
        let (owner, group) = match to["kind"].as_str().unwrap() {
            "member" => (
                id.unwrap().to_owned(),
                self.group_of(who, account, id.unwrap())?,
            ),
            "group" => {
                self.has_group(account, id.unwrap())?;
                (owner, id.map(str::to_owned))
            }
            _ => (owner, None),
        };
        if owner == from {
            return Err("invalid_argument");
        }
        for template in self
            .change(account)
            .templates
            .values_mut()
            .filter(|template| template.owner == from)
        {
            let shared = template.shared || to["kind"] == "group";
            *template = Template {
                owner: owner.clone(),
                group: group.clone(),
                shared,
                rev: template.rev + 1,
            };
        }
        Ok(())
    }

    /// Where an account stands that a template is to be shared with.
    fn refuse_direction(&self, from: &str, to: &str) -> Result<(), Refusal> {
        match self.account(to).map(|_| self.team(to) == self.team(from))? {
            _ if to != from && self.is_within(to, from) => Ok(()),
            true => Err("share_direction"),
            false => Err("not_found"),
        }
    }

    /// An account below which there is nothing, nor can be, shares nothing.
    fn refuse_lowest(&self, account: &str) -> Result<(), Refusal> {
        if self.children(account).is_empty() && self.line(account).len() >= DEPTH {
            Err("share_direction")
        } else {
            Ok(())
        }
    }

    fn shared_from(&self, account: &str, id: &str) -> Option<String> {
        let shares = |above: &String| {
            self.accounts[above]
                .shares
                .get(id)
                .is_some_and(|share| share.all || share.accounts.contains(account))
        };
        self.line(account).into_iter().skip(1).find(shares)
    }

    /// Whether it is shared from above, and is nothing of the account's own.
    fn is_shared_alone(&self, account: &str, id: &str) -> bool {
        !self.accounts[account].templates.contains_key(id)
            && self.shared_from(account, id).is_some()
    }

    /// Why a user may not do something with what is shared from above.
    fn shared_refusal(
        &self,
        who: &Who,
        account: &str,
        user: &str,
        action: &str,
    ) -> Option<Refusal> {
        let is_self = matches!(who, Who::User(actor, _) if actor == user);
        let permissions = match self.judged(account, user) {
            _ if !is_self && !self.sees_acting(who, account, user) => return Some("not_member"),
            Err(code) => return Some(code),
            Ok(permissions) => permissions,
        };
        let permission = match action {
            "view" | "preview" => "templates.view",
            "use_shared" | "use" => "templates.use_shared",
            _ => return Some("shared_read_only"),
        };
        if permissions.holds(permission) {
            None
        } else {
            Some("permission_denied")
        }
    }

    fn shown_share(&self, account: &str, id: &str) -> Value {
        let there = &self.accounts[account];
        let share = there.shares.get(id);
        json!({
            "account": account, "kind": "template", "id": id, "owner": there.templates[id].owner,
                "rev": there.templates[id].rev,
            "shared": share.is_some(), "all": share.is_some_and(|share| share.all),
            "accounts": share.map(|share| share.accounts.clone()).unwrap_or_default(),
        })
    }

    fn received(&self, account: &str) -> Value {
        let line = self.line(account);
        let mut templates = Vec::new();
        for above in line.iter().skip(1) {
            for (id, share) in &self.accounts[above].shares {
                if share.all || share.accounts.contains(account) {
                    templates.push(json!({"account": above, "id": id,
                        "rev": self.accounts[above].templates[id].rev}));
                }
            }
        }
        templates.sort_by_key(|one| format!("{} {}", one["account"], one["id"]));
        json!({"folder": line.iter().any(|above| self.accounts[above].folder),
            "templates": templates})
    }

    /// The templates of an account that a user sees.
    fn visible(&self, who: &Who, account: &str, user: &str) -> Value {
        let seen = |id: &&String| {
            self.sees_template(who, account, user, "templates.view", id)
                .is_some()
        };
        let mut ids: Vec<&String> = self.accounts[account]
            .templates
            .keys()
            .filter(seen)
            .collect();
        ids.sort();
        ids.into_iter()
            .map(|id| self.shown_template(account, id))
            .collect()
    }

    // -- Suppressions.

    fn suppressing(&self, account: &str, class: &str, address: &str) -> Option<Value> {
        let domain = address.split_once('@').unwrap().1;
        let blocks = |source: &str, value: &str, of: &'static str| {
            let end = self.accounts[source]
                .suppressions
                .get(&(value.to_owned(), of))?;
            let fits = end.is_none_or(|end| self.now_ms < end)
                && (of == "transactional" || class == "marketing");
            fits.then(|| json!({"value": value, "account": source, "message_class": of}))
        };
        let pool: Vec<String> = match self.accounts[account].pooled {
            true => self
                .subtree(&self.team(account))
                .into_iter()
                .filter(|one| self.accounts[one].pooled)
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
            false => Vec::new(),
        };
        for value in [address, domain] {
            let own = CLASSES
                .into_iter()
                .find_map(|of| blocks(account, value, of));
            let theirs = || {
                CLASSES
                    .into_iter()
                    .find_map(|of| pool.iter().find_map(|source| blocks(source, value, of)))
            };
            if let Some(by) = own.or_else(theirs) {
                return Some(by);
            }
        }
        None
    }

    fn listed_suppressions(&self, account: &str) -> Value {
        let shown = |((value, class), end): (&(String, &str), &Option<u64>)| {
            json!({"value": value,
            "message_class": class, "account": account, "expires_at_ms": end})
        };
        self.accounts[account]
            .suppressions
            .iter()
            .map(shown)
            .collect()
    }

    // -- The end of accounts.

    fn detach(&mut self, child: &str) {
        let parent = self.accounts[child].parent.clone().unwrap();
        let (above, leaving) = (self.line(&parent), self.subtree(child));
        for gone in &leaving {
            above.iter().for_each(|above| self.unname(above, gone));
        }
        // What it inherited, it keeps.
        let inherited = above.iter().find_map(|above| self.accounts[above].seats);
        let there = self.change(child);
        there.parent = None;
        there.seats = there.seats.or(inherited);
        for account in &leaving {
            for at in 0..self.invitations.len() {
                let invitation = self.invitations[at].clone();
                if invitation.state == State::Erased
                    || invitation
                        .grants
                        .iter()
                        .all(|grant| grant.account != *account)
                {
                    continue;
                }
                let (along, rest): (Vec<_>, Vec<_>) = invitation
                    .grants
                    .into_iter()
                    .partition(|grant| leaving.contains(&grant.account));
                let outside: Vec<_> = rest
                    .into_iter()
                    .filter(|grant| !self.is_within(&grant.account, &parent))
                    .collect();
                self.invitations[at].grants = if outside.is_empty() { along } else { outside };
            }
        }
    }

    /// What an account shares with another by name ends; shared with nobody is not shared.
    fn unname(&mut self, above: &str, below: &str) {
        self.change(above).shares.retain(|_, share| {
            share.accounts.remove(below);
            share.all || !share.accounts.is_empty()
        });
    }

    fn erase(&mut self, account: &str) -> u64 {
        let mut users = 0;
        for user in self.accounts[account].members.clone().into_keys() {
            users += u64::from(self.part(account, &user));
        }
        self.no_longer_offered(account);
        for above in self.line(account).iter().skip(1) {
            self.unname(above, account);
        }
        self.accounts.remove(account);
        self.gone.insert(account.to_owned());
        users
    }

    // -- The operations.

    fn run(&mut self, who: &Who, operation: &str, request: &Value) -> Said {
        let before = self.clone();
        let said = self.try_run(who, operation, request);
        match &said {
            Err(_) => *self = before,
            Ok(_) => self.check_seats(&before, operation),
        }
        said
    }

    /// R-INV-9, of the model itself: nothing but time and the host's own limits lets more be taken
    /// than there are.
    fn check_seats(&self, before: &Model, operation: &str) {
        for id in self
            .accounts
            .keys()
            .filter(|id| before.accounts.contains_key(*id))
        {
            let more = self.taken(id) > before.taken(id) && self.taken(id) > self.seats(id);
            assert!(!more, "{operation} passed the seats of `{id}`");
        }
    }

    fn try_run(&mut self, who: &Who, operation: &str, request: &Value) -> Said {
        self.to_send.clear();
        let text = |key: &str| request[key].as_str().unwrap_or_default().to_owned();
        let named = |key: &str| request[key].as_str().map(str::to_owned);
        let list = |key: &str| -> Vec<String> {
            request[key]
                .as_array()
                .into_iter()
                .flatten()
                .map(|one| one.as_str().unwrap().to_owned())
                .collect()
        };
        let (account, user, group, id) = (text("account"), text("user"), text("group"), text("id"));
        let permission = match operation {
            "members.get" | "members.list" | "invitations.list" | "invitations.get" => "users.view",
            "members.set_role" => "users.edit_role",
            "members.remove" => "users.revoke_account",
            "members.disable" | "members.enable" => "users.disable",
            "invitations.create" => "users.invite",
            "invitations.edit" => "users.invitations.edit",
            "invitations.resend" => "users.invitations.resend",
            "invitations.delete" => "users.invitations.delete",
            "groups.list" => "groups.view",
            "groups.create" => "groups.create",
            "groups.rename" => "groups.rename",
            "groups.delete" => "groups.delete",
            "groups.make_default" | "groups.add_members" => "groups.members.add",
            "groups.remove_members" => "groups.members.remove",
            "groups.transfer_members" => "groups.members.transfer",
            "accounts.transfer_owner" => TRANSFER,
            "sharing.share" | "sharing.list" => "templates.share_down",
            "sharing.unshare" => "templates.unshare",
            "sharing.received" => "templates.view",
            "suppressions.list" | "suppressions.check" => "suppressions.view",
            "suppressions.pool" => "suppressions.share",
            _ => "",
        };
        if let Who::User(actor, home) = who {
            match operation {
                "invitations.accept" | "clock.set" | "outbox.read" => {
                    return Err("actor_not_allowed");
                }
                _ if permission.is_empty() => self.permissions_in(actor, home, home).map(drop)?,
                _ => self.require(
                    who,
                    if request.get("account").is_some() {
                        &account
                    } else {
                        home
                    },
                    permission,
                )?,
            }
        }
        let has_account = request.get("account").is_some()
            && !operation.starts_with("resources.")
            && operation != "members.add";
        if has_account && operation != "sharing.check" && !operation.starts_with("suppressions.") {
            self.account(&account)?;
        }
        match operation {
            "accounts.create" => {
                let owner = request["owner"]["user"].as_str().unwrap().to_owned();
                if let Some(email) = request["owner"]["email"].as_str() {
                    self.new_user(&owner, email)?;
                } else if !self.users.contains_key(&owner) {
                    return Err("not_found");
                }
                if self.accounts.contains_key(&id) || self.gone.contains(&id) {
                    return Err("id_taken");
                }
                let parent = text("parent");
                self.account(&parent)?;
                if self.line(&parent).len() >= DEPTH {
                    return Err("depth_exceeded");
                }
                self.accounts
                    .insert(id.clone(), new_account(Some(parent), &owner));
                self.join(&id, &owner, None, true, None)?;
                Ok(json!({"id": id, "owner": owner, "children": 0}))
            }
            "accounts.delete" => {
                let below = self.children(&account);
                let doomed = match request["children"].as_str() {
                    None if !below.is_empty() => return Err("children_left"),
                    Some("delete") => self.subtree(&account),
                    _ => {
                        below.iter().for_each(|child| self.detach(child));
                        vec![account]
                    }
                };
                let users: u64 = doomed.iter().rev().map(|id| self.erase(id)).sum();
                Ok(json!({"accounts": doomed.len(), "users": users}))
            }
            "accounts.transfer_owner" => {
                let (to, role) = (text("to"), named("old_owner_role"));
                if matches!(who, Who::User(_, home) if *home == account)
                    && self.accounts[&account].parent.is_some()
                {
                    return Err("permission_denied");
                }
                let old = self.accounts[&account].owner.clone();
                if old == to {
                    return Ok(json!({"account": account, "owner": to, "old_owner": to,
                            "old_owner_role": null}));
                }
                self.refuse_beyond(who, &account, &PermissionSet(vec![Held::Owner]))?;
                let disabled = self.member(&account, &to).ok_or("not_found")?.disabled;
                let role = role.unwrap_or(
                    self.accounts[&account]
                        .default_role
                        .unwrap_or("full")
                        .to_owned(),
                );
                self.has_role(&account, &role)?;
                let group = self.group_for(&account, Some(&role), false, None, None)?;
                if disabled {
                    return Err("member_disabled");
                }
                self.refuse_shared_owner(&account, &to, true)?;
                let there = self.change(&account);
                there.owner = to.clone();
                let leaving = there.members.get_mut(&old).unwrap();
                (leaving.role, leaving.group) = (Some(role.clone()), group);
                let coming = there.members.get_mut(&to).unwrap();
                (coming.role, coming.group) = (None, None);
                Ok(json!({"account": account, "owner": to, "old_owner": old,
                        "old_owner_role": role}))
            }
            "limits.set" => {
                self.change(&account).seats = request["value"].as_u64().or(Some(u64::MAX));
                Ok(json!({}))
            }
            "limits.inherit" => {
                self.change(&account).seats = None;
                Ok(json!({}))
            }
            "clock.set" => {
                self.now_ms = request["now_ms"].as_u64().unwrap();
                Ok(json!({"now_ms": self.now_ms}))
            }
            "members.add" => {
                if let Who::User(actor, home) = who {
                    self.require(who, &account, "users.grant_account")?;
                    let manages = self.permissions_in(actor, home, home)?.holds(TEAM);
                    if !manages || self.accounts[home].parent.is_some() {
                        return Err("policy_forbids");
                    }
                    if request.get("email").is_some() {
                        return Err("actor_not_allowed");
                    }
                }
                self.account(&account)?;
                if let Some(email) = request["email"].as_str() {
                    self.new_user(&user, email)?;
                } else if !self.users.contains_key(&user) || !self.knows(who, &user) {
                    return Err("not_found");
                }
                if self.member(&account, &user).is_some() {
                    return Err("already_member");
                }
                let role = named("role")
                    .or(self.accounts[&account].default_role.map(str::to_owned))
                    .ok_or("invalid_argument")?;
                self.has_role(&account, &role)?;
                self.refuse_beyond(who, &account, &PermissionSet::of(&role))?;
                self.join(
                    &account,
                    &user,
                    Some(role),
                    false,
                    named("group").as_deref(),
                )?;
                Ok(self.shown_member(&account, &user))
            }
            "members.list" => {
                let users = self.accounts[&account]
                    .members
                    .keys()
                    .filter(|user| !self.hides(who, &account, user));
                Ok(
                    json!({"members": users.map(|user| self.shown_member(&account,
                        user)).collect::<Vec<_>>()}),
                )
            }
            "members.get" | "members.set_role" | "members.remove" | "members.disable"
            | "members.enable" => {
                let member = self
                    .member(&account, &user)
                    .filter(|_| !self.hides(who, &account, &user))
                    .ok_or("not_found")?
                    .clone();
                let owns = self.accounts[&account].owner == user;
                match operation {
                    "members.get" => {}
                    "members.set_role" => {
                        if owns {
                            return Err("owner_transfer_required");
                        }
                        self.refuse_stronger(who, &account, &user)?;
                        let role = text("role");
                        self.has_role(&account, &role)?;
                        self.refuse_beyond(who, &account, &PermissionSet::of(&role))?;
                        let group = self.group_for(
                            &account,
                            Some(&role),
                            false,
                            member.group.as_deref(),
                            named("group").as_deref(),
                        )?;
                        self.change(&account).members.insert(
                            user.clone(),
                            Member {
                                role: Some(role),
                                group,
                                ..member
                            },
                        );
                    }
                    "members.remove" => {
                        if owns {
                            return Err("owner_transfer_required");
                        }
                        self.refuse_stronger(who, &account, &user)?;
                        match request.get("resources_to") {
                            Some(to) => self.hand_over(who, &account, &user, to)?,
                            None if self.accounts[&account]
                                .templates
                                .values()
                                .any(|template| template.owner == user) =>
                            {
                                return Err("invalid_argument");
                            }
                            None => {}
                        }
                        // What the actor may see is what they could when they began.
                        let before = self.clone();
                        let gone = self.part(&account, &user);
                        let is_seen = match who {
                            Who::User(actor, home) if actor != &user => {
                                let manages = before.membership_of_actor(actor, home).holds(TEAM);
                                let left = self.accounts_of(&user);
                                left.iter().any(|left| {
                                    if manages {
                                        self.is_within(left, home)
                                    } else {
                                        left == home && !before.hides(who, home, &user)
                                    }
                                })
                            }
                            _ => true,
                        };
                        // Whether they are in accounts of others is nobody's business.
                        let unseen = gone || !is_seen;
                        return Ok(
                            json!({"account": account, "user": user, "user_deleted": unseen}),
                        );
                    }
                    _ => {
                        if matches!(who, Who::User(actor, _) if *actor == user) {
                            return Err("self_forbidden");
                        }
                        self.refuse_stronger(who, &account, &user)?;
                        let disabled = operation == "members.disable";
                        if member.disabled && !disabled && !owns {
                            self.refuse_without_seat(std::slice::from_ref(&account), Some(&user))?;
                        }
                        self.change(&account)
                            .members
                            .get_mut(&user)
                            .unwrap()
                            .disabled = disabled;
                    }
                }
                Ok(self.shown_member(&account, &user))
            }
            "invitations.create" => {
                let (email, role, group) = (text("addresses"), named("role"), named("group"));
                let team = self.team(&account);
                let wanted = match request["accounts"].as_array() {
                    Some(grants) => grants
                        .iter()
                        .map(|grant| Grant {
                            account: grant["account"].as_str().unwrap().to_owned(),
                            role: grant["role"].as_str().map(str::to_owned).or(role.clone()),
                            group: grant["group"].as_str().map(str::to_owned).or(group.clone()),
                        })
                        .collect(),
                    None => vec![Grant {
                        account: account.clone(),
                        role,
                        group,
                    }],
                };
                let grants = self.check_grants(who, &team, wanted, "users.invite")?;
                let accounts: Vec<String> =
                    grants.iter().map(|grant| grant.account.clone()).collect();
                let refused = |code: &str, user: Option<&str>, open: Option<&str>| {
                    Ok(
                        json!({"results": [{"position": 1, "done": false, "user": user,
                        "open_invitation": open, "problem": {"code": code}}], "refused": 1}),
                    )
                };
                let holder = self
                    .users
                    .iter()
                    .find(|(_, known)| **known == email)
                    .map(|(user, _)| user.clone());
                if let Some(user) = holder.filter(|user| self.users_below(&team).contains(user)) {
                    let colleague = accounts.iter().any(|account| {
                        self.member(account, &user).is_some() && !self.hides(who, account, &user)
                    });
                    let seen = match who {
                        Who::System => true,
                        Who::User(_, home) => {
                            colleague
                                || (self.manages_team(who, home)
                                    && self.users_below(home).contains(&user))
                        }
                    };
                    return match seen {
                        true => refused("user_exists", Some(&user), None),
                        false => refused("user_in_other_account", None, None),
                    };
                }
                let earlier = self.open_invitation(&team, &email);
                if let Some(earlier) = earlier
                    .map(|at| &self.invitations[at])
                    .filter(|one| self.status(one) == "pending")
                {
                    let seen = !self.reached(who, earlier, "users.view").is_empty();
                    return match seen {
                        true => refused("already_invited", None, Some(&earlier.id)),
                        false => refused("user_in_other_account", None, None),
                    };
                }
                if self.refuse_without_seat(&accounts, None).is_err() {
                    return refused("seats_exhausted", None, None);
                }
                if let Some(earlier) = earlier {
                    self.invitations[earlier].state = State::Superseded;
                }
                self.to_send.push(self.invitations.len());
                let by = match who {
                    Who::System => "system".to_owned(),
                    Who::User(actor, _) => actor.clone(),
                };
                let (generation, sent_at_ms) = (1, self.now_ms);
                self.invitations.push(Invitation {
                    id: String::new(),
                    email: email.clone(),
                    grants,
                    by,
                    state: State::Open,
                    forgotten: false,
                    generation,
                    sent_at_ms,
                });
                let expires_at_ms = sent_at_ms + LIFE_MS;
                Ok(json!({"results": [{"address": email, "done": true,
                    "expires_at_ms": expires_at_ms}], "refused": 0}))
            }
            "invitations.get" => {
                let (at, _) = self.load_reached(who, &text("invitation"), permission)?;
                Ok(self.shown_invitation(who, at))
            }
            "invitations.list" => {
                let below = request["include_descendants"] == true;
                if below {
                    self.require(who, &account, TEAM)?;
                }
                Ok(json!({"invitations": self.listed_invitations(who, &account, below)}))
            }
            "invitations.edit" => {
                let (at, mine) = self.load_reached(who, &text("invitation"), permission)?;
                self.dead(&self.invitations[at])?;
                self.refuse_offer_above(who, at, &mine)?;
                if named("role").or(named("group")).is_none() {
                    return Ok(self.shown_invitation(who, at));
                }
                let team = self.team(&self.invitations[at].grants[0].account);
                let (old, others): (Vec<_>, Vec<_>) = self.invitations[at]
                    .grants
                    .clone()
                    .into_iter()
                    .partition(|grant| mine.contains(&grant.account));
                let mut wanted = Vec::new();
                for mut grant in old {
                    if let Some(role) = named("role") {
                        self.has_role(&grant.account, &role)?;
                        if role == "administrator" {
                            grant.group = None;
                        }
                        grant.role = Some(role);
                    }
                    grant.group = named("group").or(grant.group);
                    wanted.push(grant);
                }
                let mut grants = self.check_grants(who, &team, wanted, permission)?;
                grants.extend(others);
                self.invitations[at].grants = grants;
                Ok(self.shown_invitation(who, at))
            }
            "invitations.resend" | "invitations.delete" => {
                let (at, mine) = self.load_reached(who, &text("invitation"), permission)?;
                if self.invitations[at].state != State::Open {
                    self.dead(&self.invitations[at])?;
                }
                // The link that goes out again is that of all accounts.
                let all: Vec<String> = self.invitations[at]
                    .grants
                    .iter()
                    .map(|grant| grant.account.clone())
                    .collect();
                self.refuse_offer_above(
                    who,
                    at,
                    if operation == "invitations.delete" {
                        &mine
                    } else {
                        &all
                    },
                )?;
                if operation == "invitations.delete" {
                    let deleted = mine.len() == self.invitations[at].grants.len();
                    match deleted {
                        true => self.delete_invitation(at),
                        false => self.invitations[at]
                            .grants
                            .retain(|grant| !mine.contains(&grant.account)),
                    }
                    return Ok(json!({"invitation": self.invitations[at].id, "deleted": deleted}));
                }
                if self.status(&self.invitations[at]) == "expired" {
                    let accounts: Vec<String> = self.invitations[at]
                        .grants
                        .iter()
                        .map(|grant| grant.account.clone())
                        .collect();
                    self.refuse_without_seat(&accounts, None)?;
                }
                self.invitations[at].generation += 1;
                self.invitations[at].sent_at_ms = self.now_ms;
                self.to_send.push(at);
                Ok(self.shown_invitation(who, at))
            }
            "invitations.accept" => {
                let token = text("token");
                let (_, at, generation) = self
                    .links
                    .iter()
                    .find(|(known, ..)| *known == token)
                    .cloned()
                    .ok_or("link_invalid")?;
                let invitation = self.invitations[at].clone();
                match (invitation.state, generation == invitation.generation) {
                    (State::Erased, true) => return Err("invitation_deleted"),
                    // Nothing is remembered of its older links.
                    (State::Erased, false) => return Err("link_invalid"),
                    (_, false) => return Err("invitation_superseded"),
                    (_, true) => self.dead(&invitation)?,
                }
                let holder = self
                    .users
                    .iter()
                    .find(|(_, email)| **email == invitation.email)
                    .map(|(user, _)| user.clone());
                let created = holder.is_none();
                let user = holder.unwrap_or(user);
                if created {
                    self.new_user(&user, &invitation.email)?;
                }
                self.invitations[at].state = State::Accepted;
                let mut accounts = Vec::new();
                for Grant {
                    account,
                    role,
                    group,
                } in invitation.grants
                {
                    let group = group.filter(|group| self.has_group(&account, group).is_ok());
                    self.join(&account, &user, role, false, group.as_deref())?;
                    accounts.push(account);
                }
                Ok(
                    json!({"invitation": invitation.id, "user": user, "created": created,
                        "accounts": accounts}),
                )
            }
            "groups.list" => {
                let groups: Vec<Value> = self.accounts[&account]
                    .groups
                    .keys()
                    .map(|group| self.shown_group(&account, group))
                    .collect();
                Ok(json!({ "groups": groups }))
            }
            "groups.create" => {
                let there = self.change(&account);
                if there.groups.contains_key(&id) || there.groups_gone.contains(&id) {
                    return Err("id_taken");
                }
                there.groups.insert(id.clone(), text("name"));
                Ok(self.shown_group(&account, &id))
            }
            "groups.rename" | "groups.make_default" => {
                self.has_group(&account, &group)?;
                match operation {
                    "groups.rename" => drop(
                        self.change(&account)
                            .groups
                            .insert(group.clone(), text("name")),
                    ),
                    _ => self.change(&account).default_group = group.clone(),
                }
                Ok(self.shown_group(&account, &group))
            }
            "groups.delete" => {
                self.has_group(&account, &group)?;
                let there = &self.accounts[&account];
                if there.groups.len() == 1 {
                    return Err("last_group");
                }
                let inside: Vec<String> = there
                    .members
                    .iter()
                    .filter(|(_, member)| member.group.as_ref() == Some(&group))
                    .map(|(user, _)| user.clone())
                    .collect();
                let carried = there
                    .templates
                    .values()
                    .filter(|template| template.group.as_ref() == Some(&group))
                    .count();
                match named("to") {
                    Some(to) if to == group => return Err("invalid_argument"),
                    Some(to) => {
                        self.has_group(&account, &to)?;
                        self.move_members(&account, &inside, &to, false);
                        let there = self.change(&account);
                        there
                            .templates
                            .values_mut()
                            .filter(|template| template.group.as_ref() == Some(&group))
                            .for_each(|template| {
                                Model::regroup(template, &to);
                            });
                        if there.default_group == group {
                            there.default_group = to;
                        }
                    }
                    None if there.default_group == group || !inside.is_empty() || carried > 0 => {
                        return Err("invalid_argument");
                    }
                    None => {}
                }
                // An invitation into it leads to where its members went.
                for grant in self
                    .invitations
                    .iter_mut()
                    .flat_map(|invitation| &mut invitation.grants)
                {
                    if grant.account == account && grant.group.as_ref() == Some(&group) {
                        grant.group = named("to");
                    }
                }
                let there = self.change(&account);
                there.groups.remove(&group);
                there.groups_gone.insert(group.clone());
                Ok(
                    json!({"account": account, "group": group, "members": inside.len(),
                        "resources": carried}),
                )
            }
            "groups.add_members" | "groups.remove_members" | "groups.transfer_members" => {
                let default = self.accounts[&account].default_group.clone();
                let users = list("users");
                let (from, to) = match operation {
                    "groups.add_members" => {
                        self.has_group(&account, &group)?;
                        let users = self.named(who, &account, &users, None)?;
                        let comes_from = |user: &String| {
                            self.accounts[&account].members[user].group.clone().unwrap()
                        };
                        if users
                            .iter()
                            .map(comes_from)
                            .any(|from| from != default && from != group)
                        {
                            self.require(who, &account, "groups.members.transfer")?;
                        }
                        (None, group)
                    }
                    "groups.remove_members" => {
                        self.has_group(&account, &group)?;
                        let to = named("to").unwrap_or(default.clone());
                        self.has_group(&account, &to)?;
                        if to == group {
                            return Err("invalid_argument");
                        }
                        if to != default && group != default {
                            self.require(who, &account, "groups.members.transfer")?;
                        }
                        (Some(group), to)
                    }
                    _ => {
                        let (from, to) = (named("from_group"), text("to"));
                        self.has_group(&account, &to)?;
                        if let Some(from) = &from {
                            self.has_group(&account, from)?;
                        }
                        (from, to)
                    }
                };
                let users = self.named(who, &account, &users, from.as_deref())?;
                Ok(self.move_members(&account, &users, &to, request["resources"] != "stay"))
            }
            "resources.register" => {
                self.enter(who, &account)?;
                let mut owner = named("owner");
                if let Who::User(actor, _) = who {
                    self.require(who, &account, "templates.create")?;
                    if owner.as_ref().is_some_and(|owner| owner != actor) {
                        return Err("permission_denied");
                    }
                    owner = owner.or(self.member(&account, actor).map(|_| actor.clone()));
                }
                let owner = owner.unwrap_or(self.accounts[&account].owner.clone());
                if self.accounts[&account].templates.contains_key(&id) {
                    return Err("id_taken");
                }
                let group = self
                    .member(&account, &owner)
                    .ok_or("not_found")?
                    .group
                    .clone();
                self.change(&account).templates.insert(
                    id.clone(),
                    Template {
                        owner,
                        group,
                        shared: true,
                        rev: 1,
                    },
                );
                Ok(self.shown_template(&account, &id))
            }
            "resources.get" => {
                // What an account above shares is looked at, too.
                if self.look_to_change(who, &account, &id) == Err("shared_read_only") {
                    return Ok(json!({ "id": id }));
                }
                self.look(who, &account, &id)?;
                Ok(self.shown_template(&account, &id))
            }
            "resources.edit" => {
                let before = self.look_to_change(who, &account, &id)?;
                let all = self.may_with_all(who, &account, "templates.edit");
                let (shared, owner) = (request["shared"].as_bool(), named("owner"));
                if let (Some(shared), Who::User(actor, _)) = (shared, who) {
                    let theirs =
                        before.owner == *actor && self.scope_in(who, &account, SHARE) != No;
                    // To stop sharing what is one's own needs no permission.
                    if !theirs
                        && (shared || before.owner != *actor)
                        && !self.may_with_all(who, &account, SHARE)
                    {
                        return Err("permission_denied");
                    }
                }
                if (owner.is_some() || shared.is_none()) && !all {
                    return Err("permission_denied");
                }
                let mut after = before.clone();
                if let Some(owner) = owner.filter(|owner| *owner != before.owner) {
                    after.group = self.group_of(who, &account, &owner)?;
                    after.owner = owner;
                }
                after.shared = shared.unwrap_or(before.shared);
                if after != before {
                    after.rev += 1;
                    self.change(&account).templates.insert(id.clone(), after);
                }
                Ok(self.shown_template(&account, &id))
            }
            "resources.save" => {
                let template = self.look_to_change(who, &account, &id)?;
                self.may(who, &account, "templates.edit", &id)?;
                if request["expected_rev"] != template.rev {
                    return Err("rev_conflict");
                }
                self.change(&account).templates.get_mut(&id).unwrap().rev += 1;
                Ok(self.shown_template(&account, &id))
            }
            "resources.remove" => {
                self.look_to_change(who, &account, &id)?;
                self.may(who, &account, "templates.delete", &id)?;
                let there = self.change(&account);
                there.templates.remove(&id);
                there.shares.remove(&id);
                Ok(json!({"account": account, "kind": "template", "id": id}))
            }
            "resources.can" => {
                let asked = self.asked_about(who, &account, named("user"))?;
                let action = text("action");
                let permission = format!("templates.{action}");
                let refused = |refusal: Option<Refusal>, reason: Option<&str>| {
                    json!({"allowed": refusal.is_none(),
                    "permission": permission, "reason": reason, "refusal": refusal})
                };
                if !self.accounts[&account].templates.contains_key(&id) {
                    self.shared_from(&account, &id).ok_or("not_found")?;
                    let refusal = self.shared_refusal(who, &account, &asked, &action);
                    return Ok(refused(
                        refusal,
                        refusal.is_none().then_some("shared_by_ancestor"),
                    ));
                }
                let reason = self.sees_template(who, &account, &asked, &permission, &id);
                let why_not = || {
                    self.viewed(who, &account, &asked)
                        .err()
                        .unwrap_or("permission_denied")
                };
                Ok(refused(reason.is_none().then(why_not), reason))
            }
            "resources.visible" => {
                let asked = self.asked_about(who, &account, named("user"))?;
                Ok(json!({"resources": self.visible(who, &account, &asked)}))
            }
            "sharing.share" => {
                let accounts = list("accounts");
                let all = request["all"] == true;
                if text("kind") != "template" {
                    return Err("not_shareable");
                }
                if all != accounts.is_empty() {
                    return Err("invalid_argument");
                }
                accounts
                    .iter()
                    .try_for_each(|to| self.refuse_direction(&account, to))?;
                self.refuse_lowest(&account)?;
                self.look_to_change(who, &account, &id)?;
                self.may(who, &account, "templates.share_down", &id)?;
                let there = self.change(&account);
                there.shares.insert(
                    id.clone(),
                    Share {
                        all,
                        accounts: accounts.into_iter().collect(),
                    },
                );
                there.folder = true;
                Ok(self.shown_share(&account, &id))
            }
            "sharing.unshare" => {
                self.look_to_change(who, &account, &id)?;
                self.may(who, &account, "templates.unshare", &id)?;
                self.change(&account)
                    .shares
                    .remove(&id)
                    .ok_or("not_found")?;
                Ok(json!({"account": account, "id": id}))
            }
            "sharing.list" => {
                self.refuse_lowest(&account)?;
                let only = request["shared"].as_bool();
                let eligible =
                    |id: &&String| self.may(who, &account, "templates.share_down", id).is_ok();
                let fits = |id: &&String| {
                    only.is_none_or(|only| only == self.accounts[&account].shares.contains_key(*id))
                };
                let ids = self.accounts[&account]
                    .templates
                    .keys()
                    .filter(eligible)
                    .filter(fits);
                Ok(json!({"templates": ids.map(|id| self.shown_share(&account,
                        id)).collect::<Vec<_>>()}))
            }
            "sharing.received" => Ok(self.received(&account)),
            "sharing.check" => {
                match who {
                    Who::User(actor, home) if *actor == user => {
                        self.permissions_in(actor, home, &account).map(drop)?
                    }
                    _ => self.require(who, &account, "users.view")?,
                }
                self.account(&account)?;
                let source = self.shared_from(&account, &id).ok_or("not_found")?;
                let refusal = self.shared_refusal(who, &account, &user, &text("action"));
                let rev = self.accounts[&source].templates[&id].rev;
                Ok(
                    json!({"allowed": refusal.is_none(), "refusal": refusal, "account": source,
                        "rev": rev}),
                )
            }
            "suppressions.add" | "suppressions.remove" => {
                let entry = &request["entries"][0];
                let value = entry["value"].as_str().unwrap().to_owned();
                let verb = operation.split_once('.').unwrap().1;
                let permission = if value.contains('@') {
                    format!("suppressions.{verb}")
                } else {
                    format!("suppressions.domains.{verb}")
                };
                self.require(who, &account, &permission)?;
                self.account(&account)?;
                let class = CLASSES
                    .into_iter()
                    .find(|class| entry["message_class"] == **class);
                if verb == "add" {
                    let end = entry["expires_at_ms"].as_u64();
                    if end.is_some_and(|end| end <= self.now_ms) {
                        return Err("invalid_argument");
                    }
                    self.change(&account)
                        .suppressions
                        .insert((value.clone(), class.unwrap()), end);
                    return Ok(
                        json!({"suppressions": [{"value": value, "message_class": class,
                            "account": account, "expires_at_ms": end}]}),
                    );
                }
                let there = self.change(&account);
                let before = there.suppressions.len();
                there.suppressions.retain(|(known, of), _| {
                    *known != value || class.is_some_and(|class| class != *of)
                });
                let removed = before - there.suppressions.len();
                if removed == 0 {
                    Err("not_found")
                } else {
                    Ok(json!({ "removed": removed }))
                }
            }
            "suppressions.list" => {
                self.account(&account)?;
                Ok(json!({"suppressions": self.listed_suppressions(&account)}))
            }
            "suppressions.check" => {
                self.account(&account)?;
                let by = self.suppressing(
                    &account,
                    &text("message_class"),
                    request["recipients"][0].as_str().unwrap(),
                );
                Ok(json!({"suppressed": by.map(|by| json!({"recipient": 0,
                        "by": by})).into_iter().collect::<Vec<_>>()}))
            }
            "suppressions.pool" => {
                self.account(&account)?;
                let pooled = request["pooled"] == true;
                self.change(&account).pooled = pooled;
                Ok(json!({"account": account, "team": self.team(&account), "pooled": pooled}))
            }
            other => unreachable!("the model does not know {other}"),
        }
    }

    /// Whether an actor who gives access sees whom they give it to: in their team, or by a
    /// membership of their own.
    fn knows(&self, who: &Who, user: &str) -> bool {
        let Who::User(actor, home) = who else {
            return true;
        };
        let elsewhere = |account: &String| {
            let held = match self.permissions_in(actor, home, account) {
                Err("not_found") if self.acts_by(account, actor).first() == Some(account) => {
                    self.judged(account, actor)
                }
                judged => judged,
            };
            held.is_ok_and(|held| held.holds("users.view")) && !self.hides(who, account, user)
        };
        self.sees(who, user) || self.accounts_of(user).iter().any(elsewhere)
    }

    /// Whom a question about templates is about.
    fn asked_about(
        &self,
        who: &Who,
        account: &str,
        named: Option<String>,
    ) -> Result<String, Refusal> {
        self.enter(who, account)?;
        match (who, named) {
            (Who::User(actor, _), None) => Ok(actor.clone()),
            (Who::User(actor, _), Some(named)) if named == *actor => Ok(named),
            (Who::User(..), Some(named)) => {
                self.require(who, account, "users.view").map(|()| named)
            }
            (Who::System, named) => named.ok_or("invalid_argument"),
        }
    }
}

fn new_account(parent: Option<String>, owner: &str) -> Account {
    let groups = BTreeMap::from([("default".to_owned(), "Default".to_owned())]);
    Account {
        parent,
        owner: owner.to_owned(),
        default_group: "default".to_owned(),
        groups,
        ..Account::default()
    }
}

// ---- Random requests.

fn known<'a>(dice: &mut Dice, ids: impl Iterator<Item = &'a String>) -> Option<String> {
    let ids: Vec<&String> = ids.collect();
    if ids.is_empty() {
        None
    } else {
        Some(one_of(dice, &ids).clone())
    }
}

fn random_account(dice: &mut Dice, model: &Model, who: &Who) -> String {
    let any = |dice: &mut Dice| {
        if dice.roll(12) == 0 {
            NOWHERE.to_owned()
        } else {
            known(dice, model.accounts.keys()).unwrap()
        }
    };
    let Who::User(_, home) = who else {
        return any(dice);
    };
    match dice.roll(6) {
        0 => any(dice),
        1 | 2 if model.accounts.contains_key(home) => one_of(dice, &model.subtree(home)),
        _ => home.clone(),
    }
}

/// Of the account, or of one of its team, or anybody, or nobody.
fn random_user(dice: &mut Dice, model: &Model, account: &str) -> String {
    let there = model.accounts.contains_key(account);
    let found = match dice.roll(10) {
        0..7 if there => known(dice, model.accounts[account].members.keys()),
        7 if there => known(
            dice,
            model
                .line(account)
                .iter()
                .map(|above| &model.accounts[above].owner),
        ),
        9 => None,
        _ => known(dice, model.users.keys()),
    };
    found.unwrap_or_else(|| NOWHERE.to_owned())
}

fn random_group(dice: &mut Dice, model: &Model, account: &str) -> String {
    let found = model
        .accounts
        .get(account)
        .filter(|_| dice.roll(10) > 0)
        .and_then(|there| known(dice, there.groups.keys()));
    found.unwrap_or_else(|| format!("g{}", dice.roll(8)))
}

/// Of the account, or of one above it.
fn random_template(dice: &mut Dice, model: &Model, account: &str) -> String {
    let of = |account: &String| {
        model.accounts[account]
            .templates
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    let found = match dice.roll(8) {
        0 => None,
        1..6 => model
            .accounts
            .get(account)
            .and_then(|there| known(dice, there.templates.keys())),
        _ if model.accounts.contains_key(account) => known(
            dice,
            model
                .line(account)
                .iter()
                .flat_map(of)
                .collect::<Vec<_>>()
                .iter(),
        ),
        _ => None,
    };
    found.unwrap_or_else(|| format!("t{}", dice.roll(30)))
}

/// Of those that are shared from above, if there are any.
fn random_shared(dice: &mut Dice, model: &Model, account: &str) -> Option<String> {
    let above = if model.accounts.contains_key(account) {
        model.line(account).split_off(1)
    } else {
        Vec::new()
    };
    let ids = above
        .iter()
        .flat_map(|above| model.accounts[above].shares.keys());
    let shared: Vec<&String> = ids
        .filter(|id| model.shared_from(account, id).is_some())
        .collect();
    if shared.is_empty() {
        None
    } else {
        Some(one_of(dice, &shared).clone())
    }
}

/// Now and then of who was invited already, or is a user.
fn random_address(dice: &mut Dice, model: &Model) -> String {
    let known = match dice.roll(8) {
        0 => known(dice, model.users.values()),
        1 => known(
            dice,
            model
                .invitations
                .iter()
                .filter(|one| one.state == State::Open)
                .map(|one| &one.email),
        ),
        _ => None,
    };
    known.unwrap_or_else(|| format!("a{}@d{}.example", dice.roll(ADDRESSES), dice.roll(2)))
}

fn with(mut request: Value, key: &str, value: impl Into<Value>) -> Value {
    request[key] = value.into();
    request
}

/// Who never was.
fn new_id(model: &Model, letter: char) -> String {
    (0..)
        .map(|number| format!("{letter}{number}"))
        .find(|id| {
            !model.users.contains_key(id)
                && !model.gone.contains(id)
                && !model.accounts.contains_key(id)
        })
        .unwrap()
}

/// Operations that the host alone calls here: what they let users do depends on prices,
/// verification, holds and the limits given below; the scenarios show it, the model knows the
/// host's part.
const OF_THE_HOST: [&str; 4] = [
    "accounts.create",
    "accounts.delete",
    "limits.set",
    "limits.inherit",
];

fn random_request(dice: &mut Dice, model: &Model, who: &Who) -> (&'static str, Value) {
    let account = random_account(dice, model, who);
    let user = random_user(dice, model, &account);
    let group = random_group(dice, model, &account);
    let from_above = random_shared(dice, model, &account);
    let template = random_template(dice, model, &account);
    let role = one_of(dice, &ROLES);
    let there = json!({"account": account});
    let member = json!({"account": account, "user": user});
    let resource = json!({"account": account, "kind": "template", "id": template});
    let invitation = || json!({"invitation": NOWHERE});
    match dice.roll(120) {
        0 | 1 if model.accounts.len() < MOST_ACCOUNTS => {
            let id = if dice.roll(6) == 0 {
                known(dice, model.accounts.keys()).unwrap()
            } else {
                new_id(model, 'k')
            };
            let owner = match dice.roll(3) {
                0 => json!({"user": user}),
                _ => json!({"user": new_id(model, 'u'), "email": random_address(dice, model)}),
            };
            (
                "accounts.create",
                json!({"id": id, "name": id, "parent": account, "owner": owner}),
            )
        }
        2 => {
            let may_go = |id: &&String| ACCOUNTS[..THAT_STAY].iter().all(|(stays, _)| stays != *id);
            let account = known(dice, model.accounts.keys().filter(may_go))
                .unwrap_or_else(|| NOWHERE.to_owned());
            let how = one_of(dice, &["delete", "detach", ""]);
            (
                "accounts.delete",
                if how.is_empty() {
                    json!({"account": account})
                } else {
                    json!({"account": account, "children": how})
                },
            )
        }
        3 | 4 => {
            let value = if dice.roll(4) == 0 {
                "unlimited".into()
            } else {
                Value::from(2 + dice.roll(20))
            };
            (
                "limits.set",
                json!({"account": account, "limit": "seats", "value": value}),
            )
        }
        5 => (
            "limits.inherit",
            json!({"account": account, "limit": "seats"}),
        ),
        6 => (
            "clock.set",
            json!({"now_ms": model.now_ms + 1 + dice.roll(12 * DAY_MS)}),
        ),
        7..10 => {
            let request = json!({"account": account, "to": user});
            (
                "accounts.transfer_owner",
                if dice.roll(3) == 0 {
                    with(request, "old_owner_role", role)
                } else {
                    request
                },
            )
        }
        10..17 => {
            let mut request = with(there, "user", known(dice, model.users.keys()).unwrap());
            if dice.roll(2) == 0 {
                let new = if dice.roll(6) == 0 && user != NOWHERE {
                    user
                } else {
                    new_id(model, 'u')
                };
                request = with(
                    with(request, "user", new),
                    "email",
                    random_address(dice, model),
                );
            }
            if dice.roll(4) > 0 {
                request = with(request, "role", role);
            }
            (
                "members.add",
                if dice.roll(3) == 0 {
                    with(request, "group", group)
                } else {
                    request
                },
            )
        }
        17 => ("members.get", member),
        18 => ("members.list", with(there, "limit", 500)),
        19..24 => {
            let request = with(member, "role", role);
            (
                "members.set_role",
                if dice.roll(4) == 0 {
                    with(request, "group", group)
                } else {
                    request
                },
            )
        }
        24..29 => {
            let to = match dice.roll(4) {
                0 => None,
                1 => Some(json!({"kind": "account"})),
                2 => Some(json!({"kind": "group", "id": group})),
                _ => Some(json!({"kind": "member", "id": random_user(dice, model, &account)})),
            };
            (
                "members.remove",
                to.map_or(member.clone(), |to| with(member, "resources_to", to)),
            )
        }
        29 => ("members.disable", member),
        30..33 => ("members.enable", member),
        33..43 => {
            let mut request = with(there, "addresses", random_address(dice, model));
            if dice.roll(5) > 0 {
                request = with(request, "role", role);
            }
            if dice.roll(5) == 0 {
                request = with(request, "group", group);
            }
            if dice.roll(3) == 0 {
                let mut grants = Vec::new();
                for _ in 0..1 + dice.roll(3) {
                    let account = random_account(dice, model, who);
                    let group = random_group(dice, model, &account);
                    let grant = json!({"account": account});
                    grants.push(if dice.roll(6) == 0 {
                        with(grant, "group", group)
                    } else {
                        grant
                    });
                }
                request = with(request, "accounts", grants);
            }
            ("invitations.create", request)
        }
        43..53 => {
            // More often one that is still worth something, and one of the account.
            let offered =
                |one: &&Invitation| one.grants.iter().any(|grant| grant.account == account);
            let open: Vec<&Invitation> = model
                .invitations
                .iter()
                .filter(|one| one.state == State::Open)
                .collect();
            let near: Vec<&Invitation> = open.iter().filter(|one| offered(one)).copied().collect();
            let all: Vec<&Invitation> = model.invitations.iter().collect();
            let from = match dice.roll(4) {
                0 => all,
                1 => open,
                _ => near,
            };
            let request = if from.is_empty() {
                invitation()
            } else {
                json!({"invitation": one_of(dice, &from).id})
            };
            match dice.roll(6) {
                0 => ("invitations.get", request),
                1 | 2 => {
                    let request = if dice.roll(3) > 0 {
                        with(request, "role", role)
                    } else {
                        request
                    };
                    (
                        "invitations.edit",
                        if dice.roll(3) == 0 {
                            with(request, "group", group)
                        } else {
                            request
                        },
                    )
                }
                3 => ("invitations.delete", request),
                _ => ("invitations.resend", request),
            }
        }
        53 => {
            let request = with(there, "limit", 500);
            (
                "invitations.list",
                if dice.roll(2) == 0 {
                    with(request, "include_descendants", true)
                } else {
                    request
                },
            )
        }
        54..62 => {
            let live: Vec<_> = model
                .links
                .iter()
                .filter(|(_, at, _)| model.invitations[*at].state == State::Open)
                .collect();
            let from = if live.is_empty() || dice.roll(4) == 0 {
                model.links.iter().collect()
            } else {
                live
            };
            let token = if from.is_empty() || dice.roll(20) == 0 {
                "no-link".to_owned()
            } else {
                one_of(dice, &from).0.clone()
            };
            let new = if dice.roll(12) == 0 && user != NOWHERE {
                user
            } else {
                new_id(model, 'u')
            };
            ("invitations.accept", json!({"token": token, "user": new}))
        }
        62 => ("groups.list", there),
        63..67 => (
            "groups.create",
            with(
                with(there, "id", format!("g{}", dice.roll(8))),
                "name",
                "A group",
            ),
        ),
        67 => (
            "groups.rename",
            with(
                with(there, "group", group),
                "name",
                format!("Named {}", dice.roll(9)),
            ),
        ),
        68..71 => {
            let to = random_group(dice, model, &account);
            let request = with(there, "group", group);
            (
                "groups.delete",
                if dice.roll(4) > 0 {
                    with(request, "to", to)
                } else {
                    request
                },
            )
        }
        71 => ("groups.make_default", with(there, "group", group)),
        72..80 => {
            let most = one_of(dice, &[1, 1, 2, 3]);
            let users: Vec<String> = (0..if dice.roll(20) == 0 { 0 } else { most })
                .map(|_| random_user(dice, model, &account))
                .collect();
            let of_user = model
                .member(&account, &user)
                .and_then(|member| member.group.clone())
                .unwrap_or(group.clone());
            let (to, stay) = (random_group(dice, model, &account), dice.roll(2) == 0);
            let request = with(
                with(there, "users", users),
                "resources",
                if stay { "stay" } else { "follow" },
            );
            match dice.roll(3) {
                0 => ("groups.add_members", with(request, "group", group)),
                1 => {
                    let request = with(with(request, "group", of_user), "users", vec![user]);
                    (
                        "groups.remove_members",
                        if dice.roll(2) == 0 {
                            with(request, "to", to)
                        } else {
                            request
                        },
                    )
                }
                _ => {
                    let request = with(request, "to", to);
                    (
                        "groups.transfer_members",
                        if dice.roll(3) == 0 {
                            with(request, "from_group", group)
                        } else {
                            request
                        },
                    )
                }
            }
        }
        80..86 => {
            let request = with(resource, "id", format!("t{}", dice.roll(30)));
            (
                "resources.register",
                if dice.roll(2) == 0 {
                    with(request, "owner", user)
                } else {
                    request
                },
            )
        }
        86 => ("resources.get", resource),
        87..90 => {
            let shared = dice.roll(3) > 0;
            match dice.roll(3) {
                0 => ("resources.edit", with(resource, "owner", user)),
                1 => (
                    "resources.edit",
                    with(with(resource, "owner", user), "shared", shared),
                ),
                _ => ("resources.edit", with(resource, "shared", shared)),
            }
        }
        90..93 => {
            let rev = model
                .accounts
                .get(&account)
                .and_then(|there| there.templates.get(&template))
                .map_or(1, |template| template.rev);
            (
                "resources.save",
                with(
                    resource,
                    "expected_rev",
                    if dice.roll(8) == 0 { rev + 1 } else { rev },
                ),
            )
        }
        93 => ("resources.remove", resource),
        94..98 => {
            let resource = if dice.roll(2) == 0 {
                with(resource, "id", from_above.unwrap_or(template))
            } else {
                resource
            };
            let request = with(
                resource,
                "action",
                one_of(
                    dice,
                    &["view", "edit", "delete", "use_shared", "share_down"],
                ),
            );
            let about_self = matches!(who, Who::User(..)) && dice.roll(2) == 0;
            (
                "resources.can",
                if about_self {
                    request
                } else {
                    with(request, "user", user)
                },
            )
        }
        98 => {
            let request = with(with(there, "kind", "template"), "limit", 500);
            let about_self = matches!(who, Who::User(..)) && dice.roll(2) == 0;
            (
                "resources.visible",
                if about_self {
                    request
                } else {
                    with(request, "user", user)
                },
            )
        }
        99..105 => {
            let request = if dice.roll(20) == 0 {
                with(resource, "kind", "campaign")
            } else {
                resource
            };
            if dice.roll(3) == 0 {
                return ("sharing.share", with(request, "all", true));
            }
            let below: Vec<String> = if model.accounts.contains_key(&account) {
                model.subtree(&account).split_off(1)
            } else {
                Vec::new()
            };
            let any = |dice: &mut Dice| {
                if dice.roll(8) == 0 {
                    NOWHERE.to_owned()
                } else {
                    known(dice, model.accounts.keys()).unwrap()
                }
            };
            let target = |dice: &mut Dice| {
                if below.is_empty() || dice.roll(6) == 0 {
                    any(dice)
                } else {
                    one_of(dice, &below)
                }
            };
            let targets: Vec<String> = (0..1 + dice.roll(2)).map(|_| target(dice)).collect();
            ("sharing.share", with(request, "accounts", targets))
        }
        105 | 106 => ("sharing.unshare", resource),
        107 => {
            let shared = dice.roll(2) == 0;
            (
                "sharing.list",
                if dice.roll(2) == 0 {
                    with(there, "shared", shared)
                } else {
                    there
                },
            )
        }
        108 => ("sharing.received", there),
        109..113 => {
            let resource = if dice.roll(4) > 0 {
                with(resource, "id", from_above.unwrap_or(template))
            } else {
                resource
            };
            let action = one_of(
                dice,
                &["preview", "use", "edit", "rename", "delete", "share"],
            );
            let user = match who {
                Who::User(actor, _) if dice.roll(2) == 0 => actor.clone(),
                _ => user,
            };
            (
                "sharing.check",
                with(with(resource, "user", user), "action", action),
            )
        }
        other => {
            let address = format!("a{}@d{}.example", dice.roll(3), dice.roll(2));
            let value = if dice.roll(3) == 0 {
                address.split_once('@').unwrap().1.to_owned()
            } else {
                address.clone()
            };
            let entry = json!({"value": value, "message_class": one_of(dice, &CLASSES)});
            match other {
                113..115 => {
                    let end = model.now_ms - DAY_MS + dice.roll(20 * DAY_MS);
                    (
                        "suppressions.add",
                        with(
                            there,
                            "entries",
                            vec![if dice.roll(2) == 0 {
                                with(entry, "expires_at_ms", end)
                            } else {
                                entry
                            }],
                        ),
                    )
                }
                115 => {
                    let listed = model.accounts.get(&account).and_then(|there| {
                        known(dice, there.suppressions.keys().map(|(value, _)| value))
                    });
                    let value = if dice.roll(3) > 0 {
                        listed.unwrap_or(value)
                    } else {
                        value
                    };
                    let entry = if dice.roll(2) == 0 {
                        json!({ "value": value })
                    } else {
                        with(entry, "value", value)
                    };
                    ("suppressions.remove", with(there, "entries", vec![entry]))
                }
                116 => ("suppressions.list", there),
                117 => ("suppressions.pool", with(there, "pooled", dice.roll(3) > 0)),
                _ => (
                    "suppressions.check",
                    with(
                        with(there, "message_class", one_of(dice, &CLASSES)),
                        "recipients",
                        vec![address],
                    ),
                ),
            }
        }
    }
}

/// The host, a member of an account, who owns or manages one above it, or a stranger.
fn random_actor(dice: &mut Dice, model: &Model) -> Who {
    if dice.roll(4) == 0 {
        return Who::System;
    }
    let home = known(dice, model.accounts.keys()).unwrap();
    let there = &model.accounts[&home];
    let user = match dice.roll(10) {
        0..3 => Some(there.owner.clone()),
        3..7 => known(dice, there.members.keys()),
        7 => known(
            dice,
            model
                .line(&home)
                .iter()
                .flat_map(|above| model.accounts[above].members.keys()),
        ),
        _ => known(dice, model.users.keys()),
    };
    let home = if dice.roll(40) == 0 {
        NOWHERE.to_owned()
    } else {
        home
    };
    Who::User(user.unwrap(), home)
}

/// One random walk through store and model.
struct Walk {
    seed: u64,
    dice: Dice,
    store: Tenantry,
    model: Model,
    last: VecDeque<String>,
    /// The number of the last message of the outbox.
    read: u64,
    /// How often each operation ended how; who was no member of anything that they named counts as
    /// a stranger.
    ends: BTreeMap<(&'static str, String), u64>,
    strangers: u64,
}

impl Walk {
    fn new(seed: u64) -> Walk {
        let options = json!({"clock": {"manual_ms": start_ms()}, "seed": 1,
            "durability": "relaxed", "cache_mib": 8})
        .to_string();
        let store = Tenantry::open_json(":memory:", options.as_bytes()).unwrap();
        let mut dice = Dice::new(seed);
        let mut model = Model {
            now_ms: start_ms(),
            exclusive: dice.roll(3) == 0,
            ..Model::default()
        };
        must(
            &store,
            "policies.set",
            json!({"policies": {"depth": DEPTH, "owner_exclusive": model.exclusive}}),
        );
        for (number, (account, parent)) in ACCOUNTS.into_iter().enumerate() {
            let (user, email) = (format!("u{number}"), format!("a{number}@d0.example"));
            let mut request =
                json!({"id": account, "name": account, "owner": {"user": user, "email": email}});
            if let Some(parent) = parent {
                request["parent"] = parent.into();
            }
            must(&store, "accounts.create", request);
            model.users.insert(user.clone(), email);
            model.accounts.insert(
                account.to_owned(),
                new_account(parent.map(str::to_owned), &user),
            );
            model.join(account, &user, None, true, None).unwrap();
        }
        for (role, grants) in CUSTOM {
            let scope = |scope: Scope| match scope {
                Own => "own",
                Group => "group",
                No | Any => "any",
            };
            let grant =
                |(permission, reach): &(&str, Scope)| match permission.starts_with("templates") {
                    true => json!({"permission": permission, "scope": scope(*reach)}),
                    false => json!({ "permission": permission }),
                };
            let mut request = json!({"id": role, "name": role,
                "allow": grants.iter().map(grant).collect::<Vec<_>>()});
            if role == "lefty" {
                request["account"] = "left".into();
            }
            must(&store, "roles.create", request);
        }
        must(
            &store,
            "accounts.edit",
            json!({"account": "left", "default_role": "worker"}),
        );
        model.change("left").default_role = Some("worker");
        for (account, _) in ACCOUNTS {
            for _ in 0..4 {
                let role = one_of(&mut dice, &ROLES);
                let user = new_id(&model, 'u');
                let email = format!("{user}@d0.example");
                let request =
                    json!({"account": account, "user": user, "email": email, "role": role});
                if model.run(&Who::System, "members.add", &request).is_ok() {
                    must(&store, "members.add", request);
                }
            }
        }
        Walk {
            seed,
            dice,
            store,
            model,
            last: VecDeque::new(),
            read: 0,
            ends: BTreeMap::new(),
            strangers: 0,
        }
    }

    fn step(&mut self) {
        let who = random_actor(&mut self.dice, &self.model);
        let (operation, request) = random_request(&mut self.dice, &self.model, &who);
        let to_host = OF_THE_HOST.contains(&operation)
            || (["clock.set", "invitations.accept"].contains(&operation) && self.dice.roll(20) > 0);
        let who = if to_host { Who::System } else { who };
        self.last
            .push_back(format!("{who:?} {operation} {request}"));
        if self.last.len() > 14 {
            self.last.pop_front();
        }
        let said = self.model.run(&who, operation, &request);
        let answered = call(&self.store, &who, operation, &request);
        match (&said, &answered) {
            (Ok(said), Ok(answer)) => {
                let mut answer = answer.clone();
                sort(operation, &mut answer);
                self.agree(said, &only_what_was_said(said, &answer));
                if operation == "invitations.create" && said["refused"] == 0 {
                    self.model.invitations.last_mut().unwrap().id =
                        answer["results"][0]["invitation"]
                            .as_str()
                            .unwrap()
                            .to_owned();
                }
            }
            (Err(said), Err(error)) if error["code"] == *said => {
                if let (Who::User(user, home), "not_found") = (&who, *said) {
                    self.answers_as_for_nobody((user, home), operation, &request, error);
                }
            }
            _ => self.fail(&format!("the model says {said:?}, the store {answered:?}")),
        }
        self.read_outbox();
        let end = match &said {
            Ok(said) => said["refusal"]
                .as_str()
                .or(said["results"][0]["problem"]["code"].as_str())
                .unwrap_or("ok"),
            Err(code) => code,
        };
        *self.ends.entry((operation, end.to_owned())).or_default() += 1;
    }

    /// What is not the actor's answers, letter by letter, as what is not there at all.
    fn answers_as_for_nobody(
        &mut self,
        (user, home): (&str, &str),
        operation: &str,
        request: &Value,
        error: &Value,
    ) {
        let name = error["details"]["id"].as_str().unwrap();
        // Themself; an address that they do not suppress; a template that they see, and that is not
        // shared.
        let kind = error["details"]["kind"].as_str().unwrap();
        if name == user
            || kind == "suppression"
            || (operation, kind) == ("sharing.unshare", "shared template")
        {
            return;
        }
        let plain = |error: &Value, name: &str| {
            // A role or group that is named once for several accounts is missed in another of them.
            let place = error["field"]
                .as_str()
                .map(|field| field.replace(|digit: char| digit.is_ascii_digit(), "*"));
            let error = with(error.clone(), "field", place);
            error
                .to_string()
                .replace(&format!("`{name}`"), "NAME")
                .replace(&format!("\"{name}\""), "NAME")
        };
        let elsewhere =
            |text: &str| text.replace(&format!("\"{name}\""), &format!("\"{NOWHERE}\""));
        let other: Value = serde_json::from_str(&elsewhere(&request.to_string())).unwrap();
        let other_home = if kind == "account" && home == name {
            NOWHERE
        } else {
            home
        };
        if other == *request && other_home == home {
            return;
        }
        self.strangers += u64::from(other_home != home);
        let Err(of_nobody) = call(
            &self.store,
            &Who::User(user.to_owned(), other_home.to_owned()),
            operation,
            &other,
        ) else {
            self.fail(&format!("there is `{NOWHERE}`, says {operation} {other}"))
        };
        if plain(error, name) != plain(&of_nobody, NOWHERE) {
            self.fail(&format!(
                "of what is not theirs they are told {error}\n  of what is not there {of_nobody}"
            ));
        }
    }

    /// One message for each invitation that was sent, and no other (R-INV-2).
    fn read_outbox(&mut self) {
        if self.model.to_send.is_empty() {
            return;
        }
        let messages =
            must(&self.store, "outbox.read", json!({"after": self.read}))["messages"].clone();
        let to_send = std::mem::take(&mut self.model.to_send);
        let invitations = to_send.iter().map(|at| &self.model.invitations[*at]);
        let said: Value = invitations
            .map(|one| {
                let accounts: Vec<Value> = one
                    .grants
                    .iter()
                    .map(|grant| json!({"account": grant.account}))
                    .collect();
                json!({"kind": "invitation", "to": one.email, "invitation": one.id,
                    "accounts": accounts, "token_expires_at_ms": one.sent_at_ms + LIFE_MS})
            })
            .collect();
        self.agree(&said, &only_what_was_said(&said, &messages));
        for (at, message) in to_send.into_iter().zip(messages.as_array().unwrap()) {
            self.read = message["number"].as_u64().unwrap();
            let token = message["token"].as_str().unwrap().to_owned();
            self.model
                .links
                .push((token, at, self.model.invitations[at].generation));
        }
    }

    fn agree(&self, said: &Value, answer: &Value) {
        if said != answer {
            self.fail(&format!(
                "the model says {said}\n  the store       {answer}"
            ));
        }
    }

    fn fail(&self, what: &str) -> ! {
        let last: Vec<_> = self.last.iter().map(String::as_str).collect();
        panic!(
            "walk {}: {what}\n  after\n    {}",
            self.seed,
            last.join("\n    ")
        );
    }

    /// Everything that is listed, between any two steps.
    fn check(&mut self) {
        let whole = json!({"limit": 500});
        for (id, account) in &self.model.accounts {
            let ask = |operation: &str| {
                let mut answer = must(
                    &self.store,
                    operation,
                    with(whole.clone(), "account", id.as_str()),
                );
                sort(operation, &mut answer);
                answer
            };
            let same =
                |said: Value, answer: &Value| self.agree(&said, &only_what_was_said(&said, answer));
            let listed = ask("members.list");
            same(
                account
                    .members
                    .keys()
                    .map(|user| self.model.shown_member(id, user))
                    .collect(),
                &listed["members"],
            );
            // R-TEA-2, R-GRP-2, whatever the model says.
            let members = listed["members"].as_array().unwrap();
            let owners = members
                .iter()
                .filter(|member| member["owner"] == true)
                .count();
            let groups = ask("groups.list");
            let exists = |group: &Value| {
                groups["groups"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|known| known["id"] == *group)
            };
            let grouped =
                |member: &Value| match member["owner"] == true || member["administrator"] == true {
                    true => member.get("group").is_none(),
                    false => exists(&member["group"]),
                };
            if owners != 1 || !members.iter().all(grouped) {
                self.fail(&format!(
                    "`{id}` has {owners} owners, or somebody is in a wrong group: {members:?}"
                ));
            }
            same(
                account
                    .groups
                    .keys()
                    .map(|group| self.model.shown_group(id, group))
                    .collect(),
                &groups["groups"],
            );
            let invitations = ask("invitations.list");
            same(
                self.model.listed_invitations(&Who::System, id, false),
                &invitations["invitations"],
            );
            same(self.model.received(id), &ask("sharing.received"));
            same(
                self.model.listed_suppressions(id),
                &ask("suppressions.list")["suppressions"],
            );
            if self.model.refuse_lowest(id).is_ok() {
                same(
                    account
                        .templates
                        .keys()
                        .map(|template| self.model.shown_share(id, template))
                        .collect(),
                    &ask("sharing.list")["templates"],
                );
            }
            let visible =
                json!({"account": id, "user": account.owner, "kind": "template", "limit": 500});
            let mut visible = must(&self.store, "resources.visible", visible);
            sort("resources.visible", &mut visible);
            // All, as the owner or as who manages the team from above.
            let may_act = self.model.judged(id, &account.owner).is_ok();
            let all = account
                .templates
                .keys()
                .filter(|_| may_act)
                .map(|template| self.model.shown_template(id, template));
            same(all.collect(), &visible["resources"]);
        }
        // Of every link, whether it is worth something.
        let mut read = 0;
        let mut dead = Vec::new();
        loop {
            let page = must(
                &self.store,
                "outbox.read",
                json!({"after": read, "limit": 500}),
            );
            dead.extend(
                page["messages"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|message| message.get("token").is_none()),
            );
            match page["next"].as_u64() {
                Some(next) => read = next,
                None => break,
            }
        }
        let is_dead = |(_, at, generation): &(String, usize, u64)| {
            let invitation = &self.model.invitations[*at];
            self.model.dead(invitation).is_err() || invitation.generation != *generation
        };
        if self.model.links.iter().map(is_dead).collect::<Vec<_>>() != dead {
            self.fail(
                "a link that is worth nothing is shown in the outbox, or one that is worth \
                something is not",
            );
        }
        let verified = must(&self.store, "store.verify", json!({}));
        assert_eq!(verified["whole"], true, "walk {}: {verified}", self.seed);
    }
}

/// Puts lists into an order that both keep: the order in which they are listed is shown by the
/// scenarios.
fn sort(operation: &str, answer: &mut Value) {
    let list = match operation {
        "invitations.list" => &mut answer["invitations"],
        "sharing.received" => &mut answer["templates"],
        "resources.visible" => &mut answer["resources"],
        _ => return,
    };
    if let Some(list) = list.as_array_mut() {
        let by_account = operation == "sharing.received";
        list.sort_by_key(|one| {
            if by_account {
                format!("{} {}", one["account"], one["id"])
            } else {
                one["id"].to_string()
            }
        });
    }
}

/// R-TEA-2, R-TEA-5 to R-TEA-8, R-GRP-1 to R-GRP-4, R-GRP-7, R-INV-2 to R-INV-10, R-ROL-7, R-USR-4:
/// what the model says is what the store answers, whoever asks; and with that each account has one
/// owner, each plain member one group and no administrator any, nobody gives or changes more than
/// they hold, no seat is taken twice, no link works twice or too late, templates go down and are
/// changed where they come from alone, and what is another's answers as what is not there.
/// `store.verify` adds that nothing names what is not there.
#[test]
fn random_operations_in_teams_answer_as_the_model_says() {
    let mut dice = Dice::of_test("random_operations_in_teams_answer_as_the_model_says");
    let mut ends: BTreeMap<(&str, String), u64> = BTreeMap::new();
    let mut strangers = 0;
    let fresh: Vec<u64> = (0..count("TENANTRY_RUNS", 25))
        .map(|_| dice.number())
        .collect();
    for seed in REGRESSIONS.iter().copied().chain(fresh) {
        let mut walk = Walk::new(seed);
        for _ in 0..20 {
            (0..50).for_each(|_| walk.step());
            walk.check();
        }
        for (end, times) in walk.ends {
            *ends.entry(end).or_default() += times;
        }
        strangers += walk.strangers;
    }
    println!("{ends:?}");
    for (operation, _) in ends.keys() {
        assert!(
            ends.contains_key(&(*operation, "ok".to_owned())),
            "no walk saw `{operation}` succeed"
        );
    }
    let met = |operation: &'static str, end: &str| {
        ends.get(&(operation, end.to_owned()))
            .copied()
            .unwrap_or_default()
    };
    for (operation, end) in WORTH_MEETING {
        assert!(
            met(operation, end) > 0,
            "the walks are not worth their time: no `{operation}` ended in `{end}`"
        );
    }
    let escalations: u64 = ends
        .iter()
        .filter(|((_, end), _)| end == "escalation_refused")
        .map(|(_, times)| times)
        .sum();
    assert!(
        escalations >= 20,
        "the walks are not worth their time: {escalations} tried to rise"
    );
    assert!(
        strangers >= 500,
        "the walks are not worth their time: {strangers} strangers"
    );
}

/// What some walk has to meet, however short all of them are.
const WORTH_MEETING: [(&str, &str); 44] = [
    ("accounts.create", "depth_exceeded"),
    ("accounts.create", "owner_not_exclusive"),
    ("accounts.create", "seats_exhausted"),
    ("accounts.transfer_owner", "member_disabled"),
    ("accounts.transfer_owner", "not_found"),
    ("accounts.transfer_owner", "permission_denied"),
    ("groups.add_members", "admin_has_no_group"),
    ("groups.add_members", "not_found"),
    ("groups.add_members", "permission_denied"),
    ("groups.create", "id_taken"),
    ("groups.delete", "invalid_argument"),
    ("groups.delete", "last_group"),
    ("groups.delete", "not_found"),
    ("groups.remove_members", "invalid_argument"),
    ("groups.transfer_members", "admin_has_no_group"),
    ("invitations.accept", "actor_not_allowed"),
    ("invitations.accept", "invitation_already_accepted"),
    ("invitations.accept", "invitation_deleted"),
    ("invitations.accept", "invitation_expired"),
    ("invitations.accept", "invitation_superseded"),
    ("invitations.accept", "link_invalid"),
    ("invitations.accept", "seats_exhausted"),
    ("invitations.create", "admin_has_no_group"),
    ("invitations.create", "already_invited"),
    ("invitations.create", "not_found"),
    ("invitations.create", "seats_exhausted"),
    ("invitations.create", "user_exists"),
    ("invitations.create", "user_in_other_account"),
    ("members.add", "policy_forbids"),
    ("members.add", "seats_exhausted"),
    ("members.disable", "self_forbidden"),
    ("members.remove", "invalid_argument"),
    ("members.remove", "not_found"),
    ("members.remove", "owner_transfer_required"),
    ("members.set_role", "not_found"),
    ("resources.can", "shared_read_only"),
    ("resources.edit", "not_found"),
    ("resources.save", "rev_conflict"),
    ("sharing.check", "not_found"),
    ("sharing.check", "shared_read_only"),
    ("sharing.share", "not_found"),
    ("sharing.share", "not_shareable"),
    ("sharing.share", "share_direction"),
    ("sharing.unshare", "permission_denied"),
];
