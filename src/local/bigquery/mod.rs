//! The embedded BigQuery: a strict peer on loopback, its rows in a SQLite file that a person can
//! open.
//!
//! It refuses what BigQuery refuses, in the same words where clients read them: offsets, stream
//! types and their visibility, finalize, flush, request size, schema mismatches, `row_errors`,
//! required columns, values out of range, one connection a created stream. What SQL can do, it
//! cannot: rows are listed, not queried.

mod cell;
mod columns;
mod decode;
mod faults;
mod rest;
mod service;
mod store;
mod streams;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
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
}

impl Running {
    /// `http://…` of REST and of the Storage API.
    pub fn urls(&self) -> (String, String) {
        (format!("http://{}", self.rest), format!("http://{}", self.grpc))
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
    if options.fresh {
        remove(&options.store);
    }
    let store = Arc::new(Store::open(&options.store)?);
    let faults = Arc::new(options.faults);
    let (stop, stopped) = watch::channel(false);
    let (rest, listener) = listen(options.rest).await?;
    let router = rest::router(store.clone(), faults.clone());
    let mut told = stopped.clone();
    tokio::spawn(async move {
        let ended = async move { drop(told.wait_for(|stop| *stop).await) };
        if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(ended).await {
            tracing::error!(error = %error, "the embedded rest server ended");
        }
    });
    let (grpc, listener) = listen(options.grpc).await?;
    let mut told = stopped;
    tokio::spawn(async move {
        let server = tonic::transport::Server::builder()
            .add_service(service::WriteService::new(store, faults))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::select! {
            ended = server => if let Err(error) = ended {
                tracing::error!(error = %error, "the embedded storage server ended");
            },
            // Open append connections do not end by themselves, so they are cut.
            _ = told.wait_for(|stop| *stop) => {}
        }
    });
    Ok(Running { rest, grpc, stop })
}

async fn listen(address: SocketAddr) -> Result<(SocketAddr, TcpListener), StartError> {
    let failed = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    Ok((listener.local_addr().map_err(failed)?, listener))
}

/// A SQLite file and what stands beside it.
fn remove(store: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = store.as_os_str().to_owned();
        name.push(suffix);
        let _ = std::fs::remove_file(name);
    }
}

/// A row as a JSON object, columns in the table's order.
pub type Row = serde_json::Map<String, serde_json::Value>;

/// Visible rows of a table in the order they were written; `table` may be `table`,
/// `dataset.table` or `project.dataset.table`.
pub fn rows(store: &Path, table: &str, limit: Option<usize>) -> Result<Vec<Row>, StoreError> {
    Store::open_existing(store)?.rows(table, limit)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
