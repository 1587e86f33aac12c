//! The statements of transfers on two BigQueries that nobody wrote together: the embedded one and
//! goccy/bigquery-emulator. Over generated tables both have to end with the same rows.
//!
//! Its MERGE takes a table only, no query: there the query's rows are in a table of their own first. What
//! else it does not do, and BigQuery does, is in [`what_goccys_emulator_does_not_do`].

use std::collections::BTreeSet;
use std::time::Duration;

use generic_consumer::config::TableId;
use generic_consumer::sink::bigquery::batch::{DateColumn, Merge, Range, name, repeated_keys};
use jiff::civil::{Date, date};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::support::bigquery::{DATASET, PROJECT};
use crate::support::domain::Domain;
use crate::support::kafka::shared;
use crate::two_bigqueries::{Peer, both, compared, table};

const CASES: u64 = 24;
const WITHIN: Duration = Duration::from_secs(60);
const ORDER: &str = "_transfer_order";

/// Columns of every type that a literal of both can have. (The embedded one has none for BYTES.)
fn schema() -> Value {
    let column = |name: &str, kind: &str| json!({ "name": name, "type": kind, "mode": "NULLABLE" });
    json!({ "fields": [
        { "name": "region", "type": "STRING", "mode": "REQUIRED" },
        { "name": "id", "type": "INTEGER", "mode": "REQUIRED" },
        column("at", "TIMESTAMP"),
        column("day", "DATE"),
        column("amount", "NUMERIC"),
        column("ratio", "FLOAT64"),
        column("ok", "BOOLEAN"),
        column("note", "STRING"),
        column("extra", "JSON"),
        { "name": "tags", "type": "STRING", "mode": "REPEATED" },
        { "name": "place", "type": "RECORD", "mode": "NULLABLE", "fields": [
            column("city", "STRING"), column("lat", "FLOAT64"),
        ] },
        column(ORDER, "INTEGER"),
    ] })
}

const COLUMNS: [&str; 11] =
    ["region", "id", "at", "day", "amount", "ratio", "ok", "note", "extra", "tags", "place"];
const FIRST: Date = date(2026, 11, 19);

/// What one case is about.
struct Case {
    dice: StdRng,
}

impl Case {
    fn is(&mut self, probability: f64) -> bool {
        self.dice.random_bool(probability)
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of.choose(&mut self.dice).expect("one of them")
    }

    /// A literal of each column. A table has no key twice unless `repeats`.
    fn row(
        &mut self,
        keys: &mut BTreeSet<(u32, u32)>,
        repeats: bool,
        order: usize,
    ) -> Option<String> {
        let key = (self.dice.random_range(0..3), self.dice.random_range(0..8));
        if !keys.insert(key) && !repeats {
            return None;
        }
        let region = ["eu", "it's", "日本"][key.0 as usize].replace('\'', "\\'");
        let day = FIRST.saturating_add(jiff::Span::new().days(self.dice.random_range(0..4)));
        // Also the first and the last moment of a day.
        let time = self.one(&["00:00:00.000000", "11:30:00.000001", "23:59:59.999999"]);
        let values = [
            format!("'{region}'"),
            key.1.to_string(),
            format!("TIMESTAMP '{day} {time}+00:00'"),
            format!("DATE '{day}'"),
            self.nullable(&["NUMERIC '0.1'", "NUMERIC '-123456789.987654321'"]),
            self.nullable(&["0.5", "-1e300", "3.0"]),
            self.nullable(&["TRUE", "FALSE"]),
            self.nullable(&["''", "'a\\nb'", "'\\\\ \\u00e9'", "'NULL'"]),
            self.nullable(&["JSON '{\"k\":[1,null]}'", "JSON '\"text\"'", "JSON '1.5'"]),
            self.one(&["NULL", "['a']", "['b','a','b']"]).to_owned(),
            self.nullable(&["STRUCT('Köln' AS city, 50.9 AS lat)"]),
            order.to_string(),
        ];
        Some(format!("({})", values.join(", ")))
    }

    fn nullable(&mut self, of: &[&str]) -> String {
        if self.is(0.3) { "NULL".to_owned() } else { self.one(of).to_owned() }
    }

    /// Makes a table on both, with the same rows.
    fn fill(
        &mut self,
        peers: &[Peer],
        table: &TableId,
        by: Option<&str>,
        rows: usize,
        repeats: bool,
    ) {
        let (schema, mut keys) = (schema(), BTreeSet::new());
        let rows: Vec<String> =
            (0..rows).filter_map(|order| self.row(&mut keys, repeats, order)).collect();
        for peer in peers {
            peer.make_table(table, &schema, by);
            if !rows.is_empty() {
                // `AT` is a keyword of GoogleSQL.
                let columns = COLUMNS.map(|column| format!("`{column}`")).join(", ");
                let into = format!("INSERT INTO {} ({columns}, {ORDER})", name(table));
                peer.run(&format!("{into} VALUES {}", rows.join(", ")));
            }
        }
    }

    /// The days of a run: in half of the cases in another zone, whose days begin in the evening.
    fn range(&mut self, by: &str) -> Range {
        let first = FIRST.saturating_add(jiff::Span::new().days(self.dice.random_range(0..3)));
        let after = first.saturating_add(jiff::Span::new().days(self.dice.random_range(1..3)));
        let zone = self.one(&["UTC", "Europe/Berlin"]);
        let begin = |day: Date| {
            let zoned = day.in_tz(zone).expect("a zone");
            zoned.timestamp().as_microsecond()
        };
        let kind = if by == "day" { DateColumn::Date } else { DateColumn::Timestamp };
        Range { column: by.to_owned(), kind, first, after, micros: (begin(first), begin(after)) }
    }
}

#[test]
fn both_end_with_the_same_rows() {
    let (_ours, _theirs, peers) = both("statements");
    let columns: Vec<String> = COLUMNS.map(str::to_owned).to_vec();
    let (mut changed, mut repeated) = (0, 0);
    for number in 0..CASES {
        let mut case = Case { dice: StdRng::seed_from_u64(number) };
        let (target, staging) = (table(&format!("t{}", number)), table(&format!("s{}", number)));
        let by = case.one(&["at", "day"]);
        let key: &[&str] = if case.is(0.5) { &["region", "id"] } else { &["id", "region"] };
        let key: Vec<String> = key.iter().map(|key| (*key).to_owned()).collect();
        // A table as a whole has no partitions.
        let range = case.is(0.8).then(|| case.range(by));
        let by = range.as_ref().map(|range| range.column.clone());
        let (is_last, how) = (case.is(0.5), case.dice.random_range(0..3));
        let rows = [0, 3, 12, 40].choose(&mut case.dice).copied().expect("a number");
        case.fill(&peers, &target, by.as_deref(), rows, false);
        let rows = [0, 5, 20, 40].choose(&mut case.dice).copied().expect("a number");
        case.fill(&peers, &staging, by.as_deref(), rows, is_last);
        let merge = Merge {
            target: &target,
            staging: &staging,
            columns: &columns,
            range: range.as_ref(),
            key: &key,
            last_by: is_last.then_some(ORDER),
        };
        let counted = compared(&peers, &format!("SELECT COUNT(*) AS n FROM {}", name(&staging)));
        assert_eq!(counted.len(), 1);
        let keys = compared(&peers, &repeated_keys(&staging, &key));
        repeated += usize::from(!keys[0].contains("\"0\""));
        let sql = match how {
            0 => merge.replace(),
            1 => merge.delta(false),
            _ => merge.delta(true),
        };
        let from = table(&format!("m{number}"));
        let (query, on_table) = with_table_as_source(&sql, &from);
        compared(&peers, &query);
        let [ours, theirs] = &peers;
        theirs.run(&format!("CREATE TABLE {} AS {query}", name(&from)));
        let all = format!("SELECT * FROM {}", name(&target));
        let before = ours.rows(&all);
        ours.run(&sql);
        theirs.run(&on_table);
        let after = compared(&peers, &all);
        changed += usize::from(before != after);
        // Each statement takes goccy's emulator longer, the more tables it has.
        for table in [&target, &staging] {
            peers.iter().for_each(|peer| drop(peer.run(&format!("DROP TABLE {}", name(table)))));
        }
        theirs.run(&format!("DROP TABLE {}", name(&from)));
    }
    assert!(changed * 2 > CASES as usize, "only {changed} of {CASES} statements changed rows");
    assert!(repeated * 5 > CASES as usize, "only {repeated} of {CASES} tables had repeated keys");
}

#[test]
fn both_insert_the_rows_whose_key_is_not_there() {
    let (_ours, _theirs, peers) = both("fill");
    let columns: Vec<String> = COLUMNS.map(str::to_owned).to_vec();
    let key = ["region", "id"].map(str::to_owned);
    let mut inserted = 0;
    for number in 0..8 {
        let mut case = Case { dice: StdRng::seed_from_u64(number) };
        let (target, staging) = (table(&format!("t{number}")), table(&format!("s{number}")));
        case.fill(&peers, &target, None, 12, false);
        case.fill(&peers, &staging, None, 20, false);
        let merge = Merge {
            target: &target,
            staging: &staging,
            columns: &columns,
            range: None,
            key: &key,
            last_by: None,
        };
        let all = format!("SELECT * FROM {}", name(&target));
        let before = compared(&peers, &all);
        peers.iter().for_each(|peer| drop(peer.run(&merge.fill())));
        let after = compared(&peers, &all);
        assert!(before.iter().all(|row| after.contains(row)), "a row has changed");
        inserted += after.len() - before.len();
        peers.iter().for_each(|peer| drop(peer.run(&merge.fill())));
        assert_eq!(compared(&peers, &all), after, "the second time, every key is there");
    }
    assert!(inserted > 0);
}

/// The query that a MERGE reads, and the MERGE with a table in its place.
fn with_table_as_source(sql: &str, table: &TableId) -> (String, String) {
    let (begin, rest) = sql.split_once("USING (").expect("a source");
    let (query, end) = rest.split_once(") AS source ON ").expect("the source's end");
    (query.to_owned(), format!("{begin}USING {} AS source ON {end}", name(table)))
}

const CONTRACT: &str = r#"{
  "asyncapi": "3.0.0",
  "info": { "title": "Orders", "version": "1.0.0" },
  "channels": { "Orders": { "address": "orders", "x-event-type": "only", "messages": { "Order": {
    "payload": {
      "type": "object",
      "required": ["order_id", "placed_at"],
      "properties": {
        "order_id": { "type": "string" },
        "placed_at": { "type": "string", "format": "date-time" }
      }
    }
  } } } }
}"#;

const TRANSFERS: &str = r#"
[transfer.it-s]
contract = "orders_v1"
channel = "Orders"
target = "orders"
date_column = "placed_at"
time_zone = "Europe/Berlin"
key = ["order_id"]
[transfer.it-s.source]
kind = "files"
files = ["orders.ndjson"]
format = "ndjson"
"#;

#[test]
fn what_a_run_says_about_itself_is_the_same() {
    let (ours, _theirs, peers) = both("statements-of-runs");
    let domain = Domain::new("statements", shared(), &ours.urls());
    domain.file("contracts/orders_v1.json", CONTRACT);
    domain.file("transfers.toml", TRANSFERS);
    let order = r#"{"order_id":"o1","placed_at":"2026-11-20T12:00:00Z"}"#;
    domain.file("orders.ndjson", &format!("{order}\n"));
    for mode in ["truncate", "delta", "delta"] {
        let mut run = domain.run(&["transfer", "20261120", "it-s", mode, "transfers.toml"], &[]);
        assert_eq!(run.wait(WITHIN).code(), Some(0), "{}", run.output());
    }
    let jobs = peers[0].get("/jobs?projection=full&maxResults=1000");
    let mut statements: Vec<(String, String)> = Vec::new();
    // The latest job comes first.
    for job in jobs["jobs"].as_array().expect("jobs").iter().rev() {
        let id = job["jobReference"]["jobId"].as_str().expect("an id");
        if let Some(sql) = job["configuration"]["query"]["query"].as_str() {
            statements.push((id.to_owned(), sql.to_owned()));
        }
    }
    // A kind of statement that is new has to be compared too.
    let kinds: BTreeSet<&str> = statements.iter().map(|(_, sql)| kind_of(sql)).collect();
    let known = [
        "INSERT INTO `p-live.live.generic_consumer_transfers`",
        "MERGE delta",
        "MERGE replace",
        "SELECT COUNT of runs",
        "SELECT COUNT of staged rows",
        "SELECT COUNT of repeated keys",
    ];
    assert_eq!(kinds, BTreeSet::from(known), "{statements:#?}");
    let runs = table("generic_consumer_transfers");
    let live = peers[0].get(&format!("/datasets/{DATASET}/tables/{}", runs.table));
    peers[1].make_table(&runs, &live["schema"], None);
    let of_runs = statements.iter().filter(|(_, sql)| sql.contains("generic_consumer_transfers"));
    let mut counts = 0;
    for (id, sql) in of_runs {
        let theirs = peers[1].run(sql);
        if sql.starts_with("SELECT") {
            let ours = peers[0].get(&format!("/queries/{id}"));
            assert_eq!(ours["rows"], theirs["rows"], "{sql}");
            counts += 1;
        }
    }
    assert_eq!(counts, 3);
    let all = compared(&peers, &format!("SELECT * FROM {}", name(&runs)));
    assert_eq!(all.len(), 3, "{all:?}");
}

fn kind_of(sql: &str) -> &str {
    match sql {
        _ if sql.starts_with("MERGE") && sql.contains(" ON FALSE ") => "MERGE replace",
        _ if sql.starts_with("MERGE") => "MERGE delta",
        _ if sql.starts_with("SELECT COUNT(*) FROM (SELECT") => "SELECT COUNT of repeated keys",
        _ if sql
            .starts_with("SELECT COUNT(*) FROM `p-live.live.generic_consumer_transfers` WHERE") =>
        {
            "SELECT COUNT of runs"
        }
        _ if sql.starts_with("SELECT COUNT(*) FROM `p-live.live.orders__transfer__") => {
            "SELECT COUNT of staged rows"
        }
        _ => sql.split(" (").next().unwrap_or(sql),
    }
}

/// When a new version does one of these, this test says so, and the tests above can ask for more.
#[test]
fn what_goccys_emulator_does_not_do() {
    let (_ours, _theirs, [ours, theirs]) = both("statements-known");
    let (target, staging) = (table("target"), table("staging"));
    let column = |name: &str| json!({ "name": name, "type": "STRING", "mode": "NULLABLE" });
    let schema = json!({ "fields": [column("id"), column("note")] });
    for peer in [&ours, &theirs] {
        peer.make_table(&target, &schema, None);
        peer.make_table(&staging, &schema, None);
        peer.run(&format!("INSERT INTO {} (id, note) VALUES ('a', 'old')", name(&target)));
        let rows = "('a', 'new'), ('a', 'newer')";
        peer.run(&format!("INSERT INTO {} (id, note) VALUES {rows}", name(&staging)));
    }
    let (columns, key) = (["id".to_owned(), "note".to_owned()], ["id".to_owned()]);
    let merge = Merge {
        target: &target,
        staging: &staging,
        columns: &columns,
        range: None,
        key: &key,
        last_by: None,
    };
    let merge = merge.delta(false);
    let refused = |answer: Result<Value, String>, message: &str| {
        let error = answer.expect_err("refused");
        assert!(error.contains(message), "{error}");
    };
    // MERGE from a query.
    let no_query = "MERGE: source must be a single-table reference";
    refused(theirs.ask(&merge), no_query);
    // Two rows for one of the target, which BigQuery refuses.
    let (_, on_table) = with_table_as_source(&merge, &staging);
    refused(ours.ask(&on_table), "must match at most one source row");
    assert!(theirs.ask(&on_table).is_ok());
    // Copy jobs.
    let copy = |id: &str, disposition: &str| {
        let reference = |table: &TableId| {
            json!({
                "projectId": table.project, "datasetId": table.dataset, "tableId": table.table,
            })
        };
        json!({
            "jobReference": { "projectId": PROJECT, "jobId": id },
            "configuration": { "copy": {
                "sourceTable": reference(&staging),
                "destinationTable": reference(&target),
                "writeDisposition": disposition,
            } },
        })
    };
    for disposition in ["WRITE_TRUNCATE_DATA", "WRITE_TRUNCATE", "WRITE_APPEND"] {
        let body = copy(disposition, disposition);
        assert!(ours.post("/jobs", &body).is_ok());
        refused(theirs.post("/jobs", &body), "unspecified job configuration query");
    }
    // A job id that is used again: BigQuery answers 409.
    let again = json!({
        "jobReference": { "projectId": PROJECT, "jobId": "again" },
        "configuration": { "query": { "query": "SELECT 1 AS one", "useLegacySql": false } },
    });
    for peer in [&ours, &theirs] {
        assert!(peer.post("/jobs", &again).is_ok(), "{}", peer.name);
    }
    refused(ours.post("/jobs", &again), "409");
    refused(theirs.post("/jobs", &again), ": 400 ");
    // How many rows a statement has changed.
    let update = format!("UPDATE {} SET note = 'all' WHERE TRUE", name(&target));
    assert!(ours.run(&update)["dmlStats"]["updatedRowCount"].is_string());
    assert!(theirs.run(&update)["dmlStats"].is_null());
}
