//! Opening the file and its connections.

use std::ffi::OsString;
use std::fs::{File, Permissions, TryLockError};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::error::StoreError;

/// Marks a file as ours: "GCRS".
const APPLICATION: i32 = 0x4743_5253;

/// Raised with every change of the tables. A store of another version is emptied.
const VERSION: i32 = 1;

/// Whatever is bound to the topic alone: the last record of each identity in each partition. `shown` is
/// 1 for the one of these that is its cluster's latest report.
const TABLES: &str = "
    CREATE TABLE meta (
        id INTEGER PRIMARY KEY CHECK (id = 1), topic TEXT NOT NULL, contract TEXT NOT NULL,
        topic_id TEXT, complete INTEGER NOT NULL, current_ms INTEGER NOT NULL);
    CREATE TABLE offsets (partition INTEGER PRIMARY KEY, next INTEGER NOT NULL);
    CREATE TABLE reports (
        id INTEGER PRIMARY KEY, partition INTEGER NOT NULL, identity BLOB NOT NULL,
        offset INTEGER NOT NULL, timestamp_ms INTEGER, organization TEXT NOT NULL,
        cluster TEXT NOT NULL, shown INTEGER NOT NULL DEFAULT 0, report TEXT NOT NULL,
        UNIQUE (partition, identity));
    CREATE INDEX reports_of_cluster ON reports (organization, cluster);
    CREATE UNIQUE INDEX shown_reports ON reports (organization, cluster) WHERE shown = 1;
    CREATE INDEX shown_clusters ON reports (cluster, organization) WHERE shown = 1;
    CREATE TABLE findings (
        rule TEXT NOT NULL, organization TEXT NOT NULL, cluster TEXT NOT NULL,
        report INTEGER NOT NULL, findings INTEGER NOT NULL,
        PRIMARY KEY (rule, organization, cluster, report)) WITHOUT ROWID;
    CREATE INDEX findings_of_report ON findings (report);
";

const DROP: &str = "
    DROP TABLE IF EXISTS meta; DROP TABLE IF EXISTS offsets;
    DROP TABLE IF EXISTS reports; DROP TABLE IF EXISTS findings;
";

/// How long a statement waits for a lock, which a person's `sqlite3` may hold.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// The file, which no other process writes to meanwhile.
pub struct Database {
    pub connection: Connection,
    _lock: File,
}

impl Database {
    /// Opens the file, or creates it, with a write-ahead log that is not synced at each transaction: a
    /// process that dies loses nothing, and after a power failure reports and offsets are older
    /// together.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = prepare(path)?;
        let mut connection = connect(path)?;
        let failed = |source: rusqlite::Error| match source.sqlite_error_code() {
            // The file is somebody else's, and is left as it is.
            Some(ErrorCode::NotADatabase) => StoreError::Foreign(path.to_owned()),
            _ => StoreError::Open { path: path.to_owned(), source },
        };
        let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get(0));
        let application: i32 = number("application_id").map_err(failed)?;
        let version: i32 = number("user_version").map_err(failed)?;
        let sql = "SELECT count(*) FROM sqlite_schema";
        let tables: i64 = connection.query_row(sql, [], |row| row.get(0)).map_err(failed)?;
        if application != APPLICATION && (application != 0 || tables > 0) {
            return Err(StoreError::Foreign(path.to_owned()));
        }
        let mode = Permissions::from_mode(0o600);
        std::fs::set_permissions(path, mode)
            .map_err(|source| StoreError::File { path: path.to_owned(), source })?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(failed)?;
        if application != APPLICATION || version != VERSION {
            let mut create = || {
                let transaction = connection.transaction()?;
                transaction.execute_batch(DROP)?;
                transaction.execute_batch(TABLES)?;
                transaction.pragma_update(None, "application_id", APPLICATION)?;
                transaction.pragma_update(None, "user_version", VERSION)?;
                transaction.commit()
            };
            create().map_err(failed)?;
        }
        Ok(Self { connection, _lock: lock })
    }
}

/// Creates what is not there, readable by its owner alone, because reports may be confidential; SQLite
/// gives its other files the same permissions. Returns the lock that keeps other processes away.
fn prepare(path: &Path) -> Result<File, StoreError> {
    let failed = |source| StoreError::File { path: path.to_owned(), source };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let private = |path: &Path| {
        File::options().create(true).truncate(false).write(true).mode(0o600).open(path)
    };
    let mut name = OsString::from(path);
    name.push("-lock");
    let lock = private(&PathBuf::from(name)).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(StoreError::InUse(path.to_owned())),
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    private(path).map_err(failed)?;
    Ok(lock)
}

/// A connection to the file.
pub fn connect(path: &Path) -> Result<Connection, StoreError> {
    let failed = |source| StoreError::Open { path: path.to_owned(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(LOCK_WAIT)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}
