//! `/livez`, `/readyz`, `/metrics`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::Health;

#[derive(Debug, thiserror::Error)]
#[error("listen on {address} for health and metrics: set METRICS_ADDR to a free address")]
pub struct ServeError {
    address: SocketAddr,
    #[source]
    source: std::io::Error,
}

/// The running server; it ends with its handle.
#[derive(Debug)]
pub struct Serving {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Shared {
    registry: Registry,
    health: Health,
}

/// Serves until the handle is dropped; port 0 takes any free one.
pub async fn serve(
    address: SocketAddr,
    registry: Registry,
    health: Health,
) -> Result<Serving, ServeError> {
    let failed = |source| ServeError { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let router = Router::new()
        .route(
            "/livez",
            get(async |State(shared): State<Arc<Shared>>| answer(shared.health.not_live())),
        )
        .route(
            "/readyz",
            get(async |State(shared): State<Arc<Shared>>| answer(shared.health.not_ready())),
        )
        .route("/metrics", get(metrics))
        .with_state(Arc::new(Shared { registry, health }));
    let task = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(error = %error, "the health and metrics server ended");
        }
    });
    Ok(Serving { address: bound, task })
}

fn answer(wrong: Option<String>) -> Response {
    match wrong {
        None => Json(json!({ "status": "ok" })).into_response(),
        Some(reason) => {
            let body = Json(json!({ "status": "failing", "reason": reason }));
            (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
        }
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &shared.registry) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
