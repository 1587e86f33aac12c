//! `transfer` from Parquet files that pyarrow wrote, into the embedded BigQuery.

use crate::transfer::{Project, TRANSFERS};

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("parquet/", $name, ".parquet"))
    };
}

const TRUNCATE: [&str; 4] = ["20261120", "orders", "truncate", "transfers.toml"];

/// A project whose transfer reads Parquet.
fn project() -> Project {
    let project = Project::new();
    let transfers = TRANSFERS
        .replacen("orders-{date}.ndjson", "orders-{date}*.parquet", 1)
        .replacen("format = \"ndjson\"", "format = \"parquet\"", 1);
    std::fs::write(project.path().join("transfers.toml"), transfers).expect("written");
    project
}

#[test]
fn rows_are_read_and_a_second_run_changes_nothing() {
    let project = project();
    project.write("orders-20261120-a.parquet", fixture!("snappy"));
    let plan = project.transfer(&[&TRUNCATE[..], &["--dry-run"]].concat());
    let line = format!("orders-20261120-a.parquet: {} bytes, 300 rows", fixture!("snappy").len());
    assert!(plan.contains(&line), "{plan}");
    project.transfer(&TRUNCATE);
    let rows = project.rows();
    assert_eq!(rows.len(), 300);
    let first = r#"{"order_id":"o0","placed_at":"2026-11-20T00:00:00.000000Z","amount":0.0,"#;
    assert!(rows[0].starts_with(first), "{}", rows[0]);
    assert_eq!(rows.iter().filter(|row| row.contains("\"note\":\"even\"")).count(), 150);
    project.transfer(&TRUNCATE);
    assert_eq!(project.rows(), rows);
    // The same rows in another codec, and in groups and pages of another kind.
    project.write("orders-20261120-a.parquet", fixture!("zstd"));
    project.transfer(&TRUNCATE);
    assert_eq!(project.rows(), rows);
    // A second file of the day repeats the keys.
    project.write("orders-20261120-b.parquet", fixture!("gzip"));
    let (code, _, errors) = project.run(&[&["transfer"], &TRUNCATE[..]].concat());
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("300 keys are those of several rows"), "{errors}");
    assert_eq!(project.rows(), rows);
}

#[test]
fn a_file_that_cannot_be_read_leaves_the_target_alone() {
    let project = project();
    let name = "orders-20261120.parquet";
    project.write(name, fixture!("none"));
    project.transfer(&TRUNCATE);
    let rows = project.rows();
    let whole = fixture!("zstd");
    // The decoder of the lengths of texts panics over this one.
    let mut damaged = whole.to_vec();
    damaged[2_300] = 3;
    for (content, said) in [
        (&whole[..whole.len() / 2], "it is cut off"),
        (b"order_id,placed_at\na,2026-11-20T00:00:00Z\n", "it is no Parquet file"),
        (b"", "it is no Parquet file"),
        (fixture!("brotli"), "compressed with Brotli"),
        (fixture!("encrypted"), "it is encrypted"),
        (fixture!("encrypted-columns"), "column amount is damaged, or encrypted"),
        (&damaged, "it is damaged"),
    ] {
        project.write(name, content);
        let arguments = [&["transfer"], &TRUNCATE[..], &["--max-rejected=100%"]].concat();
        let (code, _, errors) = project.run(&arguments);
        assert_eq!(code, Some(3), "{said}: {errors}");
        assert!(errors.contains(said) && errors.contains(name), "{said}: {errors}");
        assert_eq!(project.rows(), rows, "the target is as it was");
    }
    // None of them has kept the lease.
    project.write(name, whole);
    project.transfer(&TRUNCATE);
}

#[test]
fn what_the_contract_does_not_have_is_kept_and_what_does_not_fit_is_rejected() {
    let project = project();
    project.write("orders-20261121.parquet", fixture!("lz4"));
    let arguments = ["transfer", "20261121", "orders", "truncate", "transfers.toml"];
    let (code, _, errors) = project.run(&arguments);
    assert_eq!(code, Some(7), "{errors}");
    assert!(errors.contains("300 of 300 records are rejected"), "{errors}");
    let letters = [
        "local",
        "rows",
        "orders_dead_letters",
        "--columns=reason,_kafka_offset,value_bytes",
        "--format=json",
    ];
    let (_, letters, errors) = project.run(&letters);
    let last = r#"{"reason":"other_day","_kafka_offset":299,"value_bytes":"#;
    assert!(letters.contains(last), "{letters}{errors}");
    let contract = project.path().join("contracts/orders_v1.yaml");
    let text = std::fs::read_to_string(&contract).expect("a contract");
    std::fs::write(&contract, text.replace("note: { type: string }", "")).expect("written");
    project.write("orders-20261120.parquet", fixture!("lz4"));
    project.transfer(&TRUNCATE);
    let extra = ["local", "rows", "orders", "--columns=order_id,_extra", "--format=json"];
    let (_, rows, _) = project.run(&extra);
    assert_eq!(rows.matches(r#""_extra":{"note":"even"}"#).count(), 150, "{rows}");
}
