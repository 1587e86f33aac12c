//! The embedded BigQuery and goccy/bigquery-emulator, asked the same over REST.

use std::fmt::Write;

use generic_consumer::config::TableId;
use serde_json::{Value, json};

use crate::support::bigquery::{DATASET, EmbeddedBigQuery, PROJECT, Urls};
use crate::support::emulator::Emulator;
use crate::support::http;

/// One of the two.
pub struct Peer {
    pub name: &'static str,
    port: u16,
}

impl Peer {
    fn new(name: &'static str, urls: &Urls) -> Self {
        let (_, port) = urls.rest.rsplit_once(':').expect("a port");
        Self { name, port: port.parse().expect("a port") }
    }

    pub fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        let path = format!("/bigquery/v2/projects/{PROJECT}{path}");
        let (status, answer) = http::post(self.port, &path, &body.to_string())
            .ok_or_else(|| format!("{} does not answer {path}", self.name))?;
        match status {
            200 => Ok(serde_json::from_str(&answer).unwrap_or_default()),
            _ => Err(format!("{}: {status} {answer}", self.name)),
        }
    }

    pub fn get(&self, path: &str) -> Value {
        let path = format!("/bigquery/v2/projects/{PROJECT}{path}");
        let (status, answer) = http::get(self.port, &path).expect("an answer");
        assert_eq!(status, 200, "{}: {path}: {answer}", self.name);
        serde_json::from_str(&answer).expect("JSON")
    }

    /// What a statement answers.
    pub fn ask(&self, sql: &str) -> Result<Value, String> {
        self.post("/queries", &json!({ "query": sql, "useLegacySql": false }))
    }

    pub fn run(&self, sql: &str) -> Value {
        self.ask(sql).unwrap_or_else(|error| panic!("{error}\n{sql}"))
    }

    /// The rows of an answer as text, in order of that text.
    pub fn rows(&self, sql: &str) -> Vec<String> {
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

    pub fn make_table(&self, table: &TableId, schema: &Value, by: Option<&str>) {
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

/// A row, where equal values have equal text: the two write times and numbers in different ways, and name
/// columns differently that have no name.
fn shown(fields: &[Value], row: &Value) -> String {
    let mut text = String::new();
    for (field, cell) in fields.iter().zip(row["f"].as_array().into_iter().flatten()) {
        write!(text, "{} ", value(field, &cell["v"])).expect("a string");
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
        "NUMERIC" => match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text.to_owned(),
        },
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

/// Both, with an empty dataset. Each test has a name of its own.
pub fn both(name: &str) -> (EmbeddedBigQuery, Emulator, [Peer; 2]) {
    let (ours, theirs) = (EmbeddedBigQuery::start(name, "", 1), Emulator::start(name));
    let peers = [Peer::new("embedded", &ours.urls()), Peer::new("goccy", &theirs.urls())];
    peers.iter().for_each(Peer::make_dataset);
    (ours, theirs, peers)
}

pub fn table(name: &str) -> TableId {
    let table = name.to_owned();
    TableId { project: PROJECT.to_owned(), dataset: DATASET.to_owned(), table }
}

/// The rows of an answer that both give.
pub fn compared(peers: &[Peer], sql: &str) -> Vec<String> {
    let [ours, theirs] = [&peers[0], &peers[1]].map(|peer| peer.rows(sql));
    assert_eq!(ours, theirs, "the embedded one, then goccy's: {sql}");
    ours
}
