//! Runs the embedded BigQuery as a separate process, and reads its store.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::process::{Process, Start};
use super::signal::Signal;
use super::until::until_true;
use super::{folder, ports};

const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// Project and dataset of every test.
pub const PROJECT: &str = "p-live";
pub const DATASET: &str = "live";

/// The URLs of a BigQuery server.
pub struct Urls {
    pub rest: String,
    pub storage: String,
}

/// The embedded BigQuery. Its rows survive restarts.
pub struct EmbeddedBigQuery {
    folder: PathBuf,
    rest: u16,
    grpc: u16,
    faults: String,
    seed: u64,
    /// Seconds without traffic after which a stream expires; `None`: BigQuery's own times.
    stream_expiry: Option<u64>,
    process: Option<Process>,
}

/// A row in the store, visible or not.
#[derive(Debug, Clone)]
pub struct StoredRow {
    pub partition: i32,
    pub offset: i64,
    pub stream: String,
    pub visible: bool,
    pub event_id: String,
    /// Offset of the row before it in the partition.
    pub previous: Option<i64>,
}

/// A position in the topic: partition, offset.
pub type At = (i32, i64);

impl EmbeddedBigQuery {
    /// `faults` has the syntax of `local bigquery --faults`.
    pub fn start(name: &str, faults: &str, seed: u64) -> Self {
        let mut bigquery = Self {
            folder: folder::fresh(&format!("bigquery-{name}")),
            rest: ports::free(),
            grpc: ports::free(),
            faults: faults.to_owned(),
            seed,
            stream_expiry: None,
            process: None,
        };
        bigquery.start_again();
        bigquery
    }

    /// The faults from the next start on.
    pub fn set_faults(&mut self, faults: &str) {
        faults.clone_into(&mut self.faults);
    }

    /// From the next start on, streams expire after so many seconds without traffic.
    pub fn set_stream_expiry(&mut self, seconds: u64) {
        self.stream_expiry = Some(seconds);
    }

    pub fn urls(&self) -> Urls {
        let url = |port| format!("http://127.0.0.1:{port}");
        Urls { rest: url(self.rest), storage: url(self.grpc) }
    }

    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "the embedded BigQuery is running");
        let text = |text: &str| text.into();
        let mut arguments = vec![text("local"), text("bigquery")];
        let values = [
            ("--rest", format!("127.0.0.1:{}", self.rest)),
            ("--grpc", format!("127.0.0.1:{}", self.grpc)),
            ("--store", self.store().display().to_string()),
            ("--faults", self.faults.clone()),
            // Each start has another seed: the faults differ, and can still be repeated.
            ("--seed", self.seed.to_string()),
        ];
        self.seed = self.seed.wrapping_add(1);
        let expiry = self.stream_expiry.map(|seconds| ("--stream-expiry", seconds.to_string()));
        for (name, value) in values.into_iter().chain(expiry) {
            arguments.extend([text(name), value.into()]);
        }
        let log = self.folder.join("bigquery.log");
        let mut process = Process::start(&Start {
            name: "the embedded BigQuery",
            log: &log,
            program: env!("CARGO_BIN_EXE_generic-consumer").as_ref(),
            arguments,
            variables: Vec::new(),
            folder: Some(&self.folder),
            input: None,
        });
        until_true("the embedded BigQuery listens", STARTS_WITHIN, || {
            assert!(
                process.ended().is_none(),
                "the embedded BigQuery has ended:\n{}",
                process.output()
            );
            [self.rest, self.grpc]
                .iter()
                .all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok())
        });
        self.process = Some(process);
    }

    /// Sends SIGKILL. What it acknowledged is in the store.
    pub fn kill(&mut self) {
        self.process.take().expect("the embedded BigQuery is running").kill();
    }

    /// Sends SIGSTOP: connections stay open, and no request is answered.
    pub fn freeze(&self) {
        self.process.as_ref().expect("running").signal(Signal::STOP);
    }

    /// Ends a freeze with SIGCONT.
    pub fn thaw(&self) {
        self.process.as_ref().expect("running").signal(Signal::CONT);
    }

    /// The rows of a table, ordered by stream and row number; none if there is no such table yet.
    pub fn rows(&self, table: &str) -> Vec<StoredRow> {
        let columns =
            "_kafka_partition, _kafka_offset, __stream, __visible, event_id, _kafka_previous";
        self.query(table, columns, "ORDER BY __stream, __row", |row| {
            Ok(StoredRow {
                partition: row.get(0)?,
                offset: row.get(1)?,
                stream: row.get(2)?,
                visible: row.get(3)?,
                event_id: row.get(4)?,
                previous: row.get(5)?,
            })
        })
    }

    /// The reasons of the visible dead letters by position; a repeated letter is returned once.
    pub fn letters(&self, table: &str) -> BTreeMap<At, String> {
        let columns = "_kafka_partition, _kafka_offset, reason";
        let letters =
            self.query(&format!("{table}_dead_letters"), columns, "AND __visible = 1", |row| {
                Ok(((row.get(0)?, row.get(1)?), row.get(2)?))
            });
        letters.into_iter().collect()
    }

    /// The positions of the visible dead letters; one that is there twice comes twice.
    pub fn all_letters(&self, table: &str) -> Vec<At> {
        let letters = format!("{table}_dead_letters");
        self.query(&letters, "_kafka_partition, _kafka_offset", "AND __visible = 1", |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
    }

    /// Of the rows after the first `known`: how many are visible, and the number of the last one, 0
    /// if there is none. Cheap enough to be polled.
    pub fn fresh_rows(&self, table: &str, known: i64) -> (i64, i64) {
        let counts = self.query(
            table,
            "ifnull(sum(__visible), 0), ifnull(max(rowid), 0)",
            &format!("AND rowid > {known}"),
            |row| Ok((row.get(0)?, row.get(1)?)),
        );
        counts.into_iter().next().unwrap_or_default()
    }

    /// How many write streams of the table are not finalized.
    pub fn open_streams(&self, table: &str) -> u64 {
        let id = format!("{PROJECT}.{DATASET}.{table}");
        let sql = "SELECT count(*) FROM __streams WHERE table_id = ?1 AND finalized = 0";
        self.open().query_row(sql, [id], |row| row.get(0)).unwrap_or(0)
    }

    pub fn has_table(&self, table: &str) -> bool {
        let id = format!("{PROJECT}.{DATASET}.{table}");
        let asked = self.open().query_row("SELECT 1 FROM __tables WHERE id = ?1", [id], |_| Ok(()));
        asked.is_ok()
    }

    /// Changes rows behind the server's back. `{table}` in the statement is the table's name.
    pub fn plant(&self, table: &str, statement: &str) -> usize {
        let statement = statement.replace("{table}", &format!("\"{PROJECT}.{DATASET}.{table}\""));
        self.open().execute(&statement, []).expect("the statement is valid")
    }

    pub fn store(&self) -> PathBuf {
        self.folder.join("store.sqlite")
    }

    fn query<T>(
        &self,
        table: &str,
        columns: &str,
        rest: &str,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Vec<T> {
        if !self.has_table(table) {
            return Vec::new();
        }
        let sql =
            format!(r#"SELECT {columns} FROM "{PROJECT}.{DATASET}.{table}" WHERE true {rest}"#);
        let connection = self.open();
        let mut statement = connection.prepare(&sql).expect("the query is valid");
        let rows = statement.query_map([], read).expect("rows");
        rows.collect::<Result<_, _>>().expect("rows")
    }

    fn open(&self) -> Connection {
        open(&self.store())
    }
}

fn open(store: &Path) -> Connection {
    // In WAL mode, SQLite writes a file next to the store even when it only reads.
    let connection = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_WRITE);
    let connection = connection.expect("the store opens");
    connection.busy_timeout(Duration::from_secs(30)).expect("set");
    connection
}
