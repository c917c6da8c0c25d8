//! What the benchmarks found, as one table with the targets of the design, and as a chart.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Figures by name, such as `admit/tenantry prepared`: nanoseconds, instructions or a ratio.
#[derive(Default)]
pub struct Figures(BTreeMap<String, f64>);

impl Figures {
    /// The medians of criterion.
    pub fn read_criterion(&mut self, folder: &Path) -> Result<()> {
        for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name == "new") {
                let read = |name: &str| -> Result<serde_json::Value> {
                    Ok(serde_json::from_slice(&fs::read(path.join(name))?)?)
                };
                let (about, estimates) = (read("benchmark.json")?, read("estimates.json")?);
                if let (Some(name), Some(median)) = (
                    about["full_id"].as_str(),
                    estimates["median"]["point_estimate"].as_f64(),
                ) {
                    self.0.insert(name.to_owned(), median);
                }
            } else if path.is_dir() {
                self.read_criterion(&path)?;
            }
        }
        Ok(())
    }

    /// Lines such as `admit, prepared   31.5 ns`.
    pub fn read_lines(&mut self, language: &str, text: &str) {
        for (before, _) in text.lines().filter_map(|line| line.split_once(" ns")) {
            if let Some((name, Ok(number))) = before
                .trim_end()
                .rsplit_once(' ')
                .map(|(name, number)| (name.trim(), number.parse()))
            {
                self.0.insert(format!("{language}/{name}"), number);
            }
        }
    }

    /// Lines such as `import, durable: 2.10 times as long as raw sled`.
    pub fn read_notes(&mut self, text: &str) {
        for (name, rest) in text.lines().filter_map(|line| line.split_once(": ")) {
            if let Some(Ok(number)) = rest
                .split_once(" times as long")
                .map(|(number, _)| number.parse())
            {
                self.0.insert(name.to_owned(), number);
            }
        }
    }

    /// Lines such as `figure closed loop/send, mean: 812.3`.
    pub fn read_figures(&mut self, text: &str) {
        let figures = text.lines().filter_map(|line| {
            let (name, figure) = line.strip_prefix("figure ")?.rsplit_once(": ")?;
            Some((name.to_owned(), figure.parse().ok()?))
        });
        self.0.extend(figures);
    }

    /// What gungraun prints: a name, and below it the number of instructions.
    pub fn read_instructions(&mut self, text: &str) {
        let mut name = "";
        for line in text.lines() {
            if let Some((_, function)) = line.rsplit_once("::").filter(|_| !line.starts_with(' ')) {
                name = function.split_whitespace().next().unwrap_or_default();
            } else if let Some(Ok(number)) = line
                .trim()
                .strip_prefix("Instructions:")
                .map(|rest| rest.trim().split('|').next().unwrap_or_default().parse())
            {
                self.0.insert(format!("instructions/{name}"), number);
            }
        }
    }

    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    /// Those of one group, by what stands behind its name; numbers in their order.
    fn group(&self, group: &str) -> Vec<(&str, f64)> {
        let mut found: Vec<_> = self
            .0
            .iter()
            .filter_map(|(name, figure)| {
                Some((name.strip_prefix(group)?.strip_prefix('/')?, *figure))
            })
            .collect();
        found.sort_by_key(|(name, _)| name.parse::<u64>().unwrap_or(0));
        found
    }
}

enum Target {
    Below(f64),
    AtLeast(f64),
    /// To compare with.
    Peer,
}
use Target::{AtLeast, Below, Peer};

/// What is done, our figure, what it is beside, and what their ratio is to be. With nothing beside
/// it is nanoseconds, or a ratio as it was measured.
const ROWS: [(&str, &str, &str, Target); 39] = [
    (
        "admit, prepared",
        "admit/tenantry prepared",
        "admit/governor, one window",
        Below(1.0),
    ),
    (
        "admit, by ids",
        "admit/tenantry by ids",
        "admit/governor, one window",
        Below(2.0),
    ),
    (
        "admit, prepared",
        "admit/tenantry prepared",
        "admit/limitador, three windows",
        Peer,
    ),
    (
        "admit, prepared",
        "admit/tenantry prepared",
        "admit/Redis script",
        Peer,
    ),
    (
        "admit, prepared",
        "admit/tenantry prepared",
        "admit/SQLite, not durable",
        Peer,
    ),
    (
        "admit, prepared",
        "admit/tenantry prepared",
        "admit/SQLite, durable",
        Peer,
    ),
    (
        "two members of one account in turn",
        "admit/tenantry, two members in turn",
        "admit/governor, one window",
        Below(1.0),
    ),
    (
        "a member and the host in turn",
        "admit/tenantry, a member and the host in turn",
        "admit/governor, one window",
        Below(1.0),
    ),
    (
        "a refusal, prepared",
        "refusals/prepared",
        "admit/tenantry prepared",
        Below(3.0),
    ),
    (
        "a refusal, by ids",
        "refusals/by ids",
        "admit/tenantry by ids",
        Below(3.0),
    ),
    (
        "a refusal and a grant of another, in turn",
        "refusals/in turn with a grant",
        "admit/tenantry prepared",
        Peer,
    ),
    (
        "a send on a living platform, mean",
        "closed loop/send, mean",
        "",
        Below(1_000.0),
    ),
    ("99.9 % of them below", "closed loop/send, 99.9 %", "", Peer),
    (
        "the worst of them",
        "closed loop/send, worst",
        "",
        Below(5_000_000.0),
    ),
    (
        "a refusal there, mean",
        "closed loop/refusal, mean",
        "",
        Peer,
    ),
    (
        "admit from C, prepared",
        "C/admit, prepared",
        "limits/3",
        Below(1.3),
    ),
    (
        "admit from Python, prepared",
        "Python/prepared admit",
        "Python/empty call with a count",
        Below(1.5),
    ),
    (
        "admit from Node, prepared",
        "Node/admit, prepared",
        "Node/an empty native call",
        Below(1.5),
    ),
    (
        "check, prepared, ns",
        "check/tenantry prepared",
        "",
        Below(20.0),
    ),
    (
        "check, by ids, ns",
        "check/tenantry by ids",
        "",
        Below(150.0),
    ),
    (
        "check, prepared, a million users, ns",
        "of 1000000 users/check, prepared",
        "",
        Below(20.0),
    ),
    (
        "check, by ids, a million users, ns",
        "of 1000000 users/check, by ids",
        "",
        Below(150.0),
    ),
    (
        "check, by ids",
        "check/tenantry by ids",
        "check/casbin, 100 users",
        Peer,
    ),
    (
        "check, by ids",
        "check/tenantry by ids",
        "check/casbin, 10000 users",
        Peer,
    ),
    (
        "check, by ids",
        "check/tenantry by ids",
        "check/cedar, 200 policies",
        Peer,
    ),
    (
        "sessions.check",
        "sessions/check",
        "sessions/SHA-256 of the token",
        Below(3.0),
    ),
    (
        "sessions.check in an account",
        "sessions/check in an account",
        "sessions/SHA-256 of the token",
        Below(3.0),
    ),
    (
        "two threads, as much as one",
        "threads/1",
        "threads/2",
        AtLeast(1.8),
    ),
    (
        "four threads, as much as one",
        "threads/1",
        "threads/4",
        Peer,
    ),
    (
        "eight threads, as much as one",
        "threads/1",
        "threads/8",
        Peer,
    ),
    (
        "a durable write",
        "durable write/tenantry, threads: 1",
        "durable write/raw sled",
        Below(1.5),
    ),
    (
        "a durable write",
        "durable write/tenantry, threads: 1",
        "durable write/raw sled, four records at once",
        Peer,
    ),
    (
        "16 threads write durably, as much as one",
        "durable write/tenantry, threads: 1",
        "durable write/tenantry, threads: 16",
        AtLeast(6.0),
    ),
    (
        "import of users beside raw sled",
        "import, durable",
        "",
        Below(3.0),
    ),
    ("open beside sled's own", "open", "", Below(1.5)),
    (
        "admit on 10,000 accounts",
        "accounts/10000",
        "accounts/1000",
        Peer,
    ),
    (
        "admit on 100,000 accounts",
        "accounts/100000",
        "accounts/1000",
        Peer,
    ),
    (
        "admit on 1,000,000 accounts",
        "accounts/1000000",
        "accounts/1000",
        Below(2.0),
    ),
    (
        "admit on 1,000,000 accounts",
        "accounts/1000000",
        "accounts of governor/1000000",
        Peer,
    ),
];

/// How many threads do the work of one turn: what is measured is the turn.
fn threads(name: &str) -> f64 {
    name.strip_prefix("threads/")
        .or_else(|| name.split_once("threads: ").map(|(_, many)| many))
        .and_then(|many| many.parse().ok())
        .unwrap_or(1.0)
}

/// With three digits that count.
pub fn shown(number: f64) -> String {
    match number {
        1_000_000.0.. => format!("{:.1} ms", number / 1e6),
        10_000.0.. => format!("{:.1} us", number / 1e3),
        100.0.. => format!("{number:.0}"),
        10.0.. => format!("{number:.1}"),
        0.1.. => format!("{number:.2}"),
        _ => format!("{number:.5}"),
    }
}

/// What is to be reached, without the digits that [`shown`] adds.
fn bound(number: f64) -> String {
    if number < 10_000.0 {
        number.to_string()
    } else {
        format!("{} ms", number / 1e6)
    }
}

/// All of it as Markdown.
pub fn markdown(figures: &Figures) -> String {
    let mut text = "# Benchmarks\n\n\
                    Nanoseconds for one call, medians of one run; what is skipped was not there. \
                    Six counters are charged for each message: three of the account, \
                    three of the one above.\n\n![Chart](benchmarks.svg)\n\n\
                    | work | tenantry | beside | takes | ratio | target | met |\n\
                    |---|--:|---|--:|--:|--:|---|\n"
        .to_owned();
    for (work, ours, beside, target) in &ROWS {
        let (our_figure, their_figure) = (figures.get(ours), figures.get(beside));
        let ratio = match (our_figure, their_figure) {
            (Some(ours), None) if beside.is_empty() => Some(ours),
            (Some(our_figure), Some(their_figure)) => {
                Some(our_figure / threads(ours) / (their_figure / threads(beside)))
            }
            _ => None,
        };
        let (wanted, met) = match target {
            Below(most) => (
                format!("< {}", bound(*most)),
                ratio.map(|ratio| ratio < *most),
            ),
            AtLeast(least) => (format!(">= {least}"), ratio.map(|ratio| ratio >= *least)),
            Peer => (String::new(), None),
        };
        let met = match (met, target) {
            (_, Peer) => "",
            (Some(true), _) => "yes",
            (Some(false), _) => "**no**",
            (None, _) => "skipped",
        };
        let cell = |figure: Option<f64>| figure.map_or("-".to_owned(), shown);
        let _ = writeln!(
            text,
            "| {work} | {} | {beside} | {} | {} | {wanted} | {met} |",
            cell(our_figure),
            cell(their_figure),
            cell(ratio)
        );
    }
    for (title, group) in [
        (
            "threads, each for an account of its own: one send of each",
            "threads",
        ),
        ("accounts", "accounts"),
        ("keys of governor", "accounts of governor"),
        ("depth of the tree of accounts", "depth"),
        ("limits", "limits"),
        ("instructions of one call, under valgrind", "instructions"),
    ] {
        let found = figures.group(group);
        let line = |cells: Vec<String>| cells.join(" | ");
        if !found.is_empty() {
            let _ = writeln!(
                text,
                "\n| {title} | {} |",
                line(found.iter().map(|(name, _)| (*name).to_owned()).collect())
            );
            let _ = writeln!(text, "|---|{}", "--:|".repeat(found.len()));
            let _ = writeln!(
                text,
                "| | {} |",
                line(found.iter().map(|(_, figure)| shown(*figure)).collect())
            );
        }
    }
    text
}

/// One bar for each way to admit and to check, on a logarithmic scale.
pub fn chart(figures: &Figures) -> String {
    const LEFT: f64 = 230.0;
    const WIDE: f64 = 520.0;
    const HIGH: f64 = 24.0;
    let mut bars: Vec<(String, f64)> = Vec::new();
    for group in ["admit", "check"] {
        let mut found = figures.group(group);
        found.sort_by(|one, other| one.1.total_cmp(&other.1));
        bars.extend(
            found
                .into_iter()
                .map(|(name, figure)| (format!("{group}: {name}"), figure)),
        );
    }
    let most = bars
        .iter()
        .map(|(_, figure)| figure.log10())
        .fold(1.0, f64::max);
    let mut svg = String::new();
    let height = HIGH * (bars.len() as f64 + 1.0);
    let _ = writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 {height}""#
    );
    let _ = writeln!(svg, r#" font-family="sans-serif" font-size="13">"#);
    let _ = writeln!(
        svg,
        r##"<rect width="860" height="{height}" fill="#fff"/>"##
    );
    for (row, (name, figure)) in bars.iter().enumerate() {
        let top = HIGH * (row as f64 + 0.5);
        let wide = figure.log10().max(0.0) / most * WIDE;
        let colour = if name.contains("tenantry") {
            "#2563eb"
        } else {
            "#a3a3a3"
        };
        let _ = writeln!(
            svg,
            r#"<text x="{}" y="{}" text-anchor="end">{name}</text>"#,
            LEFT - 8.0,
            top + 15.0
        );
        let _ = writeln!(
            svg,
            r#"<rect x="{LEFT}" y="{top}" width="{wide:.1}" height="18" fill="{colour}"/>"#
        );
        let figure = if *figure < 1e4 {
            format!("{} ns", shown(*figure))
        } else {
            shown(*figure)
        };
        let _ = writeln!(
            svg,
            r#"<text x="{:.1}" y="{}">{figure}</text>"#,
            LEFT + wide + 6.0,
            top + 14.0
        );
    }
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_come_from_what_is_printed() {
        let mut figures = Figures::default();
        figures.read_lines(
            "C",
            "empty call                1.9 ns\nadmit, prepared          40.5 \
            ns  1.2 x\nno figure\n",
        );
        figures.read_notes(
            "import, durable: 2.10 times as long as raw sled, 2.0 times the processors\n",
        );
        figures.read_instructions(
            "instructions::hot_path::admit_prepared six_counters\n  Instructions:                \
             1734|N/A             (*********)\n",
        );
        let found: Vec<_> = figures
            .0
            .iter()
            .map(|(name, figure)| (name.as_str(), *figure))
            .collect();
        assert_eq!(
            found,
            [
                ("C/admit, prepared", 40.5),
                ("C/empty call", 1.9),
                ("import, durable", 2.1),
                ("instructions/admit_prepared", 1734.0)
            ]
        );
    }

    #[test]
    fn a_ratio_counts_the_threads() {
        let figures = Figures(
            [
                ("threads/1".to_owned(), 30.0),
                ("threads/2".to_owned(), 32.0),
            ]
            .into(),
        );
        let text = markdown(&figures);
        assert!(
            text.contains(
                "| two threads, as much as one | 30.0 | threads/2 | 32.0 | 1.88 | >= 1.8 | yes |"
            ),
            "{text}"
        );
        assert!(
            text.contains(
                "| admit, prepared | - | admit/governor, one window | - | - | < 1 | skipped |"
            ),
            "{text}"
        );
    }
}
