//! The client: one endpoint, one identity, a channel for each writer.

use std::sync::Arc;
use std::time::Duration;

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::big_query_write_client::BigQueryWriteClient;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::write_stream::Type;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::{
    CreateWriteStreamRequest, FinalizeWriteStreamRequest, FlushRowsRequest, WriteStream,
};
use hyper_util::client::legacy::connect::HttpConnector;
use tonic::Request;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint as TonicEndpoint};
use tower::ServiceExt;

use super::append::{Connection, annotate, percent_encode};
use super::auth::Identity;
use super::coalesce::Coalesced;
use super::errors::CallError;
use super::rest::Rest;
use super::{table, writer};
use crate::clock::Clock;
use crate::config::{Endpoint, TableId, WriteSettings};
use crate::row::TableSchema;
use crate::sink::dead_letter::DeadLetters;
use crate::sink::{Lane, LaneMode, Reports, Reread, SinkError, StreamPlace, Writer};
use crate::telemetry::Metrics;

const GOOGLE_REST: &str = "https://bigquery.googleapis.com";
const GOOGLE_STORAGE: &str = "https://bigquerystorage.googleapis.com";

/// A unary call that takes longer is asked again.
const CALL: Duration = Duration::from_secs(30);

const CONNECT: Duration = Duration::from_secs(10);

/// BigQuery, reachable for tables and for appends.
#[derive(Clone)]
pub struct BigQuery {
    inner: Arc<Inner>,
}

struct Inner {
    endpoint: TonicEndpoint,
    identity: Identity,
    rest: Rest,
    metrics: Metrics,
    clock: Clock,
    /// A service that is not Google's may lack the dataset; ours to make there.
    makes_datasets: bool,
}

impl BigQuery {
    /// Prepares clients for the settings' endpoint; connections open when first used.
    pub async fn connect(
        write: &WriteSettings,
        metrics: Metrics,
        clock: Clock,
    ) -> Result<Self, SinkError> {
        let (rest, storage) = match &write.endpoint {
            Endpoint::Google => (GOOGLE_REST.to_owned(), GOOGLE_STORAGE.to_owned()),
            Endpoint::Custom { rest, storage } => (rest.clone(), storage.clone()),
            Endpoint::Embedded => {
                return Err(SinkError {
                    what: "connect to the embedded BigQuery".to_owned(),
                    hint: "it lives inside `run` only; give its addresses as an endpoint"
                        .to_owned(),
                    source: None,
                });
            }
        };
        let plaintext = storage.starts_with("http://");
        let identity = if plaintext {
            Identity::Anonymous
        } else {
            Identity::from_file(write.credentials.as_deref()).await?
        };
        Ok(Self {
            inner: Arc::new(Inner {
                endpoint: endpoint(&storage, plaintext)?,
                rest: Rest::new(rest, identity.clone()),
                identity,
                metrics,
                clock,
                makes_datasets: write.endpoint != Endpoint::Google,
            }),
        })
    }

    /// Creates the table where it is missing, or evolves it; with `manage` off only looks. Answers
    /// with the columns that may be written: those of `desired` that the table has.
    pub async fn prepare(
        &self,
        table: &TableId,
        desired: &TableSchema,
        manage: bool,
        partition_by: &str,
    ) -> Result<TableSchema, SinkError> {
        let wish = table::Wish {
            table,
            desired,
            partition_by,
            cluster_by: Some("_event_type"),
            manage,
            makes_datasets: self.inner.makes_datasets,
        };
        table::prepare(&self.inner.rest, wish).await
    }

    /// Starts a lane's writer on the current tokio runtime.
    #[expect(
        clippy::too_many_arguments,
        reason = "a lane's whole surroundings, named at one place"
    )]
    pub fn writer(
        &self,
        lane: Lane,
        mode: LaneMode,
        table: TableId,
        schema: Arc<TableSchema>,
        letters: DeadLetters,
        reread: Arc<dyn Reread>,
        reports: Reports,
    ) -> Writer {
        let answer = writer::ANSWER;
        writer::spawn(
            self.clone(),
            writer::Parts { lane, mode, table, schema, letters, reread, reports, answer },
        )
    }

    pub(in crate::sink) fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    pub(in crate::sink) fn clock(&self) -> Clock {
        self.inner.clock
    }

    /// A channel of its own: BigQuery limits what one connection carries.
    pub(in crate::sink) fn channel(&self) -> Channel {
        let mut connector = HttpConnector::new();
        // TLS is put around it where the endpoint has it.
        connector.enforce_http(false);
        connector.set_nodelay(true);
        // Shared out among a name's addresses, so that one that is dead leaves time for the others.
        connector.set_connect_timeout(Some(CONNECT));
        self.inner.endpoint.connect_with_connector_lazy(connector.map_response(Coalesced::new))
    }

    /// Opens an append connection for `stream`.
    pub(in crate::sink) async fn append(
        &self,
        channel: &Channel,
        stream: &str,
    ) -> Result<Connection, CallError> {
        let bearer = self.bearer("append to", stream).await?;
        Ok(Connection::open(channel.clone(), stream, bearer))
    }

    /// A fresh BUFFERED stream of the table.
    pub(super) async fn create_stream(
        &self,
        channel: &Channel,
        table: &TableId,
    ) -> Result<String, CallError> {
        let parent = table.path();
        let stream = WriteStream { r#type: Type::Buffered as i32, ..WriteStream::default() };
        let message =
            CreateWriteStreamRequest { parent: parent.clone(), write_stream: Some(stream) };
        let operation = "create a write stream of";
        let request = self.request(operation, "parent", &parent, message).await?;
        let mut client = BigQueryWriteClient::new(channel.clone());
        timed(operation, &parent, client.create_write_stream(request))
            .await
            .map(|stream| stream.name)
    }

    /// Makes the place's rows visible; idempotent.
    pub(super) async fn flush(
        &self,
        channel: &Channel,
        place: &StreamPlace,
    ) -> Result<(), CallError> {
        let message = FlushRowsRequest {
            write_stream: place.stream.0.to_string(),
            offset: Some(place.rows.saturating_sub(1) as i64),
        };
        let operation = "flush rows of";
        let request = self.request(operation, "write_stream", &place.stream.0, message).await?;
        let mut client = BigQueryWriteClient::new(channel.clone());
        timed(operation, &place.stream.0, client.flush_rows(request)).await.map(drop)
    }

    /// Takes no more rows on the stream.
    pub(super) async fn finalize(&self, channel: &Channel, stream: &str) -> Result<(), CallError> {
        let message = FinalizeWriteStreamRequest { name: stream.to_owned() };
        let operation = "finalize";
        let request = self.request(operation, "name", stream, message).await?;
        let mut client = BigQueryWriteClient::new(channel.clone());
        timed(operation, stream, client.finalize_write_stream(request)).await.map(drop)
    }

    async fn request<T>(
        &self,
        operation: &'static str,
        parameter: &str,
        on: &str,
        message: T,
    ) -> Result<Request<T>, CallError> {
        let bearer = self.bearer(operation, on).await?;
        let mut request = Request::new(message);
        let routing = format!("{parameter}={}", percent_encode(on));
        annotate(request.metadata_mut(), &routing, bearer.as_deref())
            .map_err(|status| CallError::of_status(operation, on, &status))?;
        Ok(request)
    }

    async fn bearer(&self, operation: &'static str, on: &str) -> Result<Option<String>, CallError> {
        let token = self.inner.identity.token().await;
        token.map_err(|error| CallError::no_token(operation, on, error))
    }
}

async fn timed<T>(
    operation: &'static str,
    on: &str,
    call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
) -> Result<T, CallError> {
    match tokio::time::timeout(CALL, call).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(CallError::of_status(operation, on, &status)),
        Err(_) => Err(CallError::no_answer(operation, on)),
    }
}

fn endpoint(storage: &str, plaintext: bool) -> Result<TonicEndpoint, SinkError> {
    let bad = |source: tonic::transport::Error| SinkError {
        what: format!("use {storage} as the storage endpoint"),
        hint: "give a URL such as https://bigquerystorage.googleapis.com".to_owned(),
        source: Some(Box::new(source)),
    };
    let endpoint = TonicEndpoint::from_shared(storage.to_owned())
        .map_err(bad)?
        .user_agent(concat!("generic-consumer/", env!("CARGO_PKG_VERSION")))
        .map_err(bad)?
        .connect_timeout(CONNECT)
        // A connection that died silently is noticed within half a minute, idle or not.
        .http2_keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10))
        .keep_alive_while_idle(true)
        // Room for several requests of 1 MiB on their way.
        .initial_connection_window_size(8 << 20)
        .initial_stream_window_size(8 << 20);
    if plaintext {
        return Ok(endpoint);
    }
    endpoint.tls_config(ClientTlsConfig::new().with_native_roots()).map_err(bad)
}
