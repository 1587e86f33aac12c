//! Runs InfluxDB 1.8 on a free port, with data that survives kills. Queries go through its HTTP API and
//! know nothing of this program.

pub mod proof;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use serde_json::Value;

use super::bigquery::At;
use super::process::{Process, Start};
use super::signal::Signal;
use super::stored::StoredRow;
use super::until::until_true;
use super::{folder, http, ports};

/// Long enough to read its log again after a kill, on two busy cores.
const STARTS_WITHIN: Duration = Duration::from_secs(60);

pub const DATABASE: &str = "events";
/// The user of the program where the server asks for one; it may write to the database.
pub const USER: &str = "consumer";
pub const PASSWORD: &str = "a-secret";
const ADMIN: &str = "admin";

/// A server with an empty database. Its data survives restarts.
pub struct Influx {
    folder: PathBuf,
    port: u16,
    /// Variables that configure it.
    settings: Vec<(String, String)>,
    process: Option<Process>,
}

impl Influx {
    pub fn start(name: &str) -> Self {
        Self::start_with(name, &[])
    }

    /// Starts a server that asks for users, and lets [`USER`] write.
    pub fn start_with_users(name: &str) -> Self {
        let server = Self::start_with(name, &[("HTTP_AUTH_ENABLED", "true")]);
        server.query(&format!("CREATE USER {USER} WITH PASSWORD '{PASSWORD}'"));
        server.query(&format!("GRANT WRITE ON {DATABASE} TO {USER}"));
        server
    }

    /// Starts a server with these settings: the names of its variables without `INFLUXDB_`.
    pub fn start_with(name: &str, settings: &[(&str, &str)]) -> Self {
        let folder = folder::fresh(&format!("influx-{name}"));
        let settings =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut server =
            Self { folder, port: ports::free(), settings: settings.collect(), process: None };
        server.start_again();
        server.query(&format!("CREATE USER {ADMIN} WITH PASSWORD '{ADMIN}' WITH ALL PRIVILEGES"));
        server.query(&format!("CREATE DATABASE {DATABASE}"));
        server
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        url(self.port)
    }

    /// The keys of the write environment's section for the program, by the API of InfluxDB 2.
    pub fn section(&self) -> String {
        format!("url = \"{}\"\nbucket = \"{DATABASE}\"\n", self.url())
    }

    /// The same by the API of InfluxDB 1.
    pub fn section_v1(&self) -> String {
        format!("url = \"{}\"\napi = \"v1\"\ndatabase = \"{DATABASE}\"\n", self.url())
    }

    /// Starts the server with its existing data, and waits until it answers.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "the server is running");
        let path = |name: &str| self.folder.join(name).display().to_string();
        let own = [
            ("META_DIR", path("meta")),
            ("DATA_DIR", path("data")),
            ("DATA_WAL_DIR", path("wal")),
            ("HTTP_BIND_ADDRESS", format!("127.0.0.1:{}", self.port)),
            // For backups, which nobody makes.
            ("BIND_ADDRESS", "127.0.0.1:0".to_owned()),
            ("REPORTING_DISABLED", "true".to_owned()),
            ("MONITOR_STORE_ENABLED", "false".to_owned()),
            ("HTTP_LOG_ENABLED", "false".to_owned()),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value));
        let all = own.into_iter().chain(self.settings.iter().cloned());
        let variables = all.map(|(name, value)| (format!("INFLUXDB_{name}").into(), value.into()));
        let mut process = Process::start(&Start {
            name: "InfluxDB",
            log: &self.folder.join("influxd.log"),
            program: program().as_os_str(),
            arguments: vec!["run".into(), "-config".into(), "/dev/null".into()],
            variables: variables.collect(),
            folder: Some(&self.folder),
            input: None,
        });
        until_true("InfluxDB answers", STARTS_WITHIN, || {
            assert!(process.ended().is_none(), "InfluxDB has ended:\n{}", process.output());
            http::get(self.port, "/ping").is_some_and(|(status, _)| status == 204)
        });
        self.process = Some(process);
    }

    /// Sends SIGKILL. Works on a frozen server too.
    pub fn kill(&mut self) {
        self.process.take().expect("the server is running").kill();
    }

    /// Stops it with SIGSTOP: connections stay open, and nothing is answered.
    pub fn freeze(&self) {
        self.process.as_ref().expect("the server is running").signal(Signal::STOP);
    }

    /// Ends a freeze with SIGCONT.
    pub fn thaw(&self) {
        self.process.as_ref().expect("the server is running").signal(Signal::CONT);
    }

    /// Writes lines as an administrator; panics if they are refused.
    pub fn write(&self, lines: &str) {
        let path = format!("/write?db={DATABASE}&u={ADMIN}&p={ADMIN}");
        let answer = http::post(self.port, &path, lines);
        assert!(answer.as_ref().is_some_and(|(status, _)| *status == 204), "{answer:?}");
    }

    /// The rows of a statement as an administrator, each as a map from column to value. A tag that the
    /// statement groups by is a column too. Panics at an error.
    pub fn query(&self, statement: &str) -> Vec<BTreeMap<String, Value>> {
        self.try_query(statement).unwrap_or_else(|error| panic!("{statement}: {error}"))
    }

    pub fn try_query(&self, statement: &str) -> Result<Vec<BTreeMap<String, Value>>, String> {
        let path = format!(
            "/query?db={DATABASE}&u={ADMIN}&p={ADMIN}&epoch=ns&q={}",
            percent_encoded(statement)
        );
        let (status, body) = http::post(self.port, &path, "").ok_or("no answer")?;
        let answer: Value = serde_json::from_str(&body).map_err(|error| error.to_string())?;
        let result = &answer["results"][0];
        for error in [&answer["error"], &result["error"]] {
            if let Some(text) = error.as_str() {
                return Err(format!("{status} {text}"));
            }
        }
        let mut rows = Vec::new();
        for series in result["series"].as_array().into_iter().flatten() {
            let tags = series["tags"].as_object();
            let tags: Vec<_> = tags.into_iter().flatten().collect();
            let columns = series["columns"].as_array().expect("columns");
            for values in series["values"].as_array().expect("values") {
                let values = values.as_array().expect("a row");
                let named = columns.iter().zip(values).map(|(column, value)| {
                    (column.as_str().expect("a name").to_owned(), value.clone())
                });
                let tags = tags.iter().map(|(name, value)| ((*name).clone(), (*value).clone()));
                rows.push(named.chain(tags).collect());
            }
        }
        Ok(rows)
    }

    /// How many points a measurement has; 0 if there is none, or while the server is away.
    pub fn count(&self, measurement: &str) -> usize {
        let statement = format!("SELECT count(_kafka_offset) FROM \"{measurement}\"");
        let counted = self.try_query(&statement).unwrap_or_default();
        counted.first().and_then(|row| row["count"].as_u64()).unwrap_or(0) as usize
    }

    /// All points of a measurement.
    pub fn rows(&self, measurement: &str) -> Vec<StoredRow> {
        let columns = "_kafka_partition, _kafka_offset, event_id, _kafka_previous";
        let rows = self.query(&format!("SELECT {columns} FROM \"{measurement}\""));
        rows.into_iter()
            .map(|row| {
                let (partition, offset) = at(&row);
                let event_id = row["event_id"].as_str().unwrap_or_default().to_owned();
                let previous = row["_kafka_previous"].as_i64();
                StoredRow { partition, offset, event_id, previous }
            })
            .collect()
    }

    /// Reason codes of the dead letters of a measurement, each with how often it is there.
    pub fn letters(&self, measurement: &str) -> BTreeMap<At, (String, usize)> {
        let columns = "_kafka_partition, _kafka_offset, reason";
        let rows = self.query(&format!("SELECT {columns} FROM \"{measurement}_dead_letters\""));
        let mut letters = BTreeMap::new();
        for row in rows {
            let reason = row["reason"].as_str().expect("a reason").to_owned();
            letters.entry(at(&row)).or_insert((reason, 0)).1 += 1;
        }
        letters
    }
}

impl Drop for Influx {
    fn drop(&mut self) {
        self.process = None;
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// A server's URL at a port of this machine.
pub fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn at(row: &BTreeMap<String, Value>) -> At {
    let partition = row["_kafka_partition"].as_str().expect("a tag");
    let offset = row["_kafka_offset"].as_i64().expect("an integer");
    (partition.parse().expect("a number"), offset)
}

fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        let _ = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => write!(encoded, "{}", byte as char),
            _ => write!(encoded, "%{byte:02X}"),
        };
        encoded
    })
}

/// The path of the server's program, which is built if it is missing.
fn program() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _one = INSTALLING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    PROGRAM
        .get_or_init(|| {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/influx/install.sh");
            let done = Command::new(script).arg(folder::target().join("tools")).output();
            let done = done.expect("install.sh runs");
            let errors = String::from_utf8_lossy(&done.stderr);
            assert!(done.status.success(), "InfluxDB cannot be installed:\n{errors}");
            PathBuf::from(String::from_utf8_lossy(&done.stdout).trim())
        })
        .clone()
}
