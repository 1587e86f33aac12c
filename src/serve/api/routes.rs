//! The paths of the event API.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Response, StatusCode};
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use opentelemetry::trace::FutureExt;

use super::problem::{Advice, Problem};
use super::request::Intake;
use super::request_span::RequestSpan;
use super::tokens::Tokens;
use crate::telemetry::ApiMetrics;
use crate::telemetry::metrics::StatusLabel;
use crate::telemetry::otlp::Tracer;

pub(super) const EVENTS: &str = "/v1/events";
pub(super) const OPENAPI: &str = "/openapi.json";

/// What the routes share.
pub(super) struct Shared {
    pub tokens: Option<Tokens>,
    pub metrics: ApiMetrics,
    /// What spans are made with. `None`: there are none.
    pub tracer: Option<Tracer>,
    /// `None`: the API is switched off.
    pub intake: Option<Intake>,
    pub openapi: String,
}

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route(EVENTS, post(events))
        .route(OPENAPI, get(openapi))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(shared.clone(), checked))
        .with_state(shared)
}

/// Lets a request through that has a token, and counts it by its status.
async fn checked(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let began = Instant::now();
    let allowed = shared.tokens.as_ref().is_none_or(|tokens| tokens.sent_in(request.headers()));
    // A trace is continued for those who may publish: it is in the records, and costs memory here.
    let tracer = shared.tracer.as_ref().filter(|_| allowed);
    let span = tracer.map(|tracer| RequestSpan::begin(tracer, &request, EVENTS));
    let response = match &span {
        _ if !allowed => Problem::no_token().response(),
        Some(span) => next.run(request).with_context(span.context()).await,
        None => next.run(request).await,
    };
    if let Some(span) = span {
        span.end(response.status());
    }
    let status = StatusLabel { status: response.status().as_u16() };
    shared.metrics.requests.get_or_create(&status).inc();
    shared.metrics.request_seconds.observe(began.elapsed().as_secs_f64());
    response
}

async fn events(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let Some(intake) = &shared.intake else { return disabled().response() };
    intake.take(request).await.unwrap_or_else(|problem| problem.response())
}

async fn openapi(State(shared): State<Arc<Shared>>) -> Response<Body> {
    if shared.intake.is_none() {
        return disabled().response();
    }
    ([(CONTENT_TYPE, "application/json")], shared.openapi.clone()).into_response()
}

async fn method_not_allowed(request: Request) -> Response<Body> {
    let methods = if request.uri().path() == EVENTS { "POST" } else { "GET,HEAD" };
    Problem::method_not_allowed(methods).response()
}

async fn not_found() -> Response<Body> {
    Problem::not_found(format!("the paths are {EVENTS} and {OPENAPI}")).response()
}

fn disabled() -> Problem {
    let title = "the event API is switched off";
    let detail = "DISABLE is set: nothing is accepted";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "disabled", title, detail).advice(Advice::Retry)
}
