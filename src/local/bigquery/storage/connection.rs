//! AppendRows: one connection, its requests answered in order.

use std::collections::HashMap;
use std::future::{Ready, pending, ready};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::append_rows_response::{
    AppendResult, Response as Answer,
};
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::{
    AppendRowsRequest, AppendRowsResponse,
};
use prost::Message;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::server::StreamingService;
use tonic::{Request, Response, Status, Streaming};

use super::introduction::{Introduced, Wrong, introduce};
use super::schema::described;
use super::{Shared, blocking};
use crate::local::bigquery::columns::Column;
use crate::local::bigquery::faults::Fault;
use crate::local::bigquery::refusal::Refusal;

/// BigQuery's limit of one request.
const LARGEST_REQUEST: usize = 20_000_000;

/// A request that has left the client reaches us within this on loopback.
const ON_ITS_WAY: Duration = Duration::from_millis(5);

pub struct Append(pub Arc<Shared>);

impl StreamingService<AppendRowsRequest> for Append {
    type Response = AppendRowsResponse;
    type ResponseStream = UnboundedReceiverStream<Result<AppendRowsResponse, Status>>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<AppendRowsRequest>>) -> Self::Future {
        let (answers, outgoing) = mpsc::unbounded_channel();
        let shared = self.0.clone();
        tokio::spawn(async move {
            let mut connection =
                Connection { shared, introduced: None, announced: None, superseded: None };
            if let Err(status) = connection.serve(request.into_inner(), &answers).await {
                let _ = answers.send(Err(status));
            }
        });
        ready(Ok(Response::new(UnboundedReceiverStream::new(outgoing))))
    }
}

/// The newest connection of each created stream: it alone may append.
#[derive(Default)]
pub struct Owners(Mutex<HashMap<String, oneshot::Sender<()>>>);

impl Owners {
    /// Takes the stream over. The answer is told when somebody else does.
    fn take(&self, stream: &str) -> oneshot::Receiver<()> {
        let (tell, told) = oneshot::channel();
        let mut owners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if owners.len() > 1_000 {
            // Their connections have ended.
            owners.retain(|_, owner| !owner.is_closed());
        }
        // Dropping the one before tells its connection.
        owners.insert(stream.to_owned(), tell);
        told
    }
}

type Answers = mpsc::UnboundedSender<Result<AppendRowsResponse, Status>>;

struct Connection {
    shared: Arc<Shared>,
    introduced: Option<Arc<Introduced>>,
    /// Columns that an answer has told of, after the introduction.
    announced: Option<Arc<Vec<Column>>>,
    superseded: Option<oneshot::Receiver<()>>,
}

impl Connection {
    async fn serve(
        &mut self,
        mut requests: Streaming<AppendRowsRequest>,
        answers: &Answers,
    ) -> Result<(), Status> {
        let mut stopped = self.shared.stopped.clone();
        loop {
            let request = tokio::select! {
                biased;
                () = told(&mut self.superseded) => return Err(Status::aborted(
                    "Closing the connection because a newer one appends to the same stream",
                )),
                _ = stopped.wait_for(|stopped| *stopped) => {
                    return Err(Status::unavailable("The server is shutting down"));
                }
                request = requests.message() => request?,
            };
            let Some(request) = request else { return Ok(()) };
            let faults = self.shared.faults.clone();
            if faults.strikes(Fault::Close).is_some() {
                return Err(Status::unavailable("injected fault: the connection is closed"));
            }
            if let Some(delay) = faults.strikes(Fault::AppendDelay) {
                tokio::time::sleep(delay).await;
            }
            faults.fails(Fault::Append)?;
            if let Some(delay) = faults.strikes(Fault::AppendLate) {
                self.carry_out_late(request, requests, delay).await;
                return Err(faults.status(Fault::AppendLate));
            }
            let answer = self.append(request).await?;
            faults.fails(Fault::AppendLost)?;
            if answers.send(Ok(answer)).is_err() {
                return Ok(());
            }
        }
    }

    /// The nastiest of faults: the client hears of a broken connection, and what it had sent is
    /// carried out later. It was on its way before any newer connection, so no ownership is asked.
    async fn carry_out_late(
        &mut self,
        first: AppendRowsRequest,
        mut requests: Streaming<AppendRowsRequest>,
        delay: Duration,
    ) {
        let mut late = vec![first];
        while let Ok(Ok(Some(request))) = tokio::time::timeout(ON_ITS_WAY, requests.message()).await
        {
            late.push(request);
        }
        let (shared, mut introduced) = (self.shared.clone(), self.introduced.clone());
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            for request in late {
                let Ok(next) = introduce(&shared, introduced.as_ref(), &request) else { return };
                introduced = Some(next.clone());
                let store = shared.clone();
                let _ = blocking(move || write(&store, &next, &request)).await;
            }
        });
    }

    async fn append(&mut self, request: AppendRowsRequest) -> Result<AppendRowsResponse, Status> {
        let size = request.encoded_len();
        if size > LARGEST_REQUEST {
            let message = format!("AppendRows request too large: {size} limit {LARGEST_REQUEST}");
            return Ok(refused(&Refusal::invalid(message)));
        }
        let introduced = introduce(&self.shared, self.introduced.as_ref(), &request)?;
        let before = self.introduced.as_ref().map(|before| before.stream.as_str());
        if before != Some(introduced.stream.as_str()) {
            self.announced = None;
            if !introduced.is_default {
                self.superseded = Some(self.shared.owners.take(&introduced.stream));
            }
        }
        self.introduced = Some(introduced.clone());
        let shared = self.shared.clone();
        let mut answer = {
            let introduced = introduced.clone();
            blocking(move || write(&shared, &introduced, &request)).await?
        };
        self.announce(&introduced, &mut answer);
        Ok(answer)
    }

    /// Tells of columns that changed since the introduction, once.
    fn announce(&mut self, introduced: &Introduced, answer: &mut AppendRowsResponse) {
        let Shared { store, faults, schemas, .. } = &*self.shared;
        let Ok(now) = schemas.columns(store, faults, &introduced.table, &introduced.path) else {
            return;
        };
        let told = self.announced.as_ref().unwrap_or(&introduced.columns);
        if !Arc::ptr_eq(told, &now) && **told != *now {
            answer.updated_schema = Some(described(&now));
            self.announced = Some(now);
        }
    }
}

async fn told(superseded: &mut Option<oneshot::Receiver<()>>) {
    match superseded {
        Some(receiver) => drop(receiver.await),
        None => pending().await,
    }
}

fn refused(refusal: &Refusal) -> AppendRowsResponse {
    AppendRowsResponse {
        response: Some(Answer::Error(refusal.rpc())),
        write_stream: refusal.entity.clone(),
        ..AppendRowsResponse::default()
    }
}

/// Writes a request's rows and answers as BigQuery does: errors in band.
fn write(
    shared: &Shared,
    introduced: &Introduced,
    request: &AppendRowsRequest,
) -> AppendRowsResponse {
    let stream = &introduced.stream;
    let rows = match introduced.rows(request) {
        Ok(rows) => rows,
        Err(Wrong::Request(refusal)) => return refused(&refusal),
        Err(Wrong::Rows(row_errors)) => {
            let message = "Errors found while processing rows. Please refer to the row_errors \
                           field for details. The list may not be complete because of the size \
                           limitations.";
            let refusal = Refusal::invalid(message).about(stream);
            return AppendRowsResponse { row_errors, ..refused(&refusal) };
        }
    };
    let Introduced { table, path, columns, is_default, .. } = introduced;
    let written = match (is_default, request.offset) {
        (true, Some(_)) => {
            let message = "Offset can not be specified when appending to the default stream.";
            Err(Refusal::invalid(message))
        }
        (true, None) => shared.store.append_default(table, path, columns, &rows).map(|()| None),
        (false, offset) => shared.store.append(stream, columns, offset, &rows).map(Some),
    };
    let response = match written {
        Ok(offset) => Answer::AppendResult(AppendResult { offset: offset.map(|at| at as i64) }),
        Err(refusal) => Answer::Error(refusal.rpc()),
    };
    AppendRowsResponse {
        response: Some(response),
        write_stream: stream.clone(),
        ..AppendRowsResponse::default()
    }
}
