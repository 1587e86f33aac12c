//! What a dead letter may say of BigQuery's message about a refused row.
//!
//! The messages repeat the value that was refused (`Could not parse 'x' as a timestamp.`), and a
//! dead letter's detail never contains a value of the payload. So only words that are known to be
//! BigQuery's own and names of columns are kept; everything else becomes `…`.

use std::collections::HashSet;

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::ProtoSchema;
use prost::Message;
use prost_types::DescriptorProto;

const MASK: &str = "…";

/// Words of BigQuery's messages, in lower case.
const WORDS: &[&str] = &[
    "a",
    "ambiguous",
    "an",
    "and",
    "are",
    "array",
    "as",
    "at",
    "bad",
    "be",
    "beyond",
    "bignumeric",
    "bool",
    "boolean",
    "bytes",
    "can",
    "cannot",
    "cast",
    "column",
    "contains",
    "conversion",
    "convert",
    "could",
    "data",
    "date",
    "datetime",
    "decode",
    "deep",
    "descriptor",
    "digits",
    "does",
    "double",
    "element",
    "empty",
    "encoded",
    "encoding",
    "enum",
    "epoch",
    "error",
    "errors",
    "exceeded",
    "exceeds",
    "expected",
    "failed",
    "field",
    "fields",
    "fit",
    "float",
    "float64",
    "for",
    "format",
    "found",
    "from",
    "geography",
    "greater",
    "has",
    "in",
    "int64",
    "integer",
    "interval",
    "invalid",
    "is",
    "it",
    "its",
    "json",
    "key",
    "large",
    "length",
    "less",
    "limit",
    "long",
    "maximum",
    "message",
    "microseconds",
    "minimum",
    "missing",
    "mode",
    "more",
    "must",
    "name",
    "nested",
    "no",
    "not",
    "null",
    "number",
    "numeric",
    "of",
    "on",
    "only",
    "or",
    "out",
    "outside",
    "overflow",
    "parse",
    "partition",
    "partitioned",
    "point",
    "precision",
    "proto",
    "range",
    "record",
    "relative",
    "repeated",
    "required",
    "return",
    "row",
    "rows",
    "scale",
    "schema",
    "seconds",
    "set",
    "should",
    "size",
    "specified",
    "string",
    "struct",
    "supported",
    "table",
    "than",
    "that",
    "the",
    "time",
    "timestamp",
    "to",
    "too",
    "type",
    "unexpected",
    "unix",
    "unknown",
    "unsupported",
    "utf",
    "value",
    "values",
    "was",
    "with",
    "writing",
];

/// The message of a refused row without values. `schema` is the encoded `ProtoSchema` of the rows.
pub(super) fn detail(message: &str, schema: &[u8]) -> String {
    let mut names = HashSet::new();
    if let Ok(ProtoSchema { proto_descriptor: Some(descriptor) }) = ProtoSchema::decode(schema) {
        column_names(&descriptor, &mut names);
    }
    masked(message, &names)
}

/// Collects the names of all columns, in lower case.
fn column_names(descriptor: &DescriptorProto, names: &mut HashSet<String>) {
    names.extend(descriptor.field.iter().map(|field| field.name().to_ascii_lowercase()));
    descriptor.nested_type.iter().for_each(|nested| column_names(nested, names));
}

fn masked(message: &str, names: &HashSet<String>) -> String {
    let is_known = |word: &str| {
        let word = word.to_ascii_lowercase();
        WORDS.binary_search(&word.as_str()).is_ok() || names.contains(&word)
    };
    let mut text = String::new();
    let mut rest = message;
    while let Some(first) = rest.chars().next() {
        let end = match first {
            // A quoted text is a value, whatever its words are, unless it is a column's name.
            '\'' | '"' | '`' => {
                let inner = &rest[first.len_utf8()..];
                let inner_end = inner.find(first).unwrap_or(inner.len());
                let end = (inner_end + 2 * first.len_utf8()).min(rest.len());
                let is_path = inner[..inner_end]
                    .split('.')
                    .all(|name| names.contains(&name.to_ascii_lowercase()));
                push(&mut text, if is_path { &rest[..end] } else { MASK });
                end
            }
            first if is_word(first) => {
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                push(&mut text, if is_known(&rest[..end]) { &rest[..end] } else { MASK });
                end
            }
            ' ' | '.' | ',' | ':' | ';' | '(' | ')' => {
                text.push(first);
                1
            }
            _ => {
                push(&mut text, MASK);
                first.len_utf8()
            }
        };
        rest = &rest[end..];
    }
    text
}

/// Adds a part; several masked parts in a row become one.
fn push(text: &mut String, part: &str) {
    let separators: &[char] = &[' ', '.', ',', ':', ';', '(', ')'];
    if part == MASK && text.trim_end_matches(separators).ends_with(MASK) {
        let kept = text.trim_end_matches(separators).len();
        text.truncate(kept);
        return;
    }
    text.push_str(part);
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names() -> HashSet<String> {
        ["userid", "r", "at"].map(str::to_owned).into()
    }

    #[test]
    fn the_words_are_sorted_for_the_search() {
        assert!(WORDS.is_sorted());
    }

    #[test]
    fn words_and_columns_stay_and_values_do_not() {
        for (message, expected) in [
            ("Field value of userId cannot be empty.", "Field value of userId cannot be empty."),
            (
                "Field at: Could not parse '26 o\"clock' as a timestamp.",
                "Field at: Could not parse … as a timestamp.",
            ),
            ("Field r.at: Invalid NUMERIC value: -1.5e9 x", "Field r.at: Invalid NUMERIC value: …"),
            ("Invalid date: 'field'", "Invalid date: …"),
            ("unknown field `r.at`", "unknown field `r.at`"),
            ("Invalid JSON: expected value at line 3", "Invalid JSON: expected value at …"),
            ("an open 'quote", "an …"),
        ] {
            assert_eq!(masked(message, &names()), expected);
        }
    }

    proptest! {
        #[test]
        fn a_value_is_never_repeated(
            value in "[a-zäß0-9@#-]{2,20}", template in prop::sample::select(vec![
                "Field at: Could not parse '{}' as a timestamp.", "Invalid value {}", "{}: bad", "{}",
                "Invalid datetime string \"{}\"", "{} is out of range of INT64", "x{}y",
            ]),
        ) {
            // A value that is itself a word of the vocabulary tells nothing.
            let words = value.split(|c| !is_word(c)).filter(|word| !word.is_empty());
            let all_known = words.clone().all(|word| {
                WORDS.contains(&word) || names().contains(word)
            });
            let shown = masked(&template.replace("{}", &value), &names());
            for word in words.filter(|word| !WORDS.contains(word) && !names().contains(*word)) {
                let parts = shown.split(|c| !is_word(c));
                prop_assert!(!parts.into_iter().any(|part| part == word), "{} in {}", word, shown);
            }
            prop_assert!(all_known || !shown.contains(&value), "{} in {}", value, shown);
        }
    }
}
