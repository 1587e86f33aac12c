//! The formats `.env`, TOML and YAML: values keep their spelling, lines are right, nothing panics.

use proptest::prelude::*;

use super::*;
use crate::config::document::{self, FileValue, KeyValue};
use crate::config::dotenv;

fn assignments(text: &str) -> Vec<(String, String, usize)> {
    let (assignments, unreadable) = dotenv::parse(text);
    assert!(unreadable.is_empty(), "line {} of {text:?}", unreadable[0].line);
    assignments.into_iter().map(|a| (a.key, a.text, a.line)).collect()
}

#[test]
fn env_files_have_the_documented_dialect() {
    let text = "\u{feff}# a comment\n\
                \n\
                A=plain # a comment\r\n\
                export B='as it stands: \\n $A \"'\n\
                C=\"escaped: \\\" \\\\ \\$A\\n.\"\n\
                D=\"${A}-${A}\"\n\
                E=\n\
                F='over\n\
                two lines'\n\
                G = spaced\n\
                \t H=indented \n\
                EXPORTED=x";
    let expected = [
        ("A", "plain", 3),
        ("B", "as it stands: \\n $A \"", 4),
        ("C", "escaped: \" \\ $A\n.", 5),
        ("D", "plain-plain", 6),
        ("E", "", 7),
        ("F", "over\ntwo lines", 8),
        ("G", "spaced", 10),
        ("H", "indented", 11),
        ("EXPORTED", "x", 12),
    ];
    let expected = expected.map(|(key, text, line)| (key.to_owned(), text.to_owned(), line));
    assert_eq!(assignments(text), expected);
}

#[test]
fn lines_are_right_after_a_line_longer_than_the_read_buffer() {
    let long = "x".repeat(100_000);
    let text = format!("A='{long}'\nB=1\nC='{long}'\nD=2");
    let lines: Vec<usize> = assignments(&text).into_iter().map(|(_, _, line)| line).collect();
    assert_eq!(lines, [1, 2, 3, 4]);
}

#[test]
fn an_unreadable_line_is_reported_and_the_others_are_read() {
    for (text, line, read) in [
        ("A=1\nno assignment\nB=2\n", 2, vec!["A", "B"]),
        ("A=two words\nB=2\n", 1, vec!["B"]),
        ("A=1\n=2\n", 2, vec!["A"]),
        ("A=1\nB='never closed\nC=3\n", 2, vec!["A"]),
        ("A=1\nB=\"never closed\n", 2, vec!["A"]),
        ("A=1\n\nB='x\ny' z\nC=3", 3, vec!["A", "C"]),
        ("A=\\q", 1, vec![]),
    ] {
        let (assignments, unreadable) = dotenv::parse(text);
        let lines: Vec<usize> = unreadable.iter().map(|line| line.line).collect();
        assert_eq!(lines, [line], "{text:?}");
        let keys: Vec<&str> = assignments.iter().map(|a| a.key.as_str()).collect();
        assert_eq!(keys, read, "{text:?}");
    }
}

/// Path, text and line of each value below a path.
fn flatten(pairs: Vec<KeyValue>, into: &mut Vec<(String, String, usize)>, path: &str) {
    for KeyValue { key, line, value } in pairs {
        let path = format!("{path}/{key}");
        let line = line.unwrap_or_default();
        match value {
            FileValue::Text(text) => into.push((path, text, line)),
            FileValue::List(texts) => into.push((path, texts.join("|"), line)),
            FileValue::Table(pairs) => flatten(pairs, into, &path),
            FileValue::Tables(tables) => {
                for (index, pairs) in tables.into_iter().enumerate() {
                    flatten(pairs, into, &format!("{path}/{index}"));
                }
            }
            FileValue::Unsupported(what) => into.push((path, what.to_owned(), line)),
        }
    }
}

/// Path, text and line (0 if it is not known) of each value of a file.
fn read(name: &str, text: &str) -> Vec<(String, String, usize)> {
    let (pairs, errors) = document::parse(name.rsplit_once('.').map(|(_, ending)| ending), text);
    assert_eq!(errors, [], "{text}");
    let mut flat = Vec::new();
    flatten(pairs, &mut flat, "");
    flat
}

#[test]
fn toml_numbers_and_booleans_keep_their_spelling() {
    let text = "a = 10_000\nb = 1.50\n\nc = true\nd = 0x1F\ne = [\"x\", 7]\n\
                [t.u]\n\"f.g\" = 'lit'\nh = [{i = 1}]\nj = 2026-11-21\n";
    let expected = [
        ("/a", "10_000", 1),
        ("/b", "1.50", 2),
        ("/c", "true", 4),
        ("/d", "0x1F", 5),
        ("/e", "x|7", 6),
        ("/t/u/f.g", "lit", 8),
        ("/t/u/h/0/i", "1", 9),
        ("/t/u/j", "2026-11-21", 10),
    ];
    let expected = expected.map(|(path, text, line)| (path.to_owned(), text.to_owned(), line));
    assert_eq!(read("x.toml", text), expected);
}

#[test]
fn yaml_scalars_keep_their_spelling() {
    let text = "# comment\na: 0123\nb: 1.50\nc: yes\nd: 0x1F\ne: [x, 007]\nf:\n- y\n- 1e3\n\
                g: ~\nt:\n  u:\n    \"h.i\": 'lit'\n    j: >\n      folded\n      k: text\n  \
                v: {w: 12345678901234567890123}\nl: &x 1_0\nm: *x\nn: !tag 5\no: \"a: b\"\n";
    let expected = [
        ("/a", "0123", 2),
        ("/b", "1.50", 3),
        ("/c", "yes", 4),
        ("/d", "0x1F", 5),
        ("/e", "x|007", 6),
        ("/f", "y|1e3", 7),
        ("/g", "", 10),
        ("/t/u/h.i", "lit", 13),
        ("/t/u/j", "folded k: text\n", 14),
        ("/t/v/w", "12345678901234567890123", 0),
        ("/l", "1_0", 18),
        ("/m", "1_0", 19),
        ("/n", "a value with a tag", 20),
        ("/o", "a: b", 21),
    ];
    let expected = expected.map(|(path, text, line)| (path.to_owned(), text.to_owned(), line));
    assert_eq!(read("x.yaml", text), expected);
    for empty in ["", "# nothing\n", "---\n"] {
        assert_eq!(read("x.yml", empty), []);
    }
}

#[test]
fn syntax_errors_are_reported_with_their_lines() {
    let lines = |name: &str, text: &str| -> Vec<Option<usize>> {
        document::parse(name.rsplit_once('.').map(|(_, ending)| ending), text)
            .1
            .into_iter()
            .map(|error| error.line)
            .collect()
    };
    assert_eq!(lines("x.toml", "a = 1\nb = \nc = 2\nd = [\n"), [Some(2), Some(4)]);
    assert_eq!(lines("x.toml", "a = 1\na = 2\n"), [Some(2)]);
    assert_eq!(lines("x.yaml", "a: 1\nb: [\n").len(), 1);
    assert_eq!(lines("x.yaml", "a: 1\na: 2\n").len(), 1);
    assert_eq!(lines("x.yaml", "just text"), [Some(1)]);
    assert_eq!(lines("x.json", "{}"), [None]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Any text can be read as a `.env` file: nothing panics, and every reported line exists.
    #[test]
    fn any_text_can_be_an_env_file(text in any_text()) {
        let lines = text.split('\n').count();
        let (assignments, unreadable) = dotenv::parse(&text);
        for assignment in assignments {
            prop_assert!((1..=lines).contains(&assignment.line));
            let line = text.split('\n').nth(assignment.line - 1).unwrap_or_default();
            prop_assert!(line.contains(&assignment.key), "{line:?} has no {}", assignment.key);
        }
        for line in unreadable {
            prop_assert!((1..=lines).contains(&line.line));
        }
    }

    #[test]
    fn any_text_can_be_a_configuration_file(text in any_text(), toml in any::<bool>()) {
        let name = if toml { "x.toml" } else { "x.yaml" };
        let sources = Sources::valid().file("x.toml", "");
        let sources = Sources { files: vec![(name, text)], ..sources };
        let _ = sources.load();
    }

    #[test]
    fn any_text_can_be_a_variable(
        name in "(BQ_TABLE|IGNORE_EVENTS|BATCH_BYTES|CONSUME__|WRITE__PROD__|DEAD_LETTER)[A-Z_]{0,30}",
        value in any::<String>(),
    ) {
        let _ = Sources::valid().variable(&name, &value).variable("METRICS_ADDR", &value).load();
    }

    /// A quoted value is read unchanged from every kind of source.
    #[test]
    fn a_value_is_the_same_from_every_source(value in "[ -&(-\\[\\]-~]{1,40}") {
        let trimmed = value.trim().to_owned();
        let key = "CONSUME__PROD__PROPERTIES__SASL_PASSWORD";
        // Files have variables; the others do not.
        let quoted = serde_json::to_string(&value.replace("${", "$${")).expect("a string");
        for sources in [
            Sources::valid().env(&format!("{key}='{value}'")),
            Sources::valid().file("x.toml", &format!("{key} = {quoted}")),
            Sources::valid().file("x.yaml", &format!("{key}: {quoted}")),
            Sources::valid().variable(key, &value),
        ] {
            let settings = sources.load();
            prop_assert!(settings.is_ok(), "{}", settings.unwrap_err());
            let properties = settings.unwrap().settings.consume.properties;
            prop_assert_eq!(properties["sasl.password"].expose(), value.as_str());
            prop_assert!(!trimmed.starts_with('\''));
        }
    }
}

/// Texts that resemble sources often enough to reach all of the code.
fn any_text() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        Just("=".to_owned()),
        Just("'".to_owned()),
        Just("\"".to_owned()),
        Just("\\".to_owned()),
        Just("\n".to_owned()),
        Just("\r\n".to_owned()),
        Just(": ".to_owned()),
        Just("  ".to_owned()),
        Just("#".to_owned()),
        Just("$".to_owned()),
        Just("{".to_owned()),
        Just("}".to_owned()),
        Just("[".to_owned()),
        Just("]\n".to_owned()),
        Just("- ".to_owned()),
        Just("export ".to_owned()),
        Just("GROUP_ID_DELIVERY".to_owned()),
        Just("consume".to_owned()),
        Just("consume.prod".to_owned()),
        Just("ä€".to_owned()),
        "[A-Za-z_.]{1,8}",
        any::<String>(),
    ];
    proptest::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat())
}
