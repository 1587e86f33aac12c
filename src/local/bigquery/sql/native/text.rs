//! Functions of STRING, which count characters.

use std::cell::RefCell;
use std::collections::HashMap;

use regex::Regex;
use rusqlite::types::{Value, ValueRef};

use super::values::{Computed, Function, bool_value, int_of, text_of};

pub const ALL: &[Function] = &[
    ("bq_length", 1, |given| Ok(Value::Integer(text_of(&given[0])?.chars().count() as i64))),
    ("bq_lower", 1, |given| Ok(Value::Text(text_of(&given[0])?.to_lowercase()))),
    ("bq_upper", 1, |given| Ok(Value::Text(text_of(&given[0])?.to_uppercase()))),
    ("bq_starts_with", 2, |given| bool_value(text_of(&given[0])?.starts_with(text_of(&given[1])?))),
    ("bq_ends_with", 2, |given| bool_value(text_of(&given[0])?.ends_with(text_of(&given[1])?))),
    ("bq_trim", -1, |given| trim(given, true, true)),
    ("bq_ltrim", -1, |given| trim(given, true, false)),
    ("bq_rtrim", -1, |given| trim(given, false, true)),
    ("bq_substr", -1, substr),
    ("bq_like", 2, like),
    ("bq_regexp_contains", 2, regexp_contains),
];

fn trim(given: &[ValueRef<'_>], start: bool, end: bool) -> Computed {
    let text = text_of(&given[0])?;
    let letters = given.get(1).map(text_of).transpose()?;
    let is_cut =
        |letter: char| letters.map_or(letter.is_whitespace(), |letters| letters.contains(letter));
    let text = if start { text.trim_start_matches(is_cut) } else { text };
    let text = if end { text.trim_end_matches(is_cut) } else { text };
    Ok(Value::Text(text.to_owned()))
}

/// `bq_substr(text, position[, length])`. Position 1 is the first character, −1 the last.
fn substr(given: &[ValueRef<'_>]) -> Computed {
    let (text, position) = (text_of(&given[0])?, int_of(&given[1])?);
    let length = given.get(2).map(int_of).transpose()?.unwrap_or(i64::MAX);
    if length < 0 {
        return Err("Third argument in SUBSTR() cannot be negative".to_owned());
    }
    let count = text.chars().count() as i64;
    let start = match position {
        0 => 0,
        1.. => position - 1,
        _ => count.saturating_add(position).max(0),
    };
    let [start, length] =
        [start, length].map(|number| usize::try_from(number).unwrap_or(usize::MAX));
    Ok(Value::Text(text.chars().skip(start).take(length).collect()))
}

/// `bq_like(text, pattern)`, where `\` escapes `%`, `_` and itself.
fn like(given: &[ValueRef<'_>]) -> Computed {
    let (text, pattern) = (text_of(&given[0])?, text_of(&given[1])?);
    let mut expression = "(?s)^".to_owned();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '%' => expression.push_str(".*"),
            '_' => expression.push('.'),
            '\\' => match letters.next() {
                Some(letter) => expression.push_str(&regex::escape(&letter.to_string())),
                None => return Err("LIKE pattern ends with a backslash".to_owned()),
            },
            letter => expression.push_str(&regex::escape(&letter.to_string())),
        }
    }
    expression.push('$');
    bool_value(compiled(&expression)?.is_match(text))
}

fn regexp_contains(given: &[ValueRef<'_>]) -> Computed {
    bool_value(compiled(text_of(&given[1])?)?.is_match(text_of(&given[0])?))
}

/// How many expressions a thread keeps compiled.
const MOST_COMPILED: usize = 64;

thread_local! {
    static COMPILED: RefCell<HashMap<String, Regex>> = RefCell::default();
}

fn compiled(expression: &str) -> Result<Regex, String> {
    if let Some(known) = COMPILED.with_borrow(|known| known.get(expression).cloned()) {
        return Ok(known);
    }
    let regex = Regex::new(expression)
        .map_err(|error| format!("Cannot parse regular expression: {error}"))?;
    COMPILED.with_borrow_mut(|known| {
        if known.len() >= MOST_COMPILED {
            known.clear();
        }
        known.insert(expression.to_owned(), regex.clone());
    });
    Ok(regex)
}
