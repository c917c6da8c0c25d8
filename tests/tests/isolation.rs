//! S20: what users of one team ask about another team reads nothing, changes nothing and reveals
//! nothing.
//!
//! Two stores have the same team in them, and beside it one has the team `bqz`, the other the team
//! `cqz`. Users of the common team ask both the same things, with ids of `bqz` in every field that
//! takes one. What is there in the one store is not there in the other: so every answer must be the
//! same in both, to the byte, and `bqz` must be afterwards what it was before.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use tenantry::api::operation::Access;
use tenantry::catalogue::CATALOGUE;
use tenantry::{Error, Tenantry};
use tenantry_tests::crash::{Dice, count};

/// The team whose users ask.
const OURS: &str = "axa";
/// The team they ask about.
const THEIRS: &str = "bqz";
/// The team that is in its place in the other store.
const OTHERS: &str = "cqz";
/// A team that is nowhere.
const NOBODYS: &str = "dqz";

/// What a new thing is called is the host's business: an id is used once on the platform, and who
/// asks for one that is taken is told so (`id_taken`). A host that lets its users choose ids tells
/// them which are taken.
const NEW_IDS: [(&str, &str); 6] = [
    ("accounts.create_child", "id"),
    ("accounts.create_child", "owner_user"),
    ("members.add", "user"),
    ("roles.copy", "id"),
    ("roles.create", "id"),
    ("roles.put", "id"),
];

/// An address has one user on the whole platform (R-USR-1). Where a user is made without a mail to
/// the address, whoever makes them is told that it is taken; who invites, or has the address
/// verified, learns nothing.
const WITHOUT_A_MAIL: [&str; 2] = ["accounts.create_child", "users.import_csv"];

/// What would soon leave nothing of the common team that could be asked about anything.
const HARSH: [&str; 9] = [
    "accounts.close",
    "accounts.delete",
    "accounts.hold",
    "accounts.transfer_owner",
    "addresses.set",
    "members.bulk",
    "members.disable",
    "members.leave",
    "users.delete",
];

/// Hashing takes the most time by far; the rest of the calls are not to wait for it.
const SLOW: [&str; 1] = ["passwords.change"];

/// A store, and the ids that it has made, by team and by what they are of.
struct World {
    store: Tenantry,
    made: BTreeMap<String, BTreeMap<&'static str, Value>>,
}

fn ask(store: &Tenantry, actor: &Value, operation: &str, request: &Value) -> Result<Value, Error> {
    let actor = if actor.is_null() {
        String::new()
    } else {
        actor.to_string()
    };
    store
        .call_json(
            actor.as_bytes(),
            operation.as_bytes(),
            request.to_string().as_bytes(),
        )
        .map(|answer| serde_json::from_str(&answer).expect("an answer is JSON"))
}

impl World {
    fn new(beside: &str, preset: &Value) -> World {
        let options = json!({"clock": {"manual_ms": 1_781_524_800_000_u64}, "seed": 1,
            "edition": "commercial"});
        let store = Tenantry::open_json(":memory:", options.to_string().as_bytes()).unwrap();
        let mut world = World {
            store,
            made: BTreeMap::new(),
        };
        let limits =
            json!({"email_per_day": 5000, "seats": 50, "child_accounts": 20, "threads": 5});
        world.done(
            "packages.create",
            json!({"id": "pack", "name": "Pack", "limits": limits,
            "credits": true, "overuse": true}),
        );
        world.team(OURS);
        // The ids that the store makes of itself are to be the same in both stores, but not those
        // of the other teams.
        if beside == THEIRS {
            world.use_up_ids();
            world.team(beside);
        } else {
            world.team(beside);
            world.use_up_ids();
        }
        if !preset.is_null() {
            world.done("policies.preset", json!({"preset": preset}));
        }
        world
    }

    fn done(&self, operation: &str, request: Value) -> Value {
        ask(&self.store, &Value::Null, operation, &request)
            .unwrap_or_else(|error| panic!("{operation} {request}: {}", error.to_json()))
    }

    fn use_up_ids(&self) {
        for number in 0..40 {
            let made = self.done(
                "users.create",
                json!({"email": format!("gone{number}@gone.example")}),
            );
            self.done("users.delete", json!({"user": made["id"]}));
        }
    }

    /// A top account with one below it, and one of everything that can have an id.
    fn team(&mut self, t: &str) {
        let (sub, mut made) = (format!("{t}-sub"), BTreeMap::new());
        self.done(
            "accounts.create",
            json!({"id": t, "name": format!("{t} top"), "package": "pack",
            "owner": {"user": format!("{t}-owner"), "email": format!("owner@{t}.example")}}),
        );
        self.done(
            "accounts.create",
            json!({"id": sub, "parent": t, "name": format!("{t} sub"),
            "owner": {"user": format!("{t}-child"), "email": format!("child@{t}.example")}}),
        );
        self.done(
            "roles.create",
            json!({"id": format!("{t}-role"), "account": t,
            "name": format!("{t} role"), "allow": [{"permission": "campaigns", "scope": "own"},
            {"permission": "self"}]}),
        );
        self.done(
            "groups.create",
            json!({"account": t, "id": format!("{t}-group"), "name": format!("{t} group")}),
        );
        for (user, account, role) in [
            ("admin", t, "administrator"),
            ("author", t, "author"),
            ("editor", t, "full"),
            ("sub-author", sub.as_str(), "author"),
        ] {
            self.done(
                "members.add",
                json!({"account": account, "user": format!("{t}-{user}"),
                "email": format!("{user}@{t}.example"), "role": role,
                "first_name": format!("{t}first"), "last_name": format!("{t}last")}),
            );
        }
        self.done(
            "groups.add_members",
            json!({"account": t, "group": format!("{t}-group"), "users": [format!("{t}-author")]}),
        );
        let invited = self.done(
            "invitations.create",
            json!({"account": t, "addresses": format!("invited@{t}.example"), "role": "author"}),
        );
        made.insert("invitation", invited["results"][0]["invitation"].clone());
        self.done(
            "credits.grant",
            json!({"account": t, "channel": "email", "amount": 10_000,
            "reason": format!("{t} bought")}),
        );
        self.done(
            "credits.reserve",
            json!({"account": t, "group": format!("{t}-group"), "channel": "email", "amount": 100}),
        );
        let spent = self.done(
            "credits.spend",
            json!({"account": t, "channel": "email", "amount": 10, "key": format!("{t}-key")}),
        );
        made.insert("spend", spent["number"].clone());
        for kind in ["campaign", "template", "list"] {
            self.done(
                "resources.register",
                json!({"account": t, "kind": kind,
                "id": format!("{t}-{kind}"), "owner": format!("{t}-author")}),
            );
        }
        self.done(
            "leases.acquire",
            json!({"account": t, "kind": "campaign", "id": format!("{t}-campaign"),
                "life_ms": 3_600_000, "user": format!("{t}-author")}),
        );
        self.done(
            "sharing.share",
            json!({"account": t, "kind": "template", "id": format!("{t}-template"), "all": true}),
        );
        let reserved = self.done(
            "reservations.create",
            json!({"account": t, "count": 10, "life_ms": 3_600_000}),
        );
        made.insert("reservation", reserved["reservation"].clone());
        self.done(
            "caps.set",
            json!({"account": t, "id": format!("{t}-cap"), "scope": "campaign",
            "window": "day", "limit": 40}),
        );
        self.done(
            "sending.admit",
            json!({"account": t, "count": 3, "message": {"campaign": format!("{t}-campaign")}}),
        );
        self.done(
            "campaigns.report",
            json!({"account": t, "campaign": format!("{t}-campaign"), "delivered": 9, "hard": 1}),
        );
        self.done(
            "campaigns.stop",
            json!({"account": t, "campaign": format!("{t}-campaign")}),
        );
        self.done(
            "suppressions.add",
            json!({"account": t,
            "entries": [{"value": format!("no@{t}.example"), "message_class": "marketing"}]}),
        );
        self.done(
            "assets.assign",
            json!({"account": t, "kind": "domain", "asset": format!("{t}.example")}),
        );
        self.done(
            "limits.allocate",
            json!({"account": sub, "limit": "email_per_day", "value": 100}),
        );
        self.done(
            "addresses.set",
            json!({"user": format!("{t}-editor"), "addresses": ["192.0.2.0/24"]}),
        );
        self.done(
            "accounts.hold",
            json!({"account": sub, "reason": "billing"}),
        );
        self.done("accounts.release", json!({"account": sub, "hold": 1}));
        let session = self.done(
            "sessions.create",
            json!({"user": format!("{t}-owner"), "device": format!("{t} device")}),
        );
        made.insert("session", session["session"].clone());
        self.done(
            "users.change_email",
            json!({"user": format!("{t}-author"), "email": format!("changed@{t}.example")}),
        );
        self.done(
            "threads.acquire",
            json!({"account": t, "holder": format!("{t}-worker"), "ttl_ms": 3_600_000}),
        );
        for account in [t, &sub] {
            self.done(
                "policies.set",
                json!({"account": account, "policies": {"time_zone": "Europe/Berlin"}}),
            );
            self.done(
                "accounts.edit",
                json!({"account": account, "default_role": "author"}),
            );
        }
        self.made.insert(t.to_owned(), made);
    }

    /// All that there is to see of a team.
    fn all_of(&self, t: &str) -> Vec<Value> {
        let mut seen = Vec::new();
        let mut see = |operation: &str, request: Value| seen.push(self.done(operation, request));
        for account in [t.to_owned(), format!("{t}-sub")] {
            for operation in [
                "accounts.get",
                "addresses.get",
                "assets.get",
                "audit.head",
                "campaigns.list",
                "caps.list",
                "credits.balance",
                "gauges.get",
                "groups.list",
                "invitations.list",
                "limits.explain",
                "members.list",
                "policies.get",
                "roles.list",
                "sharing.received",
                "suppressions.list",
                "threads.list",
                "usage.get",
            ] {
                see(operation, json!({"account": account}));
            }
            see(
                "credits.ledger",
                json!({"account": account, "channel": "email"}),
            );
        }
        for user in ["owner", "child", "admin", "author", "editor", "sub-author"]
            .map(|user| format!("{t}-{user}"))
        {
            see("users.get", json!({"user": user}));
            see("sessions.list", json!({"user": user}));
            see("addresses.get", json!({"user": user}));
        }
        for kind in ["campaign", "template", "list"] {
            see(
                "resources.get",
                json!({"account": t, "kind": kind, "id": format!("{t}-{kind}")}),
            );
            see(
                "leases.get",
                json!({"account": t, "kind": kind, "id": format!("{t}-{kind}")}),
            );
        }
        see("sharing.list", json!({"account": t}));
        see(
            "reservations.get",
            json!({"account": t, "reservation": self.made[t]["reservation"]}),
        );
        for user in ["owner", "child", "admin", "author", "editor", "sub-author"]
            .map(|user| format!("{t}-{user}"))
        {
            let mut data = self.done("users.export_data", json!({"user": user}));
            // Whoever invites a person by their address writes into that person's document: the
            // invitation alone.
            data.as_object_mut().unwrap().remove("invitations");
            seen.push(data);
        }
        seen
    }
}

/// The catalogue as it is written for hosts: the fields of every request, with their types.
struct Shapes {
    operations: Vec<Value>,
    types: BTreeMap<String, Value>,
}

impl Shapes {
    fn read() -> Shapes {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../include/tenantry.json");
        let all: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let types = all["types"]
            .as_array()
            .unwrap()
            .iter()
            .map(|kind| (kind["name"].as_str().unwrap().to_owned(), kind.clone()))
            .collect();
        let for_users = |name: &str| {
            let access = CATALOGUE
                .iter()
                .find(|entry| entry.name == name)
                .expect("the written catalogue is that of the core")
                .access;
            matches!(access, Access::Account { .. } | Access::Rule(_))
        };
        let operations = all["operations"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|operation| for_users(operation["name"].as_str().unwrap()))
            .cloned()
            .collect();
        Shapes { operations, types }
    }
}

/// Fills in requests.
struct Pen<'a> {
    dice: &'a mut Dice,
    shapes: &'a Shapes,
    world: &'a World,
    /// How many of their ids are in the request so far.
    theirs: usize,
    operation: &'a str,
    /// How many of a hundred optional fields are there.
    full: u64,
}

impl Pen<'_> {
    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.dice.roll(of.len() as u64) as usize].clone()
    }

    /// Theirs so many times of a hundred, and sometimes nobody's.
    fn team(&mut self, theirs: u64) -> &'static str {
        match self.dice.roll(100) {
            rolled if rolled < theirs => {
                self.theirs += 1;
                THEIRS
            }
            90.. => NOBODYS,
            _ => OURS,
        }
    }

    fn of_team(&mut self, names: &[&str]) -> Value {
        let (team, name) = (self.team(45), self.pick(names));
        json!(if name.is_empty() {
            team.to_owned()
        } else {
            format!("{team}{name}")
        })
    }

    fn made(&mut self, what: &'static str) -> Value {
        match self.team(45) {
            THEIRS => self.world.made[THEIRS][what].clone(),
            _ => self.world.made[OURS][what].clone(),
        }
    }

    fn text(&mut self, name: &str) -> Value {
        let operation = self.operation;
        if NEW_IDS.contains(&(operation, name)) {
            let number = self.dice.number();
            return json!(format!("new-{number}"));
        }
        match name {
            // Mostly ours, so that the request gets to what else is in it.
            "account" | "parent" | "team" => {
                let (team, below) = (self.team(15), self.pick(&["", "", "-sub"]));
                json!(format!("{team}{below}"))
            }
            "accounts" | "sub_account" => self.of_team(&["", "", "-sub"]),
            "user" | "users" | "owner" | "owner_user" | "holder" | "actor" => self.of_team(&[
                "-owner",
                "-child",
                "-admin",
                "-author",
                "-editor",
                "-sub-author",
            ]),
            "to" if operation == "accounts.transfer_owner" => {
                self.of_team(&["-admin", "-author", "-sub-author"])
            }
            "group" | "from_group" | "to" => match self.dice.roll(4) {
                0 => json!("default"),
                _ => self.of_team(&["-group"]),
            },
            "role" | "default_role" | "replace_with" | "old_owner_role" | "includes" => {
                match self.dice.roll(3) {
                    0 => json!("author"),
                    _ => self.of_team(&["-role"]),
                }
            }
            "package" => json!("pack"),
            "invitation" => self.made("invitation"),
            "reservation" => self.made("reservation"),
            "session" | "keep_session" => self.made("session"),
            "campaign" => self.of_team(&["-campaign"]),
            "cap" => self.of_team(&["-cap"]),
            "id" if operation.starts_with("caps") => self.of_team(&["-cap"]),
            "id" if operation.starts_with("groups") => self.of_team(&["-group"]),
            "id" | "subject" | "search" => self.of_team(&[
                "",
                "-campaign",
                "-template",
                "-list",
                "-author",
                "-owner",
                "-group",
                "-cap",
                "-role",
                "-sub",
            ]),
            "kind" => self.pick(&["campaign", "template", "list"]).into(),
            "action" => self.pick(&["view", "edit", "delete", "send"]).into(),
            "asset" | "sending_domain" | "recipient_domain" => self.of_team(&[".example"]),
            "email" | "owner_email" | "addresses" | "value" | "recipients" => {
                if operation == "addresses.set" {
                    return json!("192.0.2.1");
                }
                if WITHOUT_A_MAIL.contains(&operation) {
                    let number = self.dice.number();
                    return json!(format!("fresh{number}@{NOBODYS}.example"));
                }
                let who = self.pick(&[
                    "owner", "child", "author", "invited", "changed", "no", "fresh",
                ]);
                let team = self.team(45);
                json!(format!("{who}@{team}.example"))
            }
            "permission" | "deny" => self
                .pick(&[
                    "campaigns.send",
                    "campaigns",
                    "users.invite",
                    "accounts.team",
                    "self.profile",
                ])
                .into(),
            "after" => {
                let place = self.of_team(&["", "-sub", "-owner", "-author", "-group"]);
                match self.dice.roll(2) {
                    0 => place,
                    _ => json!(format!(
                        "0.{}",
                        base64_url(place.as_str().unwrap().as_bytes())
                    )),
                }
            }
            "time_zone" => json!("Europe/Berlin"),
            "language" => json!("de"),
            "sending_country" => json!("DE"),
            "phone" => json!("+49301234567"),
            "media_type" => json!("image/png"),
            "data" => json!("iVBORw0KGgo="),
            "url" => json!("https://example.com/a.png"),
            "csv" => {
                let (role, group, account, number) = (
                    self.team(30),
                    self.team(30),
                    self.team(30),
                    self.dice.number(),
                );
                json!(format!(
                    "email,role,account,group\n\
                     fresh{number}@{NOBODYS}.example,author,{account},\n\
                     more{number}@{NOBODYS}.example,{role}-role,{OURS},{group}-group\n"
                ))
            }
            "columns" => self.pick(&["email", "role", "account"]).into(),
            "ip" => json!("192.0.2.1"),
            "hash" => json!("00".repeat(32)),
            "old_password" | "new_password" | "password" => json!("seven green lamps on a shelf"),
            "token" => json!("tns_nothing"),
            _ => json!("word"),
        }
    }

    fn value(&mut self, name: &str, kind: &str) -> Value {
        if let Some(item) = kind
            .strip_prefix("list<")
            .and_then(|rest| rest.strip_suffix('>'))
        {
            let length = 1 + self.dice.roll(2);
            return (0..length).map(|_| self.value(name, item)).collect();
        }
        match kind {
            "text" => self.text(name),
            "bool" => json!(self.dice.roll(2) == 0),
            "limit" => self.pick(&[json!(5), json!(50), json!("unlimited")]),
            "integer" => match name {
                "spend" => self.made("spend"),
                "at_ms" | "from_ms" | "until_ms" | "expires_at_ms" => {
                    json!(1_781_524_800_000 + self.dice.roll(1000))
                }
                "min" | "expected_rev" => json!(1),
                "life_ms" => json!(60_000),
                "after" => json!(self.dice.roll(3)),
                _ => json!(1 + self.dice.roll(20)),
            },
            _ => {
                let shape = self
                    .shapes
                    .types
                    .get(kind)
                    .unwrap_or_else(|| panic!("no type `{kind}`"));
                match shape["values"].as_array() {
                    Some(values) => self.pick(values)["value"].clone(),
                    None => self.object(shape["fields"].as_array().unwrap()),
                }
            }
        }
    }

    fn object(&mut self, fields: &[Value]) -> Value {
        let mut object = Map::new();
        for field in fields {
            let (name, kind) = (
                field["name"].as_str().unwrap(),
                field["type"].as_str().unwrap(),
            );
            let likely = if matches!(name, "account" | "user" | "kind" | "id" | "action") {
                80
            } else {
                self.full
            };
            if field["required"] == true || name != "expected_rev" && self.dice.roll(100) < likely {
                object.insert(name.to_owned(), self.value(name, kind));
            }
        }
        // What is asked about is of the kind that is named.
        if let (Some(Value::String(kind)), Some(Value::String(id))) =
            (object.get("kind"), object.get("id"))
        {
            let kind = if self.operation.starts_with("sharing.") {
                "template"
            } else {
                kind
            };
            let id = json!(format!("{}-{kind}", &id[..OURS.len()]));
            object.insert("kind".to_owned(), json!(kind));
            object.insert("id".to_owned(), id);
        }
        Value::Object(object)
    }

    fn actor(&mut self) -> Value {
        let user = self.pick(&[
            "owner",
            "owner",
            "owner",
            "admin",
            "admin",
            "author",
            "editor",
            "child",
            "sub-author",
        ]);
        let home = match (user, self.dice.roll(20)) {
            // What the host says of who acts where may itself be wrong.
            (_, 0) => {
                self.theirs += 1;
                self.pick(&[THEIRS, "bqz-sub"]).to_owned()
            }
            ("child" | "sub-author", _) => format!("{OURS}-sub"),
            _ => OURS.to_owned(),
        };
        let mut actor = json!({"kind": "user", "user": format!("{OURS}-{user}"), "account": home});
        if self.dice.roll(10) > 0 {
            actor["ip"] = json!("192.0.2.1");
        }
        actor
    }
}

fn base64_url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        text.extend(
            (0..=chunk.len())
                .map(|place| char::from(ALPHABET[(bits >> (18 - 6 * place) & 63) as usize])),
        );
    }
    text
}

fn outcome(answer: Result<Value, Error>) -> Value {
    answer.unwrap_or_else(|error| serde_json::from_str(&error.to_json()).unwrap())
}

#[test]
fn nothing_of_another_team_is_read_changed_or_revealed() {
    let mut dice = Dice::of_test("isolation");
    let shapes = Shapes::read();
    let calls = count("TENANTRY_CALLS", 100_000);
    // What a call may change of the common team is not to add up to nothing being left of it.
    const ROUND: u64 = 500;
    let (mut asked, mut done, mut of_theirs) = (BTreeMap::<String, u64>::new(), 0_u64, 0_u64);
    let mut leaks = BTreeMap::<String, (u64, String)>::new();
    let mut slow = 0;
    for round in 0..calls.div_ceil(ROUND) {
        let preset = [
            Value::Null,
            json!("packages"),
            json!("groups"),
            json!("access"),
            json!("teams"),
            json!("essentials"),
        ][(round % 6) as usize]
            .clone();
        let (here, elsewhere) = (World::new(THEIRS, &preset), World::new(OTHERS, &preset));
        let before = here.all_of(THEIRS);
        let mut number = 0;
        while number < ROUND {
            let operation =
                shapes.operations[dice.roll(shapes.operations.len() as u64) as usize].clone();
            let name = operation["name"].as_str().unwrap();
            if SLOW.contains(&name) {
                slow += 1;
                if slow > 20 {
                    continue;
                }
            }
            if HARSH.contains(&name) && dice.roll(10) > 0 {
                continue;
            }
            let mut pen = Pen {
                dice: &mut dice,
                shapes: &shapes,
                world: &here,
                theirs: 0,
                operation: name,
                full: 0,
            };
            pen.full = pen.pick(&[0, 10, 30, 60]);
            let request = pen.object(operation["request"].as_array().unwrap());
            let actor = pen.actor();
            let theirs = pen.theirs;
            // One of five is about the common team alone: what it sees must not depend on who else
            // is there either.
            if theirs == 0 && dice.roll(5) > 0 {
                continue;
            }
            number += 1;
            of_theirs += u64::from(theirs > 0);
            let answer = ask(&here.store, &actor, name, &request);
            done += u64::from(answer.is_ok());
            let (answer, without) = (
                outcome(answer),
                outcome(ask(&elsewhere.store, &actor, name, &request)),
            );
            *asked.entry(name.to_owned()).or_default() += 1;
            if answer != without {
                let what = format!(
                    "round {round}, preset {preset}: {actor} {name} {request}\n  where it is \
                     there:  {answer}\n  where it is not: {without}"
                );
                let seen = leaks.entry(name.to_owned()).or_insert((0, what));
                seen.0 += 1;
            }
        }
        assert_eq!(
            here.all_of(THEIRS),
            before,
            "round {round}: the other team has changed"
        );
        let whole = here.done("store.verify", json!({}));
        assert_eq!(whole["whole"], true, "round {round}: {whole}");
    }
    let leaks: Vec<String> = leaks
        .into_iter()
        .map(|(name, (times, first))| format!("{name}, {times} times, at first in {first}"))
        .collect();
    assert!(leaks.is_empty(), "{}", leaks.join("\n\n"));
    println!(
        "{calls} calls, {of_theirs} with ids of another team, {done} of them done, nothing revealed"
    );
    for operation in &shapes.operations {
        let name = operation["name"].as_str().unwrap();
        assert!(
            SLOW.contains(&name) || asked.get(name).is_some_and(|times| *times >= calls / 5000),
            "{name} was not asked: {asked:?}"
        );
    }
}
