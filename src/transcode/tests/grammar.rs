//! The scanner is tested against serde_json, duplicate keys against a map.

use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::transcode::duplicates::without_duplicates;
use crate::transcode::fault::{Cause, Fault};
use crate::transcode::key_digests::KeyDigests;
use crate::transcode::scan::{MAX_DEPTH, Scanner};

/// Generates JSON texts, and texts that are nearly JSON.
fn json_like() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        "-?(0|[1-9][0-9]{0,4})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?",
        "[-+]?[0-9]{0,3}\\.?[0-9]{0,3}[eE]?[+-]?[0-9]?",
    ];
    let string = prop_oneof![
        "\"[ -~é日]{0,12}\"",
        "\"(a|\\\\n|\\\\u00[0-9a-f]{2}|\\\\ud8[0-9a-f]{2}\\\\udc[0-9a-f]{2}|\\\\u[d-e][0-9A-F]{3}|\\\\x){0,4}\"",
    ];
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        number.prop_map(String::from),
        string.prop_map(String::from),
        "[ -~\u{0}-\u{1f}]{0,3}".prop_map(String::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let key = "\"[a-c]{1,2}\"|\"\\\\u0061\"";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::vec((key, inner), 0..5).prop_map(|members| {
                let members: Vec<_> = members.iter().map(|(k, v)| format!("{k} :{v}")).collect();
                format!(" {{{}}}\n", members.join(","))
            }),
        ]
    })
}

/// Whether serde_json finds the grammar valid. It is asked for a `RawValue`, which may have numbers
/// of any size, and then for each string, because `RawValue` accepts half surrogate pairs.
pub(super) fn is_json(text: &str) -> bool {
    fn strings_are_text(raw: &str) -> bool {
        match raw.as_bytes()[0] {
            b'"' => serde_json::from_str::<String>(raw).is_ok(),
            b'[' => serde_json::from_str::<Vec<&RawValue>>(raw)
                .is_ok_and(|items| items.iter().all(|item| strings_are_text(item.get()))),
            b'{' => serde_json::from_str::<super::Members>(raw)
                .is_ok_and(|members| members.0.iter().all(|(_, v)| strings_are_text(v.get()))),
            _ => true,
        }
    }
    serde_json::from_str::<&RawValue>(text).is_ok_and(|raw| strings_are_text(raw.get()))
}

fn skips(text: &str) -> bool {
    let mut scanner = Scanner::new(text.as_bytes());
    scanner.skip().and_then(|()| scanner.end()).is_ok()
}

fn is_duplicate_key(fault: &Fault) -> bool {
    matches!(fault.cause, Cause::DuplicateKey)
}

/// What a JSON text means: numbers as written, and the last of duplicate keys.
#[derive(Debug, PartialEq)]
enum Meaning {
    Leaf(String),
    Array(Vec<Meaning>),
    Object(HashMap<String, Meaning>),
}

fn meaning(raw: &str) -> Meaning {
    match raw.as_bytes()[0] {
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(raw).unwrap();
            Meaning::Array(items.iter().map(|item| meaning(item.get())).collect())
        }
        b'{' => {
            let members: super::Members = serde_json::from_str(raw).unwrap();
            Meaning::Object(members.0.into_iter().map(|(k, v)| (k, meaning(v.get()))).collect())
        }
        _ => Meaning::Leaf(raw.to_owned()),
    }
}

fn has_duplicate_key(raw: &str) -> bool {
    match raw.as_bytes()[0] {
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(raw).unwrap();
            items.iter().any(|item| has_duplicate_key(item.get()))
        }
        b'{' => {
            let members: super::Members = serde_json::from_str(raw).unwrap();
            let distinct: HashMap<&str, ()> =
                members.0.iter().map(|(k, _)| (k.as_str(), ())).collect();
            distinct.len() < members.0.len()
                || members.0.iter().any(|(_, v)| has_duplicate_key(v.get()))
        }
        _ => false,
    }
}

proptest! {
    #[test]
    fn the_scanner_accepts_what_serde_json_accepts(text in json_like()) {
        prop_assert_eq!(skips(&text), is_json(&text));
    }

    #[test]
    fn the_scanner_agrees_with_serde_json_on_random_text(text in "[\\[\\]{}\",:0-9eE+.\\\\u truefalsn-]{0,24}") {
        prop_assert_eq!(skips(&text), is_json(&text));
    }

    #[test]
    fn duplicate_keys_are_detected_and_removed(text in json_like()) {
        if !is_json(&text) {
            return Ok(());
        }
        let raw: &RawValue = serde_json::from_str(&text).unwrap();
        let duplicate = has_duplicate_key(raw.get());

        let mut scanner = Scanner::new(text.as_bytes());
        match scanner.json(&mut KeyDigests::default()) {
            Ok(found) => {
                prop_assert!(!duplicate);
                prop_assert_eq!(found, raw.get().as_bytes());
            }
            Err(fault) => prop_assert_eq!(is_duplicate_key(&fault), duplicate),
        }

        let kept = String::from_utf8(without_duplicates(text.as_bytes()).unwrap()).unwrap();
        let kept: &RawValue = serde_json::from_str(&kept).unwrap();
        prop_assert!(!has_duplicate_key(kept.get()));
        prop_assert_eq!(meaning(kept.get()), meaning(raw.get()));
    }

    #[test]
    fn strings_are_unescaped_as_serde_json_does(text in "(\\PC|[\u{0}-\u{1f}\"\\\\𐀀\u{10ffff}\u{d7ff}\u{e000}]){0,20}", ascii: bool) {
        let mut quoted = serde_json::to_string(&text).unwrap();
        if ascii {
            let mut units = [0; 2];
            quoted = quoted.chars().fold(String::new(), |mut all, char| {
                if char.is_ascii() {
                    all.push(char);
                } else {
                    for unit in char.encode_utf16(&mut units) {
                        all.push_str(&format!("\\u{unit:04X}"));
                    }
                }
                all
            });
        }
        let mut scanner = Scanner::new(quoted.as_bytes());
        let found = scanner.string().unwrap();
        let mut scratch = Vec::new();
        prop_assert_eq!(found.resolve(&mut scratch), text.as_bytes());
    }
}

#[test]
fn the_depth_limit_is_serde_jsons() {
    for depth in [MAX_DEPTH, MAX_DEPTH + 1] {
        for text in [
            format!("{}{}", "[".repeat(depth), "]".repeat(depth)),
            format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth)),
        ] {
            assert_eq!(skips(&text), depth == MAX_DEPTH);
            assert_eq!(serde_json::from_str::<Value>(&text).is_ok(), depth == MAX_DEPTH);
        }
    }
}
