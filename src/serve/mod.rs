//! The HTTP server of an instance: probes and metrics.

mod connections;
#[cfg(test)]
pub(crate) mod loopback;
mod probes;

use std::net::SocketAddr;

use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

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

/// Starts the server. Port 0 takes any free port.
pub async fn start(
    address: SocketAddr,
    registry: Registry,
    health: Health,
) -> Result<Server, ServeError> {
    let failed = |source| ServeError { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let router = probes::router(registry, health);
    let task = tokio::spawn(connections::serve(listener, router));
    Ok(Server { address: bound, task })
}
