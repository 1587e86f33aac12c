//! A store with tables, and its rows as text.

use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use super::super::{Answer, Parameters, Query, SqlError, run};
use crate::local::bigquery::decode::Cells;
use crate::local::bigquery::store::{Store, StoreError, StreamExpiry};

pub struct Fixture {
    pub store: Store,
    pub parameters: Parameters,
    _folder: TempDir,
}

impl Fixture {
    /// A store with the dataset `p.d`, and no streaming buffer.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("s"), StreamExpiry::default()).expect("opens");
        store.set_streaming_buffer(Duration::ZERO);
        let dataset = json!({ "location": "EU" });
        let done: Result<(), StoreError> = store.change(|all| all.put_dataset("p.d", &dataset));
        done.expect("a dataset");
        Self { store, parameters: Vec::new(), _folder: folder }
    }

    pub fn run(&self, sql: &str) -> Result<Answer, SqlError> {
        self.query(sql, false)
    }

    pub fn dry_run(&self, sql: &str) -> Result<Answer, SqlError> {
        self.query(sql, true)
    }

    fn query(&self, sql: &str, dry_run: bool) -> Result<Answer, SqlError> {
        let parameters = self.parameters.clone();
        let default_dataset = Some("d");
        run(&self.store, &Query { sql, project: "p", default_dataset, parameters, dry_run })
    }

    /// Runs statements that have to succeed.
    pub fn all(&self, statements: &[&str]) {
        for sql in statements {
            self.run(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        }
    }

    /// The rows of a query: values by `,`, rows by ` ; `.
    pub fn rows(&self, sql: &str) -> String {
        shown(&self.run(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}")).rows)
    }

    pub fn error(&self, sql: &str) -> String {
        match self.run(sql) {
            Ok(answer) => panic!("{sql} gave {}", shown(&answer.rows)),
            Err(error) => format!("{}: {error}", error.reason()),
        }
    }
}

pub fn shown(rows: &[Cells]) -> String {
    let rows = rows.iter().map(|row| {
        let cells = row.iter().map(|cell| match cell {
            Some(cell) => cell.on_one_line(),
            None => "NULL".to_owned(),
        });
        cells.collect::<Vec<_>>().join(",")
    });
    rows.collect::<Vec<_>>().join(" ; ")
}
