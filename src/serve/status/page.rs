//! The page at `/`: one document. A few lines of script load it again every few seconds; without them
//! the browser does.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::body::Status;

const STYLE: &str = include_str!("status.css");
const SCRIPT: &str = include_str!("status.js");

/// Nothing but the page's own style and script, which asks for the page alone.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let digest = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        digest(STYLE),
        digest(SCRIPT)
    )
});

/// The Content-Security-Policy of the page.
pub(super) fn policy() -> &'static str {
    &POLICY
}

/// `now`: milliseconds since 1970.
pub(super) fn html(status: &Status<'_>, now: i64) -> String {
    let mut page = String::with_capacity(8 << 10);
    // Writing to a string cannot fail.
    let _ = write_page(&mut page, status, now);
    page
}

fn write_page(page: &mut String, status: &Status<'_>, now: i64) -> std::fmt::Result {
    let (domain, state) = (escaped(status.domain), status.state);
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <title>{domain} {state} · generic-consumer</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>\n\
         <link rel=\"icon\" href=\"data:,\">\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>{domain} <span class=\"state {state}\">{state}</span></h1>\n"
    )?;
    if let Some(detail) = &status.detail {
        writeln!(page, "<p class=\"detail\">{}</p>", escaped(detail))?;
    }
    let lag = match status.partitions.iter().any(|one| one.lag.is_some()) {
        true => grouped(status.lag.unsigned_abs()),
        false => "unknown".to_owned(),
    };
    let speed = status.rows_per_second.map_or("–".to_owned(), |speed| format!("{speed:.1}"));
    let dead_letters = grouped(status.dead_letters.values().sum());
    page.push_str("<dl class=\"numbers\">\n");
    for (name, value) in [
        ("Lag", lag),
        ("Rows/s", speed),
        ("Rows", grouped(status.rows)),
        ("Dead letters", dead_letters),
    ] {
        writeln!(page, "<div><dt>{name}</dt><dd>{value}</dd></div>")?;
    }
    let contract = status.contract.as_ref();
    let contract = contract.map(|contract| format!("{} ({})", contract.id, contract.digest));
    page.push_str("</dl>\n<dl class=\"about\">\n");
    for (name, value) in [
        ("Topic", status.topic.unwrap_or("not known yet")),
        ("Contract", contract.as_deref().unwrap_or("not read yet")),
        ("Sink", status.sink),
        ("Group", status.group),
        ("Version", status.version),
        ("Up", &duration(now - status.started)),
    ] {
        writeln!(page, "<div><dt>{name}</dt><dd>{}</dd></div>", escaped(value))?;
    }
    page.push_str("</dl>\n");
    let lags = status.partitions.iter().map(|one| {
        let lag = one.lag.map_or("unknown".to_owned(), |lag| grouped(lag.unsigned_abs()));
        (one.partition.to_string(), lag)
    });
    table(page, ["Partition", "Lag"], lags.collect())?;
    table(page, ["Dead letters by reason", "Records"], counts(&status.dead_letters))?;
    table(page, ["Ignored", "Records"], counts(&status.ignored))?;
    write!(
        page,
        "</main>\n<footer>\n<nav><a href=\"status\">/status</a> <a href=\"metrics\">/metrics</a> \
         <a href=\"readyz\">/readyz</a> <a href=\"livez\">/livez</a></nav>\n\
         <p id=\"note\">Looks again every 5 s.</p>\n</footer>\n\
         <script>{SCRIPT}</script>\n</body>\n</html>\n"
    )
}

/// Most first.
fn counts(by_label: &BTreeMap<String, u64>) -> Vec<(String, String)> {
    let mut counts: Vec<(&String, &u64)> = by_label.iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    counts.into_iter().map(|(label, count)| (label.clone(), grouped(*count))).collect()
}

/// Nothing without rows.
fn table(page: &mut String, head: [&str; 2], rows: Vec<(String, String)>) -> std::fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    let [left, right] = head;
    writeln!(
        page,
        "<table>\n<thead><tr><th scope=\"col\">{left}</th><th scope=\"col\">{right}</th></tr></thead>\n<tbody>"
    )?;
    for (label, value) in rows {
        writeln!(page, "<tr><td>{}</td><td>{value}</td></tr>", escaped(&label))?;
    }
    page.push_str("</tbody>\n</table>\n");
    Ok(())
}

/// The text with the characters replaced that HTML gives a meaning.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// Digits in groups of three: `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The two largest units: `3 h 12 min`.
fn duration(milliseconds: i64) -> String {
    let seconds = milliseconds.max(0) / 1_000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_durations_are_for_people() {
        let groups = [0, 999, 1_000, 12_345, 1_234_567].map(grouped);
        assert_eq!(groups, ["0", "999", "1,000", "12,345", "1,234,567"]);
        let durations = [-1, 59_999, 61_000, 11_520_000, 90_000_000].map(duration);
        assert_eq!(durations, ["0 s", "59 s", "1 min 1 s", "3 h 12 min", "1 d 1 h"]);
    }
}
