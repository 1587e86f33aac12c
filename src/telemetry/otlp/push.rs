//! Sends the metrics, once an interval and at the end. The SDK takes no metrics that others count, so
//! this speaks OTLP by itself; channel and client are those of the other signals.

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use opentelemetry_sdk::Resource;
use prometheus_client::registry::Registry;
use prost::Message;
use std::io::Write;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval_at, timeout};
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;

use super::metrics::{Times, metrics};
use super::notice::Notice;
use super::target::{self, Client, TargetError};
use crate::clock::Clock;
use crate::config::{MetricSettings, OtlpTarget, Protocol};
use crate::error_chain::chain;
use crate::telemetry::exposition::Exposition;

type Source = Arc<Mutex<Option<Arc<Registry>>>>;

/// The task that sends metrics.
pub(super) struct Push {
    source: Source,
    stop: oneshot::Sender<()>,
    ended: mpsc::Receiver<()>,
}

impl Push {
    pub fn start(
        settings: &MetricSettings,
        resource: &Resource,
        registry: Option<Arc<Registry>>,
        runtime: &Handle,
    ) -> Result<Self, TargetError> {
        let source: Source = Arc::new(Mutex::new(registry));
        let mut task = Task {
            source: source.clone(),
            resource: resource.into(),
            sender: Sender::new(&settings.target)?,
            timeout: settings.target.timeout,
            notice: Notice::new("metrics", &settings.target.endpoint),
            clock: Clock::System,
            start: nanos(Clock::System),
        };
        let (stop, stopped) = oneshot::channel();
        let (done, ended) = mpsc::channel();
        let every = settings.interval;
        runtime.spawn(async move {
            task.run(every, stopped).await;
            let _ = done.send(());
        });
        Ok(Self { source, stop, ended })
    }

    /// The metrics that are sent from now on.
    pub fn report(&self, registry: Arc<Registry>) {
        *self.source.lock().unwrap_or_else(PoisonError::into_inner) = Some(registry);
    }

    /// Sends the last values, and waits for that.
    pub fn finish(self, within: Duration) {
        let _ = self.stop.send(());
        let _ = self.ended.recv_timeout(within);
    }
}

struct Task {
    source: Source,
    resource: opentelemetry_proto::tonic::resource::v1::Resource,
    sender: Sender,
    timeout: Duration,
    notice: Notice,
    clock: Clock,
    /// When counting began.
    start: u64,
}

impl Task {
    async fn run(&mut self, every: Duration, mut stopped: oneshot::Receiver<()>) {
        let mut ticks = interval_at(tokio::time::Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = &mut stopped => break,
            }
            // A request that is under way when the process ends is given up: the last has all.
            tokio::select! {
                () = self.push() => {}
                _ = &mut stopped => break,
            }
        }
        self.push().await;
    }

    async fn push(&self) {
        let registry = self.source.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(registry) = registry else { return };
        let times = Times { start: self.start, now: nanos(self.clock) };
        let scope = metrics(&Exposition::of(&registry), times);
        let resource_metrics = vec![ResourceMetrics {
            resource: Some(self.resource.clone()),
            scope_metrics: vec![scope],
            ..ResourceMetrics::default()
        }];
        let sent = self.sender.send(ExportMetricsServiceRequest { resource_metrics });
        match timeout(self.timeout, sent).await {
            Ok(Ok(answer)) => {
                self.notice.taken();
                let refused = answer.partial_success.filter(|it| it.rejected_data_points > 0);
                if let Some(refused) = refused {
                    self.notice.refused(refused.rejected_data_points, &refused.error_message);
                }
            }
            Ok(Err(error)) => self.notice.dropped(chain(&error)),
            Err(_) => self.notice.dropped(format_args!("no answer within {:?}", self.timeout)),
        }
    }
}

fn nanos(clock: Clock) -> u64 {
    u64::try_from(clock.now_micros()).unwrap_or_default() * 1_000
}

#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("gRPC code {:?}", .0.code())]
    Grpc(#[source] tonic::Status),
    #[error("the request failed")]
    Http(#[source] HttpError),
    #[error("HTTP status {0}")]
    Status(http::StatusCode),
    #[error("make the request")]
    Request(#[source] http::Error),
    #[error("compress the request")]
    Compress(#[source] std::io::Error),
}

/// How one request is sent.
enum Sender {
    Grpc { client: Box<MetricsServiceClient<Channel>>, metadata: MetadataMap },
    Http { client: Client, url: String, gzip: bool },
}

impl Sender {
    fn new(target: &OtlpTarget) -> Result<Self, TargetError> {
        Ok(match target.protocol {
            Protocol::Grpc => {
                let mut client = MetricsServiceClient::new(target::channel(target)?);
                if target.gzip {
                    client = client.send_compressed(CompressionEncoding::Gzip);
                }
                Self::Grpc { client: Box::new(client), metadata: target::metadata(target) }
            }
            Protocol::HttpProtobuf => {
                let client = target::client(target)?;
                Self::Http { client, url: target.endpoint.clone(), gzip: target.gzip }
            }
        })
    }

    async fn send(
        &self,
        metrics: ExportMetricsServiceRequest,
    ) -> Result<ExportMetricsServiceResponse, SendError> {
        match self {
            Self::Grpc { client, metadata } => {
                let mut request = tonic::Request::new(metrics);
                *request.metadata_mut() = metadata.clone();
                let answer = client.clone().export(request).await.map_err(SendError::Grpc)?;
                Ok(answer.into_inner())
            }
            Self::Http { client, url, gzip } => {
                let mut body = metrics.encode_to_vec();
                let mut request = Request::post(url).header(CONTENT_TYPE, "application/x-protobuf");
                if *gzip {
                    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                    encoder.write_all(&body).map_err(SendError::Compress)?;
                    body = encoder.finish().map_err(SendError::Compress)?;
                    request = request.header(CONTENT_ENCODING, "gzip");
                }
                let request = request.body(Bytes::from(body)).map_err(SendError::Request)?;
                let answer = client.send_bytes(request).await.map_err(SendError::Http)?;
                if !answer.status().is_success() {
                    return Err(SendError::Status(answer.status()));
                }
                // An answer that cannot be read was an answer.
                Ok(ExportMetricsServiceResponse::decode(answer.into_body()).unwrap_or_default())
            }
        }
    }
}
