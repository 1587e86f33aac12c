//! Runs TimescaleDB on PostgreSQL 17 in WebAssembly (PGlite). server.mjs says what works there.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use super::postgres::{psql, section, url};
use super::process::{Process, Start};
use super::until::until_true;
use super::{folder, ports};

const STARTS_WITHIN: Duration = Duration::from_secs(120);

/// A server with the extension created. It keeps its tables in memory.
pub struct Timescale {
    port: u16,
    _process: Process,
}

impl Timescale {
    pub fn start(name: &str) -> Self {
        let folder = folder::fresh(&format!("timescale-{name}"));
        let port = ports::free();
        let (node, script) = programs();
        let mut process = Process::start(&Start {
            name: "TimescaleDB",
            log: &folder.join("timescale.log"),
            program: node.as_os_str(),
            arguments: vec![script.into(), port.to_string().into()],
            variables: Vec::new(),
            folder: Some(&folder),
            input: None,
        });
        until_true("TimescaleDB listens", STARTS_WITHIN, || {
            assert!(process.ended().is_none(), "it has ended:\n{}", process.output());
            process.output().contains("ready")
        });
        Self { port, _process: process }
    }

    /// The keys of the write environment's section for the program. There is one role, whatever the
    /// URI says, and one database.
    pub fn section(&self) -> String {
        section(&self.url())
    }

    fn url(&self) -> String {
        url("127.0.0.1", self.port, "disable")
    }

    /// The rows of a statement, as text. Waits while another client is in a transaction.
    pub fn query(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        psql(&self.url(), sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }
}

/// The paths of Node and of the server, which are installed if they are missing.
fn programs() -> (PathBuf, PathBuf) {
    static PROGRAMS: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _one = INSTALLING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    PROGRAMS
        .get_or_init(|| {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/timescale/install.sh");
            let done = Command::new(script).arg(folder::target().join("tools")).output();
            let done = done.expect("install.sh runs");
            let errors = String::from_utf8_lossy(&done.stderr);
            assert!(done.status.success(), "TimescaleDB cannot be installed:\n{errors}");
            let paths = String::from_utf8_lossy(&done.stdout);
            let mut paths = paths.lines().map(PathBuf::from);
            let mut next = || paths.next().expect("install.sh prints two paths");
            (next(), next())
        })
        .clone()
}
