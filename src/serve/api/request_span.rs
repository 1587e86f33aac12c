//! The spans of a request: the request itself, which continues its sender's trace, and the sending of
//! its events to the broker. Consumers see the request's span in the records' headers.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use opentelemetry::trace::{SpanKind, Status, TraceContextExt, Tracer as _};
use opentelemetry::{Context, KeyValue};

use crate::telemetry::otlp::{self, Tracer, inject, of_request};

/// The span of a request to this server.
pub(super) struct RequestSpan(Context);

impl RequestSpan {
    /// `route`: the path that is known by its name; others are anybody's.
    pub fn begin(tracer: &Tracer, request: &Request<Body>, route: &'static str) -> Self {
        let method = request.method().as_str().to_owned();
        let path = request.uri().path();
        let name = if path == route { format!("{method} {path}") } else { method.clone() };
        let mut attributes = vec![
            KeyValue::new("http.request.method", method),
            KeyValue::new("url.path", path.to_owned()),
            KeyValue::new("url.scheme", "http"),
        ];
        if path == route {
            attributes.push(KeyValue::new("http.route", route));
        }
        let builder =
            tracer.span_builder(name).with_kind(SpanKind::Server).with_attributes(attributes);
        let span = tracer.build_with_context(builder, &of_request(request.headers()));
        Self(Context::new().with_span(span))
    }

    /// What the work on the request runs in.
    pub fn context(&self) -> Context {
        self.0.clone()
    }

    pub fn end(self, status: StatusCode) {
        let span = self.0.span();
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        if status.is_server_error() {
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

/// The headers that continue the trace of the request that is worked on; none where it has no span.
pub(super) fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    let context = Context::current();
    if context.has_active_span() {
        inject(&context, &mut headers);
    }
    headers
}

/// The span of sending events to the broker.
pub(super) struct SendSpan(Option<Context>, usize);

impl SendSpan {
    /// Begins a span where the request has one.
    pub fn begin(topic: &str, events: usize) -> Self {
        let parent = Context::current();
        let tracer = if parent.has_active_span() { otlp::tracer() } else { None };
        let context = tracer.map(|tracer| {
            let builder = tracer
                .span_builder(format!("send {topic}"))
                .with_kind(SpanKind::Producer)
                .with_attributes([
                    KeyValue::new("messaging.system", "kafka"),
                    KeyValue::new("messaging.destination.name", topic.to_owned()),
                    KeyValue::new("messaging.operation.name", "send"),
                    KeyValue::new("messaging.operation.type", "send"),
                    KeyValue::new("messaging.batch.message_count", events as i64),
                ]);
            Context::new().with_span(tracer.build_with_context(builder, &parent))
        });
        Self(context, events)
    }

    /// The broker has acknowledged so many of the events.
    pub fn end(self, acknowledged: usize) {
        let Self(Some(context), events) = self else { return };
        if acknowledged < events {
            context.span().set_status(Status::error("not all events were acknowledged"));
        }
        context.span().end();
    }
}
