//! The span of fetching an object. It continues the trace of the event that names the object, and the
//! store sees it in the request. Events that belong to no sampled trace have none.

use http::HeaderMap;
use opentelemetry::trace::{SpanKind, Status, TraceContextExt, Tracer as _};
use opentelemetry::{Context, KeyValue};

use super::fetch::Place;
use crate::record::OwnedEvent;
use crate::source::span_context;
use crate::telemetry::otlp::{Tracer, inject};

pub(super) struct FetchSpan(Option<Context>);

impl FetchSpan {
    pub fn begin(tracer: Option<&Tracer>, event: &OwnedEvent, place: &Place) -> Self {
        let Some(tracer) = tracer else { return Self(None) };
        let parent = span_context(&event.record.headers).filter(|span| span.is_sampled());
        let span = parent.map(|parent| {
            let mut attributes = vec![
                KeyValue::new("http.request.method", "GET"),
                KeyValue::new("messaging.destination.partition.id", event.at.partition.to_string()),
                KeyValue::new("messaging.kafka.offset", event.at.offset.0),
            ];
            if let Place::Web(url) = place {
                attributes.push(KeyValue::new("url.scheme", url.scheme().to_owned()));
                let host = url.host_str().unwrap_or_default();
                attributes.push(KeyValue::new("server.address", host.to_owned()));
            }
            let builder =
                tracer.span_builder("GET").with_kind(SpanKind::Client).with_attributes(attributes);
            let parent = Context::new().with_remote_span_context(parent);
            Context::new().with_span(tracer.build_with_context(builder, &parent))
        });
        Self(span)
    }

    /// The headers with which the trace goes on.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(context) = &self.0 {
            inject(context, &mut headers);
        }
        headers
    }

    /// An attempt failed and is repeated.
    pub fn retried(&self) {
        if let Some(context) = &self.0 {
            context.span().add_event("retry", Vec::new());
        }
    }

    /// The object is read; or not, with the code of the reason.
    pub fn end(self, rejected: Option<&'static str>) {
        let Some(context) = self.0 else { return };
        if let Some(reason) = rejected {
            context.span().set_attribute(KeyValue::new("error.type", reason));
            context.span().set_status(Status::error(reason));
        }
        context.span().end();
    }
}
