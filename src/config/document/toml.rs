//! TOML files, with the spelling and the line of each value, and all syntax errors at once.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::tree::{FileValue, KeyValue, SyntaxError};

pub fn parse(text: &str) -> (Vec<KeyValue>, Vec<SyntaxError>) {
    let lines = Lines::of(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut errors: Vec<SyntaxError> = errors
        .into_iter()
        .map(|error| SyntaxError {
            line: error.span().map(|span| lines.at(span.start)),
            message: format!("invalid TOML: {}", error.message()),
        })
        .collect();
    errors.sort_by_key(|error| error.line);
    (key_values(table.get_ref(), text, &lines), errors)
}

fn key_values(table: &DeTable<'_>, text: &str, lines: &Lines) -> Vec<KeyValue> {
    let mut pairs: Vec<KeyValue> = table
        .iter()
        .map(|(key, value)| KeyValue {
            key: key.get_ref().to_string(),
            line: Some(lines.at(key.span().start)),
            value: file_value(value, text, lines),
        })
        .collect();
    pairs.sort_by_key(|pair| pair.line);
    pairs
}

fn file_value(value: &Spanned<DeValue<'_>>, text: &str, lines: &Lines) -> FileValue {
    match value.get_ref() {
        DeValue::String(string) => FileValue::Text(string.to_string()),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {
            FileValue::Text(text.get(value.span()).unwrap_or_default().to_owned())
        }
        DeValue::Table(table) => FileValue::Table(key_values(table, text, lines)),
        DeValue::Array(array) => {
            FileValue::list(array.iter().map(|it| file_value(it, text, lines)).collect())
        }
    }
}

/// The offsets at which the second and all later lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at + 1).collect())
    }

    /// The line, counted from 1, of the byte at an offset.
    fn at(&self, byte: usize) -> usize {
        self.0.partition_point(|start| *start <= byte) + 1
    }
}
