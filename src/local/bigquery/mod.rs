//! The embedded BigQuery: a strict peer on loopback, its rows in a SQLite file that a person can
//! open.
//!
//! It refuses what BigQuery refuses, in the same words where clients read them: offsets, stream
//! types and their visibility, finalize, flush, request size, schema mismatches, `row_errors`,
//! required columns, values out of range, one connection a created stream. Rows are listed, not
//! queried: it runs no SQL. JSON nests 127 deep here where BigQuery takes 500.

mod cell;
mod columns;
mod decode;
mod faults;
mod refusal;
mod rest;
mod storage;
mod store;
mod wire;
pub mod write_service;

use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;

pub use faults::{Faults, FaultsError};
use store::Store;
pub use store::StoreError;

/// How to start it.
#[derive(Debug, Clone)]
pub struct Options {
    pub rest: SocketAddr,
    pub grpc: SocketAddr,
    pub store: PathBuf,
    pub faults: Faults,
    /// Empty the store first.
    pub fresh: bool,
}

/// The running servers; they end with the handle.
#[derive(Debug)]
pub struct Running {
    pub rest: SocketAddr,
    pub grpc: SocketAddr,
    stop: watch::Sender<bool>,
    servers: Vec<JoinHandle<()>>,
    /// Held while we run: two servers on one store would not know of each other's streams.
    _lock: Lock,
}

impl Running {
    /// `http://…` of REST and of the Storage API.
    pub fn urls(&self) -> (String, String) {
        (format!("http://{}", self.rest), format!("http://{}", self.grpc))
    }

    /// Ends both servers and waits until they have.
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
    #[error("the embedded BigQuery listens on loopback only, not on {0}")]
    NotLoopback(SocketAddr),
    #[error("make the folder {}", .folder.display())]
    Folder { folder: PathBuf, source: std::io::Error },
    #[error("lock the store {}", .store.display())]
    Lock { store: PathBuf, source: std::io::Error },
    #[error("another embedded BigQuery is using the store {}", .0.display())]
    InUse(PathBuf),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Starts both servers; port 0 takes any free one.
pub async fn start(options: Options) -> Result<Running, StartError> {
    for address in [options.rest, options.grpc] {
        if !address.ip().is_loopback() {
            return Err(StartError::NotLoopback(address));
        }
    }
    if let Some(folder) = options.store.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .map_err(|source| StartError::Folder { folder: folder.to_owned(), source })?;
    }
    let lock = Lock::of(&options.store)?;
    if options.fresh {
        remove(&options.store);
    }
    let store = Arc::new(Store::open(&options.store)?);
    let faults = Arc::new(options.faults);
    let (stop, stopped) = watch::channel(false);
    let (rest, rest_listener) = listen(options.rest).await?;
    let (grpc, grpc_listener) = listen(options.grpc).await?;
    let router = rest::router(store.clone(), faults.clone());
    let ended = end(stopped.clone());
    let rest_server = tokio::spawn(async move {
        let served = axum::serve(rest_listener, router).with_graceful_shutdown(ended);
        if let Err(error) = served.await {
            tracing::error!(error = %error, "the embedded rest server ended");
        }
    });
    let service = storage::write_service(store, faults, stopped.clone());
    let ended = end(stopped);
    let grpc_server = tokio::spawn(async move {
        let incoming = TcpListenerStream::new(grpc_listener);
        let served = tonic::transport::Server::builder()
            .tcp_nodelay(true)
            // Room for several large requests on their way.
            .initial_connection_window_size(32 << 20)
            .initial_stream_window_size(32 << 20)
            .add_service(service)
            .serve_with_incoming_shutdown(incoming, ended);
        if let Err(error) = served.await {
            tracing::error!(error = %error, "the embedded storage server ended");
        }
    });
    Ok(Running { rest, grpc, stop, servers: vec![rest_server, grpc_server], _lock: lock })
}

async fn end(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn listen(address: SocketAddr) -> Result<(SocketAddr, TcpListener), StartError> {
    let failed = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    Ok((listener.local_addr().map_err(failed)?, listener))
}

/// A store's lock, which dies with the process, however it dies.
#[derive(Debug)]
struct Lock(File);

impl Lock {
    fn of(store: &Path) -> Result<Self, StartError> {
        let failed = |source| StartError::Lock { store: store.to_owned(), source };
        let file = File::create(beside(store, ".lock")).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(StartError::InUse(store.to_owned())),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

impl Drop for Lock {
    /// Closing the file is not enough: a process that is forked just now has it too, until it has
    /// become another program.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// A SQLite file and what stands beside it.
fn remove(store: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(beside(store, suffix));
    }
}

fn beside(store: &Path, suffix: &str) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// A row as a JSON object, columns in the table's order.
pub type Row = serde_json::Map<String, serde_json::Value>;

/// Visible rows of a table in the order they were written; `table` may be `table`,
/// `dataset.table` or `project.dataset.table`.
pub fn rows(store: &Path, table: &str, limit: Option<usize>) -> Result<Vec<Row>, StoreError> {
    Store::open_existing(store)?.rows(table, limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_forked_meanwhile_does_not_hold_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store.sqlite");
        let lock = Lock::of(&store).unwrap();
        assert!(matches!(Lock::of(&store), Err(StartError::InUse(_))));
        let forked = lock.0.try_clone().unwrap();
        drop(lock);
        Lock::of(&store).unwrap();
        drop(forked);
    }
}
