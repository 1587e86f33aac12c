//! `transfer` with files and with the embedded broker, into the embedded BigQuery.

mod dates;
mod rendered;
mod streamed;

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::command_line::{generic_consumer, text};

const CONTRACT: &str = r#"
asyncapi: 3.0.0
info: { title: Orders, version: 1.0.0 }
channels:
  Orders:
    address: orders
    x-event-type: only
    messages:
      Order:
        payload:
          type: object
          required: [order_id, placed_at]
          properties:
            order_id: { type: string, minLength: 1 }
            placed_at: { type: string, format: date-time }
            amount: { type: number }
            note: { type: string }
"#;

pub const TRANSFERS: &str = r#"
[transfer.orders]
contract = "orders_v1"
channel = "Orders"
target = "orders"
date_column = "placed_at"
key = ["order_id"]

[transfer.orders.source]
kind = "files"
files = ["exports/orders-{date}.ndjson"]
format = "ndjson"

[transfer.last]
contract = "orders_v1"
channel = "Orders"
target = "orders"
date_column = "placed_at"
time_zone = "Europe/Berlin"
key = ["order_id"]
duplicates = "last"
delete_missing = true

[transfer.last.source]
kind = "files"
files = ["exports/orders-{date}.csv.gz"]
format = "csv"
optional = true
"#;

pub struct Project(tempfile::TempDir);

impl Project {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (file, content) in [
            ("contracts/orders_v1.yaml", CONTRACT),
            ("transfers.toml", TRANSFERS),
            (
                "config/environments.toml",
                "[write.local]\nproject = \"local\"\ndataset = \"shop\"\n[write.local.endpoint]\n\
                 rest = \"embedded\"\nstorage = \"embedded\"\n",
            ),
        ] {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("created");
            std::fs::write(path, content).expect("written");
        }
        std::fs::create_dir(folder.path().join("exports")).expect("created");
        Self(folder)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, file: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path().join("exports").join(file), content).expect("written");
    }

    /// The exit code and what is printed on both streams.
    pub fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let variables = [("WRITE_ENV", "local"), ("CONTRACTS_DIR", "contracts")];
        let output = generic_consumer(self.path(), arguments, &variables);
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    pub fn transfer(&self, arguments: &[&str]) -> String {
        let (code, page, errors) = self.run(&[&["transfer"], arguments].concat());
        assert_eq!(code, Some(0), "{page}{errors}");
        page
    }

    /// The rows of the target, in order.
    pub fn rows(&self) -> Vec<String> {
        let columns = "--columns=order_id,placed_at,amount,note";
        let (code, page, errors) = self.run(&["local", "rows", "orders", columns, "--format=json"]);
        assert_eq!(code, Some(0), "{errors}");
        let mut rows: Vec<String> = page.lines().map(str::to_owned).collect();
        rows.sort();
        rows
    }
}

pub fn orders(day: &str, numbers: std::ops::Range<u32>, amount: f64) -> String {
    let mut lines = String::new();
    for number in numbers {
        let hour = number % 24;
        let _ = writeln!(
            lines,
            r#"{{"order_id":"o{number}","placed_at":"{day}T{hour:02}:30:00Z","amount":{amount}}}"#
        );
    }
    lines
}

#[test]
fn a_day_is_replaced_and_a_second_run_changes_nothing() {
    let project = Project::new();
    project.write("orders-20261120.ndjson", orders("2026-11-20", 0..40, 1.5));
    project.write("orders-20261121.ndjson", orders("2026-11-21", 40..70, 2.5));
    let first = project.transfer(&["20261120", "orders", "truncate", "transfers.toml"]);
    assert!(first.contains("read        40 records") && first.contains("run 1"), "{first}");
    assert!(first.contains("$20261120 by a copy"), "{first}");
    project.transfer(&["20261121", "orders", "truncate", "transfers.toml"]);
    let rows = project.rows();
    assert_eq!(rows.len(), 70);
    let again = project.transfer(&["20261120", "orders", "truncate", "transfers.toml"]);
    assert!(again.contains("run 3"), "{again}");
    assert_eq!(project.rows(), rows, "the same command twice changes nothing");
    project.write("orders-20261120.ndjson", orders("2026-11-20", 0..10, 9.0));
    project.transfer(&["20261120", "orders", "truncate", "transfers.toml"]);
    let rows = project.rows();
    assert_eq!(rows.len(), 40, "the other day is as it was");
    assert_eq!(rows.iter().filter(|row| row.contains("\"amount\":9")).count(), 10);
    project.write("orders-20261120.ndjson", "");
    let empty = project.transfer(&["20261120", "orders", "truncate", "transfers.toml"]);
    assert!(empty.contains("the days have no rows"), "{empty}");
    assert_eq!(project.rows().len(), 30, "an empty day empties its partition");
    let tables: Vec<String> = tables(&project);
    assert_eq!(tables, ["generic_consumer_transfers", "orders", "orders_dead_letters"]);
}

fn tables(project: &Project) -> Vec<String> {
    let (_, _, errors) = project.run(&["local", "rows", "no_such_table"]);
    let known = errors.split("known").nth(1).unwrap_or(&errors);
    let mut names: Vec<String> = known
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != '.')
        .filter_map(|word| word.strip_prefix("local.shop."))
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn what_has_changed_is_merged_by_key() {
    let project = Project::new();
    project.write("orders-20261120.ndjson", orders("2026-11-20", 0..20, 1.0));
    project.write("orders-20261121.ndjson", orders("2026-11-21", 20..30, 1.0));
    let range = ["--delta-start-date", "20261120"];
    let run = |mode: &str| {
        let arguments = [&["20261121", "orders", mode, "transfers.toml"], &range[..]].concat();
        project.transfer(&arguments)
    };
    let first = run("delta");
    assert!(first.contains("30 inserted, 0 updated, 0 deleted"), "{first}");
    let rows = project.rows();
    run("delta");
    assert_eq!(project.rows(), rows);
    project.write("orders-20261121.ndjson", orders("2026-11-21", 25..35, 7.0));
    let changed = run("delta");
    assert!(changed.contains("5 inserted, 25 updated, 0 deleted"), "{changed}");
    assert_eq!(project.rows().len(), 35, "those that the source no longer has are left");
    let arguments = [
        "transfer",
        "20261121",
        "orders",
        "truncate",
        "transfers.toml",
        "--delta_start_date",
        "20261120",
    ];
    let (code, _, errors) = project.run(&arguments);
    assert_eq!(code, Some(2), "{errors}");
}

#[test]
fn the_last_of_a_csv_file_counts_and_what_is_gone_is_deleted() {
    let project = Project::new();
    let write = |content: &str| {
        let mut packed = flate2_gz(content);
        packed.extend(flate2_gz(""));
        project.write("orders-20261025.csv.gz", packed);
    };
    write(
        "order_id,placed_at,amount,note\n\
         a,2026-10-24T22:00:00Z,1,\n\
         b,2026-10-25T22:59:59Z,2.25,\"two\nlines, and \"\"quotes\"\"\"\n\
         a,2026-10-25T12:00:00Z,3,later\n",
    );
    let page = project.transfer(&["20261025", "last", "delta", "transfers.toml"]);
    assert!(page.contains("2 inserted"), "the day has 25 hours: {page}");
    let rows = project.rows();
    let notes: Vec<Value> = rows
        .iter()
        .map(|row| serde_json::from_str::<Value>(row).expect("JSON")["note"].clone())
        .collect();
    assert_eq!(notes, ["later", "two\nlines, and \"quotes\""]);
    write("order_id,placed_at,amount,note\nb,2026-10-25T22:59:59Z,5,\n");
    let page = project.transfer(&["20261025", "last", "delta", "transfers.toml"]);
    assert!(page.contains("0 inserted, 1 updated, 1 deleted"), "{page}");
    // Another day, whose file may be missing.
    let page = project.transfer(&["20261024", "last", "truncate", "transfers.toml"]);
    assert!(page.contains("the days have no rows"), "{page}");
    assert_eq!(project.rows().len(), 1);
}

fn flate2_gz(text: &str) -> Vec<u8> {
    use std::io::Write;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(text.as_bytes()).expect("packed");
    packed.finish().expect("packed")
}

#[test]
fn a_rejected_record_leaves_the_target_alone_unless_it_is_allowed() {
    let project = Project::new();
    project.write("orders-20261120.ndjson", orders("2026-11-20", 0..3, 1.0));
    project.transfer(&["20261120", "orders", "truncate", "transfers.toml"]);
    let rows = project.rows();
    let bad = format!(
        "{}{{\"order_id\":\"\",\"placed_at\":\"2026-11-20T00:00:00Z\"}}\n{{\"order_id\":\n\n{}",
        orders("2026-11-20", 0..10, 2.0),
        orders("2026-11-19", 50..51, 2.0),
    );
    project.write("orders-20261120.ndjson", bad);
    let run = |limit: &str| {
        let arguments = ["transfer", "20261120", "orders", "truncate", "transfers.toml"];
        project.run(&[&arguments[..], &["--max-rejected", limit]].concat())
    };
    let (code, _, errors) = run("2");
    assert_eq!(code, Some(7), "{errors}");
    assert!(errors.contains("3 of 13 records are rejected"), "{errors}");
    assert_eq!(project.rows(), rows, "the target is as it was");
    let (code, page, errors) = run("25%");
    assert_eq!(code, Some(0), "{errors}");
    assert!(page.contains("3 rejected, in local.shop.orders_dead_letters"), "{page}");
    assert_eq!(project.rows().len(), 10);
    let (_, letters, _) = project.run(&[
        "local",
        "rows",
        "orders_dead_letters",
        "--columns=reason,consumer_group",
        "--format=json",
    ]);
    for reason in ["other_day", "invalid_json", "contract_violation"] {
        assert!(letters.contains(reason), "{letters}");
    }
}

#[test]
fn mistakes_are_told_before_anything_is_read() {
    let project = Project::new();
    project.write("orders-20261120.ndjson", orders("2026-11-20", 0..3, 1.0));
    for (arguments, code, said) in [
        (&["20261345", "orders", "truncate", "transfers.toml"][..], 2, "20261345"),
        (&["29991231", "orders", "truncate", "transfers.toml"], 2, "has not begun"),
        (&["20261120", "orders", "append", "transfers.toml"], 2, "truncate"),
        (&["20261120", "order", "truncate", "transfers.toml"], 1, "did you mean `orders`"),
        (&["20261120", "orders", "truncate", "nothing.toml"], 1, "nothing.toml"),
        (&["20261119", "orders", "truncate", "transfers.toml"], 3, "there is no file"),
        (
            &["20261120", "orders", "delta", "transfers.toml", "--delta-start-date", "20261121"],
            2,
            "is after the execution date",
        ),
        (
            &["20261120", "orders", "delta", "transfers.toml", "--max-rejected", "101%"],
            2,
            "percentage",
        ),
    ] {
        let (found, page, errors) = project.run(&[&["transfer"], arguments].concat());
        assert_eq!(found, Some(code), "{arguments:?}: {page}{errors}");
        assert!(errors.contains(said), "{arguments:?}: {errors}");
    }
    let twice = format!("{0}{0}", orders("2026-11-20", 0..3, 1.0));
    project.write("orders-20261120.ndjson", twice);
    let (code, _, errors) =
        project.run(&["transfer", "20261120", "orders", "truncate", "transfers.toml"]);
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("3 keys are those of several rows"), "{errors}");
}

#[test]
fn the_target_is_what_the_last_run_says_whatever_interrupted_those_before() {
    let project = Project::new();
    let with_after = TRANSFERS.replacen("key =", "after = \"after.sql\"\nkey =", 1);
    std::fs::write(project.path().join("broken.toml"), with_after).expect("written");
    let after = project.path().join("after.sql");
    std::fs::write(&after, "DELETE FROM shop.nothing WHERE TRUE").expect("written");
    let run = |file: &str, code: i32| {
        let (found, page, errors) =
            project.run(&["transfer", "20261120", "orders", "truncate", file]);
        assert_eq!(found, Some(code), "{page}{errors}");
        errors
    };
    let day = |amount: f64| orders("2026-11-20", 0..5, amount);
    // Each changes the target and then ends before it is recorded.
    for amount in [1.0, 2.0] {
        project.write("orders-20261120.ndjson", day(amount));
        let said = run("broken.toml", 3);
        assert!(
            said.contains("after.sql") && said.contains("the target has its new rows"),
            "{said}"
        );
    }
    project.write("orders-20261120.ndjson", day(1.0));
    run("transfers.toml", 0);
    assert!(project.rows().iter().all(|row| row.contains("\"amount\":1")), "{:?}", project.rows());
    // A statement that is mended is run anew; one that is not supported ends the run at once.
    std::fs::write(&after, "DELETE FROM shop.orders WHERE order_id = 'o4'").expect("written");
    run("broken.toml", 0);
    assert_eq!(project.rows().len(), 4);
    std::fs::write(&after, "SELECT 1; SELECT 2").expect("written");
    let began = Instant::now();
    run("broken.toml", 3);
    assert!(began.elapsed() < Duration::from_secs(20), "nothing is tried again");
    std::fs::write(&after, " \n").expect("written");
    assert!(run("broken.toml", 1).contains("after.sql is empty"));
    assert_eq!(project.rows().len(), 5);
}

#[test]
fn a_csv_file_with_an_open_quote_is_not_taken() {
    let project = Project::new();
    let file = |content: &str| project.write("orders-20261120.csv.gz", flate2_gz(content));
    file("order_id,placed_at,note\na,2026-11-20T10:00:00Z,\"x\"\n");
    project.transfer(&["20261120", "last", "truncate", "transfers.toml"]);
    let rows = project.rows();
    for open in [
        "a,2026-11-20T10:00:00Z,\"x\nb,2026-11-20T10:00:00Z,y\n",
        "a,2026-11-20T10:00:00Z,x\nb,2026-11-20T10:00:00Z,\"y",
        "\"a,2026-11-20T10:00:00Z,x\nb,2026-11-20T10:00:00Z,y\n",
        // A quote elsewhere makes their number even.
        "a,2026-11-20T10:00:00Z,x\"y\nb,2026-11-20T10:00:00Z,\"open\nc,2026-11-20T10:00:00Z,z\n",
        "a,2026-11-20T10:00:00Z,\"x\"junk\"\nb,2026-11-20T10:00:00Z,\"z",
    ] {
        file(&format!("order_id,placed_at,note\n{open}"));
        let arguments = ["transfer", "20261120", "last", "truncate", "transfers.toml"];
        let (code, _, errors) = project.run(&[&arguments[..], &["--max-rejected=100%"]].concat());
        assert_eq!(code, Some(3), "{open}: {errors}");
        assert!(errors.contains("a quote is not closed"), "{errors}");
        assert_eq!(project.rows(), rows, "the target is as it was");
    }
}

#[test]
fn a_csv_file_without_a_header_does_not_empty_the_day() {
    let project = Project::new();
    let row = "a,2026-11-20T10:00:00Z,1\n";
    let arguments = ["transfer", "20261120", "last", "truncate", "transfers.toml"];
    project
        .write("orders-20261120.csv.gz", flate2_gz(&format!("order_id,placed_at,amount\n{row}")));
    project.transfer(&arguments[1..]);
    let rows = project.rows();
    project.write("orders-20261120.csv.gz", flate2_gz(row));
    let (code, _, errors) = project.run(&arguments);
    assert_eq!(code, Some(3), "{errors}");
    assert!(errors.contains("there is no header"), "{errors}");
    assert_eq!(project.rows(), rows, "the target is as it was");
}

#[test]
fn a_key_that_moves_to_another_day_is_told() {
    let project = Project::new();
    for day in ["2026-11-20", "2026-11-21"] {
        project.write(&format!("orders-{}.ndjson", day.replace('-', "")), orders(day, 0..1, 1.0));
        project.transfer(&[&day.replace('-', ""), "orders", "delta", "transfers.toml"]);
    }
    project.write("orders-20261120.ndjson", "");
    let arguments = ["20261121", "orders", "delta", "transfers.toml", "--delta-days", "2"];
    let page = project.transfer(&arguments);
    assert!(page.contains("several rows of the target have the same key"), "{page}");
}

#[test]
fn mistakes_of_a_source_are_told_by_name() {
    let project = Project::new();
    for (from, to, said) in [
        ("kind = \"files\"", "kind = \"parquet\"", "`topic`, `files` or `query`"),
        ("kind = \"files\"", "kind = \"topic\"", "an unknown key"),
        ("format = \"ndjson\"", "format = \"csv\"\ndelimiter = \"x\"", "`,`, `;`, `|` or `tab`"),
        (
            "format = \"ndjson\"",
            "format = \"ndjson\"\ndelimiter = \"tab\"",
            "of a format that has none",
        ),
        (
            "format = \"ndjson\"",
            "format = \"parquet\"\ndelimiter = \"tab\"",
            "of a format that has none",
        ),
        (
            "format = \"ndjson\"",
            "format = \"parquet\"\ncompression = \"zstd\"",
            "the compression of a Parquet file, which says it itself",
        ),
        ("files = [\"exports/orders-{date}.ndjson\"]", "files = []", "files"),
        ("files = [\"exports/orders-{date}.ndjson\"]", "files = \"ftp://a/b\"", "scheme"),
    ] {
        let file = TRANSFERS.replacen(from, to, 1);
        std::fs::write(project.path().join("wrong.toml"), file).expect("written");
        let (code, _, errors) =
            project.run(&["transfer", "20261120", "orders", "truncate", "wrong.toml"]);
        assert_eq!(code, Some(1), "{to}: {errors}");
        assert!(errors.contains(said) && !errors.contains("0 mistakes"), "{to}: {errors}");
        assert!(!errors.contains("did you mean `format`"), "{to}: {errors}");
    }
}

/// Such a record would have to be held as a whole.
#[test]
fn a_csv_record_without_an_end_is_not_held() {
    let project = Project::new();
    let header = "order_id,placed_at,note\n";
    let endless = "a,".repeat(15_000_000);
    for content in [
        format!("{header}a,2026-11-20T10:00:00Z,\"{endless}"),
        format!("{header}{endless}"),
        format!("order_id,placed_at,{endless}"),
    ] {
        project.write("orders-20261120.csv.gz", flate2_gz(&content));
        let arguments = ["transfer", "20261120", "last", "truncate", "transfers.toml"];
        let (code, _, errors) = project.run(&arguments);
        assert_eq!(code, Some(3), "{errors}");
        assert!(errors.contains("a record has more than 19000000 bytes"), "{errors}");
    }
}
