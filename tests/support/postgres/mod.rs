//! Runs PostgreSQL of Debian's package on a free port, with data that survives kills. Queries go
//! through `psql`, which knows nothing of this program.

pub mod install;
pub mod proof;
mod rows;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::ports;
use super::process::{Process, Start};
use super::signal::{Signal, signal};
use super::until::until_true;

/// Long enough for recovery after a kill on two busy cores.
const STARTS_WITHIN: Duration = Duration::from_secs(60);
const ENDS_WITHIN: Duration = Duration::from_secs(30);

pub const DATABASE: &str = "events";
/// The role of the program. It owns the database, and is no superuser.
pub const USER: &str = "consumer";
pub const PASSWORD: &str = "a-secret";

/// A server. Its data survives restarts.
pub struct Postgres {
    folder: PathBuf,
    port: u16,
    process: Option<Process>,
}

impl Postgres {
    /// Starts a server with an empty database, without TLS.
    pub fn start(name: &str) -> Self {
        let mut server = Self::new(name);
        server.access("host all all 127.0.0.1/32 scram-sha-256\n");
        server.start_again();
        server
    }

    /// Starts a server that the program can reach through TLS only. `certificate` is a folder with
    /// `cert.pem` and `key.pem`.
    pub fn start_tls(name: &str, certificate: &Path) -> Self {
        let mut server = Self::new(name);
        for file in ["cert.pem", "key.pem"] {
            let copy = server.data().join(file);
            std::fs::copy(certificate.join(file), &copy).expect("copied");
            install::give(&copy, 0o600);
        }
        server.set("ssl = on\nssl_cert_file = 'cert.pem'\nssl_key_file = 'key.pem'\n");
        server.access("hostssl all all 127.0.0.1/32 scram-sha-256\n");
        server.start_again();
        server
    }

    fn new(name: &str) -> Self {
        let folder = install::fresh(name);
        install::copy_of_the_template(&folder.join("data"));
        let server = Self { folder, port: ports::free(), process: None };
        server.set(&format!(
            "port = {}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\n\
             fsync = on\nshared_buffers = '32MB'\nmax_connections = 60\n\
             log_line_prefix = '%m [%p] '\nlog_connections = off\n",
            server.port
        ));
        server
    }

    /// Adds settings, which count from the next start on.
    pub fn set(&self, settings: &str) {
        use std::io::Write;
        let file = std::fs::File::options().append(true).open(self.data().join("postgresql.conf"));
        file.expect("the settings").write_all(settings.as_bytes()).expect("written");
    }

    /// The superuser needs no password on this machine; others are let in as the line says.
    fn access(&self, line: &str) {
        let text = format!("host all postgres 127.0.0.1/32 trust\n{line}");
        std::fs::write(self.data().join("pg_hba.conf"), text).expect("written");
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The keys of the write environment's section for the program.
    pub fn section(&self) -> String {
        section(&self.url())
    }

    /// The URI of the program's role, without its password.
    pub fn url(&self) -> String {
        url("127.0.0.1", self.port, "disable")
    }

    /// Starts the server with its existing data, and waits until it answers.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "the server is running");
        let data = self.data();
        let (program, arguments) =
            install::as_server("postgres", &["-D".into(), data.clone().into_os_string()]);
        let mut process = Process::start(&Start {
            name: "PostgreSQL",
            log: &self.folder.join("postgres.log"),
            program: &program,
            arguments,
            variables: vec![("LC_ALL".into(), "C".into())],
            folder: Some(&self.folder),
            input: None,
        });
        until_true("PostgreSQL answers", STARTS_WITHIN, || {
            assert!(process.ended().is_none(), "PostgreSQL has ended:\n{}", process.output());
            self.try_query("SELECT 1").is_ok()
        });
        let found = processes(&data);
        assert!(found.contains(&process.pid()), "its processes are not seen: {found:?}");
        self.process = Some(process);
    }

    /// Sends SIGKILL to the postmaster, and waits until its children have noticed and are gone.
    /// Meanwhile they may finish what they have begun. Works on a frozen server too.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("the server is running");
        process.kill();
        signal_all(Signal::CONT, &processes(&self.data()));
        until_true("its children end", ENDS_WITHIN, || processes(&self.data()).is_empty());
    }

    /// Stops the server cleanly: it ends the connections and writes a checkpoint.
    pub fn stop(&mut self) {
        let mut process = self.process.take().expect("the server is running");
        process.signal(Signal::INT);
        process.wait(ENDS_WITHIN);
        until_true("its children end", ENDS_WITHIN, || processes(&self.data()).is_empty());
    }

    /// Stops all its processes with SIGSTOP: connections stay open, and nothing is answered.
    pub fn freeze(&self) {
        let mut frozen = Vec::new();
        // A process may start another one before it is stopped itself.
        loop {
            let found = processes(&self.data());
            if found == frozen {
                return;
            }
            signal_all(Signal::STOP, &found);
            frozen = found;
        }
    }

    /// Ends a freeze with SIGCONT.
    pub fn thaw(&self) {
        signal_all(Signal::CONT, &processes(&self.data()));
    }

    /// Ends the program's connections, as an administrator or a planned failover does.
    pub fn end_connections(&self) -> usize {
        let ended = self.query(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{USER}'"
        ));
        ended.len()
    }

    /// The rows of a statement as the superuser, as text; NULL is `None`. Panics at an error.
    pub fn query(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.try_query(sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The one value of a statement, as text.
    pub fn value(&self, sql: &str) -> String {
        let rows = self.query(sql);
        let [row] = rows.as_slice() else { panic!("{sql}: {} rows", rows.len()) };
        let [Some(value)] = row.as_slice() else { panic!("{sql}: {row:?}") };
        value.clone()
    }

    pub fn try_query(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, String> {
        psql(&format!("postgres://postgres@127.0.0.1:{}/{DATABASE}?sslmode=prefer", self.port), sql)
    }

    /// Whether there is such a table; `name` may have a schema.
    pub fn has_table(&self, name: &str) -> bool {
        self.value(&format!("SELECT to_regclass('{name}') IS NOT NULL")) == "t"
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.process = None;
            signal_all(Signal::KILL, &processes(&self.data()));
        }
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// The URI of the program's role on a server, without its password.
pub fn url(host: &str, port: u16, sslmode: &str) -> String {
    format!("postgres://{USER}@{host}:{port}/{DATABASE}?sslmode={sslmode}")
}

/// The keys of `[write.<env>.postgres]` for a server at this URI.
pub fn section(url: &str) -> String {
    format!("url = \"{url}\"\npassword = \"{PASSWORD}\"\n")
}

/// The rows of one or more statements, sent as one query.
pub fn psql(url: &str, sql: &str) -> Result<Vec<Vec<Option<String>>>, String> {
    const FIELD: &str = "\u{1f}";
    const ROW: &str = "\u{1e}";
    const NULL: &str = "\u{1d}";
    let answer = Command::new(install::program("psql"))
        .args(["-X", "-A", "-t", "-q", "-F", FIELD, "-R", ROW, "-P", &format!("null={NULL}")])
        .args(["-d", url, "-c", sql])
        .envs([("PGCONNECT_TIMEOUT", "10"), ("PGPASSWORD", PASSWORD), ("LC_ALL", "C.UTF-8")])
        .output()
        .expect("psql runs");
    if !answer.status.success() {
        return Err(String::from_utf8_lossy(&answer.stderr).trim().to_owned());
    }
    let text = String::from_utf8(answer.stdout).expect("UTF-8");
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let field = |field: &str| (field != NULL).then(|| field.to_owned());
    let rows = text.split(ROW).filter(|row| !row.is_empty());
    Ok(rows.map(|row| row.split(FIELD).map(field).collect()).collect())
}

/// The processes of the server with this data folder, in which each of them works.
fn processes(data: &Path) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == data) {
            found.push(pid);
        }
    }
    found.sort_unstable();
    found
}

/// Sends a signal to processes, some of which may have ended.
fn signal_all(name: Signal, pids: &[u32]) {
    for pid in pids {
        signal(name, *pid);
    }
}
