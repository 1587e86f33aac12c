//! The calls of the Storage Write API. None is retried here: the caller decides by
//! [`CallError::verdict`].

use std::time::Duration;

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::big_query_write_client::BigQueryWriteClient;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::write_stream::Type;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::{
    BatchCommitWriteStreamsRequest, CreateWriteStreamRequest, FinalizeWriteStreamRequest,
    FlushRowsRequest, GetWriteStreamRequest, StorageError, WriteStream,
};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use super::BigQuery;
use crate::config::TableId;
use crate::sink::bigquery::append::Connection;
use crate::sink::bigquery::appender::StreamKind;
use crate::sink::bigquery::call_metadata::call_metadata;
use crate::sink::bigquery::errors::{CallError, Verdict};
use crate::sink::bigquery::stream::StreamPlace;
use crate::stop::Stop;

/// How long a unary call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

impl BigQuery {
    /// Opens an append connection for `stream`.
    pub(in crate::sink) async fn append(
        &self,
        channel: &Channel,
        stream: &str,
    ) -> Result<Connection, CallError> {
        let token = self.token("append to", stream).await?;
        Ok(Connection::open(channel.clone(), stream, token.as_deref()))
    }

    /// Asks the Storage Write API for the table's default stream, which every table has: whether the API
    /// is reached, and lets this identity in. Writes nothing.
    pub async fn reaches_storage(&self, table: &TableId) -> Result<(), Stop> {
        let (operation, name) =
            ("read the default write stream of", format!("{}/streams/_default", table.path()));
        let message = GetWriteStreamRequest { name: name.clone(), ..Default::default() };
        let failed = |error: CallError| {
            let hint = match error.verdict() {
                Verdict::Stop(hint) => hint,
                Verdict::Retry
                | Verdict::RetrySlowly
                | Verdict::AlreadyExists
                | Verdict::NotFound(_)
                | Verdict::FreshStream => {
                    "check the endpoint's `storage` address, and that the network lets it through"
                }
            };
            error.stop(hint)
        };
        let request = self.request(operation, ("name", &name), message).await.map_err(failed)?;
        let mut client = BigQueryWriteClient::new(self.channel());
        match timed(operation, &name, client.get_write_stream(request)).await {
            Ok(_) => Ok(()),
            // It is reached, and the table is not known there yet.
            Err(error) if matches!(error.verdict(), Verdict::NotFound(_)) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Creates a stream of the table and returns its name.
    pub(in crate::sink::bigquery) async fn create_stream(
        &self,
        channel: &Channel,
        table: &TableId,
        kind: StreamKind,
    ) -> Result<String, CallError> {
        let (operation, parent) = ("create a write stream of", table.path());
        let kind = match kind {
            StreamKind::Default => Type::Committed,
            StreamKind::Buffered => Type::Buffered,
            StreamKind::Pending => Type::Pending,
        };
        let stream = WriteStream { r#type: kind as i32, ..WriteStream::default() };
        let message =
            CreateWriteStreamRequest { parent: parent.clone(), write_stream: Some(stream) };
        let request = self.request(operation, ("parent", &parent), message).await?;
        let mut client = BigQueryWriteClient::new(channel.clone());
        let created = timed(operation, &parent, client.create_write_stream(request)).await?;
        Ok(created.name)
    }

    /// Makes the first `place.rows` rows of the stream visible. Idempotent.
    pub(in crate::sink::bigquery) async fn flush(
        &self,
        channel: &Channel,
        place: &StreamPlace,
    ) -> Result<(), CallError> {
        let (operation, stream) = ("flush rows of", &*place.stream.0);
        let message = FlushRowsRequest {
            write_stream: stream.to_owned(),
            offset: Some(place.rows.saturating_sub(1) as i64),
        };
        let request = self.request(operation, ("write_stream", stream), message).await?;
        let mut client = BigQueryWriteClient::new(channel.clone());
        timed(operation, stream, client.flush_rows(request)).await.map(drop)
    }

    /// Makes all rows of finalized PENDING streams visible at once. Returns what BigQuery has against
    /// it; then nothing is visible. A stream that is committed already is such a refusal.
    pub(in crate::sink::bigquery) async fn batch_commit(
        &self,
        channel: &Channel,
        table: &TableId,
        streams: Vec<String>,
    ) -> Result<Vec<StorageError>, CallError> {
        let (operation, parent) = ("commit the write streams of", table.path());
        let message =
            BatchCommitWriteStreamsRequest { parent: parent.clone(), write_streams: streams };
        let request = self.request(operation, ("parent", &parent), message).await?;
        let mut client = BigQueryWriteClient::new(channel.clone());
        let answer = timed(operation, &parent, client.batch_commit_write_streams(request)).await?;
        Ok(answer.stream_errors)
    }

    /// Finalizes the stream: it accepts no more rows and no more flushes. Returns its number of rows.
    pub(in crate::sink::bigquery) async fn finalize(
        &self,
        channel: &Channel,
        stream: &str,
    ) -> Result<u64, CallError> {
        let operation = "finalize";
        let message = FinalizeWriteStreamRequest { name: stream.to_owned() };
        let request = self.request(operation, ("name", stream), message).await?;
        let mut client = BigQueryWriteClient::new(channel.clone());
        let answer = timed(operation, stream, client.finalize_write_stream(request)).await?;
        Ok(u64::try_from(answer.row_count).unwrap_or_default())
    }

    /// Adds the metadata to a message. `routing` is the message's field that names the resource,
    /// and the resource.
    async fn request<T>(
        &self,
        operation: &'static str,
        routing: (&str, &str),
        message: T,
    ) -> Result<Request<T>, CallError> {
        let (parameter, resource) = routing;
        let token = self.token(operation, resource).await?;
        let mut request = Request::new(message);
        *request.metadata_mut() = call_metadata(parameter, resource, token.as_deref())
            .map_err(|status| CallError::of_status(operation, resource, &status))?;
        Ok(request)
    }

    async fn token(&self, operation: &'static str, on: &str) -> Result<Option<String>, CallError> {
        let token = self.inner.identity.token().await;
        token.map_err(|error| CallError::no_token(operation, on, error))
    }
}

async fn timed<T>(
    operation: &'static str,
    on: &str,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, CallError> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(CallError::of_status(operation, on, &status)),
        Err(_) => Err(CallError::no_answer(operation, on)),
    }
}
