//! Sends traces, metrics and logs to an OpenTelemetry collector, by OTLP.
//!
//! ```text
//! registry ─► exposition ─► metrics ─► push ────┐
//! spans ────► the SDK's queue ─► exporters ─────┼─► target: gRPC or HTTP ─► collector
//! log lines ─► layer ─► the SDK's queue ────────┘
//! ```
//!
//! Nothing here may hold up the work: what the collector does not take is dropped with a warning, and a
//! process that ends waits [`DEADLINE`] at most (docs/adr/0033-opentelemetry.md).

mod context;
mod exporters;
mod layer;
mod metrics;
mod notice;
mod push;
mod resource;
mod target;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use opentelemetry::logs::{LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use prometheus_client::registry::Registry;
use tokio::runtime::{Builder, Runtime};

pub use self::context::{TRACEPARENT, TRACESTATE, inject, of_request, span_of};
pub use self::layer::LogLines;
use self::push::Push;
pub use self::resource::Service;
pub use self::target::TargetError;
use crate::config::OtlpSettings;

/// How long the end of the process waits for what is not sent yet, all signals together. With the
/// longest drain it is what a process has between SIGTERM and SIGKILL by default.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// What spans are made with.
pub type Tracer = SdkTracer;

/// What the whole process sends; like the log, it is one for all.
static RUNNING: Mutex<Option<Running>> = Mutex::new(None);

struct Running {
    traces: Option<SdkTracerProvider>,
    metrics: Option<Push>,
    logs: Option<SdkLoggerProvider>,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("start the runtime that sends to the OpenTelemetry collector")]
    Runtime(#[source] std::io::Error),
    #[error("send {signal} to the OpenTelemetry collector")]
    Target { signal: &'static str, source: TargetError },
}

/// Begins to send. `registry` has the metrics, if there are any yet. The collector is not asked
/// whether it is there.
pub fn start(
    settings: &OtlpSettings,
    service: &Service<'_>,
    registry: Option<Arc<Registry>>,
) -> Result<(), StartError> {
    // A runtime of its own: neither does a busy one delay what is sent, nor the other way round.
    // It lives as long as the process, because a request that is given up at the end still runs on it,
    // and one whose runtime is gone panics.
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .thread_name("telemetry")
        .build()
        .map_err(StartError::Runtime)?;
    let runtime: &'static Runtime = Box::leak(Box::new(runtime));
    let handle = runtime.handle();
    let _entered = handle.enter();
    let resource = resource::of(service, &settings.resource);
    let failed = |signal| move |source| StartError::Target { signal, source };
    let traces = settings.traces.as_ref();
    let traces = traces
        .map(|settings| exporters::traces(settings, resource.clone(), handle))
        .transpose()
        .map_err(failed("traces"))?;
    let logs = settings.logs.as_ref();
    let logs = logs
        .map(|settings| exporters::logs(settings, resource.clone(), handle))
        .transpose()
        .map_err(failed("logs"))?;
    let metrics = settings.metrics.as_ref();
    let metrics = metrics
        .map(|settings| Push::start(settings, &resource, registry, handle))
        .transpose()
        .map_err(failed("metrics"))?;
    if let Some(logs) = &logs {
        layer::send_to(logs);
    }
    let signals = [
        ("traces", settings.traces.as_ref().map(|it| &it.target)),
        ("metrics", settings.metrics.as_ref().map(|it| &it.target)),
        ("logs", settings.logs.as_ref().map(|it| &it.target)),
    ];
    for (signal, target) in signals {
        if let Some(target) = target {
            tracing::info!(signal, endpoint = target.endpoint, "sending to OpenTelemetry");
        }
    }
    *running() = Some(Running { traces, metrics, logs });
    Ok(())
}

/// What spans are made with; `None` where traces are not sent.
pub fn tracer() -> Option<Tracer> {
    let running = running();
    running.as_ref()?.traces.as_ref().map(|traces| traces.tracer("generic-consumer"))
}

/// The metrics that are sent from now on, for a command that has none before its work is done.
pub fn report(registry: Arc<Registry>) {
    if let Some(push) = running().as_ref().and_then(|running| running.metrics.as_ref()) {
        push.report(registry);
    }
}

/// Sends why the process ends, which standard error says and the log does not.
pub fn failed(why: &str) {
    let running = running();
    let Some(logs) = running.as_ref().and_then(|running| running.logs.as_ref()) else { return };
    let logger = logs.logger("generic-consumer");
    let mut record = logger.create_log_record();
    record.set_severity_number(Severity::Error);
    record.set_severity_text("ERROR");
    record.set_body(why.to_owned().into());
    logger.emit(record);
}

/// Sends what is left, within [`DEADLINE`]. Nothing is sent afterwards.
pub fn finish() {
    let Some(Running { traces, metrics, logs }) = running().take() else { return };
    let until = Instant::now() + DEADLINE;
    let (done, ended) = mpsc::channel();
    // Threads, and none of a runtime's, so that this returns in time whatever they wait for. One that
    // does not come back ends with the process.
    let mut started = 0;
    let mut on_thread = |work: Box<dyn FnOnce() + Send>| {
        let done = done.clone();
        let thread = std::thread::Builder::new().name("telemetry-end".to_owned());
        let spawned = thread.spawn(move || {
            work();
            let _ = done.send(());
        });
        started += usize::from(spawned.is_ok());
    };
    if let Some(traces) = traces {
        on_thread(Box::new(move || drop(traces.shutdown_with_timeout(DEADLINE))));
    }
    if let Some(metrics) = metrics {
        on_thread(Box::new(move || metrics.finish(DEADLINE)));
    }
    if let Some(logs) = logs {
        on_thread(Box::new(move || drop(logs.shutdown_with_timeout(DEADLINE))));
    }
    for _ in 0..started {
        if ended.recv_timeout(until.saturating_duration_since(Instant::now())).is_err() {
            tracing::warn!(
                seconds = DEADLINE.as_secs(),
                "the OpenTelemetry collector has not taken all in time: the rest is dropped"
            );
            return;
        }
    }
}

fn running() -> MutexGuard<'static, Option<Running>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}
