//! Logs on standard error: readable lines on a terminal, JSON lines otherwise. An OpenTelemetry collector
//! gets the same lines, where one is set.

use std::io::IsTerminal;

use tracing_subscriber::filter::FilterExt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use super::hold_back::HoldBack;
use super::otlp::LogLines;
use super::status_line::AboveTheLine;

type Boxed = Box<dyn Layer<Registry> + Send + Sync>;

/// Starts logging. `RUST_LOG` sets the filter; the default is `info`, or `warn` on a terminal for a command
/// that prints a page. Before the process ends,
/// `HoldBack::finish` logs the summaries of repeated lines that are still due.
pub fn init(prints_a_page: bool) -> HoldBack {
    let hold_back = HoldBack::start();
    let is_terminal = std::io::stderr().is_terminal();
    let level = if prints_a_page && is_terminal { "warn" } else { "info" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let filter = filter.and(hold_back.clone());
    let lines = fmt::layer().with_writer(|| AboveTheLine);
    let lines = if is_terminal {
        lines.with_target(false).compact().boxed()
    } else {
        lines.json().flatten_event(true).with_current_span(false).boxed()
    };
    // One filter for both: what is held back on standard error is not sent either.
    let layers: Vec<Boxed> = vec![lines, LogLines.boxed()];
    // Fails if a subscriber is already installed, which then stays in place.
    let _ = tracing_subscriber::registry().with(layers.with_filter(filter)).try_init();
    hold_back
}
