//! R-QTA-16: what very many records name is replaced in bounded steps; whoever looks meanwhile sees
//! what is there at the end, and a crash only interrupts the work.

use super::steps_tests::{
    AT_ONCE, Disk, MOST_WRITTEN, NOON_MS, call, code, disk, must, open, whole,
};
use crate::error::Code;
use crate::guard::Guard;
use crate::kernel::keys;
use serde_json::{Value, json};
use std::sync::Arc;
use tenantry_store::Order;

/// How many members and accounts there are, more than a few steps write.
const MANY: usize = 150;

fn account(at: usize) -> String {
    format!("a{at:03}")
}

/// Many accounts with the package `old`, some of which get it later, or have another.
fn fill_packages(guard: &Guard) {
    for package in ["old", "new", "other", "third"] {
        let limits = json!({"email_per_day": if package == "old" { 100 } else { 50 }});
        let package = json!({"id": package, "name": package, "limits": limits});
        must(guard, "packages.create", package);
    }
    for at in 0..MANY {
        let id = account(at);
        let package = if at % 10 == 9 { "other" } else { "old" };
        let owner = json!({"user": format!("o{at}"), "email": format!("o{at}@t.example")});
        let new = json!({"id": id, "name": id, "package": package, "owner": owner});
        must(guard, "accounts.create", new);
        if at % 10 == 9 {
            let later = json!({"account": id, "package": "old", "at": "next_month"});
            must(guard, "accounts.edit", later);
        }
    }
    let own = json!({"account": account(3), "package": "new"});
    must(guard, "accounts.edit", own);
}

fn delete_package(guard: &Guard) -> Value {
    call(
        guard,
        "packages.delete",
        json!({"package": "old", "move_to": "new"}),
    )
    .unwrap_or_else(|error| json!(error.code().name()))
}

/// Many members with the role `old`, which is the default of accounts and offered as well.
fn fill_roles(guard: &Guard) {
    for (role, permission) in [("old", "lists"), ("new", "campaigns"), ("third", "forms")] {
        let allow = json!([{"permission": permission}]);
        let role = json!({"id": role, "name": role, "allow": allow});
        must(guard, "roles.create", role);
    }
    let includes = json!({"id": "includes", "name": "Includes", "includes": ["old"]});
    must(guard, "roles.create", includes);
    for id in ["acme", "beta"] {
        let owner = json!({"user": format!("of-{id}"), "email": format!("of-{id}@t.example")});
        must(
            guard,
            "accounts.create",
            json!({"id": id, "name": id, "owner": owner}),
        );
        must(
            guard,
            "accounts.edit",
            json!({"account": id, "default_role": "old"}),
        );
    }
    for at in 0..MANY {
        let account = if at % 5 == 0 { "beta" } else { "acme" };
        let role = if at % 7 == 0 { "new" } else { "old" };
        let member = json!({"account": account, "user": format!("u{at:03}"), "role": role,
            "email": format!("u{at}@t.example")});
        must(guard, "members.add", member);
    }
    let addresses: String = (0..20).map(|at| format!("i{at}@mail.example ")).collect();
    let offer = json!({"account": "acme", "addresses": addresses, "role": "old"});
    must(guard, "invitations.create", offer);
}

fn delete_role(guard: &Guard) -> Value {
    call(
        guard,
        "roles.delete",
        json!({"role": "old", "replace_with": "new"}),
    )
    .unwrap_or_else(|error| json!(error.code().name()))
}

/// All pages of a list, joined.
fn pages(guard: &Guard, operation: &str, request: &Value, of: &str) -> Vec<Value> {
    let (mut found, mut request) = (Vec::new(), request.clone());
    loop {
        let page = must(guard, operation, request.clone());
        found.extend(page[of].as_array().unwrap().iter().cloned());
        match page.get("next") {
            Some(next) => request["after"] = next.clone(),
            None => return found,
        }
    }
}

/// What can be asked of packages and of who has them.
fn seen_of_packages(guard: &Guard) -> Value {
    let listed = |request: Value| pages(guard, "accounts.list", &request, "accounts");
    let refused = |request: Value| {
        let error = call(guard, "packages.delete", request).unwrap_err();
        json!([error.code().name(), error.details()])
    };
    let usage = [0, 80, 149].map(|at| must(guard, "usage.get", json!({"account": account(at)})));
    let asked = [1, 75, 148].map(|at| {
        let send = json!({"account": account(at), "count": 60});
        must(guard, "sending.explain", send)
    });
    json!({
        "new": listed(json!({"package": "new", "limit": 7})),
        "named": listed(json!({"package": "new", "order": "name", "limit": 90})),
        "all": listed(json!({"limit": 60})),
        "old": listed(json!({"package": "old"})),
        "packages": pages(guard, "packages.list", &json!({}), "packages"),
        "gone": code(guard, "packages.get", json!({"package": "old"})).map(Code::name),
        "taken": code(guard, "packages.create", json!({"id": "old", "name": "Old"}))
            .map(Code::name),
        "in_use": refused(json!({"package": "new"})),
        "usage": usage,
        "asked": asked,
    })
}

/// What can be asked of roles and of who has them.
fn seen_of_roles(guard: &Guard) -> Value {
    let listed = |request: Value| pages(guard, "members.list", &request, "members");
    let error = call(guard, "roles.delete", json!({"role": "new"})).unwrap_err();
    let may = |user: &str, permission: &str| {
        let account = if user == "u100" { "beta" } else { "acme" };
        let asked = json!({"account": account, "user": user, "permission": permission});
        must(guard, "access.check", asked)
    };
    let may = ["u001", "u099", "u100", "u148"]
        .map(|user| [may(user, "lists.view"), may(user, "campaigns.view")]);
    let uses = error.details().clone();
    json!({
        "acme": listed(json!({"account": "acme", "role": "new", "limit": 9})),
        "beta": listed(json!({"account": "beta", "role": "new", "limit": 100})),
        "by_name": listed(json!({"account": "acme", "role": "new", "order": "email"})),
        "all": listed(json!({"account": "acme", "limit": 60})),
        "accounts": pages(guard, "accounts.list", &json!({}), "accounts"),
        "roles": pages(guard, "roles.list", &json!({}), "roles"),
        "gone": code(guard, "roles.get", json!({"role": "old"})).map(Code::name),
        "invitations": pages(guard, "invitations.list", &json!({"account": "acme"}),
            "invitations"),
        "uses": [error.code().name(), uses],
        "may": may,
    })
}

struct Work {
    fill: fn(&Guard),
    begin: fn(&Guard) -> Value,
    seen: fn(&Guard) -> Value,
}

const PACKAGES: Work = Work {
    fill: fill_packages,
    begin: delete_package,
    seen: seen_of_packages,
};
const ROLES: Work = Work {
    fill: fill_roles,
    begin: delete_role,
    seen: seen_of_roles,
};

/// All that a store holds, audit records included.
fn records(disk: &Disk) -> Vec<(String, String)> {
    let rows = disk
        .inner
        .range(keys::FIRST, &[0x7f], Order::Ascending, usize::MAX);
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let rows = rows.unwrap().into_iter();
    rows.map(|(key, record)| (text(&key), text(&record.value)))
        .collect()
}

/// A store in which the work was begun, and cut off after so many commits. Nobody goes on with it.
fn cut(work: &Work, commits: usize) -> (Arc<Disk>, Guard) {
    let disk = disk();
    (work.fill)(&open(&disk, Some(NOON_MS)));
    *disk.spared.lock() = Some(commits);
    assert_eq!((work.begin)(&open(&disk, Some(NOON_MS))), "store_failed");
    *disk.spared.lock() = None;
    let guard = open(&disk, Some(NOON_MS));
    guard.engine.background.give_up_for_tests();
    (disk, guard)
}

fn is_under_way(guard: &Guard) -> bool {
    must(guard, "store.info", json!({}))
        .get("replacing")
        .is_some()
}

/// Goes on until all is done.
fn go_on(guard: &Guard) {
    guard.engine.resume().unwrap();
    while is_under_way(guard) {}
}

fn answers_are_those_of_the_end(work: &Work) {
    let whole_disk = disk();
    let guard = open(&whole_disk, Some(NOON_MS));
    (work.fill)(&guard);
    whole(&whole_disk);
    let before = whole_disk.written.lock().len();
    (work.begin)(&guard);
    let written = whole_disk.written.lock()[before..].to_vec();
    assert!(written.len() > 3, "{written:?}");
    let is_bounded = |keys: &usize| *keys <= MOST_WRITTEN;
    assert!(written.iter().all(is_bounded), "{written:?}");
    whole(&whole_disk);
    assert!(!is_under_way(&guard));
    let end = (work.seen)(&guard);
    let at_the_end = records(&whole_disk);

    for commits in 1..written.len() {
        let (disk, guard) = cut(work, commits);
        assert!(is_under_way(&guard));
        whole(&disk);
        let now = (work.seen)(&guard);
        for (question, answer) in end.as_object().unwrap() {
            assert_eq!(&now[question], answer, "{question} after {commits} commits");
        }
        go_on(&guard);
        whole(&disk);
        assert_eq!(
            (work.seen)(&guard),
            end,
            "after {commits} commits, and the rest"
        );
        assert_eq!(records(&disk), at_the_end, "after {commits} commits");
    }
}

#[test]
fn a_package_is_replaced_in_steps_and_nobody_can_tell() {
    answers_are_those_of_the_end(&PACKAGES);
}

#[test]
fn a_role_is_replaced_in_steps_and_nobody_can_tell() {
    answers_are_those_of_the_end(&ROLES);
}

/// What is done meanwhile to accounts that are not written anew yet.
#[test]
fn accounts_change_while_their_package_is_replaced() {
    let (disk, guard) = cut(&PACKAGES, 1);
    let accounts = |package: &str| {
        must(&guard, "packages.get", json!({"package": package}))["accounts"].clone()
    };
    let all = accounts("new");
    // One account takes another package, one is renamed, one goes, and one comes.
    let other = json!({"account": account(100), "package": "third"});
    must(&guard, "accounts.edit", other);
    must(
        &guard,
        "accounts.edit",
        json!({"account": account(101), "name": "Renamed"}),
    );
    must(&guard, "accounts.delete", json!({"account": account(102)}));
    assert!(
        !is_under_way(&guard),
        "who deletes an account first ends what is under way"
    );
    assert_eq!(accounts("new"), json!(all.as_u64().unwrap() - 2));
    whole(&disk);

    // What is in its place is replaced as well.
    let (disk, guard) = cut(&PACKAGES, 2);
    let stale = json!({"account": account(120), "name": "Stale", "expected_rev": 1});
    assert_eq!(
        code(&guard, "accounts.edit", stale),
        Some(Code::RevConflict)
    );
    *disk.spared.lock() = Some(1);
    call(
        &guard,
        "packages.delete",
        json!({"package": "new", "move_to": "third"}),
    )
    .unwrap_err();
    *disk.spared.lock() = None;
    drop(guard);
    let guard = open(&disk, Some(NOON_MS));
    guard.engine.background.give_up_for_tests();
    whole(&disk);
    let moved = || {
        let all = pages(
            &guard,
            "accounts.list",
            &json!({"package": "third"}),
            "accounts",
        );
        all.iter()
            .map(|one| json!([one["id"], one["rev"]]))
            .collect::<Vec<_>>()
    };
    let seen = moved();
    assert_eq!(seen.len(), MANY - MANY / 10);
    go_on(&guard);
    whole(&disk);
    assert_eq!(moved(), seen);
}

/// What is done meanwhile with members whose role is not written anew yet.
#[test]
fn members_change_while_their_role_is_replaced() {
    let (disk, guard) = cut(&ROLES, 1);
    let acme = |user: &str| json!({"account": "acme", "user": user});
    let mut other = acme("u101");
    other["role"] = json!("third");
    must(&guard, "members.set_role", other);
    must(&guard, "members.disable", acme("u102"));
    must(&guard, "members.remove", acme("u103"));
    must(&guard, "users.delete", json!({"user": "u104"}));
    whole(&disk);
    let role = |user: &str| must(&guard, "members.get", acme(user))["role"].clone();
    assert_eq!([role("u101"), role("u102")], ["third", "new"]);
    *disk.spared.lock() = Some(1);
    call(
        &guard,
        "roles.delete",
        json!({"role": "new", "replace_with": "third"}),
    )
    .unwrap_err();
    *disk.spared.lock() = None;
    drop(guard);
    let guard = open(&disk, Some(NOON_MS));
    guard.engine.background.give_up_for_tests();
    whole(&disk);
    let third = || {
        let asked = json!({"account": "acme", "role": "third", "limit": 20});
        pages(&guard, "members.list", &asked, "members")
    };
    let seen = third();
    assert!(seen.len() > AT_ONCE, "{}", seen.len());
    go_on(&guard);
    whole(&disk);
    assert_eq!(third(), seen);
    assert_eq!(
        must(&guard, "audit.verify", json!({"account": "acme"}))["whole"],
        true
    );
}

/// What is not done in steps is refused where it is too much for one commit, and changes nothing.
#[test]
fn what_is_too_large_for_one_commit_is_refused() {
    let disk = disk();
    let guard = open(&disk, Some(NOON_MS));
    fill_roles(&guard);
    for id in ["crowd", "rest"] {
        let group = json!({"account": "acme", "id": id, "name": id});
        must(&guard, "groups.create", group);
    }
    let users: Vec<_> = (1..MANY)
        .filter(|at| at % 5 != 0)
        .map(|at| format!("u{at:03}"))
        .collect();
    let all = json!({"account": "acme", "group": "crowd", "users": users});
    must(&guard, "groups.add_members", all);
    for at in 0..200 {
        let list = json!({"account": "acme", "kind": "list", "id": format!("l{at}"),
            "owner": "u001"});
        must(&guard, "resources.register", list);
    }
    let delete = json!({"account": "acme", "group": "crowd", "to": "rest"});
    guard.engine.background.set_at_once_for_tests(1);
    let before = records(&disk);
    let error = call(&guard, "groups.delete", delete.clone()).unwrap_err();
    assert_eq!(
        (error.code(), &error.details()["most"]),
        (Code::TooLarge, &json!(800))
    );
    assert_eq!(records(&disk), before);
    guard.engine.background.set_at_once_for_tests(AT_ONCE);
    assert_eq!(
        must(&guard, "groups.delete", delete)["members"],
        users.len()
    );
    whole(&disk);
}

/// With the system's clock a thread goes on with it.
#[test]
fn what_was_cut_off_goes_on_beside_the_calls() {
    let (disk, guard) = cut(&ROLES, 2);
    drop(guard);
    let guard = open(&disk, None);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while is_under_way(&guard) {
        assert!(std::time::Instant::now() < until, "nobody goes on with it");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    whole(&disk);
}
