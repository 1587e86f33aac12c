//! What the log says of a collector that does not take what is sent: once when it begins, and once when
//! it is over. What it says meanwhile is held back like every repeated line.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};

/// One signal's way to the collector.
#[derive(Debug)]
pub(super) struct Notice {
    signal: &'static str,
    endpoint: String,
    failing: AtomicBool,
}

impl Notice {
    pub fn new(signal: &'static str, endpoint: &str) -> Self {
        Self { signal, endpoint: endpoint.to_owned(), failing: AtomicBool::new(false) }
    }

    pub fn taken(&self) {
        if self.failing.swap(false, Ordering::Relaxed) {
            let Self { signal, endpoint, .. } = self;
            tracing::info!(
                signal,
                endpoint,
                "the OpenTelemetry collector takes what is sent again"
            );
        }
    }

    pub fn dropped(&self, why: impl Display) {
        self.failing.store(true, Ordering::Relaxed);
        let Self { signal, endpoint, .. } = self;
        let hint = self.hint();
        tracing::warn!(
            signal,
            endpoint,
            %why,
            hint,
            "the OpenTelemetry collector does not take what is sent: it is dropped, the work goes on"
        );
    }

    /// Part of what was sent was refused.
    pub fn refused(&self, count: i64, why: &str) {
        let Self { signal, endpoint, .. } = self;
        tracing::warn!(signal, endpoint, count, why, "the OpenTelemetry collector refused some");
    }

    /// The mistake that the standard's two ports invite.
    fn hint(&self) -> Option<&'static str> {
        let url: http::Uri = self.endpoint.parse().ok()?;
        match (url.port_u16(), url.path()) {
            (Some(4317), "/v1/traces" | "/v1/metrics" | "/v1/logs") => {
                Some("4317 is the port of gRPC as a rule: set OTEL_EXPORTER_OTLP_PROTOCOL=grpc")
            }
            (Some(4318), "/" | "") => Some(
                "4318 is the port of HTTP as a rule: set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
            ),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_of_the_other_protocol_is_named() {
        let hint = |endpoint: &str| Notice::new("traces", endpoint).hint();
        assert!(hint("http://a:4317/v1/traces").is_some_and(|hint| hint.ends_with("=grpc")));
        assert!(hint("http://a:4318").is_some_and(|hint| hint.ends_with("=http/protobuf")));
        assert_eq!(hint("http://a:4317"), None);
        assert_eq!(hint("http://a:4318/v1/logs"), None);
    }
}
