//! `dlq` after a first run, on the embedded broker and the embedded BigQuery.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::first_run::{command, folder};

fn dlq(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let arguments = [&["dlq"], arguments].concat();
    let output = command(folder, &arguments).output().expect("the binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn event_type(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[test]
fn the_letters_of_a_first_run_are_listed_and_shown() {
    let folder = folder();
    let (code, _, errors) = dlq(folder.path(), &["list", "DELIVERY"]);
    assert_eq!(code, Some(3), "{errors}");
    assert!(errors.contains("there is no such table") && errors.contains("hint: "), "{errors}");
    let run = command(folder.path(), &["DELIVERY", "--until-caught-up"]).output();
    assert_eq!(run.expect("the binary starts").status.code(), Some(0));

    let rows = ["local", "rows", "deliveries_dead_letters", "--limit", "1000"];
    let rows = command(folder.path(), &rows).output().expect("the binary starts").stdout;
    let mut expected: BTreeMap<(String, String), u64> = BTreeMap::new();
    for row in lines(&String::from_utf8(rows).expect("UTF-8")) {
        let reason = row["reason"].as_str().expect("a reason").to_owned();
        *expected.entry((reason, event_type(&row["_event_type"]))).or_default() += 1;
    }
    assert!(!expected.is_empty(), "the samples have bad events");
    let (code, json, errors) = dlq(folder.path(), &["list", "DELIVERY", "--json"]);
    assert_eq!(code, Some(0), "{errors}");
    let found = &lines(&json)[0];
    let groups = found["groups"].as_array().expect("groups");
    let listed: BTreeMap<(String, String), u64> = groups
        .iter()
        .map(|group| {
            let reason = group["reason"].as_str().expect("a reason").to_owned();
            let letters = group["letters"].as_u64().expect("a number");
            ((reason, event_type(&group["event_type"])), letters)
        })
        .collect();
    assert_eq!(listed, expected, "{json}");
    assert_eq!(found["letters"], expected.values().sum::<u64>());
    assert_eq!((&found["redriven"], &found["backlog"]), (&Value::from(0), &Value::Null));

    let (code, page, errors) = dlq(folder.path(), &["list", "DELIVERY"]);
    assert_eq!(code, Some(0), "{errors}");
    let (reason, _) = expected.keys().next().expect("a reason");
    assert!(page.contains(reason.as_str()) && page.contains(" dead letters"), "{page}");

    let example = &groups[0]["example"];
    let position = format!("{}/{}", example["partition"], example["offset"]);
    let (code, page, errors) = dlq(folder.path(), &["show", "DELIVERY", &position]);
    assert_eq!(code, Some(0), "{errors}");
    let detail = example["detail"].as_str().expect("a detail");
    assert!(page.starts_with(&position) && page.contains(detail), "{page}");
    let (_, json, _) = dlq(folder.path(), &["show", "DELIVERY", &position, "--json", "--payload"]);
    let letter = &lines(&json)[0];
    assert_eq!((&letter["detail"], &letter["whole"]), (&example["detail"], &Value::from(true)));
    assert!(letter.get("value").or(letter.get("value_base64")).is_some(), "{letter}");
}

#[test]
fn what_cannot_be_shown_is_told() {
    let folder = folder();
    for (arguments, code, said) in [
        (&["show", "DELIVERY", "17"][..], 2, "a partition and an offset: 0/1047"),
        (&["list", "DELIVERY", "--from", "yesterday"], 2, "2026-11-20T06:00:00Z"),
        (&["list", "DELIVERY", "--from", "2026-11-21", "--to", "2026-11-20"], 2, "--from is not"),
        (&["show", "DELIVERY", "--limit", "0"], 2, "1..=100000"),
        (&["list"], 2, "DELIVERY"),
    ] {
        let (found, page, errors) = dlq(folder.path(), arguments);
        assert_eq!(found, Some(code), "{arguments:?}: {page}{errors}");
        assert!(errors.contains(said), "{arguments:?}: {errors}");
    }
    let env = folder.path().join(".env");
    let text = std::fs::read_to_string(&env).expect("read");
    std::fs::write(&env, format!("{text}DEAD_LETTER_DELIVERY='kafka:dead'\n")).expect("written");
    let (code, _, errors) = dlq(folder.path(), &["list", "DELIVERY"]);
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("the embedded broker, which is gone"), "{errors}");
}
