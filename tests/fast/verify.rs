//! `verify` after a first run, on the embedded broker and the embedded BigQuery.

use serde_json::Value;

use crate::first_run::{command, folder};

fn verify(folder: &std::path::Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let arguments = [&["verify", "DELIVERY"], arguments].concat();
    let output = command(folder, &arguments).output().expect("the binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_first_run_is_complete() {
    let folder = folder();
    let (code, _, errors) = verify(folder.path(), &[]);
    assert_eq!(code, Some(3), "{errors}");
    assert!(errors.contains("there is no such table"), "{errors}");
    let run = command(folder.path(), &["DELIVERY", "--until-caught-up"]).output();
    assert_eq!(run.expect("the binary starts").status.code(), Some(0));

    let (code, page, errors) = verify(folder.path(), &[]);
    assert_eq!(code, Some(0), "{page}{errors}");
    assert!(page.contains("each row that another one names is there, once"), "{page}");
    let (code, json, errors) = verify(folder.path(), &["--json"]);
    assert_eq!(code, Some(0), "{errors}");
    let found: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(found["complete"], true);
    let partitions = found["partitions"].as_array().expect("partitions");
    let rows: u64 = partitions.iter().filter_map(|one| one["rows"].as_u64()).sum();
    assert!(rows > 100 && !partitions.is_empty(), "{json}");
}

#[test]
fn what_cannot_be_verified_is_told() {
    let folder = folder();
    for (arguments, code, said) in [
        (&["--from", "yesterday"][..], 2, "2026-11-20T06:00:00Z"),
        (&["--from", "2026-11-21", "--to", "2026-11-20"], 2, "--from is not before --to"),
        (&["--max-bytes", "0"], 2, "1.."),
    ] {
        let (found, page, errors) = verify(folder.path(), arguments);
        assert_eq!(found, Some(code), "{arguments:?}: {page}{errors}");
        assert!(errors.contains(said), "{arguments:?}: {errors}");
    }
}
