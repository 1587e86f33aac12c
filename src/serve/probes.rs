//! `/livez`, `/readyz` and `/metrics`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};

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
    let (status, body) = answer(shared.health.check_live());
    (status, Json(body)).into_response()
}

async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    let health = &shared.health;
    let (status, mut body) = answer(health.check_ready());
    if status == StatusCode::OK
        && let Some((why, time)) = health.waiting()
    {
        body["waits"] = why.name().into();
        body["seconds"] = time.as_secs().into();
    }
    if let Some(refused) = health.contract().refused() {
        body["contract_refused"] = refused.why.into();
    }
    (status, Json(body)).into_response()
}

/// 200, or 503 with the reason.
fn answer(result: Result<(), Unhealthy>) -> (StatusCode, Value) {
    match result {
        Ok(()) => (StatusCode::OK, json!({ "status": "ok" })),
        Err(reason) => {
            let body = json!({ "status": "failing", "reason": reason.to_string() });
            (StatusCode::SERVICE_UNAVAILABLE, body)
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
