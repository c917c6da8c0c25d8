//! The list is whole and in order, and the gates stand as they were decided.

use super::*;

#[test]
fn every_name_is_found() {
    for entry in CATALOGUE {
        assert_eq!(find(entry.name).unwrap().name, entry.name);
    }
    assert!(find("accounts").is_none() && find("").is_none());
}

#[test]
fn order_is_checked_strictly() {
    assert!(lookup::is_sorted(&["a.b", "a.c", "ab.a"]));
    assert!(!lookup::is_sorted(&["a.b", "a.b"]));
    assert!(!lookup::is_sorted(&["a.c", "a.b"]));
}

/// A gate that was decided: the operation, whether it passes, and why.
type Decided = (&'static str, bool, &'static str);

fn hold(which: &str, gate: fn(&Gates) -> bool, decided: &[Decided]) {
    for (name, open, why) in decided {
        let entry = find(name).unwrap_or_else(|| panic!("there is no operation `{name}`"));
        assert_eq!(gate(&entry.gates), *open, "{name}, {which}: {why}");
    }
}

/// The operations that pass a gate.
fn all_that_pass(gate: fn(&Gates) -> bool) -> Vec<&'static str> {
    let passing = CATALOGUE.iter().filter(|entry| gate(&entry.gates));
    passing.map(|entry| entry.name).collect()
}

/// R-SES-7.
#[test]
fn what_an_api_key_may_call_is_decided() {
    hold(
        "with an API key",
        |gates| gates.api_key,
        &[
            ("sending.admit", true, "this is what programs are for"),
            ("addresses.get", true, "it changes nothing"),
            (
                "users.change_email",
                false,
                "whoever gets the mail can reset the password",
            ),
            (
                "users.request_password_reset",
                false,
                "it changes how a person logs in",
            ),
            (
                "users.export_data",
                false,
                "it tells of a person in all their accounts",
            ),
            ("passwords.change", false, "it changes how a person logs in"),
            (
                "second_factors.remove",
                false,
                "it changes how a person logs in",
            ),
            (
                "api_keys.create",
                false,
                "a key would outlive itself by making another",
            ),
            ("api_keys.edit", false, "a key would widen itself"),
            ("api_keys.rotate", false, "a key would outlive its token"),
            (
                "addresses.set",
                false,
                "a key would let itself in from anywhere",
            ),
            ("sessions.create_as", false, "a program acts as nobody else"),
            ("accounts.switch", false, "a key belongs to one account"),
            ("members.leave", false, "a person leaves, not a program"),
        ],
    );
}

/// R-SES-6, S11.
#[test]
fn what_is_open_to_a_log_in_as_another_is_decided() {
    hold(
        "logged in as another",
        |gates| gates.log_in_as,
        &[
            (
                "campaigns.stop",
                true,
                "support helps where it can be undone",
            ),
            ("groups.delete", true, "the permissions of both are enough"),
            ("credits.balance", true, "support looks at it"),
            (
                "credits.reserve",
                false,
                "it decides what others can pay with",
            ),
            (
                "users.edit",
                false,
                "it is about the person in all their accounts",
            ),
            (
                "users.change_email",
                false,
                "whoever gets the mail can reset the password",
            ),
            ("users.delete", false, "it cannot be taken back"),
            ("invitations.erase", false, "it cannot be taken back"),
            ("accounts.delete", false, "it cannot be taken back"),
            (
                "accounts.transfer_owner",
                false,
                "the account would be somebody else's",
            ),
            ("api_keys.create", false, "the key would outlive the log-in"),
            (
                "api_keys.rotate",
                false,
                "the token would outlive the log-in",
            ),
            ("addresses.set", false, "the person could be shut out"),
            ("members.leave", false, "it cannot be taken back"),
            (
                "sessions.create_as",
                false,
                "nobody acts as a third through a second",
            ),
        ],
    );
}

/// R-SES-1, S9.
#[test]
fn what_needs_a_recent_log_in_is_decided() {
    hold(
        "after a recent log-in",
        |gates| gates.needs_recent_log_in,
        &[
            (
                "users.change_email",
                true,
                "whoever gets the mail can reset the password",
            ),
            (
                "second_factors.begin",
                true,
                "it changes how a person logs in",
            ),
            (
                "second_factors.remove",
                true,
                "it changes how a person logs in",
            ),
            (
                "second_factors.renew_recovery_codes",
                true,
                "the codes are a way in",
            ),
            ("api_keys.create", true, "the key outlives the session"),
            ("api_keys.edit", true, "the key outlives the session"),
            ("api_keys.rotate", true, "the token outlives the session"),
            (
                "accounts.transfer_owner",
                true,
                "it cannot be taken back by who does it",
            ),
            (
                "sessions.create_as",
                true,
                "the session is another person's",
            ),
            ("passwords.change", false, "it asks for the password itself"),
            (
                "api_keys.delete",
                false,
                "it takes something away from who misuses it",
            ),
            (
                "sessions.end_all",
                false,
                "it takes something away from who misuses it",
            ),
            ("second_factors.status", false, "it changes nothing"),
        ],
    );
}

/// R-SES-1: without a required second factor somebody gets one, or leaves, and nothing else.
#[test]
fn nothing_but_getting_a_second_factor_and_leaving_goes_without_one() {
    assert_eq!(
        all_that_pass(|gates| gates.before_second_factor),
        [
            "second_factors.begin",
            "second_factors.confirm",
            "second_factors.status",
            "sessions.end",
            "sessions.end_all",
            "sessions.list",
        ]
    );
}

/// R-ACC-2: whoever put their own account on hold takes that back, and does nothing else there.
#[test]
fn nothing_but_the_release_is_open_in_an_account_on_hold() {
    assert_eq!(all_that_pass(|gates| gates.on_hold), ["accounts.release"]);
}

/// R-ACC-5: whatever takes `atomic` answers in the one shape of bulk actions.
#[test]
fn one_thing_done_to_many_is_answered_in_one_shape() {
    let mut found = 0;
    for entry in CATALOGUE {
        let (request, answer) = ((entry.request)().to_value(), (entry.answer)().to_value());
        if request.pointer("/properties/atomic").is_none() {
            continue;
        }
        found += 1;
        assert_eq!(
            answer["properties"]["refused"]["type"], "integer",
            "{}",
            entry.name
        );
        let result = &answer["properties"]["results"]["items"]["$ref"];
        let result = result.as_str().unwrap_or_else(|| panic!("{}", entry.name));
        let result = answer.pointer(result.trim_start_matches('#')).unwrap();
        assert_eq!(
            result["properties"]["done"]["type"], "boolean",
            "{}",
            entry.name
        );
        let problem = result["properties"]["problem"].to_string();
        assert!(
            problem.contains("#/$defs/Problem"),
            "{}: {problem}",
            entry.name
        );
    }
    assert_eq!(found, 5, "operations that take `atomic`");
}

/// R-PLT-2: of an operator who reads about an account one permission is asked for, whatever they
/// read; what is the platform's own has permissions of its own.
#[test]
fn one_permission_lets_an_operator_see_all_of_every_client() {
    const OF_THE_PLATFORM: [&str; 4] = [
        "packages.view",
        "packages.assign",
        "operators.manage",
        "roles.view",
    ];
    let mut seen = 0;
    for entry in CATALOGUE {
        let permission = match entry.access {
            _ if entry.effect != Effect::Read => continue,
            // Whether an account can be made is asked by who makes it.
            Operator("clients.add") => continue,
            Operator(permission)
            | crate::api::operation::Access::Account {
                operator: Some(permission),
                ..
            } => permission,
            _ => continue,
        };
        if !OF_THE_PLATFORM.contains(&permission) {
            assert_eq!(permission, "clients.view_all", "{}", entry.name);
            seen += 1;
        }
    }
    assert!(seen > 30, "only {seen} operations were found");
}
