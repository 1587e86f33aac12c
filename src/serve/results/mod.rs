//! The API of the latest reports: who asks, what they may read, and the answer from the store.
//!
//! ```text
//! draining ─► routes: caller (token, identity, this machine) ─► results::Reports ─► answers
//! ```
//!
//! docs/adr/0026-results.md has the reasons.

mod answers;
mod caller;
mod openapi;
mod paging;
mod routes;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;

pub use self::caller::Access;
use self::routes::Shared;
use super::draining;
use crate::results::Reports;
use crate::shutdown::Shutdown;
use crate::telemetry::ResultsMetrics;

/// An API that listens.
pub struct ResultsApi {
    /// The address it listens on, with the port that was chosen for port 0.
    pub address: SocketAddr,
    listener: TcpListener,
    shared: Arc<Shared>,
}

#[derive(Debug, thiserror::Error)]
#[error("listen on {address} for the results: set RESULTS_ADDR to a free address")]
pub struct ListenError {
    address: SocketAddr,
    #[source]
    source: std::io::Error,
}

impl ResultsApi {
    /// Listens on the address. Without reports it answers 503.
    pub async fn listen(
        address: SocketAddr,
        access: Access,
        reports: Option<Reports>,
        metrics: ResultsMetrics,
    ) -> Result<Self, ListenError> {
        let failed = |source| ListenError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let openapi = openapi::document(&access).to_string();
        let asking = Semaphore::new(routes::MOST_AT_ONCE);
        let shared = Arc::new(Shared { access, reports, metrics, openapi, asking });
        Ok(Self { address: bound, listener, shared })
    }

    /// Serves until a shutdown is requested, and then finishes what it has begun. Returns whether
    /// that took no longer than `drain`.
    pub async fn serve(self, shutdown: Shutdown, drain: Duration) -> bool {
        let router = routes::router(self.shared);
        draining::serve(self.listener, router, shutdown, drain).await
    }
}
