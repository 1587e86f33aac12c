//! HTTP: probes, metrics and status of an instance, the event API, the dashboard, and the
//! latest reports.

pub mod api;
mod connections;
pub mod dashboard;
mod draining;
#[cfg(test)]
pub(crate) mod loopback;
mod probes;
pub mod results;
mod status;
mod unread;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use self::status::Instance;
use crate::telemetry::Health;

#[derive(Debug, thiserror::Error)]
#[error("listen on {address} for health and metrics: set METRICS_ADDR to a free address")]
pub struct ServeError {
    address: SocketAddr,
    #[source]
    source: std::io::Error,
}

/// A running server; dropping it stops the server.
#[derive(Debug)]
pub struct Server {
    /// The address it listens on, with the port that was chosen for port 0.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts the server of probes and metrics. Port 0 takes any free port.
pub async fn start(
    address: SocketAddr,
    registry: Arc<Registry>,
    health: Health,
) -> Result<Server, ServeError> {
    listen(address, probes::router(registry, health)).await
}

/// The same with the instance's status. Its metrics are in the registry.
pub async fn start_with_status(
    address: SocketAddr,
    registry: Arc<Registry>,
    health: Health,
    instance: Instance,
) -> Result<Server, ServeError> {
    let status = status::router(instance, registry.clone(), health.clone());
    listen(address, probes::router(registry, health).merge(status)).await
}

async fn listen(address: SocketAddr, router: Router) -> Result<Server, ServeError> {
    let failed = |source| ServeError { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let task = tokio::spawn(connections::serve(listener, router));
    Ok(Server { address: bound, task })
}
