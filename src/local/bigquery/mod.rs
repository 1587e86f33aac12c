//! The embedded BigQuery: a strict server on loopback that stores its rows in a SQLite file, which
//! a person can open.
//!
//! It refuses what BigQuery refuses, with the same message where clients read it: wrong offsets,
//! calls that the stream's type does not allow, appends to a finalized stream, flushes beyond the
//! end or of a finalized stream, requests that are too large, schema mismatches and bad rows
//! (`row_errors`). A newer connection to a created stream closes the older one, and a stream without
//! traffic expires.
//!
//! Jobs copy tables, load files (lines of JSON, CSV) and run statements of GoogleSQL ([`sql`]), into
//! tables or into partitions that a decorator names (`table$20261121`); rows of one partition can be
//! listed. A job's id is used once, also after a restart. Tables expire at their `expirationTime`. What
//! is not supported is refused by name. JSON values may be nested 127 levels deep, where BigQuery allows
//! 500.

mod cell;
mod decode;
mod faults;
mod field_schema;
mod new_tables;
mod partition;
mod refusal;
mod rest;
pub mod sql;
mod storage;
mod store;
mod wire;
pub mod write_service;

use std::fs::{DirBuilder, File, TryLockError};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;

pub use faults::{Faults, FaultsError};
use new_tables::NewTables;
pub use store::StoreError;
use store::{Store, StreamExpiry};

use crate::config::Variables;
use crate::row::NamedRows;

/// How [`start`] starts the servers.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address of the REST API; port 0 takes any free port.
    pub rest: SocketAddr,
    /// Address of the Storage Write API; port 0 takes any free port.
    pub grpc: SocketAddr,
    /// The SQLite file.
    pub store: PathBuf,
    pub faults: Faults,
    /// How long a write stream lives without traffic, in place of BigQuery's times: seven days, and
    /// four for a COMMITTED stream.
    pub stream_expiry: Option<Duration>,
    /// Tables (`project.dataset.table`) that are deleted first, with their streams. The store keeps
    /// all others.
    pub emptied: Vec<String>,
    /// The environment's variables by which load jobs find Google Cloud Storage:
    /// `STORAGE_EMULATOR_HOST`, or those of Google's credentials.
    pub variables: Variables,
}

/// The running servers. Dropping the handle stops them.
pub struct Running {
    store: Arc<Store>,
    /// The address on which the REST API listens.
    pub rest: SocketAddr,
    /// The address on which the Storage Write API listens.
    pub grpc: SocketAddr,
    stop: watch::Sender<bool>,
    servers: Vec<JoinHandle<()>>,
    /// Prevents a second server on the store, because the two would not see each other's
    /// connections.
    _lock: StoreLock,
}

impl Running {
    /// The `http://…` URLs of the REST API and of the Storage Write API.
    pub fn urls(&self) -> (String, String) {
        (format!("http://{}", self.rest), format!("http://{}", self.grpc))
    }

    /// The shortest name by which `local rows` finds the table `project.dataset.table`.
    pub fn short_name<'a>(&self, table: &'a str) -> &'a str {
        self.store.short_name(table).unwrap_or(table)
    }

    /// Stops both servers and waits until they have stopped.
    pub async fn shutdown(mut self) {
        let _ = self.stop.send(true);
        for server in std::mem::take(&mut self.servers) {
            let _ = server.await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("listen on {address}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("the embedded BigQuery can listen only on a loopback address, not on {0}")]
    NotLoopback(SocketAddr),
    #[error("create the folder {}", .folder.display())]
    Folder { folder: PathBuf, source: std::io::Error },
    #[error("lock the store {}", .store.display())]
    Lock { store: PathBuf, source: std::io::Error },
    #[error("another embedded BigQuery is using the store {}", .0.display())]
    InUse(PathBuf),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Starts both servers.
pub async fn start(options: Options) -> Result<Running, StartError> {
    for address in [options.rest, options.grpc] {
        if !address.ip().is_loopback() {
            return Err(StartError::NotLoopback(address));
        }
    }
    if let Some(folder) = options.store.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|source| StartError::Folder { folder: folder.to_owned(), source })?;
    }
    let lock = StoreLock::of(&options.store)?;
    let expiry = options.stream_expiry.map_or_else(StreamExpiry::default, StreamExpiry::of_all);
    let store = Arc::new(Store::open(&options.store, expiry)?);
    for table in &options.emptied {
        store.delete_table(table)?;
    }
    let faults = Arc::new(options.faults);
    let new_tables = Arc::new(NewTables::new(faults.clone()));
    let (stop, stopped) = watch::channel(false);
    let (rest, rest_listener) = listen(options.rest).await?;
    let (grpc, grpc_listener) = listen(options.grpc).await?;
    let router = rest::router(store.clone(), faults.clone(), new_tables.clone(), options.variables);
    let ended = end(stopped.clone());
    let rest_server = tokio::spawn(async move {
        let served = axum::serve(rest_listener, router).with_graceful_shutdown(ended);
        if let Err(error) = served.await {
            tracing::error!(error = %error, "the embedded bigquery's rest server failed");
        }
    });
    let service = storage::write_service(store.clone(), faults, new_tables, stopped.clone());
    let ended = end(stopped);
    let grpc_server = tokio::spawn(async move {
        let incoming = TcpListenerStream::new(grpc_listener);
        let served = tonic::transport::Server::builder()
            .tcp_nodelay(true)
            // Several of the largest requests can be in transit at once.
            .initial_connection_window_size(32 << 20)
            .initial_stream_window_size(32 << 20)
            .add_service(service)
            .serve_with_incoming_shutdown(incoming, ended);
        if let Err(error) = served.await {
            tracing::error!(error = %error, "the embedded bigquery's grpc server failed");
        }
    });
    Ok(Running { store, rest, grpc, stop, servers: vec![rest_server, grpc_server], _lock: lock })
}

async fn end(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn listen(address: SocketAddr) -> Result<(SocketAddr, TcpListener), StartError> {
    let failed = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    Ok((listener.local_addr().map_err(failed)?, listener))
}

/// A lock on a store's file. The operating system releases it when the process ends, even by
/// SIGKILL.
#[derive(Debug)]
struct StoreLock(File);

impl StoreLock {
    fn of(store: &Path) -> Result<Self, StartError> {
        let failed = |source| StartError::Lock { store: store.to_owned(), source };
        let file = File::create(with_suffix(store, ".lock")).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(StartError::InUse(store.to_owned())),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

impl Drop for StoreLock {
    /// Unlocks explicitly, because closing the file is not enough: a process that is forked at this
    /// moment holds the file too, until it executes its program.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

fn with_suffix(store: &Path, suffix: &str) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// At most `limit` visible rows of a table, in the order in which they were written. The table may be
/// named `table`, `dataset.table` or `project.dataset.table`.
pub fn rows(store: &Path, table: &str, limit: Option<usize>) -> Result<NamedRows, StoreError> {
    Store::open_existing(store)?.rows(table, limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_forked_while_the_store_is_open_does_not_keep_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store.sqlite");
        let lock = StoreLock::of(&store).unwrap();
        assert!(matches!(StoreLock::of(&store), Err(StartError::InUse(_))));
        let forked = lock.0.try_clone().unwrap();
        drop(lock);
        StoreLock::of(&store).unwrap();
        drop(forked);
    }
}
