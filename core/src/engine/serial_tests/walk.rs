//! What the processes ask for, by numbers that look random: things of few names, so that they get
//! in each other's way. A name that was used up makes room for the next.

use super::Dice;
use serde_json::{Value, json};

/// An actor, an operation, and its request.
pub(super) type Step = (Value, &'static str, Value);

/// So many steps of a process have the same names.
const STEPS_OF_A_NAME: u64 = 10;
/// How many of each are remembered.
const REMEMBERED: usize = 12;

/// What is there before the processes begin.
pub(super) fn platform() -> Vec<(&'static str, Value)> {
    let account = |id: &str, parent: Option<&str>| {
        let owner = json!({"user": format!("of-{id}"), "email": format!("of-{id}@x.example")});
        json!({"id": id, "name": id, "package": "small", "parent": parent, "owner": owner})
    };
    let member = |user: &str, role: &str| {
        json!({"account": "acme", "user": user, "email": format!("{user}@x.example"),
            "role": role})
    };
    let allow = |permissions: &[&str]| -> Value {
        let one = |name: &&str| json!({"permission": name});
        permissions.iter().map(one).collect()
    };
    let chief = [
        "clients",
        "operators.manage",
        "packages",
        "platform",
        "roles",
    ];
    vec![
        (
            "policies.set",
            json!({"policies": {"skip_verification": true, "depth": 3}}),
        ),
        (
            "roles.create",
            json!({"id": "chief", "name": "Chief", "allow": allow(&chief)}),
        ),
        (
            "operators.add",
            json!({"user": "chip", "email": "chip@x.example", "role": "chief"}),
        ),
        (
            "packages.create",
            json!({"id": "small", "name": "Small", "credits": true,
                "limits": {"child_accounts": 6, "contacts": 40, "threads": 3}}),
        ),
        ("accounts.create", account("acme", None)),
        ("accounts.create", account("kid", Some("acme"))),
        ("accounts.create", account("other", None)),
        ("accounts.create", account("lone", None)),
        ("accounts.create", account("quiet", None)),
        (
            "members.add",
            json!({"account": "quiet", "user": "eve", "email": "eve@x.example",
                "role": "administrator"}),
        ),
        ("members.add", member("ann", "administrator")),
        ("members.add", member("bob", "author")),
        (
            "policies.set",
            json!({"account": "acme", "policies": {"seats": 14}}),
        ),
        ("policies.set", exclusive("lone", true)),
        ("outbox.take", json!({"consumer": "mails", "limit": 1})),
    ]
}

/// Whether the owner of an account may be in another one as well.
fn exclusive(account: &str, is_exclusive: bool) -> Value {
    json!({"account": account, "policies": {"owner_exclusive": is_exclusive}})
}

/// What one process has learned from its answers.
#[derive(Default)]
pub(super) struct Walk {
    /// Of invitations and their messages.
    tokens: Vec<String>,
    messages: Vec<u64>,
    invitations: Vec<String>,
    slots: Vec<String>,
    accounts: Vec<String>,
    /// Accounts and their users.
    members: Vec<(String, String)>,
}

fn remember<T>(list: &mut Vec<T>, thing: T) {
    if list.len() >= REMEMBERED {
        list.remove(0);
    }
    list.push(thing);
}

/// Names of the same time.
struct Names<'a> {
    dice: &'a mut Dice,
    step: u64,
    walk: &'a Walk,
}

impl Names<'_> {
    fn one(&mut self, letter: char, among: u64) -> String {
        let number = self.step / STEPS_OF_A_NAME + self.dice.roll(among);
        format!("{letter}{number}")
    }

    fn user(&mut self) -> String {
        match self.dice.roll(12) {
            0 => "ann".to_owned(),
            1 => "bob".to_owned(),
            2 => "of-acme".to_owned(),
            3 => "chip".to_owned(),
            _ => self.newcomer(),
        }
    }

    /// Somebody who comes and goes; the others are at work, and stay.
    fn newcomer(&mut self) -> String {
        self.one('u', 5)
    }

    /// Mostly that of the user, and now and then that of another.
    fn email(&mut self, user: &str) -> String {
        match self.dice.one_in(5) {
            true => format!("{}@x.example", self.newcomer()),
            false => format!("{user}@x.example"),
        }
    }

    fn account(&mut self) -> String {
        match self.dice.roll(10) {
            0..6 => "acme".to_owned(),
            6 | 7 => "kid".to_owned(),
            8 => "other".to_owned(),
            _ => self.child(),
        }
    }

    /// An account that was made here, or another that is not there yet.
    fn child(&mut self) -> String {
        match &self.walk.accounts[..] {
            [] => self.one('a', 3),
            accounts => self.dice.of(accounts).clone(),
        }
    }

    /// Somebody who was made a member here, or somebody else.
    fn member(&mut self) -> Value {
        let (account, user) = match &self.walk.members[..] {
            [] => (self.account(), self.newcomer()),
            members => self.dice.of(members).clone(),
        };
        json!({"account": account, "user": user})
    }

    fn of(&mut self, list: &[&str]) -> String {
        (*self.dice.of(list)).to_owned()
    }

    fn role(&mut self) -> String {
        match self.dice.one_in(4) {
            true => self.one('r', 3),
            false => self.of(&["administrator", "full", "editor", "author"]),
        }
    }

    fn count(&mut self, most: u64) -> u64 {
        1 + self.dice.roll(most)
    }
}

impl Walk {
    /// What is asked next.
    pub(super) fn next(&self, dice: &mut Dice, step: u64) -> Step {
        let walk = self;
        let names = &mut Names { dice, step, walk };
        let (operation, request) = match names.dice.roll(9) {
            0 | 1 => people(names),
            2 => self.invitations(names),
            3 => platform_and_accounts(names),
            4 => self.things(names),
            5 | 6 => return contested_right(names),
            // Nobody is refused for who they are.
            _ => {
                let (operation, request) = contested(names);
                return (json!({"kind": "system"}), operation, request);
            }
        };
        (actor(names, operation, &request), operation, request)
    }

    /// Keeps what later requests name.
    pub(super) fn learn(&mut self, operation: &str, answer: &Value) {
        match operation {
            "invitations.create" => {
                for one in answer["results"].as_array().into_iter().flatten() {
                    if let Some(id) = one["invitation"].as_str() {
                        remember(&mut self.invitations, id.to_owned());
                    }
                }
            }
            "outbox.take" => {
                for one in answer["messages"].as_array().into_iter().flatten() {
                    let message = &one["message"];
                    remember(&mut self.messages, message["number"].as_u64().unwrap());
                    if let Some(token) = message["token"].as_str() {
                        remember(&mut self.tokens, token.to_owned());
                    }
                }
            }
            "threads.acquire" => {
                let slot = answer["id"].as_str().unwrap();
                remember(&mut self.slots, slot.to_owned());
            }
            "accounts.create" => {
                let account = answer["id"].as_str().unwrap();
                remember(&mut self.accounts, account.to_owned());
            }
            "members.add" => {
                let name = |field: &str| answer[field].as_str().unwrap().to_owned();
                remember(&mut self.members, (name("account"), name("user")));
            }
            _ => {}
        }
    }

    /// One of them, or what is none.
    fn known(names: &mut Names<'_>, list: &[String]) -> String {
        match list {
            [] => "nobody".to_owned(),
            _ => names.dice.of(list).clone(),
        }
    }

    fn invitations(&self, names: &mut Names<'_>) -> (&'static str, Value) {
        let invitation = Walk::known(names, &self.invitations);
        match names.dice.roll(10) {
            0..4 => {
                let user = names.user();
                let account = names.account();
                let (email, role) = (names.email(&user), names.role());
                (
                    "invitations.create",
                    json!({"account": account, "addresses": email, "role": role}),
                )
            }
            4 => ("invitations.delete", json!({"invitation": invitation})),
            5 => ("invitations.resend", json!({"invitation": invitation})),
            6 | 7 => {
                let token = Walk::known(names, &self.tokens);
                let user = names.newcomer();
                ("invitations.accept", json!({"token": token, "user": user}))
            }
            8 => {
                let limit = names.count(10);
                ("outbox.take", json!({"consumer": "mails", "limit": limit}))
            }
            _ => (
                "outbox.ack",
                json!({"consumer": "mails", "numbers": self.messages}),
            ),
        }
    }

    fn things(&self, names: &mut Names<'_>) -> (&'static str, Value) {
        let account = names.account();
        let id = names.one('x', 6);
        let key = names.one('k', 20);
        let (amount, count) = (names.count(60), names.count(20));
        let of_credits = json!({"account": account, "channel": "email", "amount": amount,
            "key": key});
        let of_contacts = json!({"account": account, "limit": "contacts", "count": count});
        let resource = json!({"account": account, "kind": "template", "id": id});
        match names.dice.roll(12) {
            0 => {
                let mut grant = of_credits;
                grant["reason"] = json!("bought");
                ("credits.grant", grant)
            }
            1 | 2 => ("credits.spend", of_credits),
            3 => ("gauges.claim", of_contacts),
            4 => ("gauges.release", of_contacts),
            5 | 6 => {
                let holder = names.of(&["w1", "w2"]);
                let request = json!({"account": account, "holder": holder, "ttl_ms": 86_400_000});
                ("threads.acquire", request)
            }
            7 => {
                let slot = Walk::known(names, &self.slots);
                let request = json!({"account": account, "slot": slot});
                ("threads.release", request)
            }
            8 => ("resources.register", resource),
            9 => ("resources.remove", resource),
            10 => {
                let user = names.user();
                let mut lease = resource;
                lease["user"] = json!(user);
                lease["life_ms"] = json!(600_000);
                ("leases.acquire", lease)
            }
            _ => {
                let entry = json!({"value": format!("{id}@x.example"),
                    "message_class": "marketing"});
                (
                    "suppressions.add",
                    json!({"account": account, "entries": [entry]}),
                )
            }
        }
    }
}

/// Mostly one of those who may ask for it, if they have the permission.
fn actor(names: &mut Names<'_>, operation: &str, request: &Value) -> Value {
    let (of_what, _) = operation.split_once('.').unwrap_or_default();
    let of_users = ["api_keys", "groups", "invitations", "members"].contains(&of_what)
        && operation != "invitations.accept"
        && request.get("email").is_none();
    let of_operators = ["accounts", "limits", "operators", "packages", "roles"].contains(&of_what);
    match names.dice.roll(16) {
        0..6 if of_users => in_acme("ann"),
        6..9 if of_users => in_acme("of-acme"),
        0..8 if of_operators => json!({"kind": "operator", "user": "chip"}),
        15 => in_acme("ann"),
        _ => json!({"kind": "system"}),
    }
}

fn in_acme(user: &str) -> Value {
    json!({"kind": "user", "user": user, "account": "acme"})
}

/// A user of all processes does what their role allows, and their role changes. In their account
/// nothing else does: so what a process has in memory of them is what it last acted by, and whoever
/// does not look once more before a commit goes on by that.
fn contested_right(names: &mut Names<'_>) -> Step {
    if names.dice.one_in(5) {
        let role = names.of(&["administrator", "author"]);
        let request = json!({"account": "quiet", "user": "eve", "role": role});
        return (json!({"kind": "system"}), "members.set_role", request);
    }
    let entry = json!({"value": format!("{}@x.example", names.one('y', 200)),
        "message_class": "marketing"});
    let request = json!({"account": "quiet", "entries": [entry]});
    let eve = json!({"kind": "user", "user": "eve", "account": "quiet"});
    (eve, "suppressions.add", request)
}

/// What only one of those who ask at once can have.
fn contested(names: &mut Names<'_>) -> (&'static str, Value) {
    let of =
        |account: &str, user: &str| json!({"account": account, "user": user, "role": "author"});
    let email = format!("{}@x.example", names.one('e', 2));
    match names.dice.roll(11) {
        // An e-mail address, for a new user or an invitation.
        0 => {
            let id = names.one('d', 6);
            ("users.create", json!({"id": id, "email": email}))
        }
        1 | 2 => (
            "invitations.create",
            json!({"account": "other", "addresses": email, "role": "author"}),
        ),
        // A seat, of those of all accounts in the team.
        3..5 => {
            let user = names.one('s', 6);
            let mut new = of(&names.of(&["acme", "kid"]), &user);
            new["email"] = json!(format!("{user}@x.example"));
            ("members.add", new)
        }
        5 => ("members.remove", names.member()),
        // A thread, of those of the account.
        10 => (
            "threads.acquire",
            json!({"account": "acme", "holder": "w3", "ttl_ms": 86_400_000}),
        ),
        // Whoever owns the account keeps the role of its owner.
        6 => {
            let to = names.of(&["of-kid", "bob"]);
            (
                "accounts.transfer_owner",
                json!({"account": "kid", "to": to, "old_owner_role": "author"}),
            )
        }
        7 => ("members.set_role", of("kid", &names.of(&["of-kid", "bob"]))),
        // Somebody who owns one account joins another.
        8 => ("members.add", of("other", "of-lone")),
        _ => match names.dice.one_in(2) {
            true => ("policies.set", exclusive("lone", names.dice.one_in(2))),
            false => (
                "members.remove",
                json!({"account": "other", "user": "of-lone"}),
            ),
        },
    }
}

fn people(names: &mut Names<'_>) -> (&'static str, Value) {
    let (account, user, role) = (names.account(), names.user(), names.role());
    let email = names.email(&user);
    let newcomer = names.newcomer();
    let member = names.member();
    let with_role = json!({"account": account, "user": user, "role": role});
    match names.dice.roll(20) {
        0..3 => {
            let mut new = with_role;
            new["email"] = json!(email);
            ("members.add", new)
        }
        3..5 => ("members.add", with_role),
        5..8 => ("members.remove", member),
        8..10 => ("members.set_role", with_role),
        10 => ("members.disable", member),
        11 => ("members.enable", member),
        12 => ("users.create", json!({"id": user, "email": email})),
        13 => ("users.delete", json!({"user": newcomer})),
        14 => ("users.disable", json!({"user": newcomer})),
        15 => ("users.enable", json!({"user": newcomer})),
        16 => ("users.change_email", json!({"user": user, "email": email})),
        17 => ("sessions.create", json!({"user": user})),
        18 => ("sessions.end_all", json!({"user": user})),
        _ => (
            "api_keys.create",
            json!({"account": account, "user": user, "name": "Key",
                "permissions": [{"permission": "lists"}]}),
        ),
    }
}

fn platform_and_accounts(names: &mut Names<'_>) -> (&'static str, Value) {
    let (account, user, role) = (names.account(), names.user(), names.role());
    let group = names.one('g', 3);
    let child = names.child();
    let allow = names.of(&["campaigns", "lists", "users"]);
    let allow = json!([{"permission": allow}]);
    match names.dice.roll(20) {
        0..3 => {
            let parent = names.of(&["acme", "acme", "kid"]);
            let owner = names.one('o', 5);
            let owner = json!({"user": owner, "email": names.email(&owner)});
            let new = names.one('a', 3);
            let request = json!({"id": new, "name": new, "parent": parent, "owner": owner});
            ("accounts.create", request)
        }
        3 => ("accounts.delete", json!({"account": child})),
        4 => {
            let to = names.newcomer();
            let account = names.of(&["acme", &child]);
            (
                "accounts.transfer_owner",
                json!({"account": account, "to": to, "old_owner_role": role}),
            )
        }
        5 => {
            let is_exclusive = names.dice.one_in(2);
            let account = names.of(&["other", "kid"]);
            ("policies.set", exclusive(&account, is_exclusive))
        }
        6 | 7 => (
            "groups.create",
            json!({"account": account, "id": group, "name": group}),
        ),
        8 | 9 => (
            "groups.add_members",
            json!({"account": account, "group": group, "users": [user]}),
        ),
        10 => (
            "groups.delete",
            json!({"account": account, "group": group, "to": "default"}),
        ),
        11 => {
            let id = names.one('r', 3);
            (
                "roles.create",
                json!({"id": id, "name": id, "allow": allow}),
            )
        }
        12 => {
            let id = names.one('r', 3);
            ("roles.edit", json!({"role": id, "allow": allow}))
        }
        13 => {
            let value = names.count(30);
            let request = json!({"account": account, "limit": "contacts", "value": value});
            ("limits.set", request)
        }
        14 => {
            let limits = json!({"contacts": names.count(60)});
            (
                "packages.edit",
                json!({"package": "small", "limits": limits}),
            )
        }
        15 => (
            "caps.set",
            json!({"account": account, "id": "few", "scope": "account", "window": "day",
                "limit": names.count(100)}),
        ),
        16 => ("caps.remove", json!({"account": account, "cap": "few"})),
        17 => (
            "accounts.hold",
            json!({"account": child, "reason": "abuse"}),
        ),
        18 => {
            let request = json!({"account": child, "hold": names.count(2)});
            ("accounts.release", request)
        }
        _ => {
            let user = names.newcomer();
            match names.dice.one_in(2) {
                true => (
                    "operators.add",
                    json!({"user": user, "email": names.email(&user), "role": "chief"}),
                ),
                false => ("operators.remove", json!({"user": user})),
            }
        }
    }
}
