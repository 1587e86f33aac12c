//! Spans and log records, by the SDK's queues and the exporters of opentelemetry-otlp.

use opentelemetry_otlp::{
    Compression, LogExporter, SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::{self, BatchLogProcessor, LogBatch, SdkLoggerProvider};
use opentelemetry_sdk::trace::{
    self, BatchSpanProcessor, Sampler as SdkSampler, SdkTracerProvider, SpanData,
};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::notice::Notice;
use super::target::{self, TargetError};
use crate::config::{LogSettings, OtlpTarget, Protocol, Sampler, TraceSettings};

pub(super) fn traces(
    settings: &TraceSettings,
    resource: Resource,
    runtime: &Handle,
) -> Result<SdkTracerProvider, TargetError> {
    let target = &settings.target;
    let builder = SpanExporter::builder();
    let exporter = match target.protocol {
        Protocol::Grpc => by_grpc(builder.with_tonic(), target)?.build(),
        Protocol::HttpProtobuf => by_http(builder.with_http(), target)?.build(),
    };
    let exporter = exporter.map_err(TargetError::Exporter)?;
    let queue = trace::BatchConfigBuilder::default()
        .with_max_queue_size(settings.queue.size)
        .with_max_export_batch_size(settings.queue.batch)
        .with_scheduled_delay(settings.queue.delay)
        .build();
    let watched = Watched::new(exporter, "traces", target, runtime);
    let processor = BatchSpanProcessor::builder(watched).with_batch_config(queue).build();
    Ok(SdkTracerProvider::builder()
        .with_span_processor(processor)
        .with_sampler(sampler(settings.sampler))
        .with_resource(resource)
        .build())
}

pub(super) fn logs(
    settings: &LogSettings,
    resource: Resource,
    runtime: &Handle,
) -> Result<SdkLoggerProvider, TargetError> {
    let target = &settings.target;
    let builder = LogExporter::builder();
    let exporter = match target.protocol {
        Protocol::Grpc => by_grpc(builder.with_tonic(), target)?.build(),
        Protocol::HttpProtobuf => by_http(builder.with_http(), target)?.build(),
    };
    let exporter = exporter.map_err(TargetError::Exporter)?;
    let queue = logs::BatchConfigBuilder::default()
        .with_max_queue_size(settings.queue.size)
        .with_max_export_batch_size(settings.queue.batch)
        .with_scheduled_delay(settings.queue.delay)
        .build();
    let watched = Watched::new(exporter, "logs", target, runtime);
    let processor = BatchLogProcessor::builder(watched).with_batch_config(queue).build();
    Ok(SdkLoggerProvider::builder().with_log_processor(processor).with_resource(resource).build())
}

fn by_grpc<B: WithExportConfig + WithTonicConfig>(
    builder: B,
    target: &OtlpTarget,
) -> Result<B, TargetError> {
    let builder = builder.with_channel(target::channel(target)?);
    let builder = builder.with_metadata(target::metadata(target)).with_timeout(target.timeout);
    Ok(if target.gzip { builder.with_compression(Compression::Gzip) } else { builder })
}

fn by_http<B: WithExportConfig + WithHttpConfig>(
    builder: B,
    target: &OtlpTarget,
) -> Result<B, TargetError> {
    let builder = builder.with_endpoint(&target.endpoint);
    let builder = builder.with_http_client(target::client(target)?);
    let builder = builder.with_protocol(opentelemetry_otlp::Protocol::HttpBinary);
    let builder = builder.with_timeout(target.timeout);
    Ok(if target.gzip { builder.with_compression(Compression::Gzip) } else { builder })
}

fn sampler(settings: Sampler) -> SdkSampler {
    let root = if settings.ratio >= 1.0 {
        SdkSampler::AlwaysOn
    } else if settings.ratio <= 0.0 {
        SdkSampler::AlwaysOff
    } else {
        SdkSampler::TraceIdRatioBased(settings.ratio)
    };
    if settings.parent_based { SdkSampler::ParentBased(Box::new(root)) } else { root }
}

/// An exporter whose failures are seen and whose requests end.
#[derive(Debug)]
struct Watched<E> {
    exporter: E,
    notice: Notice,
    runtime: Handle,
    timeout: Duration,
}

impl<E> Watched<E> {
    fn new(exporter: E, signal: &'static str, target: &OtlpTarget, runtime: &Handle) -> Self {
        let notice = Notice::new(signal, &target.endpoint);
        Self { exporter, notice, runtime: runtime.clone(), timeout: target.timeout }
    }

    /// The SDK calls exporters on a thread of its own, which may wait; what they use needs a runtime.
    fn wait(&self, sent: impl Future<Output = OTelSdkResult>) -> OTelSdkResult {
        let sent = self.runtime.block_on(async { timeout(self.timeout, sent).await });
        let sent = sent.unwrap_or(Err(OTelSdkError::Timeout(self.timeout)));
        match &sent {
            Ok(()) => self.notice.taken(),
            Err(OTelSdkError::InternalFailure(why)) => self.notice.dropped(why),
            Err(why) => self.notice.dropped(why),
        }
        sent
    }
}

impl<E: trace::SpanExporter> trace::SpanExporter for Watched<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.wait(self.exporter.export(batch))
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E: logs::LogExporter> logs::LogExporter for Watched<E> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        self.wait(self.exporter.export(batch))
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
