//! Transfers from Apache Kafka and from files into the embedded BigQuery: killed at random moments and
//! run again, they end as one that was left alone. `CHAOS_KILLS` kills, `CHAOS_SEED`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};

use crate::chaos::number;
use crate::support::bigquery::{DATASET, EmbeddedBigQuery, PROJECT};
use crate::support::domain::Domain;
use crate::support::events::{Fate, Publisher, count};
use crate::support::kafka::shared;
use crate::support::postgres::{Postgres, USER};
use crate::support::stores::Buckets;

pub const WITHIN: Duration = Duration::from_secs(120);

const TRANSFERS: &str = r#"
[transfer.delivery]
target = "from_topic"
lease_seconds = 5
[transfer.delivery.source]
kind = "topic"

[transfer.orders]
contract = "orders_v1"
channel = "Orders"
target = "from_files"
date_column = "placed_at"
key = ["order_id"]
lease_seconds = 5
[transfer.orders.source]
kind = "files"
files = ["orders-{date}.ndjson"]
format = "ndjson"

[transfer.sales]
contract = "orders_v1"
channel = "Orders"
target = "from_query"
date_column = "placed_at"
key = ["order_id"]
lease_seconds = 5
[transfer.sales.source]
kind = "query"
sql = "sales.sql"
environment = "sales"
"#;

/// What PostgreSQL's types become in JSON has to fit the contract.
pub const SALES: &str = "SELECT 'o' || id AS order_id, at AS placed_at, amount, \
                     CASE WHEN id % 2 = 0 THEN 'even' END AS note \
                     FROM sales WHERE at >= {start} AND at < {end};";

pub const CONTRACT: &str = r#"{
  "asyncapi": "3.0.0",
  "info": { "title": "Orders", "version": "1.0.0" },
  "channels": { "Orders": {
    "address": "orders",
    "x-event-type": "only",
    "messages": { "Order": { "payload": {
      "type": "object",
      "required": ["order_id", "placed_at"],
      "properties": {
        "order_id": { "type": "string" },
        "placed_at": { "type": "string", "format": "date-time" },
        "amount": { "type": "number" },
        "note": { "type": "string" }
      }
    } } }
  } }
}"#;

/// 300 orders of 2026-11-20 in three row groups.
const PARQUET: &[u8] = include_bytes!("../fast/parquet/snappy.parquet");

/// The visible rows of a table with all columns, in order.
pub fn contents(store: &Path, table: &str) -> Vec<String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = Connection::open_with_flags(store, flags).expect("the store");
    let table = format!("\"{PROJECT}.{DATASET}.{table}\"");
    let sql = format!("SELECT * FROM {table} WHERE __visible = 1");
    let mut statement = connection.prepare(&sql).expect("the table");
    let names: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
    let mut rows = statement.query([]).expect("rows");
    let mut contents = Vec::new();
    while let Some(row) = rows.next().expect("a row") {
        let mut text = String::new();
        for (index, name) in names.iter().enumerate().filter(|(_, name)| !name.starts_with("__")) {
            let value: Value = row.get(index).expect("a value");
            write!(text, "{name}={value:?} ").expect("a string");
        }
        contents.push(text);
    }
    contents.sort();
    contents
}

/// The day, of which there is enough left for events to be published in it.
pub fn today() -> Date {
    loop {
        let now = Timestamp::now().to_zoned(TimeZone::UTC);
        let later = now.saturating_add(1.minute());
        if now.date() == later.date() {
            return now.date();
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn run(domain: &Domain, arguments: &[&str], code: i32) {
    let mut process = domain.run(arguments, &[]);
    let status = process.wait(WITHIN);
    assert_eq!(status.code(), Some(code), "{}", process.output());
}

pub fn write_orders(domain: &Domain, day: &str, amount: u32) {
    let mut lines = String::new();
    for number in 0..4_000 {
        let (hour, amount) = (number % 24, amount + number);
        let id = format!("o{number}");
        writeln!(
            lines,
            r#"{{"order_id":"{id}","placed_at":"{day}T{hour:02}:00:00Z","amount":{amount}}}"#
        )
        .expect("a string");
    }
    domain.file(&format!("orders-{}.ndjson", day.replace('-', "")), &lines);
}

#[test]
fn killed_at_any_moment_and_run_again_a_transfer_ends_the_same() {
    let kills = number("CHAOS_KILLS").unwrap_or(5);
    let seed = number("CHAOS_SEED").unwrap_or(22);
    println!("CHAOS_KILLS={kills} CHAOS_SEED={seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let faults = "rest=0.02,rest_lost=0.02,append=0.02,append_lost=0.02,job_delay=0.3:200";
    let bigquery = EmbeddedBigQuery::start("transfer", faults, seed);
    let kafka = shared();
    let domain = Domain::new("transfer", kafka, &bigquery.urls());
    std::fs::write(domain.folder().join("contracts/orders_v1.json"), CONTRACT).expect("written");
    let today = today();
    let mut publisher = Publisher::new(kafka, &domain, seed);
    publisher.publish(3_000);
    let sent = publisher.flush();
    let day = today.strftime("%Y%m%d").to_string();
    write_orders(&domain, &today.to_string(), 1);
    let postgres = Postgres::start("transfer");
    postgres.query("CREATE TABLE sales (id int, at timestamptz, amount numeric(12, 2))");
    postgres.query(&format!(
        "INSERT INTO sales SELECT n, TIMESTAMPTZ '{today} 00:00+00' + n * INTERVAL '13 seconds', n / 7.0 \
         FROM generate_series(-1000, 7999) AS n"
    ));
    postgres.query(&format!("GRANT SELECT ON sales TO {USER}"));
    let section = postgres.section();
    let transfers = format!("{TRANSFERS}\n[write.sales.postgres]\n{section}\n");
    domain.file("transfers.toml", &transfers);
    domain.file("sales.sql", SALES);
    let store = bigquery.store();
    // What one that is left alone writes.
    let arguments = |name: &'static str, mode: &'static str| {
        ["transfer", day.as_str(), name, mode, "transfers.toml", "--max-rejected=100%", "--wait"]
            .map(str::to_owned)
    };
    let mut expected = Vec::new();
    for (name, table) in
        [("delivery", "from_topic"), ("orders", "from_files"), ("sales", "from_query")]
    {
        for mode in ["truncate", "delta"] {
            let arguments = arguments(name, mode);
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let began = Instant::now();
            run(&domain, &arguments, 0);
            let took = began.elapsed();
            expected.push((name, table, mode, contents(&store, table), took));
        }
    }
    let rows = count(&sent, |fate| matches!(fate, Fate::Row { .. }));
    assert_eq!(expected[0].3.len(), rows, "each event is a row once");
    assert_eq!(expected[2].3.len(), 4_000);
    let sales = &expected[4].3;
    // Those of the day: 24 hours of one each 13 seconds.
    assert_eq!(sales.len(), 6_647);
    assert_eq!(sales.iter().filter(|row| row.contains("note=Text(\"even\")")).count(), 3_324);
    for pair in expected.chunks(2) {
        assert_eq!(pair[0].3, pair[1].3, "both modes write the same");
    }
    let (mut killed, mut runs) = (0, 0);
    while killed < kills {
        runs += 1;
        let (name, table, mode, whole, took) = &expected[runs % expected.len()];
        let arguments = arguments(name, mode);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut process = domain.run(&arguments, &[]);
        std::thread::sleep(took.mul_f64(dice.random_range(0.0..1.0)));
        // One that has ended already was not killed.
        killed += u64::from(process.ended().is_none());
        process.kill();
        run(&domain, &arguments, 0);
        assert_eq!(&contents(&store, table), whole, "after {killed} kills: {name} {mode}");
        assert!((runs as u64) < 10 * kills + 10, "only {killed} of {runs} runs were killed");
    }
    let staging: Vec<String> = tables(&store);
    let left: Vec<&String> = staging.iter().filter(|name| name.contains("__transfer__")).collect();
    assert!(left.is_empty(), "staging tables and leases are gone: {left:?}");
}

#[test]
fn a_second_run_of_the_same_day_leaves_or_waits() {
    // Jobs take their time.
    let bigquery = EmbeddedBigQuery::start("transfer-twice", "job_delay=1:1500", 1);
    let kafka = shared();
    let domain = Domain::new("transfer-twice", kafka, &bigquery.urls());
    domain.file("transfers.toml", TRANSFERS);
    std::fs::write(domain.folder().join("contracts/orders_v1.json"), CONTRACT).expect("written");
    let today = today();
    let day = today.strftime("%Y%m%d").to_string();
    write_orders(&domain, &today.to_string(), 1);
    let arguments = ["transfer", &day, "orders", "truncate", "transfers.toml"];
    let mut first = domain.run(&arguments, &[]);
    let began = Instant::now();
    while !tables(&bigquery.store()).iter().any(|name| name.contains("__transfer__orders__")) {
        assert!(began.elapsed() < WITHIN && first.ended().is_none(), "{}", first.output());
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut second = domain.run(&arguments, &[]);
    assert_eq!(second.wait(WITHIN).code(), Some(6), "{}", second.output());
    assert!(second.output().contains("wait for it with --wait"), "{}", second.output());
    let mut third = domain.run(&[&arguments[..], &["--wait"]].concat(), &[]);
    assert_eq!(first.wait(WITHIN).code(), Some(0), "{}", first.output());
    assert_eq!(third.wait(WITHIN).code(), Some(0), "{}", third.output());
    assert!(third.output().contains("waiting for another run"), "{}", third.output());
    assert_eq!(contents(&bigquery.store(), "from_files").len(), 4_000);
}

#[test]
fn files_come_from_buckets() {
    let bigquery = EmbeddedBigQuery::start("transfer-buckets", "", 1);
    let domain = Domain::new("transfer-buckets", shared(), &bigquery.urls());
    std::fs::write(domain.folder().join("contracts/orders_v1.json"), CONTRACT).expect("written");
    for buckets in [Buckets::gcs("transfer"), Buckets::s3("transfer", &[])] {
        buckets.make_bucket("exports");
        let at = buckets.location("exports", "orders-{date}.csv.gz");
        let source = format!("files = [\"{at}\"]\nformat = \"csv\"");
        let file =
            TRANSFERS.replace("files = [\"orders-{date}.ndjson\"]\nformat = \"ndjson\"", &source);
        domain.file("transfers.toml", &file);
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        writeln!(packed, "order_id,placed_at,amount").expect("packed");
        for number in 0..30_000 {
            let (hour, second) = (number % 24, number % 60);
            writeln!(packed, "o{number},2026-11-20T{hour:02}:00:{second:02}Z,{number}")
                .expect("packed");
        }
        let packed = packed.finish().expect("packed");
        let cut = packed[..packed.len() / 2].to_vec();
        buckets.put("exports", "orders-20261120.csv.gz", packed);
        let stores = buckets.variables();
        let stores: Vec<_> = stores.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let run = |day: &str, code: i32| {
            let arguments = ["transfer", day, "orders", "truncate", "transfers.toml"];
            let mut process = domain.run(&arguments, &stores);
            assert_eq!(process.wait(WITHIN).code(), Some(code), "{}", process.output());
            process.output()
        };
        run("20261120", 0);
        assert_eq!(contents(&bigquery.store(), "from_files").len(), 30_000);
        let said = run("20261119", 3);
        assert!(said.contains("there is no file") && said.contains("orders-20261119"), "{said}");
        buckets.put("exports", "orders-20261120.csv.gz", cut);
        let said = run("20261120", 3);
        assert!(said.contains("the target is as it was"), "{said}");
        assert_eq!(contents(&bigquery.store(), "from_files").len(), 30_000);
        // Parquet is read by ranges.
        let parquet = file.replace(".csv.gz", ".parquet").replace("\"csv\"", "\"parquet\"");
        domain.file("transfers.toml", &parquet);
        buckets.put("exports", "orders-20261120.parquet", PARQUET);
        run("20261120", 0);
        assert_eq!(contents(&bigquery.store(), "from_files").len(), 300);
        buckets.put("exports", "orders-20261120.parquet", &PARQUET[..PARQUET.len() / 2]);
        let said = run("20261120", 3);
        assert!(said.contains("orders-20261120.parquet") && said.contains("cut off"), "{said}");
        assert_eq!(contents(&bigquery.store(), "from_files").len(), 300);
    }
}

/// The names of all tables.
fn tables(store: &Path) -> Vec<String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let Ok(connection) = Connection::open_with_flags(store, flags) else { return Vec::new() };
    let Ok(mut statement) = connection.prepare("SELECT id FROM __tables") else {
        return Vec::new();
    };
    let names = statement.query_map([], |row| row.get(0)).expect("names");
    names.map(|name| name.expect("a name")).collect()
}
