//! What must hold whatever is asked, in which order and by whom: random operations against a naive
//! model, threads that fight for the last unit, and users who ask for what is not theirs.
//!
//! Each test prints its seed; `TENANTRY_SEED` repeats it. `TENANTRY_RUNS` makes the random walks
//! longer.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use tenantry::catalogue::CATALOGUE;
use tenantry::{Code, Decision, Sender, Tenantry};
use tenantry_tests::crash::{Dice, Scratch, count};
use tenantry_tests::scenario::unix_ms;
use tenantry_tests::walk::{
    Said, Who, call, id, known, must, one_of, only_what_was_said, start_ms,
};

const UNLIMITED: u64 = u64::MAX;
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
const GRACE_MS: u64 = 30 * DAY_MS;
/// The windows that e-mails are charged to, then the seats; and where `limits.explain` lists each.
const LIMITS: [&str; 4] = [
    "email_per_hour",
    "email_per_day",
    "email_per_month",
    "seats",
];
const WINDOWS: usize = 3;
const SEATS: usize = 3;
const LISTED_AT: [usize; 4] = [0, 1, 2, 16];
/// Zones without summer time, and how far they are ahead of UTC.
const ZONES: [(&str, u64); 3] = [
    ("UTC", 0),
    ("Asia/Kathmandu", 20_700_000),
    ("Asia/Tokyo", 32_400_000),
];

/// Walks that once failed, by the seed of the walk: they are walked again every time.
const REGRESSIONS: &[u64] = &[7_509_756_738_044_300_017];

// ---- The model. It keeps everything in plain maps, computes everything anew, and knows no cache
// and no block.

/// Permissions as bits. One more stands for what else an administrator holds, one for what else an
/// owner holds.
const PERMISSIONS: [&str; 12] = [
    "campaigns.send",
    "campaigns.view",
    "users.view",
    "users.edit_role",
    "users.revoke_account",
    "users.disable",
    "accounts.view",
    "accounts.edit",
    "accounts.close",
    "limits.view",
    "limits.explain",
    "accounts.team",
];
const OTHERS_OF_ADMINISTRATORS: u32 = 1 << PERMISSIONS.len();
const EVERYTHING: u32 = OTHERS_OF_ADMINISTRATORS * 4 - 1;
/// The built-in role: in no group, and everything but what makes or ends accounts or reaches those
/// below.
const ADMINISTRATOR: &str = "administrator";
const ROLES: [&str; 5] = ["r0", "r1", "r2", "r3", ADMINISTRATOR];

fn bit(permission: &str) -> u32 {
    1 << PERMISSIONS
        .iter()
        .position(|known| *known == permission)
        .unwrap()
}

#[derive(Clone, Default)]
struct Role {
    allow: u32,
    deny: u32,
    administrator: bool,
}

impl Role {
    fn permissions(&self) -> u32 {
        let mut permissions = self.allow;
        for (holds, implied) in [
            ("campaigns.send", "campaigns.view"),
            ("accounts.edit", "accounts.view"),
        ] {
            if permissions & bit(holds) != 0 {
                permissions |= bit(implied);
            }
        }
        permissions & !self.deny
    }
}

#[derive(Clone, Default)]
struct Package {
    limits: [Option<u64>; 4],
    role: Option<String>,
    retired: bool,
}

/// The parts of a rolling hour that still count: until when, and how much.
type Parts = Vec<(u64, u64)>;

/// The last window that was sent in.
#[derive(Clone, Default)]
struct Meter {
    starts_at_ms: u64,
    ends_at_ms: u64,
    /// In the window, or in the minute of a rolling hour.
    used: u64,
    /// The minutes of a rolling hour that still count: until when, and how much.
    past: Parts,
}

impl Meter {
    fn total(&self) -> u64 {
        self.used + self.past.iter().map(|(_, used)| used).sum::<u64>()
    }

    /// When more fits than now, for the hour (at 0), or where that is never, when all that is used
    /// counts no longer; the end of the window for the others.
    fn resets_at(&self, at: usize, limit: u64) -> u64 {
        if at > 0 {
            return self.ends_at_ms;
        }
        let now = (self.used > 0).then_some((self.ends_at_ms + HOUR_MS, self.used));
        let parts: Parts = self.past.iter().copied().chain(now).collect();
        let mut left = self.total();
        let helps = parts.iter().find(|(_, used)| {
            left -= used;
            left < self.total().min(limit)
        });
        helps
            .or(parts.last())
            .map_or(self.ends_at_ms + HOUR_MS, |(until, _)| *until)
    }

    /// When `count` fit, with no event but the clock: minute by minute for the hour (at 0), all at
    /// once for the others.
    fn fits_at(&self, at: usize, limit: u64, count: u64) -> u64 {
        if at > 0 {
            return self.ends_at_ms;
        }
        let mut left = limit as i64 - self.total() as i64;
        for (until, used) in self
            .past
            .iter()
            .copied()
            .chain([(self.ends_at_ms + HOUR_MS, self.used)])
        {
            left += used as i64;
            if left >= count as i64 {
                return until;
            }
        }
        unreachable!("no more than the limit is asked for")
    }
}

/// What a host answers its own client whose message is refused, by HTTP and by SMTP.
fn reply_to(code: &str, waiting_helps: bool) -> (u16, &'static str) {
    match code {
        _ if waiting_helps => (429, "450 4.7.1"),
        "exceeds_limit" => (413, "550 5.5.3"),
        _ => (403, "550 5.7.1"),
    }
}

#[derive(Clone, Default)]
struct Account {
    parent: Option<String>,
    owner: String,
    package: Option<String>,
    overrides: [Option<u64>; 4],
    ahead_ms: u64,
    pending: bool,
    closed_at_ms: Option<u64>,
    /// With their reasons.
    holds: Vec<(u64, (String, Who))>,
    next_hold: u64,
    members: BTreeMap<String, Member>,
    meters: [Meter; WINDOWS],
}

#[derive(Clone, Default)]
struct Member {
    /// The owner needs none.
    role: Option<String>,
    /// Owner and administrators are in none.
    group: Option<String>,
    disabled: bool,
}

#[derive(Clone, Default)]
struct Model {
    now_ms: u64,
    accounts: BTreeMap<String, Account>,
    users: BTreeMap<String, bool>,
    gone: BTreeSet<String>,
    roles: BTreeMap<String, Role>,
    packages: BTreeMap<String, Package>,
    defaults: [Option<u64>; 4],
    /// How deep accounts may lie.
    depth: usize,
}

impl Model {
    fn line(&self, account: &str) -> Vec<String> {
        let mut line = vec![account.to_owned()];
        while let Some(parent) = &self.accounts[line.last().unwrap()].parent {
            line.push(parent.clone());
        }
        line
    }

    fn status(&self, account: &str) -> Option<&'static str> {
        let worst = self.line(account).into_iter().map(|id| {
            let account = &self.accounts[&id];
            match account {
                _ if account.closed_at_ms.is_some() => 3,
                _ if !account.holds.is_empty() => 2,
                _ if account.pending => 1,
                _ => 0,
            }
        });
        [
            None,
            Some("account_pending"),
            Some("account_suspended"),
            Some("account_closed"),
        ][worst.max().unwrap()]
    }

    /// The accounts by whose memberships a user acts in an account: that one, and those above whose
    /// team they manage.
    fn held(&self, account: &str, user: &str) -> Vec<String> {
        let line = self.line(account);
        let manages = |at: &String| {
            self.membership_permissions(at, user) & self.ceiling(at) & bit("accounts.team") != 0
        };
        let counts = |(level, at): &(usize, String)| {
            self.accounts[at].members.contains_key(user) && (*level == 0 || manages(at))
        };
        line.into_iter()
            .enumerate()
            .filter(counts)
            .map(|(_, at)| at)
            .collect()
    }

    /// Of these, what is disabled gives nothing beside what is not.
    fn enabled(&self, account: &str, user: &str) -> Vec<String> {
        let (disabled, enabled): (Vec<_>, Vec<_>) = self
            .held(account, user)
            .into_iter()
            .partition(|at| self.accounts[at].members[user].disabled);
        if enabled.is_empty() {
            disabled
        } else {
            enabled
        }
    }

    /// And of those, what belongs to an account on hold gives nothing beside what does not: each
    /// counts by the status of its own account.
    fn acts_by(&self, account: &str, user: &str) -> Vec<String> {
        let (active, on_hold): (Vec<_>, Vec<_>) = self
            .enabled(account, user)
            .into_iter()
            .partition(|at| self.status(at).is_none());
        if active.is_empty() { on_hold } else { active }
    }

    /// Why a user may do nothing in an account, from wherever they come.
    fn member_refusal(&self, account: &str, user: &str) -> Option<&'static str> {
        let by = self.acts_by(account, user);
        let Some(nearest) = by.first() else {
            return Some("not_member");
        };
        match self.status(nearest) {
            // All are: the account itself is on hold too.
            Some(_) => self.status(account),
            None if self.users[user] => Some("user_disabled"),
            None if self.accounts[nearest].members[user].disabled => Some("member_disabled"),
            None => None,
        }
    }

    /// Why a user cannot act in an account as the one that they are in.
    fn entry_refusal(&self, home: &str, user: &str) -> Option<&'static str> {
        match self.member_refusal(home, user) {
            Some("not_member") => Some("not_member"),
            refusal => self.status(home).or(refusal),
        }
    }

    /// What a membership gives before the ceilings.
    fn membership_permissions(&self, account: &str, user: &str) -> u32 {
        let Some(member) = self.accounts[account].members.get(user) else {
            return 0;
        };
        if self.accounts[account].owner == user {
            return EVERYTHING;
        }
        member
            .role
            .as_ref()
            .map_or(0, |role| self.roles[role].permissions())
    }

    /// What memberships of these accounts give together, before the ceilings.
    fn united(&self, by: &[String], user: &str) -> u32 {
        by.iter().fold(0, |permissions, at| {
            permissions | self.membership_permissions(at, user)
        })
    }

    fn ceiling(&self, account: &str) -> u32 {
        let packages = self
            .line(account)
            .into_iter()
            .filter_map(|above| self.accounts[&above].package.clone());
        let roles = packages.filter_map(|package| self.packages[&package].role.clone());
        roles.fold(EVERYTHING, |ceiling, role| {
            ceiling & self.roles[&role].permissions()
        })
    }

    fn permissions(&self, account: &str, user: &str) -> u32 {
        self.united(&self.acts_by(account, user), user) & self.ceiling(account)
    }

    /// Whether one account is the other, or lies below it.
    fn is_within(&self, account: &str, top: &str) -> bool {
        self.line(account).iter().any(|above| above == top)
    }

    /// Whether a membership holds a seat: an owner's always does, any other while neither it nor
    /// its user is disabled (R-INV-9).
    fn holds_seat(&self, account: &str, user: &str) -> bool {
        let account = &self.accounts[account];
        account.owner == user || !(account.members[user].disabled || self.users[user])
    }

    /// The users who hold a seat in an account, by a membership of it or of one below, each once.
    fn seated(&self, top: &str) -> BTreeSet<String> {
        let within = self
            .accounts
            .iter()
            .filter(|(id, _)| self.is_within(id, top));
        within
            .flat_map(|(id, account)| {
                account
                    .members
                    .keys()
                    .filter(|user| self.holds_seat(id, user))
                    .cloned()
            })
            .collect()
    }

    /// Refuses a change after which somebody holds a seat who held none before, where there is none
    /// left.
    fn refuse_without_seats(&self, before: &Model) -> Result<(), &'static str> {
        let grown = |id: &&String| {
            before
                .accounts
                .get(*id)
                .map_or(0, |_| before.seated(id).len())
                < self.seated(id).len()
        };
        let full = |id: &String| self.seated(id).len() as u64 > self.limit(id, SEATS).0;
        if self.accounts.keys().filter(grown).any(full) {
            Err("seats_exhausted")
        } else {
            Ok(())
        }
    }

    /// Makes a user a member, where there is a seat and the group is right.
    fn join(
        &mut self,
        account: &str,
        user: &str,
        role: Option<String>,
        group: Option<&str>,
    ) -> Result<(), &'static str> {
        if self.accounts[account].owner == user && self.users[user] {
            return Err("user_disabled");
        }
        let before = self.clone();
        self.account(account)?.members.insert(
            user.to_owned(),
            Member {
                role: role.clone(),
                group: None,
                disabled: false,
            },
        );
        self.refuse_without_seats(&before)?;
        let group = self.group_for(role.as_deref(), group, None)?;
        self.account(account)?.members.insert(
            user.to_owned(),
            Member {
                group,
                role,
                disabled: false,
            },
        );
        Ok(())
    }

    /// The group of one with this role, or of the owner, who has none: the one that is named, or
    /// where they are, or the default.
    fn group_for(
        &self,
        role: Option<&str>,
        named: Option<&str>,
        now: Option<&str>,
    ) -> Result<Option<String>, &'static str> {
        if role.is_none_or(|role| self.roles[role].administrator) {
            return if named.is_some() {
                Err("admin_has_no_group")
            } else {
                Ok(None)
            };
        }
        match named {
            Some("default") | None => Ok(Some(now.unwrap_or("default").to_owned())),
            Some(_) => Err("not_found"),
        }
    }

    /// The limit of an account by itself, and where it comes from.
    fn limit(&self, account: &str, at: usize) -> (u64, &'static str) {
        for (level, id) in self.line(account).iter().enumerate() {
            let account = &self.accounts[id];
            if let Some(limit) = account.overrides[at] {
                return (limit, if level == 0 { "override" } else { "inherited" });
            }
            if let Some(package) = &account.package {
                if let Some(limit) = self.packages[package].limits[at] {
                    return (limit, if level == 0 { "package" } else { "inherited" });
                }
                break;
            }
        }
        (self.defaults[at].unwrap_or(UNLIMITED), "platform_default")
    }

    /// The window that an instant lies in, of the day or the month, or the minute of the rolling
    /// hour.
    fn window(at: usize, now_ms: u64, ahead_ms: u64) -> (u64, u64) {
        let local = now_ms + ahead_ms;
        match at {
            0 => (
                now_ms / MINUTE_MS * MINUTE_MS,
                (now_ms / MINUTE_MS + 1) * MINUTE_MS,
            ),
            1 => (
                local / DAY_MS * DAY_MS - ahead_ms,
                (local / DAY_MS + 1) * DAY_MS - ahead_ms,
            ),
            _ => {
                let months: Vec<u64> = (1970..2100)
                    .flat_map(|year| {
                        (1..=12).map(move |month| {
                            unix_ms(&format!("{year}-{month:02}-01T00:00:00.000Z")).unwrap()
                        })
                    })
                    .collect();
                let next = months.iter().position(|first| *first > local).unwrap();
                (months[next - 1] - ahead_ms, months[next] - ahead_ms)
            }
        }
    }

    /// The window of now, after the last one that was sent in: it never begins inside that one.
    fn meter(&self, account: &str, at: usize) -> Meter {
        let account = &self.accounts[account];
        let last = account.meters[at].clone();
        if self.now_ms < last.ends_at_ms {
            return last;
        }
        let (mut start, mut end) = Model::window(at, self.now_ms, account.ahead_ms);
        if start < last.ends_at_ms {
            // The zone was changed: at least half a window, and no second short one after a short
            // one (R-QTA-4).
            let usual = [MINUTE_MS, DAY_MS, 30 * DAY_MS][at];
            let eighths = (last.ends_at_ms - last.starts_at_ms) * 8 / usual;
            let least = if (4..7).contains(&eighths) { 7 } else { 4 };
            start = last.ends_at_ms;
            while (end - start) * 8 < least * usual {
                end = Model::window(at, end, account.ahead_ms).1;
            }
        }
        let mut past = last.past;
        if at == 0 {
            past.push((last.ends_at_ms + HOUR_MS, last.used));
        }
        past.retain(|(until, used)| self.now_ms < *until && *used > 0);
        Meter {
            starts_at_ms: start,
            ends_at_ms: end,
            used: 0,
            past,
        }
    }

    fn admit(&mut self, account: &str, user: Option<&str>, count: u64) -> Value {
        let mut decision = self.charge(account, user, count);
        if let Some(code) = decision["refusal"]["code"].as_str() {
            let waiting_helps = decision["refusal"]["retry_at_ms"].is_u64();
            let (status, reply) = reply_to(code, waiting_helps);
            decision["refusal"]["http_status"] = status.into();
            decision["refusal"]["smtp_reply"] = reply.into();
        }
        decision
    }

    fn charge(&mut self, account: &str, user: Option<&str>, count: u64) -> Value {
        let refused = |code: &str| json!({"granted": 0, "refusal": {"code": code}});
        if let Some(code) = self.status(account) {
            return refused(code);
        }
        if let Some(user) = user {
            if let Some(code) = self.member_refusal(account, user) {
                return refused(code);
            }
            if self.permissions(account, user) & bit("campaigns.send") == 0 {
                return refused("permission_denied");
            }
        }
        let line = self.line(account);
        let counters: Vec<_> = line
            .iter()
            .flat_map(|id| (0..WINDOWS).map(move |at| (id.clone(), at)))
            .collect();
        let seen: Vec<_> = counters
            .iter()
            .map(|(id, at)| (self.limit(id, *at).0, self.meter(id, *at)))
            .collect();
        let left = |(limit, meter): &(u64, Meter)| limit.saturating_sub(meter.total());
        let remaining = seen
            .iter()
            .filter(|(limit, _)| *limit != UNLIMITED)
            .map(left)
            .min();
        let never = seen
            .iter()
            .enumerate()
            .filter(|(_, (limit, _))| count > *limit)
            .min_by_key(|(_, (limit, _))| *limit);
        let short = || {
            seen.iter()
                .enumerate()
                .filter(|(_, counter)| never.is_none() && count > left(counter))
        };
        let later = short()
            .rev()
            .max_by_key(|(index, (limit, meter))| meter.fits_at(counters[*index].1, *limit, count));
        let mut decision = match (never, later) {
            (Some((index, (limit, meter))), _) => {
                let (id, at) = &counters[index];
                json!({"granted": 0, "refusal": {"code": "exceeds_limit",
                    "limit": self.binding(account, id, *at, *limit, meter.total())}})
            }
            (None, Some((index, (limit, meter)))) => {
                let (id, at) = &counters[index];
                json!({"granted": 0, "refusal": {"code": "quota_exceeded",
                    "limit": self.binding(account, id, *at, *limit, meter.total()),
                    "retry_at_ms": meter.fits_at(*at, *limit, count)}})
            }
            (None, None) => {
                for ((id, at), (limit, meter)) in counters.iter().zip(&seen) {
                    let meter = Meter {
                        used: meter.used + count,
                        ..meter.clone()
                    };
                    assert!(meter.total() <= *limit, "the model itself grants too much");
                    self.accounts.get_mut(id).unwrap().meters[*at] = meter;
                }
                json!({ "granted": count })
            }
        };
        let charged = decision["granted"].as_u64().unwrap();
        if let Some(remaining) = remaining {
            decision["remaining"] = (remaining - charged).into();
        }
        decision
    }

    fn binding(&self, account: &str, id: &str, at: usize, limit: u64, used: u64) -> Value {
        let scope = if id == account { "account" } else { "ancestor" };
        json!({"name": LIMITS[at], "scope": scope, "subject": id, "value": limit, "used": used,
            "source": self.limit(id, at).1})
    }

    fn usage(&self, account: &str) -> Value {
        let windows: Vec<Value> = (0..WINDOWS)
            .map(|at| {
                let ((limit, source), meter) = (self.limit(account, at), self.meter(account, at));
                let mut window = json!({"limit": LIMITS[at], "subject": account, "source": source,
                    "value": shown(limit), "used": meter.total(),
                    "resets_at_ms": meter.resets_at(at, limit)});
                if limit != UNLIMITED {
                    window["remaining"] = limit.saturating_sub(meter.total()).into();
                }
                window
            })
            .collect();
        // Then those of text messages, and of automations and triggers: no walk has any.
        let windows: Vec<Value> = windows
            .into_iter()
            .chain(vec![json!({}); WINDOWS + 2])
            .collect();
        json!({ "windows": windows })
    }

    fn authorise(
        &self,
        who: &Who,
        permission: Option<&str>,
        target: &str,
    ) -> Result<(), &'static str> {
        let Who::User(user, home) = who else {
            return Ok(());
        };
        let permission = permission.ok_or("actor_not_allowed")?;
        if !self.accounts.contains_key(home) {
            return Err("not_found");
        }
        match self.entry_refusal(home, user) {
            Some("not_member") => return Err("not_found"),
            Some(code) => return Err(code),
            None => {}
        }
        let reached = self.accounts.contains_key(target) && self.is_within(target, home);
        if target != home && !(reached && self.permissions(home, user) & bit("accounts.team") != 0)
        {
            return Err("not_found");
        }
        if self.permissions(target, user) & bit(permission) == 0 {
            Err("permission_denied")
        } else {
            Ok(())
        }
    }

    /// Nobody grants in an account more than they hold there, before the ceilings.
    fn refuse_beyond(
        &self,
        who: &Who,
        account: &str,
        permissions: u32,
    ) -> Result<(), &'static str> {
        match who {
            Who::User(user, _)
                if permissions & !self.united(&self.acts_by(account, user), user) != 0 =>
            {
                Err("escalation_refused")
            }
            _ => Ok(()),
        }
    }

    /// Nobody touches who can do more in an account, were they enabled.
    fn refuse_stronger(&self, who: &Who, account: &str, user: &str) -> Result<(), &'static str> {
        self.refuse_beyond(who, account, self.united(&self.held(account, user), user))
    }

    /// Whether a member of an account is hidden from an actor: who owns an account above is, from
    /// who manages it (R-INV-10).
    fn hides(&self, who: &Who, account: &str, member: &str) -> bool {
        let Who::User(user, home) = who else {
            return false;
        };
        let from_inside = home == account && self.acts_by(home, user) == [home.as_str()];
        from_inside
            && user != member
            && self
                .line(account)
                .iter()
                .skip(1)
                .any(|above| self.accounts[above].owner == member)
    }

    /// Whether an actor sees a user who acts in an account from above (R-INV-10).
    fn sees_those_above(&self, who: &Who, user: &str) -> bool {
        match who {
            Who::System => true,
            Who::User(actor, home) => {
                actor == user || self.permissions(home, actor) & bit("accounts.team") != 0
            }
        }
    }

    /// Whether an actor sees a user in any account at all.
    fn sees(&self, who: &Who, user: &str) -> bool {
        let Who::User(actor, home) = who else {
            return true;
        };
        if self.permissions(home, actor) & bit("accounts.team") == 0 {
            return actor == user
                || (self.accounts[home].members.contains_key(user)
                    && !self.hides(who, home, user));
        }
        actor == user
            || self
                .accounts
                .iter()
                .any(|(id, account)| account.members.contains_key(user) && self.is_within(id, home))
    }

    fn account(&mut self, id: &str) -> Result<&mut Account, &'static str> {
        self.accounts.get_mut(id).ok_or("not_found")
    }

    fn usable_package(&self, id: &str) -> Result<(), &'static str> {
        match self.packages.get(id) {
            None => Err("not_found"),
            Some(package) if package.retired => Err("package_retired"),
            Some(_) => Ok(()),
        }
    }

    /// An account leaves those above it, and keeps what it inherited from them.
    fn detach(&mut self, child: &str) {
        for above in self.line(child).into_iter().skip(1) {
            let from = self.accounts[&above].clone();
            let account = self.accounts.get_mut(child).unwrap();
            if account.package.is_some() {
                break;
            }
            for (own, inherited) in account.overrides.iter_mut().zip(from.overrides) {
                *own = own.or(inherited);
            }
            account.package = from.package;
        }
        self.accounts.get_mut(child).unwrap().parent = None;
    }

    fn drop_member(&mut self, account: &str, user: &str) -> bool {
        self.accounts.get_mut(account).unwrap().members.remove(user);
        let last = !self
            .accounts
            .values()
            .any(|account| account.members.contains_key(user));
        if last {
            self.users.remove(user);
            self.gone.insert(user.to_owned());
        }
        last
    }

    fn new_user(&mut self, user: &str) -> Result<(), &'static str> {
        if self.users.contains_key(user) {
            return Err("email_taken");
        }
        if self.gone.contains(user) {
            return Err("id_taken");
        }
        self.users.insert(user.to_owned(), false);
        Ok(())
    }

    fn run(&mut self, who: &Who, operation: &str, request: &Value) -> Said {
        let before = self.clone();
        let said = self.try_run(who, operation, request);
        if said.is_err() {
            *self = before;
        }
        said
    }

    fn try_run(&mut self, who: &Who, operation: &str, request: &Value) -> Said {
        let text = |key: &str| request[key].as_str().unwrap_or_default().to_owned();
        let (id, user) = (text("account"), text("user"));
        let permission = match operation {
            "accounts.get" => Some("accounts.view"),
            "accounts.edit" | "accounts.hold" => Some("accounts.edit"),
            "accounts.close" => Some("accounts.close"),
            "members.get" | "access.check" => Some("users.view"),
            "members.set_role" => Some("users.edit_role"),
            "members.remove" => Some("users.revoke_account"),
            "members.disable" | "members.enable" => Some("users.disable"),
            "usage.get" => Some("limits.view"),
            "sending.admit" => Some("campaigns.send"),
            _ => None,
        };
        self.authorise(who, permission, &id)?;
        if operation.starts_with("members.") && self.hides(who, &id, &user) {
            return Err("not_found");
        }
        let now_ms = self.now_ms;
        match operation {
            "accounts.create" => {
                let id = text("id");
                let owner = request["owner"]["user"].as_str().unwrap().to_owned();
                if request["owner"].get("email").is_some() {
                    self.new_user(&owner)?;
                } else if !self.users.contains_key(&owner) {
                    return Err("not_found");
                }
                if self.accounts.contains_key(&id) || self.gone.contains(&id) {
                    return Err("id_taken");
                }
                let parent = request["parent"].as_str().map(str::to_owned);
                if parent
                    .as_ref()
                    .is_some_and(|parent| !self.accounts.contains_key(parent))
                {
                    return Err("not_found");
                }
                let depth = parent.as_ref().map_or(0, |parent| self.line(parent).len());
                if parent.is_some() && depth >= self.depth {
                    return Err("depth_exceeded");
                }
                let package = request["package"].as_str().map(str::to_owned);
                if let Some(package) = &package {
                    self.usable_package(package)?;
                }
                let zone = ZONES
                    .iter()
                    .find(|(name, _)| request["time_zone"] == *name)
                    .unwrap();
                let account = Account {
                    parent,
                    owner: owner.clone(),
                    package,
                    overrides: limits_of(&request["limits"]),
                    ahead_ms: zone.1,
                    pending: request["pending"] == true,
                    next_hold: 1,
                    ..Account::default()
                };
                self.accounts.insert(id.clone(), account);
                self.join(&id, &owner, None, None)?;
                Ok(json!({"id": id, "owner": owner, "children": 0}))
            }
            "accounts.get" => {
                self.account(&id)?;
                let children = self
                    .accounts
                    .values()
                    .filter(|account| account.parent.as_ref() == Some(&id))
                    .count();
                let status = self
                    .status(&id)
                    .map_or("active", |code| code.strip_prefix("account_").unwrap());
                Ok(
                    json!({"id": id, "owner": self.accounts[&id].owner, "status": status,
                        "children": children}),
                )
            }
            "accounts.delete" => {
                self.account(&id)?;
                let mut doomed = vec![id.clone()];
                let children = |of: &str, model: &Model| -> Vec<String> {
                    model
                        .accounts
                        .iter()
                        .filter(|(_, account)| account.parent.as_deref() == Some(of))
                        .map(|(id, _)| id.clone())
                        .collect()
                };
                let below = children(&id, self);
                match request["children"].as_str() {
                    None if !below.is_empty() => return Err("children_left"),
                    Some("delete") => {
                        let mut at = 0;
                        while at < doomed.len() {
                            doomed.extend(children(&doomed[at], self));
                            at += 1;
                        }
                    }
                    _ => below.iter().for_each(|child| self.detach(child)),
                }
                let mut users = 0;
                for id in &doomed {
                    for user in self.accounts[id].members.clone().into_keys() {
                        users += u64::from(self.drop_member(id, &user));
                    }
                    self.accounts.remove(id);
                    self.gone.insert(id.clone());
                }
                Ok(json!({"accounts": doomed.len(), "users": users}))
            }
            "accounts.edit" => {
                let old = self.account(&id)?.package.clone();
                if *who != Who::System
                    && (request.get("package").is_some() || request["without_package"] == true)
                {
                    return Err("actor_not_allowed");
                }
                if let Some((_, ahead_ms)) =
                    ZONES.iter().find(|(name, _)| request["time_zone"] == *name)
                {
                    self.account(&id)?.ahead_ms = *ahead_ms;
                }
                let new = match request["package"].as_str() {
                    Some(package) => Some(package.to_owned()),
                    None if request["without_package"] == true => None,
                    None => old.clone(),
                };
                if let (Some(package), true) = (&new, new != old) {
                    self.usable_package(package)?;
                }
                self.account(&id)?.package = new;
                Ok(json!({ "id": id }))
            }
            "accounts.hold" => {
                let reason = text("reason");
                let account = self.account(&id)?;
                if matches!(who, Who::User(_, home) if *home == id) && reason != "owner_request" {
                    return Err("permission_denied");
                }
                // One for each reason and place that it comes from.
                let placed = match who {
                    Who::System => Who::System,
                    Who::User(_, home) => Who::User(String::new(), home.clone()),
                };
                let hold = (reason, placed);
                if account.holds.iter().all(|(_, other)| *other != hold) {
                    account.holds.push((account.next_hold, hold));
                    account.next_hold += 1;
                }
                Ok(json!({ "id": id }))
            }
            "accounts.release" => {
                let hold = request["hold"].as_u64().unwrap();
                let account = self.account(&id)?;
                let before = account.holds.len();
                account.holds.retain(|(other, _)| *other != hold);
                if account.holds.len() == before {
                    return Err("not_found");
                }
                Ok(json!({ "id": id }))
            }
            "accounts.close" => {
                self.account(&id)?.closed_at_ms.get_or_insert(now_ms);
                Ok(json!({"id": id, "status": "closed"}))
            }
            "accounts.reopen" => {
                let account = self.account(&id)?;
                let closed_at_ms = account.closed_at_ms.ok_or("account_not_closed")?;
                if now_ms.saturating_sub(closed_at_ms) >= GRACE_MS {
                    return Err("grace_over");
                }
                account.closed_at_ms = None;
                Ok(json!({ "id": id }))
            }
            "accounts.activate" => {
                let account = self.account(&id)?;
                if account.closed_at_ms.is_some() {
                    return Err("account_closed");
                }
                account.holds.retain(|(_, (reason, _))| reason != "admin");
                account.pending = false;
                Ok(json!({ "id": id }))
            }
            "limits.set" | "limits.inherit" => {
                let at = LIMITS
                    .iter()
                    .position(|name| request["limit"] == *name)
                    .unwrap();
                self.account(&id)?.overrides[at] = request.get("value").map(limit_of);
                let (limit, source) = self.limit(&id, at);
                let smallest = self
                    .line(&id)
                    .iter()
                    .map(|id| self.limit(id, at).0)
                    .min()
                    .unwrap();
                let mut limits = vec![json!({}); 19];
                limits[LISTED_AT[at]] = json!({"limit": LIMITS[at], "value": shown(limit),
                    "source": source, "smallest": shown(smallest)});
                Ok(json!({ "limits": limits }))
            }
            "limits.set_default" => {
                let at = LIMITS
                    .iter()
                    .position(|name| request["limit"] == *name)
                    .unwrap();
                self.defaults[at] = Some(limit_of(&request["value"]));
                Ok(json!({}))
            }
            "packages.edit" => {
                let role = request["role"].as_str().map(str::to_owned);
                let package = self.packages.get_mut(&text("package")).ok_or("not_found")?;
                for (limit, given) in package.limits.iter_mut().zip(limits_of(&request["limits"])) {
                    *limit = given.or(*limit);
                }
                package.role = role;
                Ok(json!({}))
            }
            "packages.retire" => {
                self.packages
                    .get_mut(&text("package"))
                    .ok_or("not_found")?
                    .retired = true;
                Ok(json!({"retired": true}))
            }
            "roles.edit" => {
                let role = self.roles.get_mut(&text("role")).ok_or("not_found")?;
                role.allow = request["allow"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|grant| bit(grant["permission"].as_str().unwrap()))
                    .sum();
                role.deny = request["deny"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|denied| bit(denied.as_str().unwrap()))
                    .sum();
                Ok(json!({}))
            }
            "members.add" => {
                self.account(&id)?;
                if request.get("email").is_some() {
                    self.new_user(&user)?;
                } else if !self.users.contains_key(&user) {
                    return Err("not_found");
                }
                if self.account(&id)?.members.contains_key(&user) {
                    return Err("already_member");
                }
                self.join(&id, &user, Some(text("role")), request["group"].as_str())?;
                Ok(self.shown(&id, &user))
            }
            "members.get" => {
                if !self.account(&id)?.members.contains_key(&user) {
                    return Err("not_found");
                }
                Ok(self.shown(&id, &user))
            }
            "members.set_role" => {
                let role = text("role");
                let Some(member) = self.account(&id)?.members.get(&user).cloned() else {
                    return Err("not_found");
                };
                if self.accounts[&id].owner == user {
                    return Err("owner_transfer_required");
                }
                self.refuse_stronger(who, &id, &user)?;
                self.refuse_beyond(who, &id, self.roles[&role].permissions())?;
                let group = match self.accounts[&id].owner == user {
                    true => None,
                    false => self.group_for(Some(&role), None, member.group.as_deref())?,
                };
                self.account(&id)?.members.insert(
                    user.clone(),
                    Member {
                        role: Some(role),
                        group,
                        ..member
                    },
                );
                Ok(self.shown(&id, &user))
            }
            "members.remove" => {
                let account = self.account(&id)?;
                if !account.members.contains_key(&user) {
                    return Err("not_found");
                }
                if account.owner == user {
                    return Err("owner_transfer_required");
                }
                self.refuse_stronger(who, &id, &user)?;
                let gone = self.drop_member(&id, &user);
                // Whether they are in accounts of others is nobody's business.
                Ok(json!({ "user_deleted": gone || !self.sees(who, &user) }))
            }
            "members.disable" | "members.enable" => {
                if !self.account(&id)?.members.contains_key(&user) {
                    return Err("not_found");
                }
                if matches!(who, Who::User(own, _) if *own == user) {
                    return Err("self_forbidden");
                }
                self.refuse_stronger(who, &id, &user)?;
                let before = self.clone();
                self.account(&id)?.members.get_mut(&user).unwrap().disabled =
                    operation == "members.disable";
                self.refuse_without_seats(&before)?;
                Ok(self.shown(&id, &user))
            }
            "users.disable" | "users.enable" => {
                let disabled = operation == "users.disable";
                let before = self.clone();
                *self.users.get_mut(&user).ok_or("not_found")? = disabled;
                self.refuse_without_seats(&before)?;
                Ok(json!({"id": user, "disabled": disabled}))
            }
            "access.check" => {
                self.account(&id)?;
                let held = self.permissions(&id, &user)
                    & bit(request["permission"].as_str().unwrap())
                    != 0;
                let seen = !self.hides(who, &id, &user)
                    && (self.enabled(&id, &user).contains(&id)
                        || self.sees_those_above(who, &user));
                Ok(json!({"allowed": held && self.member_refusal(&id, &user).is_none() && seen}))
            }
            "usage.get" => {
                self.account(&id)?;
                Ok(self.usage(&id))
            }
            "sending.admit" => {
                self.account(&id)?;
                let count = request["count"].as_u64().unwrap();
                let named = request["user"].as_str();
                match who {
                    Who::User(user, _) if named.is_some_and(|named| named != user) => {
                        Err("permission_denied")
                    }
                    Who::User(user, _) => Ok(self.admit(&id, Some(user), count)),
                    Who::System => Ok(self.admit(&id, named, count)),
                }
            }
            "clock.set" => {
                self.now_ms = request["now_ms"].as_u64().unwrap();
                Ok(json!({"now_ms": self.now_ms}))
            }
            other => unreachable!("the model does not know {other}"),
        }
    }

    /// A member as `members.get` and `members.list` show them.
    fn shown(&self, account: &str, user: &str) -> Value {
        let (owner, member) = (
            self.accounts[account].owner == user,
            &self.accounts[account].members[user],
        );
        let administrator = member
            .role
            .as_ref()
            .is_some_and(|role| self.roles[role].administrator);
        let mut shown = json!({
            "account": account, "user": user, "owner": owner, "administrator": administrator,
                "disabled": member.disabled || self.users[user],
            "role": member.role, "group": member.group,
        });
        shown
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        shown
    }
}

fn shown(limit: u64) -> Value {
    if limit == UNLIMITED {
        "unlimited".into()
    } else {
        limit.into()
    }
}

fn limit_of(value: &Value) -> u64 {
    value.as_u64().unwrap_or(UNLIMITED)
}

fn limits_of(limits: &Value) -> [Option<u64>; 4] {
    LIMITS.map(|name| limits.get(name).map(limit_of))
}

// ---- Random requests.

fn random_limit(dice: &mut Dice) -> Value {
    match dice.roll(12) {
        0 => 0.into(),
        1..4 => "unlimited".into(),
        4..7 => dice.roll(2000).into(),
        _ => dice.roll(80).into(),
    }
}

fn random_limits(dice: &mut Dice) -> Value {
    let mut limits = json!({});
    for name in &LIMITS[..WINDOWS] {
        if dice.roll(2) == 0 {
            limits[name] = random_limit(dice);
        }
    }
    if dice.roll(6) == 0 {
        limits["seats"] = dice.roll(12).into();
    }
    limits
}

fn random_permissions(dice: &mut Dice, one_in: u64) -> Vec<&'static str> {
    PERMISSIONS
        .into_iter()
        .filter(|_| dice.roll(one_in) == 0)
        .collect()
}

/// A request that the model knows, more often for what exists than for what does not.
fn random_request(dice: &mut Dice, model: &Model, who: &Who) -> (&'static str, Value) {
    let account = match who {
        Who::User(_, home) if dice.roll(4) > 0 => {
            // Often one below: that is where an owner reaches and nobody else does.
            let below: Vec<&String> = model
                .accounts
                .iter()
                .filter(|(_, account)| account.parent.as_ref() == Some(home))
                .map(|(id, _)| id)
                .collect();
            if below.is_empty() || dice.roll(3) == 0 {
                home.clone()
            } else {
                one_of(dice, &below).clone()
            }
        }
        _ => known(dice, &model.accounts, 'a'),
    };
    let user = match model.accounts.get(&account) {
        Some(account) if dice.roll(4) > 0 => known(dice, &account.members, 'u'),
        _ => known(dice, &model.users, 'u'),
    };
    let role = one_of(dice, &ROLES[..4]);
    let given = one_of(dice, &ROLES);
    let limit = one_of(dice, &LIMITS);
    let there = json!({ "account": account });
    let member = json!({"account": account, "user": user});
    match dice.roll(100) {
        0..4 => {
            let mut owner = json!({"user": known(dice, &model.users, 'u')});
            if dice.roll(2) == 0 {
                let user = id(dice, 'u', 60);
                owner = json!({"user": user, "email": format!("{user}@example.com")});
            }
            let mut request = json!({"id": id(dice, 'a', 60), "name": "An account", "owner": owner,
                "time_zone": one_of(dice, &ZONES).0});
            if dice.roll(2) == 0 {
                request["parent"] = account.into();
            }
            if dice.roll(3) > 0 {
                request["package"] = id(dice, 'p', 4).into();
            }
            if dice.roll(3) == 0 {
                request["limits"] = random_limits(dice);
            }
            request["pending"] = (dice.roll(8) == 0).into();
            ("accounts.create", request)
        }
        4 if dice.roll(2) == 0 => {
            let mut request = there;
            if dice.roll(3) > 0 {
                request["children"] = one_of(dice, &["delete", "detach"]).into();
            }
            ("accounts.delete", request)
        }
        4..8 => {
            let mut request = there;
            match dice.roll(4) {
                0 => request["without_package"] = true.into(),
                1 => request["package"] = id(dice, 'p', 5).into(),
                _ => request["time_zone"] = one_of(dice, &ZONES).0.into(),
            }
            ("accounts.edit", request)
        }
        8..10 => (
            "accounts.hold",
            json!({"account": account, "reason": one_of(dice, &["admin", "billing",
                "owner_request"])}),
        ),
        10..19 => {
            let holds = model
                .accounts
                .get(&account)
                .map(|account| account.holds.clone())
                .unwrap_or_default();
            let hold = if holds.is_empty() {
                dice.roll(4)
            } else {
                one_of(dice, &holds).0
            };
            (
                "accounts.release",
                json!({"account": account, "hold": hold}),
            )
        }
        19 if dice.roll(2) == 0 => ("accounts.close", there),
        19..24 => ("accounts.reopen", there),
        24..26 => ("accounts.activate", there),
        26 => ("accounts.get", there),
        27 if dice.roll(2) == 0 => (
            "limits.set",
            json!({"account": account, "limit": "seats", "value": 1 + dice.roll(10)}),
        ),
        27..30 => (
            "limits.set",
            json!({"account": account, "limit": one_of(dice, &LIMITS[..WINDOWS]),
                "value": random_limit(dice)}),
        ),
        30..32 => (
            "limits.inherit",
            json!({"account": account, "limit": limit}),
        ),
        32 => (
            "limits.set_default",
            json!({"limit": one_of(dice, &LIMITS[..WINDOWS]), "value": random_limit(dice)}),
        ),
        33..35 => {
            let mut request = json!({"package": id(dice, 'p', 5), "limits": random_limits(dice)});
            if dice.roll(2) == 0 {
                request["role"] = role.into();
            } else {
                request["without_role"] = true.into();
            }
            ("packages.edit", request)
        }
        35 if dice.roll(20) == 0 => ("packages.retire", json!({"package": id(dice, 'p', 5)})),
        35..38 => {
            let allow: Vec<Value> = random_permissions(dice, 2)
                .into_iter()
                .map(|permission| json!({ "permission": permission }))
                .collect();
            (
                "roles.edit",
                json!({"role": role, "allow": allow, "deny": random_permissions(dice, 8)}),
            )
        }
        38..44 => {
            let mut request =
                json!({"account": account, "user": known(dice, &model.users, 'u'), "role": given});
            if dice.roll(6) == 0 {
                request["group"] = one_of(dice, &["default", "default", "no-group"]).into();
            }
            if dice.roll(2) == 0 {
                let user = id(dice, 'u', 60);
                request["email"] = format!("{user}@example.com").into();
                request["user"] = user.into();
            }
            ("members.add", request)
        }
        44..46 => ("members.get", member),
        46..52 => (
            "members.set_role",
            json!({"account": account, "user": user, "role": given}),
        ),
        52..54 => ("members.remove", member),
        54..57 => ("members.disable", member),
        57..62 => ("members.enable", member),
        62 => ("users.disable", json!({ "user": user })),
        63..65 => ("users.enable", json!({ "user": user })),
        65..70 => (
            "access.check",
            json!({"account": account, "user": user, "permission": one_of(dice, &PERMISSIONS)}),
        ),
        70..74 => ("usage.get", there),
        74..77 => {
            let by = one_of(
                dice,
                &[1, 1000, HOUR_MS / 3, HOUR_MS, HOUR_MS, DAY_MS, 12 * DAY_MS],
            );
            let now_ms = if dice.roll(5) == 0 {
                model.now_ms - dice.roll(2 * by + 1)
            } else {
                model.now_ms + dice.roll(2 * by + 1)
            };
            ("clock.set", json!({ "now_ms": now_ms }))
        }
        _ => {
            let most = one_of(dice, &[2, 2, 12, 60]);
            let mut request = json!({"account": account, "count": 1 + dice.roll(most)});
            if dice.roll(3) > 0 {
                request["user"] = user.into();
            }
            ("sending.admit", request)
        }
    }
}

fn random_actor(dice: &mut Dice, model: &Model) -> Who {
    if dice.roll(3) > 0 {
        return Who::System;
    }
    let account = known(dice, &model.accounts, 'a');
    // A member, or one of the account above, or anybody.
    let from = match dice.roll(8) {
        0 => None,
        1 | 2 => model
            .accounts
            .get(&account)
            .and_then(|there| there.parent.as_ref())
            .and_then(|above| model.accounts.get(above)),
        _ => model.accounts.get(&account),
    };
    match from {
        Some(there) if dice.roll(3) == 0 => Who::User(there.owner.clone(), account),
        Some(there) => Who::User(known(dice, &there.members, 'u'), account),
        None => Who::User(known(dice, &model.users, 'u'), account),
    }
}

/// One random walk through store and model.
struct Walk {
    seed: u64,
    dice: Dice,
    store: Tenantry,
    model: Model,
    senders: HashMap<(String, Option<String>), Sender>,
    last: VecDeque<String>,
    /// How often each operation ended how.
    ends: BTreeMap<(&'static str, String), u64>,
}

impl Walk {
    fn new(seed: u64, path: &str) -> Walk {
        let store = Tenantry::open_json(path, &options(start_ms())).unwrap();
        let mut model = Model {
            now_ms: start_ms(),
            depth: 2,
            ..Model::default()
        };
        model.depth = 3;
        must(
            &store,
            "policies.set",
            json!({"policies": {"depth": model.depth}}),
        );
        for role in &ROLES[..4] {
            must(
                &store,
                "roles.create",
                json!({"id": role, "name": role, "allow": [{"permission": "campaigns.send"}]}),
            );
            model.roles.insert(
                (*role).to_owned(),
                Role {
                    allow: bit("campaigns.send"),
                    ..Role::default()
                },
            );
        }
        let all_of_administrators = EVERYTHING
            & !(OTHERS_OF_ADMINISTRATORS << 1)
            & !bit("accounts.close")
            & !bit("accounts.team");
        model.roles.insert(
            ADMINISTRATOR.to_owned(),
            Role {
                allow: all_of_administrators,
                deny: 0,
                administrator: true,
            },
        );
        for package in ["p0", "p1", "p2", "p3"] {
            must(
                &store,
                "packages.create",
                json!({"id": package, "name": package}),
            );
            model
                .packages
                .insert(package.to_owned(), Package::default());
        }
        Walk {
            seed,
            dice: Dice::new(seed),
            store,
            model,
            senders: HashMap::new(),
            last: VecDeque::new(),
            ends: BTreeMap::new(),
        }
    }

    fn step(&mut self) {
        let who = random_actor(&mut self.dice, &self.model);
        let (operation, request) = random_request(&mut self.dice, &self.model, &who);
        // What these let users do depends on holds, teams and policies: the scenarios show it, the
        // model knows the host's part.
        let who = if OF_THE_HOST.contains(&operation) {
            Who::System
        } else {
            who
        };
        self.last
            .push_back(format!("{who:?} {operation} {request}"));
        if self.last.len() > 12 {
            self.last.pop_front();
        }
        let said = self.model.run(&who, operation, &request);
        let answered = match (operation, &who) {
            ("sending.admit", Who::System) if self.dice.roll(2) == 0 => {
                self.admit_prepared(&request)
            }
            _ => call(&self.store, &who, operation, &request)
                .map_err(|error| error["code"].as_str().unwrap().to_owned()),
        };
        match (&said, &answered) {
            (Ok(said), Ok(answer)) if operation == "sending.admit" => self.agree(said, answer),
            (Ok(said), Ok(answer)) => self.agree(said, &only_what_was_said(said, answer)),
            (Err(said), Err(code)) if said == code => {}
            _ => self.fail(&format!("the model says {said:?}, the store {answered:?}")),
        }
        let end = match &said {
            Ok(said) => said["refusal"]["code"].as_str().unwrap_or("ok"),
            Err(code) => code,
        };
        *self.ends.entry((operation, end.to_owned())).or_default() += 1;
        self.compare_check_with_operation();
    }

    /// What a check answers is what the operation does, from one of the accounts that the user can
    /// come from (R-ROL-9): also while accounts on the way are on hold or closed.
    fn compare_check_with_operation(&mut self) {
        let account = known(&mut self.dice, &self.model.accounts, 'a');
        if !self.model.accounts.contains_key(&account) {
            return;
        }
        let line = self.model.line(&account);
        // Whoever is a member somewhere on the way.
        let from = &self.model.accounts[&one_of(&mut self.dice, &line)];
        let user = known(&mut self.dice, &from.members, 'u');
        let (permission, operation) = one_of(
            &mut self.dice,
            &[
                ("accounts.view", "accounts.get"),
                ("users.view", "members.list"),
                ("limits.view", "usage.get"),
            ],
        );
        let check = json!({"account": account, "user": user, "permission": permission});
        let allowed = must(&self.store, "access.check", check)["allowed"] == true;
        let there = json!({ "account": account });
        let passes = |home: &String| {
            let who = Who::User(user.clone(), home.clone());
            call(&self.store, &who, operation, &there).is_ok()
        };
        let done = line.iter().any(passes);
        if allowed != done {
            self.fail(&format!(
                "{user} in {account}: the check of {permission} says {allowed}, {operation} {done}"
            ));
        }
        let on_hold = self.model.status(&account).is_some();
        let end = match (allowed, on_hold) {
            (true, true) => "done while on hold",
            (true, false) => "done",
            (false, _) => "not done",
        };
        let end = ("access.check", end.to_owned());
        *self.ends.entry(end).or_default() += 1;
    }

    /// Through a handle that was prepared when the account and the user were first seen.
    fn admit_prepared(&mut self, request: &Value) -> Result<Value, String> {
        let key = (
            request["account"].as_str().unwrap().to_owned(),
            request["user"].as_str().map(str::to_owned),
        );
        let count = request["count"].as_u64().unwrap();
        let decided = match self.senders.get(&key) {
            Some(sender) => sender.admit(count),
            None => self
                .store
                .sender(&key.0, key.1.as_deref())
                .and_then(|sender| self.senders.entry(key).or_insert(sender).admit(count)),
        };
        decided
            .map(|decision| serde_json::to_value(decision).unwrap())
            .map_err(|error| error.code().name().to_owned())
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

    /// Everything that must hold between any two steps.
    fn check(&mut self) {
        for id in self.model.accounts.clone().keys() {
            let members = must(
                &self.store,
                "members.list",
                json!({"account": id, "limit": 500}),
            )["members"]
                .clone();
            let said: Vec<Value> = self.model.accounts[id]
                .members
                .keys()
                .map(|user| self.model.shown(id, user))
                .collect();
            if members.as_array().unwrap().len() != said.len() {
                self.fail(&format!(
                    "`{id}` has the members {members}, the model says {said:?}"
                ));
            }
            let said = Value::from(said);
            self.agree(&said, &only_what_was_said(&said, &members));
            let members = members.as_array().unwrap();
            let owners = members
                .iter()
                .filter(|member| member["owner"] == true)
                .count();
            // R-TEA-2, R-GRP-2, whatever the model says.
            let grouped = |member: &Value| {
                member.get("group").is_some()
                    == (member["owner"] == false && member["administrator"] == false)
            };
            if owners != 1 || !members.iter().all(grouped) {
                self.fail(&format!(
                    "`{id}` has {owners} owners, or somebody is in a wrong group: {members:?}"
                ));
            }
            let said = self.model.usage(id);
            let answer = must(&self.store, "usage.get", json!({ "account": id }));
            self.agree(&said, &only_what_was_said(&said, &answer));
        }
        let verified = must(&self.store, "store.verify", json!({}));
        assert_eq!(verified["whole"], true, "walk {}: {verified}", self.seed);
    }

    fn reopen(&mut self, path: &str) {
        self.senders.clear();
        self.store.close().unwrap();
        self.store = Tenantry::open_json(path, &options(self.model.now_ms)).unwrap();
        self.last.push_back("reopen".to_owned());
    }
}

const OF_THE_HOST: [&str; 8] = [
    "accounts.activate",
    "accounts.delete",
    "accounts.release",
    "accounts.reopen",
    "members.add",
    "roles.edit",
    "users.disable",
    "users.enable",
];

fn options(now_ms: u64) -> Vec<u8> {
    json!({"clock": {"manual_ms": now_ms}, "seed": 1, "durability": "relaxed", "cache_mib": 8})
        .to_string()
        .into_bytes()
}

/// R-TEA-2, R-GRP-2, R-INV-9, R-PKG-3, R-QTA-1, R-ROL-5 to 7: what the model says is what the store
/// answers, whoever asks; and with that each account has one owner, each plain member one group and
/// no administrator any, nobody gives or changes more than they hold, no seat is taken twice, no
/// grant passes a limit of the account or above, and what is used is the sum of the grants.
/// `store.verify` adds that nothing names what is not there.
#[test]
fn random_operations_answer_as_the_model_says() {
    let mut dice = Dice::of_test("random_operations_answer_as_the_model_says");
    let mut ends: BTreeMap<(&str, String), u64> = BTreeMap::new();
    let fresh: Vec<u64> = (0..count("TENANTRY_RUNS", 80))
        .map(|_| dice.number())
        .collect();
    for seed in REGRESSIONS.iter().copied().chain(fresh) {
        let mut walk = Walk::new(seed, ":memory:");
        for _ in 0..15 {
            (0..100).for_each(|_| walk.step());
            walk.check();
        }
        for (end, times) in walk.ends {
            *ends.entry(end).or_default() += times;
        }
    }
    println!("{ends:?}");
    let operations: BTreeSet<&str> = ends.keys().map(|(operation, _)| *operation).collect();
    for operation in operations {
        assert!(
            ends.contains_key(&(operation, "ok".to_owned())),
            "no walk saw `{operation}` succeed"
        );
    }
    let on_hold = ends.get(&("access.check", "done while on hold".to_owned()));
    assert!(
        on_hold.is_some_and(|times| *times >= 100),
        "the walks hardly saw anybody act in an account on hold: {on_hold:?}"
    );
    let sends = |end: &str| {
        ends.get(&("sending.admit", end.to_owned()))
            .copied()
            .unwrap_or_default()
    };
    for end in [
        "ok",
        "quota_exceeded",
        "exceeds_limit",
        "permission_denied",
        "account_suspended",
    ] {
        assert!(
            sends(end) >= 100,
            "the walks are not worth their time: {} sends ended in `{end}`",
            sends(end)
        );
    }
    let ended: BTreeSet<&str> = ends.keys().map(|(_, end)| end.as_str()).collect();
    for end in [
        "escalation_refused",
        "seats_exhausted",
        "admin_has_no_group",
        "depth_exceeded",
        "owner_transfer_required",
        "not_found",
    ] {
        assert!(
            ended.contains(end),
            "the walks are not worth their time: none met `{end}`"
        );
    }
}

/// The same on disk, closed and opened again in between: nothing is forgotten, and a clean close
/// gives every block back.
#[test]
fn a_store_on_disk_that_is_opened_again_answers_as_the_model_says() {
    let mut dice = Dice::of_test("a_store_on_disk_that_is_opened_again_answers_as_the_model_says");
    for _ in 0..count("TENANTRY_RUNS", 3) {
        let scratch = Scratch::new("properties");
        let path = scratch.at("store").to_str().unwrap().to_owned();
        let mut walk = Walk::new(dice.number(), &path);
        for _ in 0..8 {
            (0..120).for_each(|_| walk.step());
            walk.reopen(&path);
            walk.check();
        }
    }
}

// ---- Threads that fight for the last unit.

/// Eight threads take what they can get from these senders; answers how much was granted.
fn hammer(dice: &mut Dice, senders: &[Sender]) -> u64 {
    let granted = AtomicU64::new(0);
    let together = Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let (granted, together, mut dice) = (&granted, &together, Dice::new(dice.number()));
            scope.spawn(move || {
                together.wait();
                let mut open: Vec<&Sender> = senders.iter().collect();
                while !open.is_empty() {
                    let at = dice.roll(open.len() as u64) as usize;
                    let count = 1 + dice.roll(4);
                    let decision = admit(open[at], count);
                    granted.fetch_add(decision.granted, Ordering::Relaxed);
                    if decision.granted == 0 && count == 1 {
                        open.swap_remove(at);
                    } else {
                        assert!(
                            decision.granted == count || decision.granted == 0,
                            "{count} were asked for: {decision:?}"
                        );
                    }
                }
            });
        }
    });
    granted.into_inner()
}

fn admit(sender: &Sender, count: u64) -> Decision {
    let decision = sender
        .admit(count)
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(decision.granted == 0, decision.refusal.is_some());
    if let Some(refusal) = &decision.refusal {
        assert!(
            matches!(refusal.code, Code::QuotaExceeded | Code::ExceedsLimit),
            "{refusal:?}"
        );
    }
    decision
}

fn used(store: &Tenantry, account: &str) -> u64 {
    must(store, "usage.get", json!({ "account": account }))["windows"][1]["used"]
        .as_u64()
        .unwrap()
}

fn fight(dice: &mut Dice, path: &str) {
    let options = json!({"clock": {"manual_ms": start_ms()}, "seed": 1}).to_string();
    let store = Tenantry::open_json(path, options.as_bytes()).unwrap();
    let owner = |user: &str| json!({"user": user, "email": format!("{user}@example.com")});
    let limit = 20_000 + dice.roll(10_000);

    must(
        &store,
        "accounts.create",
        json!({"id": "one", "name": "One", "owner": owner("ann"),
            "limits": {"email_per_day": limit}}),
    );
    let senders = [
        store.sender("one", None).unwrap(),
        store.sender("one", Some("ann")).unwrap(),
    ];
    assert_eq!(hammer(dice, &senders), limit, "one account");
    assert_eq!(used(&store, "one"), limit);

    must(
        &store,
        "accounts.create",
        json!({"id": "top", "name": "Top", "owner": owner("tom"),
            "limits": {"email_per_day": limit}}),
    );
    let mut senders = vec![store.sender("top", None).unwrap()];
    let children = ["kid0", "kid1", "kid2", "kid3"];
    for (at, child) in children.iter().enumerate() {
        let mut limits = json!({"email_per_day": "unlimited"});
        if at > 1 {
            limits["email_per_day"] = (limit / 5).into();
        }
        must(
            &store,
            "accounts.create",
            json!({"id": child, "name": child, "parent": "top", "owner": owner(child),
                "limits": limits}),
        );
        senders.push(store.sender(child, None).unwrap());
    }
    assert_eq!(hammer(dice, &senders), limit, "a tree");
    assert_eq!(used(&store, "top"), limit);
    let below: Vec<u64> = children.iter().map(|child| used(&store, child)).collect();
    assert!(
        below.iter().sum::<u64>() <= limit && below[2] <= limit / 5 && below[3] <= limit / 5,
        "{below:?} of {limit}"
    );

    let before: Vec<u64> = ["one", "top"]
        .iter()
        .chain(&children)
        .map(|account| used(&store, account))
        .collect();
    store.close().unwrap();
    if path != ":memory:" {
        let store = Tenantry::open_json(path, options.as_bytes()).unwrap();
        let after: Vec<u64> = ["one", "top"]
            .iter()
            .chain(&children)
            .map(|account| used(&store, account))
            .collect();
        assert_eq!(after, before, "after closing and opening again");
        assert_eq!(store.admit("one", None, 1).unwrap().granted, 0);
        assert_eq!(store.admit("kid0", None, 1).unwrap().granted, 0);
    }
}

/// R-QTA-1: two calls at once never pass a limit together, and the last unit is sold, once.
#[test]
fn the_last_unit_is_sold_exactly_once_in_memory() {
    let mut dice = Dice::of_test("the_last_unit_is_sold_exactly_once_in_memory");
    for _ in 0..count("TENANTRY_RUNS", 20) {
        fight(&mut dice, ":memory:");
    }
}

#[test]
fn the_last_unit_is_sold_exactly_once_on_disk() {
    let mut dice = Dice::of_test("the_last_unit_is_sold_exactly_once_on_disk");
    let scratch = Scratch::new("properties");
    fight(&mut dice, scratch.at("store").to_str().unwrap());
}

// ---- Users who ask for what is not theirs.

/// A platform with two teams; `ann` owns and `adam` administers the first, `ben` and `beth` are of
/// the second.
fn two_teams(store: &Tenantry) {
    must(
        store,
        "roles.create",
        json!({"id": "admin", "name": "Admin", "allow": [
        {"permission": "users"}, {"permission": "accounts"}, {"permission": "campaigns"},
            {"permission": "limits"}, {"permission": "roles"}]}),
    );
    must(
        store,
        "packages.create",
        json!({"id": "small", "name": "Small", "limits": {"email_per_day": 100}}),
    );
    for (account, parent, owner, member) in [
        ("alpha", None, "ann", "adam"),
        ("beta", None, "ben", "beth"),
        ("alpha-kid", Some("alpha"), "aki", "ada"),
        ("beta-kid", Some("beta"), "bo", "bea"),
    ] {
        let mut request = json!({"id": account, "name": account, "package": "small",
            "owner": {"user": owner, "email": format!("{owner}@example.com")}});
        if let Some(parent) = parent {
            request["parent"] = parent.into();
        }
        must(store, "accounts.create", request);
        must(
            store,
            "members.add",
            json!({"account": account, "user": member, "email": format!("{member}@example.com"),
                "role": "admin"}),
        );
    }
    assert_eq!(store.admit("beta", None, 7).unwrap().granted, 7);
}

/// Names of fields that name an account, and a user, whatever the operation; the same in the
/// plural.
const NAMES_AN_ACCOUNT: [&str; 6] = ["account", "parent", "team", "source", "from", "to"];
const NAMES_A_USER: [&str; 6] = [
    "user",
    "owner",
    "successor",
    "resources_to",
    "transfer_to",
    "member",
];

/// Fills requests by their schemas, so that an operation is asked as soon as it is in the
/// catalogue.
struct Filler<'a> {
    dice: Dice,
    /// The whole schema of the request, which holds the definitions of its types.
    schema: &'a Value,
    account: &'a str,
    user: &'a str,
    /// Whether what may be left out is given too.
    whole: bool,
}

impl Filler<'_> {
    fn request(&mut self) -> Value {
        let schema = self.schema;
        self.object(schema)
    }

    fn object(&mut self, schema: &Value) -> Value {
        let required: Vec<&str> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut object = json!({});
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let names_somebody = ["account", "user", "accounts", "users"].contains(&name.as_str());
            if names_somebody || self.whole || required.contains(&name.as_str()) {
                object[name] = self.value(name, field);
            }
        }
        object
    }

    fn value(&mut self, name: &str, schema: &Value) -> Value {
        let schema = self.resolved(schema);
        if let Some(choices) = schema["enum"].as_array() {
            return one_of(&mut self.dice, choices);
        }
        if let Some(choices) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
            let choices: Vec<&Value> = choices
                .iter()
                .filter(|choice| choice["type"] != "null")
                .collect();
            let choice = one_of(&mut self.dice, &choices);
            return choice
                .get("const")
                .cloned()
                .unwrap_or_else(|| self.value(name, choice));
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds
                .iter()
                .find_map(|kind| kind.as_str().filter(|kind| *kind != "null")),
            kind => kind.as_str(),
        };
        match kind {
            Some("object") => self.object(schema),
            Some("array") => {
                let item = self.value(name.strip_suffix('s').unwrap_or(name), &schema["items"]);
                Value::from(vec![item])
            }
            Some("boolean") => (self.dice.roll(2) == 0).into(),
            Some("integer" | "number") => (1 + self.dice.roll(3)).into(),
            Some("string") => self.text(name).into(),
            other => {
                panic!("say here how to fill `{name}`, which is of the type {other:?}: {schema}")
            }
        }
    }

    /// What stands for a text, by the name of its field.
    fn text(&self, name: &str) -> String {
        match name {
            _ if NAMES_AN_ACCOUNT.contains(&name) => self.account.to_owned(),
            _ if NAMES_A_USER.contains(&name) => self.user.to_owned(),
            "role" | "replace_with" => "admin".to_owned(),
            "package" | "move_to" => "small".to_owned(),
            "permission" => "campaigns.send".to_owned(),
            // The address of nobody: one that is known is a user by itself, whom a request may well
            // name.
            "email" | "emails" | "address" | "addresse" => "nobody@nowhere.example".to_owned(),
            "group" => "default".to_owned(),
            "time_zone" => "UTC".to_owned(),
            _ => "campaigns".to_owned(),
        }
    }

    fn resolved<'s>(&self, schema: &'s Value) -> &'s Value
    where
        Self: 's,
    {
        match schema["$ref"]
            .as_str()
            .and_then(|path| path.strip_prefix('#'))
        {
            Some(pointer) => self
                .schema
                .pointer(pointer)
                .unwrap_or_else(|| panic!("the schema has nothing at {pointer}")),
            None => schema,
        }
    }
}

/// Whether an id occurs anywhere in a request.
fn names(request: &Value, id: &str) -> bool {
    match request {
        Value::Array(list) => list.iter().any(|value| names(value, id)),
        Value::Object(object) => object.values().any(|value| names(value, id)),
        other => other == id,
    }
}

/// Sections 2 and 6 of the rules: what belongs to another account answers as what is not there, and
/// is not touched.
///
/// An owner reaches the accounts below; nobody else reaches anything but their own, neither up nor
/// sideways.
#[test]
fn nobody_reads_or_writes_in_the_account_of_another() {
    let mut dice = Dice::of_test("nobody_reads_or_writes_in_the_account_of_another");
    let store = Tenantry::open_json(":memory:", &options(start_ms())).unwrap();
    two_teams(&store);
    let before = must(&store, "store.state_hash", json!({}));
    let all = [
        ("alpha", "ann"),
        ("alpha", "adam"),
        ("beta", "ben"),
        ("beta", "beth"),
        ("alpha-kid", "aki"),
        ("alpha-kid", "ada"),
        ("beta-kid", "bo"),
        ("beta-kid", "bea"),
    ];
    let missing = ("account-of-nobody", "user-of-nobody");
    let schemas: Vec<(&str, Value)> = CATALOGUE
        .iter()
        .map(|entry| (entry.name, (entry.request)().to_value()))
        .collect();
    let mut codes: BTreeMap<String, u64> = BTreeMap::new();
    let mut asked = 0;
    while asked < 10_000 {
        let (operation, schema) = &schemas[dice.roll(schemas.len() as u64) as usize];
        let (own, me) = one_of(
            &mut dice,
            &[
                ("alpha", "ann"),
                ("alpha", "adam"),
                ("alpha-kid", "aki"),
                ("alpha-kid", "ada"),
            ],
        );
        let theirs = one_of(&mut dice, &all);
        if theirs.0 == own || (me == "ann" && theirs.0 == "alpha-kid") {
            continue;
        }
        // Who I am, in which account; which account and which user I name.
        let (shape, whole, seed) = (dice.roll(4), dice.roll(3) == 0, dice.number());
        // Who reaches an account from above is no stranger in it.
        if shape == 2 && (own, theirs.1) == ("alpha-kid", "ann") {
            continue;
        }
        let ask = |(account, user): (&str, &str)| {
            let (home, named_account, named_user) = match shape {
                0 => (own, account, user),
                1 => (own, account, me),
                2 => (own, own, user),
                _ => (account, account, user),
            };
            let request = Filler {
                dice: Dice::new(seed),
                schema,
                account: named_account,
                user: named_user,
                whole,
            }
            .request();
            if !names(&request, account) && !names(&request, user) {
                return None;
            }
            let answer = call(
                &store,
                &Who::User(me.to_owned(), home.to_owned()),
                operation,
                &request,
            );
            // With the names taken out, the answers must be the same, letter by letter.
            let text = format!("{answer:?}")
                .replace(&format!("\"{account}\""), "ACCOUNT")
                .replace(&format!("\"{user}\""), "USER");
            Some((
                text.replace(&format!("`{account}`"), "ACCOUNT")
                    .replace(&format!("`{user}`"), "USER"),
                answer,
                request,
            ))
        };
        let (Some((of_theirs, answer, request)), Some((of_nobody, ..))) =
            (ask(theirs), ask(missing))
        else {
            continue;
        };
        asked += 1;
        assert_eq!(of_theirs, of_nobody, "{me} {operation} {request}");
        match answer {
            Err(error) => {
                *codes
                    .entry(error["code"].as_str().unwrap().to_owned())
                    .or_default() += 1
            }
            // Only what says "no" may be said.
            Ok(answer) => {
                let no = answer["allowed"] == false
                    || answer["would_grant"] == false
                    || answer["refusal"].is_string()
                    || answer["done"] == 0;
                let no = no || answer["api_keys"] == json!([]);
                let no = no || answer["reservations"] == json!([]);
                let results = answer["results"].as_array();
                let no =
                    no || results.is_some_and(|all| all.iter().all(|one| one["done"] == false));
                assert!(no, "{me} {operation} {request}: {answer}");
                *codes.entry("(no)".to_owned()).or_default() += 1;
            }
        }
    }
    println!("{codes:?}");
    assert_eq!(
        must(&store, "store.state_hash", json!({})),
        before,
        "something was written"
    );
    assert!(
        codes.keys().any(|code| code == "not_found")
            && codes.keys().any(|code| code == "actor_not_allowed"),
        "{codes:?}"
    );
}
