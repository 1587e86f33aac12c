//! Logs on standard error: readable lines on a terminal, JSON lines otherwise.

use std::io::IsTerminal;

use super::status_line::AboveTheLine;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

type Boxed = Box<dyn Layer<Registry> + Send + Sync>;

/// Starts logging. `RUST_LOG` sets the filter; the default is `info`.
pub fn init() {
    // A list, so that another subscriber of spans and events (OTLP) is one more element.
    let mut layers: Vec<Boxed> = Vec::new();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = fmt::layer().with_writer(|| AboveTheLine);
    layers.push(if std::io::stderr().is_terminal() {
        lines.with_target(false).compact().with_filter(filter).boxed()
    } else {
        lines.json().flatten_event(true).with_current_span(false).with_filter(filter).boxed()
    });
    // Fails if a subscriber is already installed, which then stays in place.
    let _ = tracing_subscriber::registry().with(layers).try_init();
}
