//! Logs: JSON lines off a terminal, readable ones on it; always on standard error.

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

type Boxed = Box<dyn Layer<Registry> + Send + Sync>;

/// Starts logging. `RUST_LOG` filters, `info` by default. Every further consumer of spans and
/// events (OTLP) is one more layer of the list.
pub fn init() {
    let mut layers: Vec<Boxed> = Vec::new();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = fmt::layer().with_writer(std::io::stderr);
    layers.push(if std::io::stderr().is_terminal() {
        lines.with_target(false).compact().with_filter(filter).boxed()
    } else {
        lines.json().flatten_event(true).with_current_span(false).with_filter(filter).boxed()
    });
    // A second call (tests) keeps the first subscriber.
    let _ = tracing_subscriber::registry().with(layers).try_init();
}
