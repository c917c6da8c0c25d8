//! The walk: rolls requests, asks them, and keeps what later ones need.

use super::history::Answered;
use super::table::{Request, Table};
use super::world::{Thing, World};
use crate::crash::Dice;
use crate::scenario::code_at;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tenantry::Tenantry;

/// The seed of the dice of the walk; the store has one of its own.
const SEED: u64 = 20_000;

/// A walk through a store.
pub struct Walk<'a> {
    store: Tenantry,
    table: &'a Table,
    world: World,
    dice: Dice,
    weights: u64,
}

/// One request, while it is filled in.
struct Pen<'a> {
    dice: &'a mut Dice,
    world: &'a mut World,
    /// The account that the request is about.
    here: Option<String>,
    /// The pool of what gave `here`, until the request has it.
    held: Option<String>,
    /// What was taken from each pool, the last one last.
    taken: BTreeMap<String, Vec<Thing>>,
}

impl<'a> Walk<'a> {
    /// A new store, as `open` names it, with the setup of the table.
    pub fn begin(path: &Path, table: &'a Table, mut heard: impl FnMut(Answered)) -> Walk<'a> {
        let now_ms = crate::walk::start_ms();
        let options = json!({"clock": {"manual_ms": now_ms}, "seed": 1,
            "token_key": "5e".repeat(32), "edition": "commercial", "durability": "relaxed"});
        let store = Tenantry::open_json(path, options.to_string().as_bytes()).unwrap();
        let mut walk = Walk {
            store,
            table,
            world: World::new(&table.pools, now_ms),
            dice: Dice::new(SEED),
            weights: table.requests.iter().map(|request| request.weight).sum(),
        };
        for request in &table.setup {
            for _ in 0..request.times {
                let answered = walk.ask(request);
                assert!(
                    answered.outcome.is_ok(),
                    "the setup fails at {} {}: {:?}",
                    answered.operation,
                    answered.request,
                    answered.outcome
                );
                heard(answered);
            }
        }
        walk
    }

    /// The next operation of the walk.
    pub fn step(&mut self) -> Answered {
        let mut rolled = self.dice.roll(self.weights);
        let request = self
            .table
            .requests
            .iter()
            .find(|request| {
                let found = rolled < request.weight;
                rolled = rolled.saturating_sub(request.weight);
                found
            })
            .unwrap();
        self.ask(request)
    }

    /// The fingerprint of the store as it is now.
    pub fn state_hash(&self) -> String {
        crate::walk::must(&self.store, "store.state_hash", json!({}))["state_hash"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Copies the store into a folder; answers that.
    pub fn copied_to(&self, folder: &Path) -> PathBuf {
        crate::walk::must(&self.store, "store.copy", json!({"to": folder}));
        folder.to_owned()
    }

    /// Whether every record is whole and fits the others.
    pub fn verify(&self) -> Value {
        crate::walk::must(&self.store, "store.verify", json!({}))
    }

    fn ask(&mut self, request: &Request) -> Answered {
        let mut pen = Pen {
            dice: &mut self.dice,
            world: &mut self.world,
            here: None,
            held: None,
            taken: BTreeMap::new(),
        };
        let with = pen.object(&request.with);
        let actor = match &request.actors {
            Some(actors) => {
                let kind = pen.one_of(&self.table.actors[actors]);
                pen.actor(&kind, &with)
            }
            None => Value::Null,
        };
        let (here, taken) = (pen.here, pen.taken);
        let by = if actor.is_null() {
            String::new()
        } else {
            actor.to_string()
        };
        let outcome = self.store.call_json(
            by.as_bytes(),
            request.call.as_bytes(),
            with.to_string().as_bytes(),
        );
        let outcome: Result<Value, Value> = match outcome {
            Ok(answer) => Ok(serde_json::from_str(&answer).unwrap()),
            Err(error) => Err(serde_json::from_str(&error.to_json()).unwrap()),
        };
        match &outcome {
            Ok(answer) => self.learn(request, &with, answer, here.as_deref(), &taken),
            Err(error) => self.unlearn(&actor, &with, error),
        }
        Answered {
            operation: request.call.clone(),
            actor,
            request: with,
            outcome,
        }
    }

    fn learn(
        &mut self,
        request: &Request,
        with: &Value,
        answer: &Value,
        here: Option<&str>,
        taken: &BTreeMap<String, Vec<Thing>>,
    ) {
        let mut answer = answer.clone();
        // Of many that were asked for, those that were done are there from now on.
        if let Some(results) = answer["results"].as_array_mut() {
            results.retain(|one| one["done"] == true);
        }
        let answer = &answer;
        if request.call == "clock.set" {
            self.world.now_ms = answer["now_ms"].as_u64().unwrap();
        }
        for pool in &request.drop {
            for thing in taken.get(pool).into_iter().flatten() {
                self.world.forget(pool, thing);
            }
        }
        for pool in &request.erase {
            for thing in taken.get(pool).into_iter().flatten() {
                self.world.erase(&thing.value);
            }
        }
        for (pool, what) in &request.save {
            let (pool, place) = match (pool.split_once('@'), pool.strip_suffix('!')) {
                (Some((pool, place)), _) => {
                    let place = out_of(&json!(place), answer, with);
                    let Some(place) = place.as_ref().and_then(Value::as_str) else {
                        continue;
                    };
                    (pool, Some(place.to_owned()))
                }
                (None, Some(pool)) => (pool, None),
                (None, None) => (pool.as_str(), here.map(str::to_owned)),
            };
            if let Some(value) = out_of(what, answer, with) {
                self.world.save(pool, Thing { place, value });
            }
        }
        for each in &request.save_each {
            for entry in answer
                .pointer(&each.at)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                let by = each.by.as_ref().map(|by| entry.pointer(by));
                let pool = match by {
                    None => each.pool.clone(),
                    Some(Some(Value::String(by))) => format!("{}{by}", each.pool),
                    Some(_) => continue,
                };
                if let Some(value) = out_of(&each.value, entry, with) {
                    self.world.save(&pool, Thing { place: None, value });
                }
            }
        }
    }

    /// What is not there any more is not asked about for ever. To others than the host much is
    /// not there that is.
    fn unlearn(&mut self, actor: &Value, with: &Value, error: &Value) {
        let named = match error["code"].as_str().unwrap() {
            "not_found" if actor.is_null() => error["field"]
                .as_str()
                .and_then(|field| with.pointer(field)),
            "session_invalid" | "api_key_invalid" => actor.get("token"),
            _ => None,
        };
        if let Some(gone @ Value::String(_)) = named {
            self.world.erase(gone);
        }
    }
}

impl Pen<'_> {
    fn one_of<T: Clone>(&mut self, list: &[T]) -> T {
        crate::walk::one_of(self.dice, list)
    }

    fn between(&mut self, range: &Value) -> i64 {
        let (from, to) = (range[0].as_i64().unwrap(), range[1].as_i64().unwrap());
        from + self.dice.roll((to - from + 1) as u64) as i64
    }

    /// The account comes first, so that the rest can be of it; the other fields in the order of
    /// their names, whatever order the map has.
    fn object(&mut self, fields: &Map<String, Value>) -> Value {
        let mut names: Vec<&String> = fields.keys().collect();
        names.sort_by_key(|name| {
            let is_place = ["account", "account?", "parent", "parent?"].contains(&name.as_str());
            (!is_place, *name)
        });
        let mut object = Map::new();
        for written in names {
            let name = written.trim_end_matches('?');
            let is_there = match written.len() - name.len() {
                0 => true,
                1 => self.dice.roll(3) == 0,
                _ => self.dice.roll(12) == 0,
            };
            if is_there {
                let value = self.value(&fields[written]);
                object.insert(name.to_owned(), value);
            }
        }
        Value::Object(object)
    }

    fn value(&mut self, written: &Value) -> Value {
        match written {
            Value::String(text) => match text.strip_prefix('$') {
                Some(name) => self.named(name),
                None if text.contains("{n}") => {
                    let number = self.world.next_number().to_string();
                    json!(text.replace("{n}", &number))
                }
                None => written.clone(),
            },
            Value::Array(list) => list.iter().map(|value| self.value(value)).collect(),
            Value::Object(fields) => match fields.iter().next() {
                Some((name, with)) if name.starts_with('$') => self.rolled(name, with),
                _ => self.object(fields),
            },
            _ => written.clone(),
        }
    }

    fn rolled(&mut self, how: &str, with: &Value) -> Value {
        match how {
            "$of" => {
                let written = self.one_of(with.as_array().unwrap());
                self.value(&written)
            }
            "$int" => json!(self.between(with)),
            "$in" => {
                let after = self.between(with);
                json!(self.world.now_ms.saturating_add_signed(after))
            }
            "$some" => {
                let length = self.between(&json!([with[1], with[2]]));
                (0..length).map(|_| self.value(&with[0])).collect()
            }
            _ => panic!("`{how}` is nothing that is rolled"),
        }
    }

    fn named(&mut self, name: &str) -> Value {
        match name {
            "id" => {
                let number = self.world.next_number();
                json!(format!("w{number}"))
            }
            "email" => {
                let number = self.world.next_number();
                json!(format!("w{number}@mail{}.example", number % 7))
            }
            "code" => {
                let secret = self.named("secret.secret");
                let code = code_at(secret.as_str().unwrap_or_default(), self.world.now_ms);
                json!(code.unwrap_or("000000".to_owned()))
            }
            _ => match name.split_once('.') {
                Some(("at", pool)) => {
                    let thing = self.take(pool);
                    self.held = thing.is_some().then(|| pool.to_owned());
                    json!(self.here.as_deref().unwrap_or("nobody"))
                }
                Some((pool, field)) => {
                    let before = self.taken.get(pool).and_then(|taken| taken.last().cloned());
                    let thing = before.or_else(|| self.take(pool));
                    thing.map_or(json!("nobody"), |thing| thing.value[field].clone())
                }
                None => {
                    let thing = match self.held.take_if(|held| *held == name) {
                        Some(held) => self.taken[&held].last().cloned(),
                        None => self.take(name),
                    };
                    let value = thing.map_or(json!("nobody"), |thing| thing.value);
                    if name == "account" && self.here.is_none() {
                        self.here = value.as_str().map(str::to_owned);
                    }
                    value
                }
            },
        }
    }

    fn take(&mut self, pool: &str) -> Option<Thing> {
        let thing = self.world.pick(self.dice, pool, self.here.as_deref())?;
        if self.here.is_none() {
            self.here = thing.place.clone();
        }
        let taken = self.taken.entry(pool.to_owned()).or_default();
        taken.push(thing.clone());
        Some(thing)
    }

    fn actor(&mut self, kind: &str, with: &Value) -> Value {
        let here = self.here.clone().or_else(|| {
            let somewhere = self.world.pick(self.dice, "account", None)?;
            somewhere.value.as_str().map(str::to_owned)
        });
        let here = here.as_deref().unwrap_or("nobody");
        let user = |user: Option<&Value>, account: &str| {
            let user = user.unwrap_or(&json!("nobody")).clone();
            json!({"kind": "user", "user": user, "account": account})
        };
        let mut actor = match kind {
            "system" => return Value::Null,
            "owner" => user(self.world.of("owner", here), here),
            "above" => {
                let above = self.world.of("parent", here).and_then(Value::as_str);
                let above = above.unwrap_or(here);
                user(self.world.of("owner", above), above)
            }
            "member" | "admin" => {
                let member = self.world.pick(self.dice, kind, Some(here));
                user(member.map(|member| member.value).as_ref(), here)
            }
            "self" => {
                let whom = with.get("user").cloned();
                let whom = whom.or_else(|| self.world.of("owner", here).cloned());
                let home = |pool| self.world.place_of(pool, whom.as_ref()?);
                let home = home("owner").or_else(|| home("member")).unwrap_or(here);
                user(whom.as_ref(), home)
            }
            "operator" => {
                let operator = self.world.pick(self.dice, "operator", None);
                let operator = operator.map_or(json!("nobody"), |operator| operator.value);
                json!({"kind": "operator", "user": operator})
            }
            "session" => {
                let of_here = |thing: &Thing| self.world.has("member", here, &thing.value["user"]);
                let session = self.world.pick_among(self.dice, kind, of_here);
                let token = session.map_or(Value::Null, |session| session.value["token"].clone());
                json!({"kind": "session", "token": token, "account": here})
            }
            "session_as" => {
                let session = self.world.pick(self.dice, kind, Some(here));
                let token = session.map_or(Value::Null, |session| session.value["token"].clone());
                json!({"kind": "session", "token": token, "account": here})
            }
            "api_key" => {
                let key = self.world.pick(self.dice, "api_key", Some(here));
                let token = key.map_or(Value::Null, |key| key.value["token"].clone());
                json!({"kind": "api_key", "token": token})
            }
            _ => panic!("nobody is a `{kind}`"),
        };
        if actor.get("token").is_some_and(Value::is_null) {
            actor["token"] = json!("nothing");
        }
        if self.dice.roll(2) == 0 {
            actor["ip"] = json!(self.one_of(&["192.0.2.1", "192.0.2.9", "198.51.100.7"]));
        }
        actor
    }
}

/// A pointer into the answer, or after `=` into the request; none where nothing lies there.
fn out_of(what: &Value, answer: &Value, with: &Value) -> Option<Value> {
    match what {
        Value::String(pointer) => match pointer.strip_prefix('=') {
            Some(pointer) => with.pointer(pointer).cloned(),
            None => answer.pointer(pointer).cloned(),
        },
        Value::Object(fields) => fields
            .iter()
            .map(|(name, what)| Some((name.clone(), out_of(what, answer, with)?)))
            .collect::<Option<Map<_, _>>>()
            .map(Value::Object),
        _ => Some(what.clone()),
    }
}
