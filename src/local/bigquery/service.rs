//! The Storage Write API over gRPC. gcp-bigquery-client carries client stubs only, so the service
//! is put together from tonic's parts around the same messages.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::append_rows_request::Rows;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::append_rows_response::{
    AppendResult, Response as Answer,
};
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::row_error::RowErrorCode;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::storage_error::StorageErrorCode;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::write_stream::Type;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::{
    AppendRowsRequest, AppendRowsResponse, BatchCommitWriteStreamsRequest,
    BatchCommitWriteStreamsResponse, CreateWriteStreamRequest, FinalizeWriteStreamRequest,
    FinalizeWriteStreamResponse, FlushRowsRequest, FlushRowsResponse, GetWriteStreamRequest,
    ProtoSchema, RowError, StorageError, WriteStream,
};
use prost::Message;
use rand::Rng;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::{Grpc, NamedService, StreamingService, UnaryService};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use super::columns::{Column, Kind};
use super::decode::{Mismatch, Reader};
use super::faults::{Fault, Faults};
use super::store::Store;
use super::streams::{Refusal, split, table_id};
use super::{Row, rest};

/// BigQuery's limit of one request; ours answers, so tonic's own has to be above it.
const LARGEST_REQUEST: usize = 20_000_000;
const TONIC_LIMIT: usize = 64 << 20;

/// All connections share this.
struct Shared {
    store: Arc<Store>,
    faults: Arc<Faults>,
    /// The newest connection of each created stream: it alone may append.
    owners: Mutex<HashMap<String, u64>>,
    connections: AtomicU64,
}

/// The service as tonic serves it.
#[derive(Clone)]
pub struct WriteService {
    shared: Arc<Shared>,
}

impl WriteService {
    pub fn new(store: Arc<Store>, faults: Arc<Faults>) -> Self {
        let owners = Mutex::default();
        let connections = AtomicU64::new(0);
        Self { shared: Arc::new(Shared { store, faults, owners, connections }) }
    }
}

impl NamedService for WriteService {
    const NAME: &'static str = "google.cloud.bigquery.storage.v1.BigQueryWrite";
}

type Answering = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

impl Service<http::Request<Body>> for WriteService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Answering {
        let shared = self.shared.clone();
        let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        Box::pin(async move {
            Ok(match method.as_str() {
                "AppendRows" => {
                    let mut grpc =
                        Grpc::new(ProstCodec::default()).max_decoding_message_size(TONIC_LIMIT);
                    grpc.streaming(Append(shared), request).await
                }
                "CreateWriteStream" => {
                    unary(request, move |message| create(&shared, message)).await
                }
                "GetWriteStream" => unary(request, move |message| get(&shared, &message)).await,
                "FinalizeWriteStream" => {
                    unary(request, move |message| finalize(&shared, &message)).await
                }
                "FlushRows" => unary(request, move |message| flush(&shared, &message)).await,
                "BatchCommitWriteStreams" => {
                    unary(request, move |message| commit(&shared, &message)).await
                }
                _ => Status::unimplemented(format!("the embedded BigQuery has no {method}"))
                    .into_http(),
            })
        })
    }
}

// ------------------------------------------------------------------ unary calls

struct Unary<F>(F);

impl<F, A, B> UnaryService<A> for Unary<F>
where
    F: FnMut(A) -> Result<B, Status>,
{
    type Response = B;
    type Future = Ready<Result<Response<B>, Status>>;

    fn call(&mut self, request: Request<A>) -> Self::Future {
        ready((self.0)(request.into_inner()).map(Response::new))
    }
}

async fn unary<A, B>(
    request: http::Request<Body>,
    answer: impl FnMut(A) -> Result<B, Status> + Send,
) -> http::Response<Body>
where
    A: Message + Default + 'static,
    B: Message + 'static,
{
    Grpc::new(ProstCodec::<B, A>::default()).unary(Unary(answer), request).await
}

fn create(shared: &Shared, message: CreateWriteStreamRequest) -> Result<WriteStream, Status> {
    if shared.faults.strikes(Fault::Create).is_some() {
        return Err(shared.faults.status());
    }
    let id = table_id(&message.parent).ok_or_else(|| {
        Status::invalid_argument(format!("Invalid table path: {}", message.parent))
    })?;
    table_columns(shared, &id, &message.parent)?;
    let mut stream = message.write_stream.unwrap_or_default();
    if matches!(stream.r#type(), Type::Unspecified) {
        return Err(Status::invalid_argument("WriteStream.type must be set"));
    }
    stream.name = format!("{}/streams/{:032x}", message.parent, rand::rng().random::<u128>());
    shared.store.create_stream(&id, &stream.name, stream.r#type())?;
    if shared.faults.strikes(Fault::CreateLost).is_some() {
        return Err(shared.faults.status());
    }
    Ok(stream)
}

fn get(shared: &Shared, message: &GetWriteStreamRequest) -> Result<WriteStream, Status> {
    let (path, name) = split(&message.name).ok_or_else(|| {
        Status::invalid_argument(format!("Invalid stream name: {}", message.name))
    })?;
    let id = table_id(path).unwrap_or_default();
    let columns = table_columns(shared, &id, path)?;
    let kind =
        if name == "_default" { Type::Committed } else { shared.store.stream(&message.name)?.kind };
    Ok(WriteStream {
        name: message.name.clone(),
        r#type: kind as i32,
        table_schema: Some(rest::storage_schema(&columns)),
        ..WriteStream::default()
    })
}

fn finalize(
    shared: &Shared,
    message: &FinalizeWriteStreamRequest,
) -> Result<FinalizeWriteStreamResponse, Status> {
    Ok(FinalizeWriteStreamResponse { row_count: shared.store.finalize(&message.name)? as i64 })
}

fn flush(shared: &Shared, message: &FlushRowsRequest) -> Result<FlushRowsResponse, Status> {
    if shared.faults.strikes(Fault::Flush).is_some() {
        return Err(shared.faults.status());
    }
    let offset = message.offset.ok_or_else(|| Status::invalid_argument("offset must be set"))?;
    let offset = shared.store.flush(&message.write_stream, offset)?;
    if shared.faults.strikes(Fault::FlushLost).is_some() {
        return Err(shared.faults.status());
    }
    Ok(FlushRowsResponse { offset })
}

fn commit(
    shared: &Shared,
    message: &BatchCommitWriteStreamsRequest,
) -> Result<BatchCommitWriteStreamsResponse, Status> {
    let refused = shared.store.batch_commit(&message.write_streams)?;
    let stream_errors: Vec<StorageError> = refused
        .into_iter()
        .map(|refusal| StorageError {
            code: refusal.storage.map_or(0, |code| code as i32),
            entity: refusal.entity,
            error_message: refusal.message,
        })
        .collect();
    #[expect(clippy::disallowed_methods, reason = "the answer says when, as the real one does")]
    let commit_time = stream_errors.is_empty().then(|| std::time::SystemTime::now().into());
    Ok(BatchCommitWriteStreamsResponse { commit_time, stream_errors })
}

fn table_columns(shared: &Shared, id: &str, path: &str) -> Result<Arc<Vec<Column>>, Refusal> {
    shared.store.columns(id)?.ok_or_else(|| {
        let message =
            format!("Requested entity was not found: table {id} is not found. Entity: {path}");
        Refusal::new(Code::NotFound, message).with(StorageErrorCode::TableNotFound, path)
    })
}

// ------------------------------------------------------------------ appends

struct Append(Arc<Shared>);

impl StreamingService<AppendRowsRequest> for Append {
    type Response = AppendRowsResponse;
    type ResponseStream = UnboundedReceiverStream<Result<AppendRowsResponse, Status>>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<AppendRowsRequest>>) -> Self::Future {
        let (answers, outgoing) = mpsc::unbounded_channel();
        let shared = self.0.clone();
        tokio::spawn(async move {
            let number = shared.connections.fetch_add(1, Ordering::Relaxed);
            let mut connection = Connection { shared, number, open: None };
            if let Err(status) = connection.serve(request.into_inner(), &answers).await {
                let _ = answers.send(Err(status));
            }
        });
        ready(Ok(Response::new(UnboundedReceiverStream::new(outgoing))))
    }
}

type Answers = mpsc::UnboundedSender<Result<AppendRowsResponse, Status>>;

/// One AppendRows connection.
struct Connection {
    shared: Arc<Shared>,
    number: u64,
    open: Option<Open>,
}

/// What the connection's last complete introduction said.
#[derive(Clone)]
struct Open {
    stream: String,
    table: String,
    is_default: bool,
    schema: ProtoSchema,
    columns: Arc<Vec<Column>>,
    reader: Reader,
    /// Column of the day partition, if there is one.
    partition: Option<String>,
}

impl Connection {
    async fn serve(
        &mut self,
        mut requests: Streaming<AppendRowsRequest>,
        answers: &Answers,
    ) -> Result<(), Status> {
        while let Some(request) = requests.message().await? {
            let faults = self.shared.faults.clone();
            if faults.strikes(Fault::Close).is_some() {
                return Err(Status::unavailable("injected fault: the connection is closed"));
            }
            if let Some(delay) = faults.strikes(Fault::AppendDelay) {
                tokio::time::sleep(delay).await;
            }
            if faults.strikes(Fault::Append).is_some() {
                return Err(faults.status());
            }
            if let Some(delay) = faults.strikes(Fault::AppendLate) {
                self.carry_out_late(request, delay);
                return Err(faults.status());
            }
            let answer = self.append(request)?;
            if faults.strikes(Fault::AppendLost).is_some() {
                return Err(faults.status());
            }
            if answers.send(Ok(answer)).is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The nastiest of faults: the client hears of a broken connection, the request arrives later.
    fn carry_out_late(&mut self, request: AppendRowsRequest, delay: Duration) {
        let introduced = self.introduce(&request);
        let (shared, number) = (self.shared.clone(), self.number);
        let open = self.open.clone();
        if introduced.is_err() {
            return;
        }
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            let mut late = Connection { shared, number, open };
            // It stands in for a request that was on its way before a newer connection came.
            let _ = late.write(&request);
        });
    }

    fn append(&mut self, request: AppendRowsRequest) -> Result<AppendRowsResponse, Status> {
        let size = request.encoded_len();
        if size > LARGEST_REQUEST {
            let message = format!("AppendRows request too large: {size} limit {LARGEST_REQUEST}");
            return Err(Status::invalid_argument(message));
        }
        self.introduce(&request)?;
        self.check_owner()?;
        Ok(self.write(&request))
    }

    /// Reads stream and schema where the request names them.
    fn introduce(&mut self, request: &AppendRowsRequest) -> Result<(), Status> {
        let named = (!request.write_stream.is_empty()).then_some(request.write_stream.as_str());
        let schema = match &request.rows {
            Some(Rows::ProtoRows(data)) => data.writer_schema.clone(),
            None => return Err(Status::invalid_argument("rows must be set")),
        };
        let unchanged =
            |open: &Open| named.is_none_or(|name| name == open.stream) && schema.is_none();
        if self.open.as_ref().is_some_and(unchanged) {
            return Ok(());
        }
        let before = self.open.take();
        let name =
            named.map(str::to_owned).or_else(|| before.as_ref().map(|open| open.stream.clone()));
        let name = name.ok_or_else(|| {
            Status::invalid_argument("The first request of a connection must name its write_stream")
        })?;
        let invalid = || Status::invalid_argument(format!("Invalid stream name: {name}"));
        let (path, short) = split(&name).ok_or_else(invalid)?;
        let table = table_id(path).ok_or_else(invalid)?;
        let is_default = short == "_default";
        if let Some(before) = before.as_ref().filter(|before| before.stream != name)
            && !(before.is_default && is_default)
        {
            let message = "Only default streams may share a connection";
            return Err(Status::invalid_argument(message));
        }
        let columns = table_columns(&self.shared, &table, path)?;
        let schema =
            schema.or_else(|| before.filter(|open| open.stream == name).map(|open| open.schema));
        let schema = schema.ok_or_else(|| {
            Status::invalid_argument("The first request of a stream must carry its writer_schema")
        })?;
        let descriptor = schema.proto_descriptor.as_ref();
        let descriptor =
            descriptor.ok_or_else(|| Status::invalid_argument("proto_descriptor must be set"))?;
        let reader =
            Reader::new(descriptor, &columns).map_err(|mismatch| refuse_schema(&name, mismatch))?;
        if !is_default {
            self.shared.store.stream(&name)?;
            let mut owners = self.shared.owners.lock().unwrap_or_else(PoisonError::into_inner);
            owners.insert(name.clone(), self.number);
        }
        let resource = self.shared.store.table(&table).ok().flatten().unwrap_or_default();
        let partition = resource["timePartitioning"]["field"].as_str().map(str::to_owned);
        let open = Open { stream: name, table, is_default, schema, columns, reader, partition };
        self.open = Some(open);
        Ok(())
    }

    fn check_owner(&self) -> Result<(), Status> {
        let Some(open) = self.open.as_ref().filter(|open| !open.is_default) else { return Ok(()) };
        let owners = self.shared.owners.lock().unwrap_or_else(PoisonError::into_inner);
        if owners.get(&open.stream) == Some(&self.number) {
            return Ok(());
        }
        Err(Status::aborted(
            "Closing the connection because a newer one appends to the same stream",
        ))
    }

    /// Writes the request's rows and answers as BigQuery does: errors in band.
    fn write(&mut self, request: &AppendRowsRequest) -> AppendRowsResponse {
        let Some(open) = &self.open else { return AppendRowsResponse::default() };
        let rows = match &request.rows {
            Some(Rows::ProtoRows(data)) => {
                data.rows.as_ref().map(|rows| rows.serialized_rows.as_slice())
            }
            None => None,
        };
        let mut response = AppendRowsResponse {
            write_stream: open.stream.clone(),
            ..AppendRowsResponse::default()
        };
        let rows = match open.read(rows.unwrap_or_default()) {
            Ok(rows) => rows,
            Err(row_errors) => {
                let message = format!(
                    "Errors found while processing rows. Please refer to the row_errors field for details. The list may not be complete because of the size limitations. Entity: {}",
                    open.stream
                );
                let refusal = Refusal::new(Code::InvalidArgument, message);
                response.response = Some(Answer::Error(refusal.rpc()));
                response.row_errors = row_errors;
                return response;
            }
        };
        let store = &self.shared.store;
        let written = if open.is_default {
            match request.offset {
                Some(_) => {
                    Err(Refusal::new(Code::InvalidArgument, "The default stream takes no offset"))
                }
                None => store.append_default(&open.table, &open.columns, &rows).map(|()| None),
            }
        } else {
            store.append(&open.stream, &open.columns, request.offset, &rows).map(Some)
        };
        response.response = Some(match written {
            Ok(offset) => Answer::AppendResult(AppendResult { offset: offset.map(|at| at as i64) }),
            Err(refusal) => Answer::Error(refusal.rpc()),
        });
        response
    }
}

impl Open {
    /// All rows, or an error for each that is none.
    fn read(&self, rows: &[Vec<u8>]) -> Result<Vec<Row>, Vec<RowError>> {
        let mut good = Vec::with_capacity(rows.len());
        let mut errors = Vec::new();
        for (index, bytes) in rows.iter().enumerate() {
            match self.reader.read(bytes).and_then(|row| self.in_partition_range(row)) {
                Ok(row) => good.push(row),
                Err(message) => errors.push(RowError {
                    index: index as i64,
                    code: RowErrorCode::FieldsError as i32,
                    message,
                }),
            }
        }
        if errors.is_empty() { Ok(good) } else { Err(errors) }
    }

    /// BigQuery streams into day partitions from 1,825 days back to 366 ahead.
    fn in_partition_range(&self, row: Row) -> Result<Row, String> {
        let Some(name) = &self.partition else { return Ok(row) };
        let kind =
            self.columns.iter().find(|column| &column.name == name).map(|column| column.kind);
        let text = row.get(name).and_then(serde_json::Value::as_str);
        let (Some(kind), Some(text)) = (kind, text) else { return Ok(row) };
        let day =
            if kind == Kind::Timestamp { text.split('T').next().unwrap_or(text) } else { text };
        let Ok(day) = day.parse::<jiff::civil::Date>() else { return Ok(row) };
        let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let ahead = today.until(day).map_or(0, |span| span.get_days());
        if (-1825..=366).contains(&ahead) {
            Ok(row)
        } else {
            Err(format!(
                "Value {day} of field {name} is outside the allowed bounds: 1825 days in the past and 366 days in the future"
            ))
        }
    }
}

fn refuse_schema(stream: &str, mismatch: Mismatch) -> Status {
    match mismatch {
        Mismatch::Extra(fields) => {
            let message = format!(
                "Input schema has more fields than BigQuery schema, extra fields: '{}' Entity: {stream}",
                fields.join(",")
            );
            Refusal::new(Code::InvalidArgument, message)
                .with(StorageErrorCode::SchemaMismatchExtraFields, stream)
                .into()
        }
        Mismatch::Invalid(message) => Status::invalid_argument(message),
    }
}
