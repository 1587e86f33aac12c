//! What `check` says.

use std::fmt::Write;

use console::Style;
use serde_json::{Map, Value, json};

use super::page::{cell, pieces, width, wrapped};
use crate::check::{Finding, Grade, verdict};
use crate::config::{Settings, on_one_line};

/// Columns of lines where nobody knows how many there are, and the most of them that are used.
const USUAL: usize = 80;
const MOST: usize = 120;

/// Columns of the part's name and of its grade, with the space after each.
const NAME: usize = 14;
const GRADE: usize = 14;

/// What was found.
pub struct Page<'a> {
    pub domain: &'a str,
    /// `None`: they cannot be used.
    pub settings: Option<&'a Settings>,
    pub findings: &'a [Finding],
    /// Whether changes are accepted.
    pub accepted: bool,
}

/// For people. `terminal`: the columns of the terminal; `None`: it is none, and has no colours.
pub fn text(page: &Page<'_>, terminal: Option<usize>) -> String {
    let columns = terminal.unwrap_or(USUAL).min(MOST);
    let is_coloured = terminal.is_some() && console::colors_enabled();
    let title = match page.settings {
        Some(settings) => format!("{}: into {}", page.domain, settings.write.sink.target()),
        None => page.domain.to_owned(),
    };
    let mut text = format!("{}\n\n", folded(&title, columns));
    // On a narrow terminal the text has lines of its own.
    let indent = if columns < 60 { 2 } else { NAME + GRADE };
    for finding in page.findings {
        let label = cell(finding.grade.label(), GRADE - 2);
        let label =
            if is_coloured { style(finding.grade).apply_to(label).to_string() } else { label };
        let begin = format!("{}{}", cell(finding.part, NAME), label);
        let mut lines = Vec::new();
        lines.extend(folded(&finding.what, columns - indent).lines().map(str::to_owned));
        for more in &finding.more {
            // What is indented already goes on below itself.
            let depth = more.len() - more.trim_start().len();
            let room = columns.saturating_sub(indent + depth).max(10);
            let folded = folded(more.trim_start(), room);
            lines.extend(folded.lines().map(|line| format!("{}{line}", " ".repeat(depth))));
        }
        if let Some(hint) = finding.hint.as_ref().filter(|_| finding.grade > Grade::NotSeen) {
            let folded = folded(&format!("hint: {hint}"), columns - indent);
            lines.extend(folded.lines().map(str::to_owned));
        }
        let mut lines = lines.into_iter();
        let first = lines.next().unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = match indent {
            2 => writeln!(text, "{}\n  {first}", begin.trim_end()),
            _ => writeln!(text, "{begin}  {first}"),
        };
        for line in lines {
            let _ = writeln!(text, "{}{line}", " ".repeat(indent));
        }
    }
    let last = match verdict(page.findings) {
        Grade::Ok | Grade::NotSeen | Grade::Note => {
            "a run would work, and alter nothing".to_owned()
        }
        Grade::DeadLetters | Grade::WouldAlter if page.accepted => {
            format!("{} (accepted)", outcome(page.findings))
        }
        Grade::DeadLetters | Grade::WouldAlter | Grade::WouldFail => outcome(page.findings),
    };
    let last = folded(&last, columns);
    let last = match is_coloured {
        true => style(verdict(page.findings)).apply_to(last).to_string(),
        false => last,
    };
    let _ = write!(text, "\n{last}\n");
    text
}

/// What a run would do, and to what: `a run would fail: brokers, topic`.
pub fn outcome(findings: &[Finding]) -> String {
    let named = |grade: Grade| {
        let mut parts: Vec<&str> = Vec::new();
        for finding in findings.iter().filter(|finding| finding.grade == grade) {
            if !parts.contains(&finding.part) {
                parts.push(finding.part);
            }
        }
        parts.join(", ")
    };
    let each = [
        (Grade::WouldFail, "a run would fail"),
        (Grade::WouldAlter, "a run would alter"),
        (Grade::DeadLetters, "records would become dead letters"),
    ];
    let sentences = each.map(|(grade, what)| (what, named(grade)));
    let sentences = sentences.iter().filter(|(_, parts)| !parts.is_empty());
    let sentences: Vec<String> =
        sentences.map(|(what, parts)| format!("{what}: {parts}")).collect();
    sentences.join("; ")
}

/// On lines of so many columns, whatever is in the text.
fn folded(text: &str, columns: usize) -> String {
    let text = on_one_line(text);
    let wrapped = wrapped(&text, columns);
    let lines = wrapped.lines().flat_map(|line| match width(line) > columns {
        true => pieces(line, columns),
        false => vec![line.to_owned()],
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn style(grade: Grade) -> Style {
    let plain = Style::new();
    match grade {
        Grade::Ok => plain.green(),
        Grade::NotSeen => plain.dim(),
        Grade::Note => plain.cyan(),
        Grade::DeadLetters | Grade::WouldAlter => plain.yellow(),
        Grade::WouldFail => plain.red().bold(),
    }
}

/// For programs.
pub fn json(page: &Page<'_>) -> String {
    let finding = |finding: &Finding| {
        let mut one: Map<String, Value> = Map::new();
        one.insert("part".to_owned(), json!(finding.part));
        one.insert("verdict".to_owned(), json!(finding.grade.label()));
        one.insert("what".to_owned(), json!(finding.what));
        one.insert("more".to_owned(), json!(finding.more));
        one.insert("hint".to_owned(), json!(finding.hint));
        one.insert("facts".to_owned(), Value::Object(finding.facts.clone()));
        Value::Object(one)
    };
    let verdict = verdict(page.findings);
    let all = json!({
        "domain": page.domain,
        "target": page.settings.map(|settings| settings.write.sink.target()),
        "verdict": verdict.label(),
        "accepted": page.accepted,
        "would_fail": verdict == Grade::WouldFail,
        "would_alter": page.findings.iter().any(|one| one.grade == Grade::WouldAlter),
        "dead_letters": page.findings.iter().any(|one| one.grade == Grade::DeadLetters),
        "findings": page.findings.iter().map(finding).collect::<Vec<_>>(),
    });
    format!("{all}\n")
}
