//! The embedded BigQuery's [`BigQueryWrite`] server.

use std::sync::Arc;

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::{
    AppendRowsRequest, AppendRowsResponse, BatchCommitWriteStreamsRequest,
    BatchCommitWriteStreamsResponse, CreateWriteStreamRequest, FinalizeWriteStreamRequest,
    FinalizeWriteStreamResponse, FlushRowsRequest, FlushRowsResponse, GetWriteStreamRequest,
    WriteStream,
};
use tokio::sync::watch;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use super::append_quota::AppendQuota;
use super::append_schemas::AppendSchemas;
use super::calls;
use super::connection::AppendConnection;
use super::state::WriteState;
use super::stream_owners::StreamOwners;
use crate::local::bigquery::faults::Faults;
use crate::local::bigquery::new_tables::NewTables;
use crate::local::bigquery::store::Store;
use crate::local::bigquery::write_service::{
    AppendRequests, AppendResponses, BigQueryWrite, WriteService,
};

/// The service for tonic's router. Its connections end once `stopped` is true.
pub fn write_service(
    store: Arc<Store>,
    faults: Arc<Faults>,
    new_tables: Arc<NewTables>,
    stopped: watch::Receiver<bool>,
) -> WriteService<Arc<WriteState>> {
    WriteService::new(Arc::new(WriteState {
        store,
        faults,
        new_tables,
        schemas: AppendSchemas::default(),
        quota: AppendQuota::default(),
        owners: StreamOwners::default(),
        stopped,
    }))
}

impl BigQueryWrite for Arc<WriteState> {
    type AppendCodec = ProstCodec<AppendRowsResponse, AppendRowsRequest>;

    /// Above BigQuery's limit, so that a request beyond it gets BigQuery's error and not tonic's.
    const LARGEST_APPEND: usize = 64 << 20;

    async fn append_rows(
        self,
        requests: AppendRequests<Self>,
        responses: AppendResponses,
    ) -> Result<(), Status> {
        AppendConnection::new(self).serve(requests.into_inner(), &responses).await
    }

    async fn create_write_stream(
        self,
        request: Request<CreateWriteStreamRequest>,
    ) -> Result<WriteStream, Status> {
        self.unary(request, calls::create).await
    }

    async fn get_write_stream(
        self,
        request: Request<GetWriteStreamRequest>,
    ) -> Result<WriteStream, Status> {
        self.unary(request, calls::get).await
    }

    async fn flush_rows(
        self,
        request: Request<FlushRowsRequest>,
    ) -> Result<FlushRowsResponse, Status> {
        self.unary(request, calls::flush).await
    }

    async fn finalize_write_stream(
        self,
        request: Request<FinalizeWriteStreamRequest>,
    ) -> Result<FinalizeWriteStreamResponse, Status> {
        self.unary(request, calls::finalize).await
    }

    async fn batch_commit_write_streams(
        self,
        request: Request<BatchCommitWriteStreamsRequest>,
    ) -> Result<BatchCommitWriteStreamsResponse, Status> {
        self.unary(request, calls::batch_commit).await
    }
}

impl WriteState {
    async fn unary<A: Send + 'static, B: Send + 'static>(
        self: Arc<Self>,
        request: Request<A>,
        call: fn(&Self, A) -> Result<B, Status>,
    ) -> Result<B, Status> {
        self.blocking(move |state| call(state, request.into_inner())).await?
    }
}
