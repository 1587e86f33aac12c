//! How two JSON values differ, for people.

use serde_json::Value;

use crate::contract::pointer;

/// The most differences that are listed.
const MOST: usize = 20;

/// Characters of a value in a message.
const LONGEST: usize = 200;

/// Where `found` is not what was expected, one line each; none where they are equal.
pub(super) fn lines(expected: &Value, found: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    compare(expected, found, &mut String::new(), &mut lines);
    if lines.len() > MOST {
        let more = lines.len() - MOST;
        lines.truncate(MOST);
        lines.push(format!("and {more} more"));
    }
    lines
}

fn compare(expected: &Value, found: &Value, at: &mut String, lines: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(a), Value::Object(b)) => {
            let added = b.keys().filter(|key| !a.contains_key(*key));
            for key in a.keys().chain(added) {
                inside(&pointer::escaped(key), a.get(key), b.get(key), at, lines);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            for index in 0..a.len().max(b.len()) {
                inside(&index.to_string(), a.get(index), b.get(index), at, lines);
            }
        }
        (a, b) if a == b => {}
        (a, b) => lines.push(format!("{}: expected {}, found {}", place(at), shown(a), shown(b))),
    }
}

fn inside(
    key: &str,
    expected: Option<&Value>,
    found: Option<&Value>,
    at: &mut String,
    lines: &mut Vec<String>,
) {
    let length = at.len();
    at.push('/');
    at.push_str(key);
    match (expected, found) {
        (Some(a), Some(b)) => compare(a, b, at, lines),
        (Some(a), None) => lines.push(format!("{}: expected {}, not there", place(at), shown(a))),
        (None, Some(b)) => lines.push(format!("{}: not expected, found {}", place(at), shown(b))),
        (None, None) => {}
    }
    at.truncate(length);
}

fn place(at: &str) -> &str {
    if at.is_empty() { "the report" } else { at }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
