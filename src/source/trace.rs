//! The trace that a record belongs to, by its headers.

use opentelemetry::trace::SpanContext;

use crate::record::HeaderList;
use crate::telemetry::otlp::{TRACEPARENT, TRACESTATE, span_of};

/// The span that produced the record; `None` where its headers name none.
pub fn span_context(headers: &dyn HeaderList) -> Option<SpanContext> {
    let value = |wanted: &str| {
        let mut all = (0..headers.len()).map(|index| headers.get(index));
        let (_, value) = all.find(|(name, _)| *name == wanted)?;
        str::from_utf8(value?).ok()
    };
    span_of(value(TRACEPARENT)?, value(TRACESTATE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_without_a_valid_header_belongs_to_no_trace() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let header = |name: &str, value: Option<&str>| {
            (name.to_owned(), value.map(|value| value.as_bytes().to_vec()))
        };
        let of = |headers: Vec<_>| span_context(&headers).map(|span| span.span_id().to_string());
        let id = Some("b7ad6b7169203331".to_owned());
        assert_eq!(of(vec![header("a", None), header(TRACEPARENT, Some(parent))]), id);
        assert_eq!(of(vec![]), None);
        assert_eq!(of(vec![header(TRACEPARENT, None)]), None);
        assert_eq!(of(vec![header(TRACEPARENT, Some("none"))]), None);
    }
}
