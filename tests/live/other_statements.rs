//! The statements of transfers on two BigQueries that nobody wrote together: the embedded one and
//! goccy/bigquery-emulator. Over generated tables both have to end with the same rows.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use generic_consumer::config::TableId;
use generic_consumer::sink::bigquery::batch::{DateColumn, Merge, Range, name};
use jiff::civil::{Date, date};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::support::bigquery::{DATASET, EmbeddedBigQuery, PROJECT, Urls};
use crate::support::domain::Domain;
use crate::support::emulator::Emulator;
use crate::support::http;
use crate::support::kafka::shared;

const CASES: u64 = 40;
const WITHIN: Duration = Duration::from_secs(60);
const ORDER: &str = "_transfer_order";

/// One of the two.
struct Peer {
    name: &'static str,
    port: u16,
}

impl Peer {
    fn new(name: &'static str, urls: &Urls) -> Self {
        let (_, port) = urls.rest.rsplit_once(':').expect("a port");
        Self { name, port: port.parse().expect("a port") }
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        let path = format!("/bigquery/v2/projects/{PROJECT}{path}");
        let (status, answer) = http::post(self.port, &path, &body.to_string())
            .ok_or_else(|| format!("{} does not answer {path}", self.name))?;
        match status {
            200 => Ok(serde_json::from_str(&answer).unwrap_or_default()),
            _ => Err(format!("{}: {status} {answer}", self.name)),
        }
    }

    fn get(&self, path: &str) -> Value {
        let path = format!("/bigquery/v2/projects/{PROJECT}{path}");
        let (status, answer) = http::get(self.port, &path).expect("an answer");
        assert_eq!(status, 200, "{}: {path}: {answer}", self.name);
        serde_json::from_str(&answer).expect("JSON")
    }

    /// What a statement answers.
    fn ask(&self, sql: &str) -> Result<Value, String> {
        self.post("/queries", &json!({ "query": sql, "useLegacySql": false }))
    }

    fn run(&self, sql: &str) -> Value {
        self.ask(sql).unwrap_or_else(|error| panic!("{error}\n{sql}"))
    }

    /// The rows of an answer as text, in order of that text.
    fn rows(&self, sql: &str) -> Vec<String> {
        let answer = self.run(sql);
        let fields = answer["schema"]["fields"].as_array().cloned().unwrap_or_default();
        let rows = answer["rows"].as_array().cloned().unwrap_or_default();
        let mut rows: Vec<String> = rows.iter().map(|row| shown(&fields, row)).collect();
        rows.sort();
        rows
    }

    fn make_dataset(&self) {
        let reference = json!({ "projectId": PROJECT, "datasetId": DATASET });
        self.post("/datasets", &json!({ "datasetReference": reference })).expect("a dataset");
    }

    fn make_table(&self, table: &TableId, schema: &Value, by: Option<&str>) {
        let reference = json!({
            "projectId": table.project, "datasetId": table.dataset, "tableId": table.table,
        });
        let mut body = json!({ "tableReference": reference, "schema": schema });
        if let Some(by) = by {
            body["timePartitioning"] = json!({ "type": "DAY", "field": by });
        }
        self.post(&format!("/datasets/{DATASET}/tables"), &body).expect("a table");
    }
}

/// A row, where equal values have equal text: the two write times and numbers in different ways.
fn shown(fields: &[Value], row: &Value) -> String {
    let mut text = String::new();
    for (field, cell) in fields.iter().zip(row["f"].as_array().into_iter().flatten()) {
        let name = field["name"].as_str().unwrap_or_default();
        write!(text, "{name}={} ", value(field, &cell["v"])).expect("a string");
    }
    text
}

fn value(field: &Value, cell: &Value) -> String {
    if field["mode"] == "REPEATED" {
        let mut one = field.clone();
        one["mode"] = json!("NULLABLE");
        let items = cell.as_array().into_iter().flatten();
        let items: Vec<String> = items.map(|item| value(&one, &item["v"])).collect();
        return format!("[{}]", items.join(","));
    }
    if cell.is_null() {
        return "NULL".to_owned();
    }
    if field["type"] == "RECORD" || field["type"] == "STRUCT" {
        return format!("{{{}}}", shown(field["fields"].as_array().expect("fields"), cell));
    }
    let text = cell.as_str().unwrap_or_default();
    match field["type"].as_str().unwrap_or_default() {
        "TIMESTAMP" => micros(text).to_string(),
        "FLOAT" | "FLOAT64" => text.parse::<f64>().map_or(text.to_owned(), |it| it.to_string()),
        "JSON" => serde_json::from_str::<Value>(text).map_or(text.to_owned(), |it| it.to_string()),
        "NUMERIC" if text.contains('.') => {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        _ => format!("{text:?}"),
    }
}

/// Microseconds as they are, or decimal seconds.
fn micros(text: &str) -> i64 {
    match text.split_once('.') {
        None => text.parse().expect("a number"),
        Some((seconds, places)) => {
            let fraction: i64 = format!("{places:0<6}")[..6].parse().expect("a number");
            seconds.parse::<i64>().expect("a number") * 1_000_000 + fraction
        }
    }
}

fn both() -> (EmbeddedBigQuery, Emulator, [Peer; 2]) {
    let (ours, theirs) =
        (EmbeddedBigQuery::start("statements", "", 1), Emulator::start("statements"));
    let peers = [Peer::new("embedded", &ours.urls()), Peer::new("goccy", &theirs.urls())];
    peers.iter().for_each(Peer::make_dataset);
    (ours, theirs, peers)
}

fn table(name: &str) -> TableId {
    let table = name.to_owned();
    TableId { project: PROJECT.to_owned(), dataset: DATASET.to_owned(), table }
}

/// Columns of every type that a literal of both can have. (The embedded one has none for BYTES.)
fn schema() -> Value {
    let column = |name: &str, kind: &str| json!({ "name": name, "type": kind, "mode": "NULLABLE" });
    json!({ "fields": [
        { "name": "region", "type": "STRING", "mode": "REQUIRED" },
        { "name": "id", "type": "INTEGER", "mode": "REQUIRED" },
        column("at", "TIMESTAMP"),
        column("day", "DATE"),
        column("amount", "NUMERIC"),
        column("ratio", "FLOAT"),
        column("ok", "BOOLEAN"),
        column("note", "STRING"),
        column("extra", "JSON"),
        { "name": "tags", "type": "STRING", "mode": "REPEATED" },
        { "name": "place", "type": "RECORD", "mode": "NULLABLE", "fields": [
            column("city", "STRING"), column("lat", "FLOAT"),
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
    number: u64,
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
                let columns = COLUMNS.join(", ");
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

/// What differs between the answers of the two, if anything does.
fn compared(peers: &[Peer], sql: &str) -> Vec<String> {
    let [ours, theirs] = [&peers[0], &peers[1]].map(|peer| peer.rows(sql));
    assert_eq!(ours, theirs, "the embedded one, then goccy's: {sql}");
    ours
}

#[test]
fn both_end_with_the_same_rows() {
    let (_ours, _theirs, peers) = both();
    let columns: Vec<String> = COLUMNS.map(str::to_owned).to_vec();
    let (mut changed, mut repeated) = (0, 0);
    for number in 0..CASES {
        let mut case = Case { dice: StdRng::seed_from_u64(number), number };
        let (target, staging) =
            (table(&format!("t{}", case.number)), table(&format!("s{}", case.number)));
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
        let keys = compared(&peers, &merge.repeated_keys());
        repeated += usize::from(!keys[0].contains("\"0\""));
        let sql = match how {
            0 => merge.replace(),
            1 => merge.delta(false),
            _ => merge.delta(true),
        };
        let all = format!("SELECT * FROM {}", name(&target));
        let before = compared(&peers, &all);
        peers.iter().for_each(|peer| {
            peer.run(&sql);
        });
        let after = compared(&peers, &all);
        changed += usize::from(before != after);
        // The same statement again changes nothing, where all rows are inside of the range.
        peers.iter().for_each(|peer| {
            peer.run(&sql);
        });
        compared(&peers, &all);
    }
    assert!(changed * 2 > CASES as usize, "only {changed} of {CASES} statements changed rows");
    assert!(repeated * 5 > CASES as usize, "only {repeated} of {CASES} tables had repeated keys");
}
