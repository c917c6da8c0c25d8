//! The tables of the README, which say the most in the fewest lines.

use super::report::{Figures, shown};
use std::fmt::Write;

/// A question, and its figure from Rust, C, Python and Node.
const QUESTIONS: [(&str, [&str; 4]); 6] = [
    (
        "an empty call",
        [
            "",
            "C/empty call",
            "Python/empty call",
            "Node/an empty native call",
        ],
    ),
    (
        "admit one message, prepared",
        [
            "admit/tenantry prepared",
            "C/admit, prepared",
            "Python/prepared admit",
            "Node/admit, prepared",
        ],
    ),
    (
        "check one permission, prepared",
        [
            "check/tenantry prepared",
            "C/check, prepared",
            "Python/prepared check",
            "Node/allowed, prepared",
        ],
    ),
    (
        "admit, by ids",
        [
            "admit/tenantry by ids",
            "C/admit, by ids",
            "Python/admit by ids",
            "Node/admit, by ids",
        ],
    ),
    (
        "check, by ids",
        [
            "check/tenantry by ids",
            "C/check, by ids",
            "Python/check by ids",
            "Node/allowed, by ids",
        ],
    ),
    (
        "admit, as JSON; in Node awaited",
        [
            "",
            "C/admit, JSON",
            "Python/admit through JSON",
            "Node/sending.admit, JSON, awaited",
        ],
    ),
];

/// What is done, its figure, and those of others who do the like.
type Beside = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

const BESIDE: [Beside; 7] = [
    (
        "admit one message, prepared, six counters",
        "admit/tenantry prepared",
        &[
            (
                "governor, one keyed window, not durable",
                "admit/governor, one window",
            ),
            (
                "limitador, three windows in memory",
                "admit/limitador, three windows",
            ),
            ("SQLite with six rows", "admit/SQLite, not durable"),
            ("the same, durable", "admit/SQLite, durable"),
        ],
    ),
    (
        "two members of one account in turn",
        "admit/tenantry, two members in turn",
        &[("governor", "admit/governor, one window")],
    ),
    (
        "a member and the host in turn",
        "admit/tenantry, a member and the host in turn",
        &[("governor", "admit/governor, one window")],
    ),
    (
        "a refusal, prepared",
        "refusals/prepared",
        &[("a grant", "admit/tenantry prepared")],
    ),
    (
        "a refusal, by ids",
        "refusals/by ids",
        &[("a grant", "admit/tenantry by ids")],
    ),
    (
        "check, by ids",
        "check/tenantry by ids",
        &[
            ("casbin, 100 users", "check/casbin, 100 users"),
            ("casbin, 10,000 users", "check/casbin, 10000 users"),
            ("cedar, 200 policies", "check/cedar, 200 policies"),
        ],
    ),
    (
        "the same on a platform of a million users",
        "of 1000000 users/check, by ids",
        &[],
    ),
];

/// Who does what, on the platform as it is lived in, and the figures under its name.
const LIVED_IN: [(&str, &str); 4] = [
    ("a send", "closed loop/send"),
    ("a refusal", "closed loop/refusal"),
    (
        "governor, one window in memory",
        "closed loop/governor, one window in memory",
    ),
    (
        "the disk alone: 4 KiB, durable",
        "closed loop/the disk alone, 4 KiB",
    ),
];

/// What stands between the marks of the README.
pub fn tables(figures: &Figures, quick: bool) -> String {
    let cell = |name: &str| figures.get(name).map_or(String::new(), time);
    let mut text = "\n| | Rust | C | Python | Node |\n|---|--:|--:|--:|--:|\n".to_owned();
    for (question, names) in QUESTIONS {
        let cells = names.map(cell).join(" | ");
        let _ = writeln!(text, "| {question} | {cells} |");
    }
    text += "\nBeside others, in the same run:\n\n| | takes | beside |\n|---|--:|---|\n";
    for (what, ours, others) in BESIDE {
        let others: Vec<_> = others
            .iter()
            .filter_map(|(who, name)| Some(format!("{who}: {}", time(figures.get(name)?))))
            .collect();
        let _ = writeln!(text, "| {what} | {} | {} |", cell(ours), others.join("; "));
    }
    text += "\nAs a platform lives: a folder on the disk with full durability, 2,000 accounts with \
             5,000 messages an hour\nand 50,000 a day, a few of which send most, one call after \
             the other.\n\n| | mean | 99.9 % | worst |\n|---|--:|--:|--:|\n";
    for (who, name) in LIVED_IN {
        let cells = ["mean", "99.9 %", "worst"].map(|which| cell(&format!("{name}, {which}")));
        let _ = writeln!(text, "| {who} | {} |", cells.join(" | "));
    }
    if let Some(share) = figures.get("closed loop/calls that waited for the disk, share") {
        let _ = writeln!(
            text,
            "\nOf these sends {:.2} % waited for the disk.",
            share * 100.0
        );
    }
    let (users, imported) = match quick {
        true => ("10,000", "10,000"),
        false => ("a million", "100,000"),
    };
    let notes = [
        (
            "open",
            format!("A store of {users} users opens in"),
            "sled's own time for it",
        ),
        (
            "import, durable",
            format!("{imported} users are imported, durably, in"),
            "what raw sled takes for the same bytes",
        ),
    ];
    for (name, what, than) in notes {
        if let Some(ratio) = figures.get(name) {
            let _ = writeln!(text, "\n{what} {ratio:.2} times {than}.");
        }
    }
    if quick {
        text += "\nA short run, on small platforms: not to be relied on.\n";
    }
    text
}

fn time(figure: f64) -> String {
    if figure < 10_000.0 {
        format!("{} ns", shown(figure))
    } else {
        shown(figure)
    }
}
