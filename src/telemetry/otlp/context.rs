//! W3C's trace context: how a trace goes on from one program to the next.

use http::HeaderMap;
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::propagation::TraceContextPropagator;

/// The headers by which a trace goes on.
pub const TRACEPARENT: &str = "traceparent";
pub const TRACESTATE: &str = "tracestate";

/// The span that the values of the two headers name; `None` where they name none.
pub fn span_of(traceparent: &str, tracestate: Option<&str>) -> Option<SpanContext> {
    let values = Values { traceparent, tracestate };
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &values);
    let span = context.span().span_context().clone();
    span.is_valid().then_some(span)
}

/// The span of a request's headers, as the parent of what follows.
pub fn of_request(headers: &HeaderMap) -> Context {
    TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(headers))
}

/// Adds the headers with which the trace goes on.
pub fn inject(context: &Context, headers: &mut HeaderMap) {
    TraceContextPropagator::new().inject_context(context, &mut HeaderInjector(headers));
}

struct Values<'a> {
    traceparent: &'a str,
    tracestate: Option<&'a str>,
}

impl Extractor for Values<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            TRACEPARENT => Some(self.traceparent),
            TRACESTATE => self.tracestate,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT, TRACESTATE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_span_is_named_by_two_headers() {
        let span = span_of(PARENT, Some("a=1")).expect("valid");
        assert_eq!(span.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert!(span.is_sampled() && span.is_remote());
        assert_eq!(span.trace_state().header(), "a=1");
        let unsampled = PARENT.replace("-01", "-00");
        assert!(!span_of(&unsampled, None).expect("valid").is_sampled());
        for wrong in ["", "x", "00-0-0-01", &PARENT.replace("0af7", "zzzz"), &PARENT[..50]] {
            assert_eq!(span_of(wrong, None), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_trace_goes_on_through_headers() {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, PARENT.parse().expect("a value"));
        let context = of_request(&headers);
        let mut next = HeaderMap::new();
        inject(&context, &mut next);
        assert_eq!(next[TRACEPARENT], PARENT);
    }
}
