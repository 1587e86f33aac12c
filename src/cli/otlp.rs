//! What a command sends to an OpenTelemetry collector, where variables ask for it.

use std::sync::Arc;

use prometheus_client::registry::Registry;

use super::failure::{Exit, Failure};
use crate::config::OtlpSettings;
use crate::telemetry::otlp::{self, Service, StartError};

/// Begins to send. `main` ends it.
pub fn start(
    settings: Option<&OtlpSettings>,
    service: &Service<'_>,
    registry: Option<Arc<Registry>>,
) -> Result<(), Failure> {
    let Some(settings) = settings else { return Ok(()) };
    otlp::start(settings, service, registry).map_err(|error| {
        let exit = match error {
            StartError::Runtime(_) => Exit::Stopped,
            StartError::Target { .. } => Exit::Configuration,
        };
        let hint = "OTEL_EXPORTER_OTLP_CERTIFICATE, _CLIENT_CERTIFICATE and _CLIENT_KEY name PEM \
                    files that this process may read; docs/reference/telemetry.md has every variable";
        Failure::new(exit, "send to the OpenTelemetry collector").source(error).hint(hint)
    })
}
