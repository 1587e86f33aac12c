//! A report as a table: the findings with their details, the gravest first, and what was skipped.

use serde_json::Value;

use super::page::{cell, line, pieces, width, wrapped};
use crate::archive::Files;
use crate::config::on_one_line;
use crate::rules::{Report, RuleSet};

/// The width of what is no terminal.
const DEFAULT_WIDTH: usize = 100;

/// Columns that details stand further in.
const INDENT: usize = 2;

/// Items of a list in the details, and lines of one of them, that are shown.
const MOST_ITEMS: usize = 10;
const MOST_LINES: usize = 4;

pub fn page(report: &Report, set: &RuleSet, files: &Files, terminal: Option<usize>) -> String {
    let columns = terminal.unwrap_or(DEFAULT_WIDTH);
    let mut text = String::new();
    members(report, columns, &mut text);
    findings(report, set, columns, &mut text);
    skips(report, columns, &mut text);
    text.push_str(&footer(report, set, files, columns));
    text
}

fn members(report: &Report, columns: usize, text: &mut String) {
    let names = report.members.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    for (name, value) in &report.members {
        let value = shown(value);
        let room = columns.saturating_sub(names + 2).max(1);
        let value = line([(value.as_str(), room)]);
        text.push_str(format!("{}  {value}", cell(name, names)).trim_end());
        text.push('\n');
    }
    if !report.members.is_empty() {
        text.push('\n');
    }
}

fn findings(report: &Report, set: &RuleSet, columns: usize, text: &mut String) {
    let mut findings: Vec<_> = report.findings.iter().collect();
    if findings.is_empty() {
        text.push_str("no findings\n\n");
        return;
    }
    // Of the same severity they keep the order of the report.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let widest =
        |names: Vec<usize>, least: &str| names.into_iter().chain([width(least)]).max().unwrap_or(0);
    let severities =
        widest(findings.iter().map(|it| width(it.severity.name())).collect(), "severity");
    let rules = widest(findings.iter().map(|it| width(&it.rule)).collect(), "rule");
    let keys = widest(findings.iter().map(|it| width(&it.key)).collect(), "key");
    text.push_str(&line([("severity", severities), ("rule", rules), ("key", keys)]));
    text.push('\n');
    text.push_str(&"─".repeat((severities + rules + keys + 4).min(columns)));
    text.push('\n');
    for finding in findings {
        let severity = finding.severity.name();
        let cells = [(severity, severities), (&*finding.rule, rules), (&*finding.key, keys)];
        text.push_str(&line(cells));
        text.push('\n');
        if let Some(description) = set.description(&finding.rule) {
            let description = on_one_line(&description.replace('\n', " "));
            indented(&wrapped(&description, columns.saturating_sub(INDENT)), INDENT, text);
        }
        let names = finding.details.keys().map(|name| width(name)).max().unwrap_or(0);
        for (name, value) in &finding.details {
            let at = INDENT + names + 2;
            text.push_str(&format!("{}{}  ", " ".repeat(INDENT), cell(&on_one_line(name), names)));
            value_lines(value, columns.saturating_sub(at).max(1), at, text);
        }
        text.push('\n');
    }
}

/// A value in lines: of a list an item a line, else its text in pieces. The further lines of an item
/// stand further in.
fn value_lines(value: &Value, columns: usize, at: usize, text: &mut String) {
    let items: Vec<String> = match value {
        Value::Array(items) if !items.is_empty() => items.iter().map(shown).collect(),
        other => vec![shown(other)],
    };
    let room = columns.saturating_sub(INDENT).max(1);
    let mut is_first = true;
    for item in items.iter().take(MOST_ITEMS) {
        let lines = wrapped(item, room);
        let lines: Vec<String> = lines.lines().flat_map(|line| pieces(line, room)).collect();
        for (index, line) in lines.iter().take(MOST_LINES).enumerate() {
            let indent = if index == 0 { at } else { at + INDENT };
            let is_cut = index + 1 == MOST_LINES && lines.len() > MOST_LINES;
            let end = if is_cut { " …" } else { "" };
            let indent = if is_first { 0 } else { indent };
            is_first = false;
            text.push_str(&format!("{}{}{end}\n", " ".repeat(indent), line.trim_end()));
        }
        if lines.is_empty() {
            is_first = false;
            text.push('\n');
        }
    }
    if items.len() > MOST_ITEMS {
        text.push_str(&format!("{}… {} more\n", " ".repeat(at), items.len() - MOST_ITEMS));
    }
}

fn skips(report: &Report, columns: usize, text: &mut String) {
    if report.skips.is_empty() {
        return;
    }
    let names: Vec<String> = report
        .skips
        .iter()
        .map(
            |skip| {
                if skip.is_member { format!("report: {}", skip.name) } else { skip.name.clone() }
            },
        )
        .collect();
    let widest = names.iter().map(|name| width(name)).chain([width("skipped")]).max().unwrap_or(0);
    let reasons = report.skips.iter().map(|skip| width(skip.why.reason.code()));
    let reason = reasons.chain([width("reason")]).max().unwrap_or(0);
    let why = columns.saturating_sub(widest + reason + 4).max(1);
    text.push_str(&line([("skipped", widest), ("reason", reason), ("why", why)]));
    text.push('\n');
    text.push_str(&"─".repeat(columns));
    text.push('\n');
    for (skip, name) in report.skips.iter().zip(&names) {
        let detail = on_one_line(&skip.why.detail);
        for (index, piece) in wrapped(&detail, why).lines().enumerate() {
            let (name, code) =
                if index == 0 { (name.as_str(), skip.why.reason.code()) } else { ("", "") };
            let start = format!("{}  {}  ", cell(name, widest), cell(code, reason));
            text.push_str(format!("{start}{piece}").trim_end());
            text.push('\n');
        }
    }
    text.push('\n');
}

fn footer(report: &Report, set: &RuleSet, files: &Files, columns: usize) -> String {
    let count =
        |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let skipped = report.skips.iter().filter(|skip| !skip.is_member).count();
    let text = format!(
        "{} and {skipped} skipped of {} in {}, over {}",
        count(report.findings.len(), "finding"),
        count(set.len(), "rule"),
        report.rules,
        count(files.len(), "file"),
    );
    wrapped(&text, columns) + "\n"
}

fn indented(lines: &str, by: usize, text: &mut String) {
    for line in lines.lines() {
        text.push_str(&" ".repeat(by));
        text.push_str(line);
        text.push('\n');
    }
}

/// A value on one line: a text as it is, of a map the members without braces, the shortest first, of
/// a list the items in brackets.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => on_one_line(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(shown).collect();
            format!("({})", items.join("; "))
        }
        Value::Object(members) => {
            let members = members.iter().filter(|(_, value)| *value != "");
            let mut members: Vec<String> = members
                .map(|(name, value)| format!("{} {}", on_one_line(name), shown(value)))
                .collect();
            members.sort_by_key(|member| width(member));
            members.join(", ")
        }
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn details_are_read_without_braces() {
        let value = json!([
            {"reason": "Unavailable", "name": "etcd", "message": ""},
            {"list": [{"a": 1}, 2, null], "b": true},
        ]);
        let mut text = String::new();
        value_lines(&value, 30, 4, &mut text);
        assert_eq!(text, "name etcd, reason\n      Unavailable\n    b true, list (a 1; 2; -)\n");
    }

    #[test]
    fn long_values_are_cut() {
        let mut text = String::new();
        value_lines(&json!(vec![1; 13]), 10, 2, &mut text);
        assert!(text.ends_with("\n  1\n  … 3 more\n"), "{text}");
        let mut text = String::new();
        value_lines(&json!("x".repeat(100)), 12, 2, &mut text);
        assert_eq!(text.lines().count(), MOST_LINES);
        assert!(text.ends_with("xxxxxxxxxx …\n"), "{text}");
    }
}
