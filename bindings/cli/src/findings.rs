//! What `verify` and `repair` find in a store, and what to do about each of it.

use serde_json::{Value, json};
use std::io::Write;

use crate::answers::{self, plain};
use crate::failure::Failure;
use crate::store::Store;

/// Verifies the store; answers whether it is whole.
pub(crate) fn verify(store: &Store, is_json: bool) -> Result<bool, Failure> {
    let found = store.call("store.verify", &json!({}))?;
    if is_json {
        answers::print(&found, true)?;
    } else {
        let findings = list(&found["findings"]);
        let mut said = vec![match findings.len() {
            0 => format!("Nothing is wrong in {} records.", found["records"]),
            many => format!(
                "Found in {} records: {}.",
                found["records"],
                findings_of(many)
            ),
        }];
        said.extend(sentences(findings, true));
        say(&said)?;
    }
    Ok(found["whole"] == true)
}

/// Repairs the store, or says what would be repaired; answers whether it is whole.
pub(crate) fn repair(store: &Store, dry_run: bool, is_json: bool) -> Result<bool, Failure> {
    let done = store.call("store.repair", &json!({"dry_run": dry_run}))?;
    if is_json {
        answers::print(&done, true)?;
    } else {
        let remaining = list(&done["remaining"]);
        let what = if dry_run {
            "Would be repaired"
        } else {
            "Repaired"
        };
        let mut said = vec![format!(
            "{what}: {} index lines and counts.",
            done["repaired_count"]
        )];
        said.extend(sentences(list(&done["repaired"]), false));
        if !remaining.is_empty() {
            let many = findings_of(remaining.len());
            said.push(format!("Not repaired: {many}."));
            said.extend(sentences(remaining, true));
        }
        say(&said)?;
    }
    Ok(done["whole"] == true)
}

fn list(findings: &Value) -> &[Value] {
    findings.as_array().map_or(&[], Vec::as_slice)
}

/// So many findings; an answer has at most 100.
fn findings_of(many: usize) -> String {
    match many {
        1 => "1 finding".to_owned(),
        100.. => "100 findings or more".to_owned(),
        _ => format!("{many} findings"),
    }
}

fn sentences(findings: &[Value], with_remedy: bool) -> impl Iterator<Item = String> {
    findings.iter().map(move |finding| {
        let text = |name: &str| plain(finding[name].as_str().unwrap_or_default());
        let key: Vec<String> = list(&finding["key"])
            .iter()
            .map(|part| plain(part.as_str().unwrap_or_default()))
            .collect();
        let subject = format!("{} {}", text("record"), key.join("/"));
        let kind = text("kind").replace('_', " ");
        let mut said = format!("\n{}\n  {kind}: {}", subject.trim(), text("message"));
        if with_remedy {
            said.push_str(match text("remedy").as_str() {
                "repair" => "\n  What to do: `tenantry repair` puts it right from the records.",
                "restore_backup" => {
                    "\n  What to do: keep this store, and restore a backup beside it."
                }
                _ => "\n  What to do: see docs/operate.md.",
            });
        }
        said
    })
}

fn say(said: &[String]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    said.iter().try_for_each(|one| writeln!(out, "{one}"))
}
