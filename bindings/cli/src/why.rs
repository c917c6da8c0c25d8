//! Why a send would be refused, in sentences.

use clap::ArgMatches;
use serde_json::{Value, json};
use std::io::Write;
use tenantry::Code;

use crate::answers::{self, instant};
use crate::failure::Failure;
use crate::store::Store;

/// Explains a send; answers whether it would go out.
pub(crate) fn show(store: &Store, of: &ArgMatches, is_json: bool) -> Result<bool, Failure> {
    let text = |id: &str| of.get_one::<String>(id).map(String::as_str);
    let account = text("account").unwrap_or_default();
    let count = of.get_one::<u64>("count").copied().unwrap_or(1);
    let channel = text("channel").unwrap_or("email");
    let mut request = json!({"account": account, "count": count, "channel": channel});
    if let Some(user) = text("user") {
        request["user"] = user.into();
    }
    let explained = store.call("sending.explain", &request)?;
    let goes_out = explained["would_grant"] == true;
    // Nobody needs a permission where the host itself sends.
    let access = match text("user") {
        Some(user) if explained["refusal"]["code"] == "permission_denied" => {
            let request = json!({"account": account, "user": user,
                "permission": "campaigns.send"});
            Some(store.call("access.explain", &request)?)
        }
        _ => None,
    };
    if is_json {
        let both = json!({"sending": explained, "access": access});
        answers::print(&both, true)?;
        return Ok(goes_out);
    }
    let messages = match channel {
        "sms" => "text messages",
        _ => "e-mails",
    };
    let who = match text("user") {
        Some(user) => format!("`{user}` in the account `{account}`"),
        None => format!("The account `{account}`"),
    };
    let mut out = std::io::stdout().lock();
    for sentence in sentences(&who, count, messages, &explained, access.as_ref()) {
        writeln!(out, "{sentence}")?;
    }
    Ok(goes_out)
}

fn sentences(
    who: &str,
    count: u64,
    messages: &str,
    explained: &Value,
    access: Option<&Value>,
) -> Vec<String> {
    let mut said = Vec::new();
    let refusal = &explained["refusal"];
    if refusal.is_null() {
        said.push(format!("{who} may send {count} {messages} now."));
        if let Some(credits) = explained["credits"].as_u64().filter(|credits| *credits > 0) {
            said.push(format!("Credits would pay for {credits} of them."));
        }
    } else {
        said.push(format!("{who} may not send {count} {messages} now."));
        said.push(because(refusal));
    }
    if let Some(access) = access {
        said.extend(steps(access));
    }
    if let Some(remaining) = explained["remaining"].as_u64() {
        said.push(format!("{remaining} could go out now."));
    }
    if !refusal.is_null() {
        said.push(match refusal["retry_at_ms"].as_i64() {
            Some(at) => format!("The same send is let through at {}.", instant(at)),
            None => "Time alone does not change that.".to_owned(),
        });
    }
    said
}

/// The limit that refused it, or what the code means.
fn because(refusal: &Value) -> String {
    let code = refusal["code"].as_str().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let limit = &refusal["limit"];
    if limit.is_null() {
        let sentence = Code::from_name(code).map_or("", Code::sentence);
        return format!("{sentence} (`{code}`)");
    }
    let mut said = format!(
        "The limit `{}` of the {} `{}` is {}, and {} of it are used (`{code}`).",
        text(&limit["name"]),
        text(&limit["scope"]).replace('_', " "),
        text(&limit["subject"]),
        limit["value"],
        limit["used"],
    );
    if let Some(apart) = limit["kept_apart"].as_u64() {
        said.push_str(&format!(" {apart} are kept for accounts below."));
    }
    if let Some(left) = refusal["credits_left"].as_u64() {
        said.push_str(&format!(" {left} credits are left to pay with."));
    }
    said
}

/// What was looked at for the permission, in order.
fn steps(access: &Value) -> Vec<String> {
    let steps = access["steps"].as_array().into_iter().flatten();
    steps
        .map(|step| {
            let text = |field: &str| step[field].as_str().unwrap_or_default();
            let kind = text("kind").replace('_', " ");
            let mut said = format!("Looked at: {kind} of `{}`", text("subject"));
            for (field, before) in [
                ("account", "in the account"),
                ("package", "by the package"),
                ("permission", "for"),
                ("code", "which is"),
            ] {
                if !text(field).is_empty() {
                    said.push_str(&format!(" {before} `{}`", text(field)));
                }
            }
            said + "."
        })
        .collect()
}
