//! What scenarios cannot see of API keys: what is on the disk, what is cached, and prepared senders
//! in Rust.

use crate::error::{Code, Error};
use crate::handle::Tenantry;
use crate::model::{Actor, Caller, Id};
use crate::options::OpenOptions;
use serde_json::{Value, json};

const START_MS: u64 = 1_000_000;

fn call(store: &Tenantry, operation: &str, request: Value) -> Result<Value, Error> {
    call_as(store, json!({"kind": "system"}), operation, request)
}

fn call_as(
    store: &Tenantry,
    actor: Value,
    operation: &str,
    request: Value,
) -> Result<Value, Error> {
    let answer = store.call_json(
        actor.to_string().as_bytes(),
        operation.as_bytes(),
        request.to_string().as_bytes(),
    );
    answer.map(|answer| serde_json::from_str(&answer).unwrap())
}

/// An account of olga with ann as an administrator.
fn store(path: &str) -> Tenantry {
    let options: OpenOptions =
        serde_json::from_value(json!({"clock": {"manual_ms": START_MS}, "seed": 1})).unwrap();
    let store = Tenantry::open(path, options).unwrap();
    call(
        &store,
        "accounts.create",
        json!({"id": "acme", "name": "Acme", "owner": {"user": "olga",
        "email": "olga@acme.example"}}),
    )
    .unwrap();
    let ann = json!({"account": "acme", "user": "ann", "email": "ann@acme.example",
        "role": "administrator"});
    call(&store, "members.add", ann).unwrap();
    store
}

fn key(store: &Tenantry, user: &str, permissions: &[&str], more: Value) -> (Id, Value) {
    let permissions: Vec<_> = permissions
        .iter()
        .map(|permission| json!({"permission": permission}))
        .collect();
    let mut request =
        json!({"account": "acme", "user": user, "name": "Shop", "permissions": permissions});
    request
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().cloned().unwrap());
    let made = call(store, "api_keys.create", request).unwrap();
    (
        Id::new(made["api_key"]["id"].as_str().unwrap()).unwrap(),
        made["token"].clone(),
    )
}

fn with(token: &Value) -> Value {
    json!({"kind": "api_key", "token": token, "ip": "192.0.2.7"})
}

fn code<T: std::fmt::Debug>(answer: Result<T, Error>) -> Code {
    answer.unwrap_err().code()
}

/// R-SES-7: an account has so many keys; with one less there is room again.
#[test]
fn an_account_has_at_most_a_hundred_keys() {
    let store = store(":memory:");
    let made: Vec<_> = (0..100)
        .map(|_| key(&store, "ann", &["campaigns.send"], json!({})).0)
        .collect();
    let one_more = json!({"account": "acme", "user": "ann", "name": "Shop",
        "permissions": [{"permission": "campaigns.send"}]});
    let refused = call(&store, "api_keys.create", one_more).unwrap_err();
    assert_eq!(
        (refused.code(), refused.field()),
        (Code::LimitReached, Some("/account"))
    );
    call(
        &store,
        "api_keys.delete",
        json!({"account": "acme", "api_key": made[0]}),
    )
    .unwrap();
    key(&store, "ann", &["campaigns.send"], json!({}));
}

/// S7: of a token the store has the SHA-256 alone, and shows it nowhere; with a flipped digit or
/// another prefix it is none.
#[test]
fn a_token_is_stored_nowhere() {
    let path = std::env::temp_dir().join(format!("tenantry-api-keys-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    let store = store(path.to_str().unwrap());
    let (_, token) = key(&store, "ann", &["campaigns.send"], json!({}));
    let text = token.as_str().unwrap();
    assert!(text.starts_with("tny_key_"), "{text}");
    call_as(
        &store,
        with(&token),
        "sending.admit",
        json!({"account": "acme", "count": 1}),
    )
    .unwrap();
    let listed = call(&store, "api_keys.list", json!({"account": "acme"})).unwrap();
    let chain = call(&store, "audit.list", json!({"account": "acme"})).unwrap();
    for told in [
        listed.to_string(),
        chain.to_string(),
        format!(
            "{:?}",
            store.actor(&serde_json::from_value(with(&token)).unwrap())
        ),
    ] {
        assert!(
            !told.contains("tny_key_") && !told.contains("token\":\"t"),
            "{told}"
        );
    }
    let last = text.chars().last().unwrap();
    let flipped = format!(
        "{}{}",
        &text[..text.len() - 1],
        if last == '0' { '1' } else { '0' }
    );
    for bad in [
        flipped.as_str(),
        &text.replace("key", "session"),
        "tny_key_",
    ] {
        assert_eq!(
            code(call(&store, "api_keys.check", json!({"token": bad}))),
            Code::ApiKeyInvalid,
            "{bad}"
        );
    }
    store.close().unwrap();
    let secret = &text[text.len() - 72..text.len() - 8];
    let mut hashes = 0;
    for entry in walk(&path) {
        let bytes = std::fs::read(&entry).unwrap();
        let holds = |text: &str| {
            bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        };
        assert!(!holds(secret), "{}", entry.display());
        hashes += usize::from(holds("token_hash"));
    }
    assert!(hashes > 0);
    std::fs::remove_dir_all(path).unwrap();
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                walk(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// R-SES-7: the same operations as its user and as the key; the key does what it lists of what its
/// user may do, and no more.
#[test]
fn a_key_narrows_and_never_widens() {
    let store = store(":memory:");
    let (_, wide) = key(
        &store,
        "ann",
        &["campaigns.send", "users.view", "accounts.close"],
        json!({}),
    );
    let (_, narrow) = key(&store, "ann", &["users.view"], json!({}));
    let ann = json!({"kind": "user", "user": "ann", "account": "acme", "ip": "192.0.2.7"});
    let asks = [
        (
            "sending.admit",
            json!({"account": "acme", "count": 1}),
            [true, true, false],
        ),
        (
            "access.what_can",
            json!({"account": "acme", "user": "olga"}),
            [true, true, true],
        ),
        (
            "groups.list",
            json!({"account": "acme"}),
            [true, false, false],
        ),
        (
            "accounts.close",
            json!({"account": "acme"}),
            [false, false, false],
        ),
    ];
    for (operation, request, expected) in asks {
        let may = [ann.clone(), with(&wide), with(&narrow)]
            .map(|actor| call_as(&store, actor, operation, request.clone()).is_ok());
        assert_eq!(
            may, expected,
            "{operation}: ann, the wide key, the narrow key"
        );
    }
    // What a key lists comes with the permission, and goes with it.
    let plain = json!({"account": "acme", "user": "ann", "role": "editor"});
    call_as(
        &store,
        with(&wide),
        "sending.admit",
        json!({"account": "acme", "count": 1}),
    )
    .unwrap();
    call(&store, "members.set_role", plain).unwrap();
    assert_eq!(
        code(call_as(
            &store,
            with(&wide),
            "sending.admit",
            json!({"account": "acme", "count": 1})
        )),
        Code::PermissionDenied
    );
    // Roles that the key could hand out are bounded by the key, not by its user.
    call(
        &store,
        "members.set_role",
        json!({"account": "acme", "user": "ann", "role": "administrator"}),
    )
    .unwrap();
    let (_, maker) = key(&store, "ann", &["roles", "responses"], json!({}));
    let make = |actor: Value, permission: &str| {
        let request =
            json!({"account": "acme", "name": permission, "allow": [{"permission": permission}]});
        call_as(&store, actor, "roles.create", request)
            .map(drop)
            .map_err(|error| error.code())
    };
    assert_eq!(make(with(&maker), "responses.view"), Ok(()));
    assert_eq!(
        make(with(&maker), "lists.view"),
        Err(Code::EscalationRefused)
    );
    assert_eq!(make(ann, "lists.view"), Ok(()));
}

/// It is used from memory, and written down once in five minutes.
#[test]
fn the_last_use_is_written_seldom() {
    let store = store(":memory:");
    let (_, token) = key(&store, "ann", &["campaigns.send"], json!({}));
    let used = |store: &Tenantry| {
        call(store, "api_keys.list",
            json!({"account": "acme"})).unwrap()["api_keys"][0]["last_used_at_ms"].clone()
    };
    assert_eq!(used(&store), Value::Null);
    for (now_ms, written_ms) in [
        (1, 1),
        (299_999, 1),
        (300_001, 300_001),
        (600_000, 300_001),
        (600_001, 600_001),
    ] {
        call(&store, "clock.set", json!({"now_ms": START_MS + now_ms})).unwrap();
        call(
            &store,
            "api_keys.check",
            json!({"token": token, "ip": "192.0.2.7"}),
        )
        .unwrap();
        assert_eq!(used(&store), json!(START_MS + written_ms), "{now_ms}");
    }
    // Use is no change: nobody is told of it but whoever made the key.
    let chain = call(&store, "audit.list", json!({"account": "acme"})).unwrap();
    assert_eq!(
        chain["records"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|record| record.to_string().contains("\"api_key\""))
            .count(),
        1,
        "{chain}"
    );
}

/// R-SES-7: whoever acts with a key is not written as if they acted in person.
#[test]
fn an_actor_with_a_key_is_not_written_without_it() {
    let store = store(":memory:");
    let (id, token) = key(&store, "ann", &["campaigns.send"], json!({}));
    let caller: Caller = serde_json::from_value(with(&token)).unwrap();
    let actor = store.actor(&caller).unwrap();
    assert_eq!(actor.api_key().map(|key| &key.id), Some(&id));
    assert!(
        serde_json::to_string(&actor).is_err()
            && serde_json::to_string(&Caller::from(actor)).is_err()
    );
    assert_eq!(serde_json::to_value(&caller).unwrap(), with(&token));
    let person = Actor::in_account(Id::new("ann").unwrap(), Id::new("acme").unwrap(), None);
    assert_eq!(
        serde_json::from_value::<Actor>(serde_json::to_value(&person).unwrap()).unwrap(),
        person
    );
}

/// R-SES-3, R-SES-7: a prepared sender of a user or a key looks at every list, at each change of
/// one, and at the end of the key.
#[test]
fn prepared_senders_see_lists_and_keys() {
    let store = store(":memory:");
    let (id, _) = key(
        &store,
        "ann",
        &["campaigns.send"],
        json!({"expires_at_ms": START_MS + 1000}),
    );
    let sender = |acting: Value| {
        store
            .sender_json(
                "acme",
                Some("ann"),
                json!({"acting": acting}).to_string().as_bytes(),
            )
            .unwrap()
    };
    let refusal = |sender: &crate::handle::Sender| {
        sender.admit(1).unwrap().refusal.map(|refusal| refusal.code)
    };
    let host = store.sender("acme", Some("ann")).unwrap();
    let nowhere = sender(json!({}));
    let home = sender(json!({"ip": "192.0.2.7"}));
    let away = sender(json!({"ip": "198.51.100.7"}));
    let program = sender(json!({"ip": "198.51.100.7", "api_key": id.as_str()}));
    let all = [&host, &nowhere, &home, &away, &program];
    let seen = |expected: [Option<Code>; 5]| assert_eq!(all.map(refusal), expected);
    let refused = Some(Code::IpNotAllowed);
    seen([None; 5]);
    for list in [
        json!({"user": "ann"}),
        json!({"account": "acme"}),
        json!({"account": "acme", "user": "ann"}),
    ] {
        let mut request = list.clone();
        request["addresses"] = json!(["192.0.2.0/24"]);
        call(&store, "addresses.set", request.clone()).unwrap();
        seen([None, refused, None, refused, refused]);
        request["addresses"] = json!([]);
        call(&store, "addresses.set", request).unwrap();
        seen([None; 5]);
    }
    let edit = |change: Value| {
        let mut request = json!({"account": "acme", "api_key": id.as_str()});
        request
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().cloned().unwrap());
        call(&store, "api_keys.edit", request).unwrap()
    };
    edit(json!({"allow_list": ["192.0.2.0/24"]}));
    seen([None, None, None, None, refused]);
    edit(json!({"allow_list": [], "permissions": [{"permission": "lists.view"}]}));
    seen([None, None, None, None, Some(Code::PermissionDenied)]);
    edit(json!({"permissions": [{"permission": "campaigns"}]}));
    call(
        &store,
        "caps.set",
        json!({"account": "acme", "id": "shop", "scope": "api_key", "window": "day", "limit": 2}),
    )
    .unwrap();
    seen([None; 5]);
    seen([None; 5]);
    seen([None, None, None, None, Some(Code::QuotaExceeded)]);
    call(
        &store,
        "caps.remove",
        json!({"account": "acme", "cap": "shop"}),
    )
    .unwrap();
    // Its time is over without any change.
    call(&store, "clock.set", json!({"now_ms": START_MS + 999})).unwrap();
    seen([None; 5]);
    // Nor is anything lent to it for longer.
    while program.lent_for_tests() == 0 {
        assert_eq!(refusal(&program), None);
    }
    call(&store, "clock.set", json!({"now_ms": START_MS + 1000})).unwrap();
    assert_eq!(refusal(&program), Some(Code::ApiKeyInvalid));
    seen([None, None, None, None, Some(Code::ApiKeyInvalid)]);
    edit(json!({"never_expires": true}));
    seen([None; 5]);
    call(
        &store,
        "api_keys.delete",
        json!({"account": "acme", "api_key": id.as_str()}),
    )
    .unwrap();
    seen([None, None, None, None, Some(Code::ApiKeyInvalid)]);
    // A key of somebody else, and a sender of nobody.
    let (olgas, _) = key(&store, "olga", &["campaigns.send"], json!({}));
    assert_eq!(
        refusal(&sender(json!({"api_key": olgas.as_str()}))),
        Some(Code::ApiKeyInvalid)
    );
    assert_eq!(
        code(
            store
                .sender_json("acme", None, br#"{"acting":{}}"#)
                .map(drop)
        ),
        Code::InvalidArgument
    );
}

/// R-SES-7: with a membership its keys go, with a key its caps, and nothing is left over.
#[test]
fn keys_and_their_caps_end_with_the_membership() {
    let store = store(":memory:");
    let (id, token) = key(&store, "ann", &["campaigns.send"], json!({}));
    for (cap, subject) in [("hers", json!(id.as_str())), ("each", Value::Null)] {
        let mut request =
            json!({"account": "acme", "id": cap, "scope": "api_key", "window": "day", "limit": 5});
        if !subject.is_null() {
            request["subject"] = subject;
        }
        call(&store, "caps.set", request).unwrap();
    }
    call(
        &store,
        "caps.set",
        json!({"id": "far", "scope": "api_key", "subject": id.as_str(),
        "window": "day", "limit": 5}),
    )
    .unwrap();
    call_as(
        &store,
        with(&token),
        "sending.admit",
        json!({"account": "acme", "count": 3}),
    )
    .unwrap();
    call(
        &store,
        "members.remove",
        json!({"account": "acme", "user": "ann", "resources_to": {"kind": "account"}}),
    )
    .unwrap();
    assert_eq!(
        code(call(&store, "api_keys.check", json!({"token": token}))),
        Code::ApiKeyInvalid
    );
    let caps = call(&store, "caps.list", json!({"account": "acme"})).unwrap();
    assert_eq!(caps["caps"].as_array().unwrap().len(), 1, "{caps}");
    assert_eq!(
        call(&store, "caps.list", json!({})).unwrap(),
        json!({"caps": []})
    );
    assert_eq!(
        call(&store, "store.verify", json!({})).unwrap()["damaged"],
        json!([])
    );
}

fn rotate(store: &Tenantry, key: &Id, more: Value) -> Result<Value, Error> {
    let mut request = json!({"account": "acme", "api_key": key});
    request
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().cloned().unwrap());
    call(store, "api_keys.rotate", request).map(|rotated| rotated["token"].clone())
}

fn is_good(store: &Tenantry, token: &Value) -> bool {
    let checked = call(store, "api_keys.check", json!({"token": token}));
    let acted = call_as(
        store,
        with(token),
        "sending.admit",
        json!({"account": "acme", "count": 1}),
    );
    assert_eq!(checked.is_ok(), acted.is_ok(), "{checked:?} {acted:?}");
    if let Err(refused) = &checked {
        assert_eq!(refused.code(), Code::ApiKeyInvalid);
    }
    checked.is_ok()
}

/// R-SES-8: whether a token was looked up before or not, the overlap ends at its instant; a second
/// rotation ends what was left of the first.
#[test]
fn a_token_is_good_until_the_overlap_ends_and_two_are_at_most() {
    let store = store(":memory:");
    let (id, first) = key(&store, "ann", &["campaigns.send"], json!({}));
    assert!(is_good(&store, &first));
    let second = rotate(&store, &id, json!({"overlap_ms": 1000})).unwrap();
    let clock = &store.guard_for_tests().engine.kernel.clock;
    for (now_ms, good) in [
        (START_MS, true),
        (START_MS + 999, true),
        (START_MS + 1000, false),
    ] {
        clock.set(now_ms).unwrap();
        assert_eq!(is_good(&store, &first), good, "{now_ms}");
        assert!(is_good(&store, &second));
    }
    let third = rotate(&store, &id, json!({"overlap_ms": 1000})).unwrap();
    let fourth = rotate(&store, &id, json!({"overlap_ms": 1000})).unwrap();
    let good = [&first, &second, &third, &fourth].map(|token| is_good(&store, token));
    assert_eq!(good, [false, false, true, true]);
    let fifth = rotate(&store, &id, json!({})).unwrap();
    let good = [&third, &fourth, &fifth].map(|token| is_good(&store, token));
    assert_eq!(good, [false, false, true]);
    call(
        &store,
        "api_keys.delete",
        json!({"account": "acme", "api_key": id}),
    )
    .unwrap();
    assert!(!is_good(&store, &fifth));
}

/// R-SES-8, R-QTA-13: in a wrong future an overlap gets no longer than it was asked for.
#[test]
fn an_overlap_that_began_in_a_wrong_future_ends_as_if_it_began_now() {
    const YEAR_MS: u64 = 365 * 24 * 3_600_000;
    let store = store(":memory:");
    let (id, first) = key(&store, "ann", &["campaigns.send"], json!({}));
    let clock = &store.guard_for_tests().engine.kernel.clock;
    clock.set(START_MS + YEAR_MS).unwrap();
    let second = rotate(&store, &id, json!({"overlap_ms": 1000})).unwrap();
    call(&store, "clock.set", json!({"now_ms": START_MS})).unwrap();
    call(&store, "clock.undo", json!({})).unwrap();
    assert!(is_good(&store, &first) && is_good(&store, &second));
    clock.set(START_MS + 1000).unwrap();
    assert!(!is_good(&store, &first) && is_good(&store, &second));
}

/// R-SES-8, S7: neither token is anywhere in the store, nor in the audit, while both are good.
#[test]
fn no_token_is_kept_while_two_are_good() {
    let path = std::env::temp_dir().join(format!("tenantry-rotated-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    let store = store(path.to_str().unwrap());
    let (id, first) = key(&store, "ann", &["campaigns.send"], json!({}));
    let second = rotate(&store, &id, json!({"overlap_ms": 1000})).unwrap();
    let audit = call(&store, "audit.list", json!({"account": "acme", "limit": 1})).unwrap();
    assert_eq!(audit["records"][0]["operation"], "api_keys.rotate");
    let fields = audit["records"][0]["changes"][0]["fields"]
        .as_array()
        .unwrap();
    let told: Vec<&str> = fields
        .iter()
        .map(|field| field["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        told,
        [
            "former.replaced_at_ms",
            "former.token_hash",
            "former.until_ms",
            "token_hash"
        ]
    );
    let text = audit.to_string();
    for field in fields
        .iter()
        .filter(|field| field["name"].as_str().unwrap().ends_with("hash"))
    {
        assert_eq!(
            field["after"],
            json!({"hidden": true}).to_string(),
            "{text}"
        );
    }
    store.close().unwrap();
    for entry in walk(&path) {
        let bytes = std::fs::read(&entry).unwrap();
        for token in [&first, &second] {
            let token = token.as_str().unwrap();
            let secret = &token.as_bytes()[token.len() - 72..token.len() - 8];
            let held = bytes.windows(secret.len()).any(|part| part == secret);
            assert!(!held, "{}", entry.display());
        }
    }
    std::fs::remove_dir_all(path).unwrap();
}
