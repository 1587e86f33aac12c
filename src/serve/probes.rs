//! `/livez`, `/readyz` and `/metrics`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde_json::json;

use crate::telemetry::Health;
use crate::telemetry::health::Unhealthy;

struct Shared {
    registry: Arc<Registry>,
    health: Health,
}

/// The routes of the probes and the metrics.
pub(super) fn router(registry: Arc<Registry>, health: Health) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(Shared { registry, health }))
}

async fn livez(State(shared): State<Arc<Shared>>) -> Response {
    probe(shared.health.check_live())
}

async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    match (shared.health.check_ready(), shared.health.waiting()) {
        (Ok(()), Some((why, time))) => {
            let (waits, seconds) = (why.name(), time.as_secs());
            Json(json!({ "status": "ok", "waits": waits, "seconds": seconds })).into_response()
        }
        (ready, _) => probe(ready),
    }
}

/// 200, or 503 with the reason.
fn probe(result: Result<(), Unhealthy>) -> Response {
    match result {
        Ok(()) => Json(json!({ "status": "ok" })).into_response(),
        Err(reason) => {
            let body = Json(json!({ "status": "failing", "reason": reason.to_string() }));
            (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
        }
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &shared.registry) {
        Ok(()) => {
            let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, content_type)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
