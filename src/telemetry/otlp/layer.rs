//! Log lines on their way to the collector.

use std::sync::OnceLock;

use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

type Bridge = OpenTelemetryTracingBridge<SdkLoggerProvider, SdkLogger>;

/// Where lines go. Empty until the configuration is read, and where it does not ask for logs.
static BRIDGE: OnceLock<Bridge> = OnceLock::new();

/// Lines of what sends them. If these were sent too, each would cause the next.
const OWN: [&str; 7] =
    ["generic_consumer::telemetry", "h2", "hyper", "opentelemetry", "reqwest", "rustls", "tonic"];

/// A layer that passes lines on.
pub struct LogLines;

/// From now on lines are sent.
pub(super) fn send_to(logs: &SdkLoggerProvider) {
    // It can fail only for a second time, which no command has.
    let _ = BRIDGE.set(OpenTelemetryTracingBridge::new(logs));
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LogLines {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Some(bridge) = BRIDGE.get() else { return };
        if !is_own(event.metadata().target()) {
            bridge.on_event(event, context);
        }
    }
}

fn is_own(target: &str) -> bool {
    OWN.iter().any(|own| {
        let rest = target.strip_prefix(own);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '_']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_sender_are_not_sent() {
        for own in ["h2::client", "hyper_util::client", "generic_consumer::telemetry::otlp::notice"]
        {
            assert!(is_own(own), "{own}");
        }
        for other in
            ["generic_consumer::pipeline::run", "generic_consumer::repeated", "h2o", "librdkafka"]
        {
            assert!(!is_own(other), "{other}");
        }
    }
}
