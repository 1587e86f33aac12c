//! The paths of the dashboard.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use axum::response::sse::{KeepAlive, Sse};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio::sync::Semaphore;

use super::assets;
use super::fleet::Fleet;
use super::live::{Full, Live, MOST_STREAMS};
use super::range::{self, Range};
use super::series::Chart;
use crate::clock::Clock;
use crate::serve::api::problem::{Advice, Problem};
use crate::shutdown::Shutdown;

/// Requests for series at the same time. Others wait, but no longer than a store may take.
pub(super) const MOST_AT_ONCE: usize = 8;
const WAIT: Duration = Duration::from_secs(5);

/// How long a stream may be silent.
const HEARTBEAT: Duration = Duration::from_secs(15);

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// What every answer has, unless it says otherwise.
const HEADERS: [(HeaderName, &str); 4] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
];

type Parameters = Query<HashMap<String, String>>;

/// What the routes share.
pub(super) struct Shared {
    pub chart: Arc<Chart>,
    pub fleet: Arc<Fleet>,
    pub live: Live,
    pub asking: Semaphore,
    pub clock: Clock,
    pub shutdown: Shutdown,
}

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/assets/{name}", get(asset))
        .route("/api/series", get(series))
        .route("/api/live", get(live))
        .route("/api/fleet", get(fleet))
        .route("/livez", get(|| async { ok() }))
        .route("/readyz", get(readyz))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .layer(middleware::from_fn(with_headers))
        .with_state(shared)
}

async fn with_headers(request: Request, next: Next) -> Response<Body> {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn page(headers: HeaderMap) -> Response<Body> {
    asset(Path(String::new()), headers).await
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response<Body> {
    match assets::answer(&name, &headers) {
        Some(answer) => answer,
        None => not_found().await,
    }
}

async fn series(State(shared): State<Arc<Shared>>, parameters: Parameters) -> Response<Body> {
    let now = shared.clock.now_micros() / 1_000;
    let range = match Range::of(&parameters, now) {
        Ok(range) => range,
        Err(why) => return refused(why),
    };
    let place = tokio::time::timeout(WAIT, shared.asking.acquire()).await;
    // The semaphore is never closed.
    let Ok(_place) = place else { return busy("too many requests for series at once") };
    Json(shared.chart.frame(range).await).into_response()
}

async fn fleet(State(shared): State<Arc<Shared>>) -> Response<Body> {
    let body = shared.fleet.latest().await.to_string();
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

async fn live(State(shared): State<Arc<Shared>>, parameters: Parameters) -> Response<Body> {
    let bucket = match range::bucket(&parameters) {
        Ok(bucket) => bucket,
        Err(why) => return refused(why),
    };
    match shared.live.follow(bucket) {
        Ok(stream) => {
            let heartbeat = KeepAlive::new().interval(HEARTBEAT).text("heartbeat");
            // A proxy that waits for more before it sends something would make it seem silent.
            let at_once = (HeaderName::from_static("x-accel-buffering"), "no");
            ([at_once], Sse::new(stream).keep_alive(heartbeat)).into_response()
        }
        Err(Full) => {
            busy(&format!("{MOST_STREAMS} streams are open, or too many lengths of buckets"))
        }
    }
}

fn ok() -> Response<Body> {
    Json(json!({ "status": "ok" })).into_response()
}

/// Whether it serves. A store that is away is shown on the page, and no reason to take the page away.
async fn readyz(State(shared): State<Arc<Shared>>) -> Response<Body> {
    if !shared.shutdown.requested() {
        return ok();
    }
    let body = Json(json!({ "status": "failing", "reason": "the process is stopping" }));
    (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
}

fn refused(why: String) -> Response<Body> {
    let title = "the range cannot be answered";
    Problem::new(StatusCode::BAD_REQUEST, "bad-range", title, why).response()
}

fn busy(why: &str) -> Response<Body> {
    let title = "the dashboard is busy";
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", title, why);
    problem.advice(Advice::Retry).response()
}

async fn method_not_allowed() -> Response<Body> {
    Problem::method_not_allowed("GET,HEAD").response()
}

async fn not_found() -> Response<Body> {
    let detail = "the page is at /, its data at /api/series, /api/live and /api/fleet";
    Problem::not_found(detail).response()
}
