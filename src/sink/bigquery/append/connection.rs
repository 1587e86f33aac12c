//! One open AppendRows call: requests go out in the order in which they are sent, answers come back
//! in the same order.

use std::convert::Infallible;
use std::future::poll_fn;

use futures_util::stream::{self, StreamExt};
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::AppendRowsResponse;
use http::HeaderValue;
use http::header::{CONTENT_TYPE, TE};
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tonic::body::Body;
use tonic::codec::BufferSettings;
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use tonic_prost::ProstDecoder;
use tower::Service;

use super::request::Append;
use crate::sink::bigquery::call_metadata::call_metadata;

const APPEND_ROWS: &str = "/google.cloud.bigquery.storage.v1.BigQueryWrite/AppendRows";

const LARGEST_ANSWER: usize = 16 << 20;

/// An open AppendRows call. Dropping it cancels the call.
#[derive(Debug)]
pub struct Connection {
    requests: UnboundedSender<Append>,
    answers: UnboundedReceiver<Result<AppendRowsResponse, Status>>,
    task: JoinHandle<()>,
}

impl Connection {
    /// Starts a call for `stream` in a task of its own. If it fails, the error is the next answer.
    pub fn open(channel: Channel, stream: &str, token: Option<&str>) -> Self {
        let (requests, outgoing) = unbounded_channel();
        let (incoming, answers) = unbounded_channel();
        let metadata = call_metadata("write_stream", stream, token);
        let task = tokio::spawn(async move {
            let ended = match metadata {
                Ok(metadata) => exchange(channel, metadata, outgoing, &incoming).await,
                Err(status) => Err(status),
            };
            if let Err(status) = ended {
                let _ = incoming.send(Err(status));
            }
        });
        Self { requests, answers, task }
    }

    /// Queues a request. On a call that has ended it is discarded; the answers say so.
    pub fn send(&self, append: Append) {
        let _ = self.requests.send(append);
    }

    /// Waits for the next answer; `None` once the service has ended the call. May be cancelled.
    pub async fn answer(&mut self) -> Option<Result<AppendRowsResponse, Status>> {
        self.answers.recv().await
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Makes the call: sends what comes from `outgoing`, passes the answers to `incoming`, and returns
/// when the service ends the call.
async fn exchange(
    mut channel: Channel,
    metadata: MetadataMap,
    outgoing: UnboundedReceiver<Append>,
    incoming: &UnboundedSender<Result<AppendRowsResponse, Status>>,
) -> Result<(), Status> {
    poll_fn(|context| channel.poll_ready(context))
        .await
        .map_err(|error| Status::unavailable(format!("connect: {error}")))?;
    let response = channel.call(append_rows(metadata, outgoing)).await;
    let response = response.map_err(|error| Status::from_error(error.into()))?;
    // If the response has no messages, its status is in the headers and it has no trailers.
    if let Some(status) = Status::from_header_map(response.headers()) {
        return if status.code() == Code::Ok { Ok(()) } else { Err(status) };
    }
    let decoder = ProstDecoder::<AppendRowsResponse>::new(BufferSettings::default());
    let status = response.status();
    let mut answers =
        Streaming::new_response(decoder, response.into_body(), status, None, Some(LARGEST_ANSWER));
    while let Some(answer) = answers.message().await? {
        if incoming.send(Ok(answer)).is_err() {
            break;
        }
    }
    Ok(())
}

/// Builds the HTTP request of the call. Its body ends when the sender of `outgoing` is dropped.
fn append_rows(metadata: MetadataMap, outgoing: UnboundedReceiver<Append>) -> http::Request<Body> {
    let frames = stream::unfold(outgoing, |mut outgoing| async move {
        let append = outgoing.recv().await?;
        let parts = append.parts().map(|part| Ok::<_, Infallible>(Frame::data(part)));
        Some((stream::iter(parts), outgoing))
    });
    let mut request = http::Request::new(Body::new(StreamBody::new(frames.flatten())));
    *request.method_mut() = http::Method::POST;
    *request.version_mut() = http::Version::HTTP_2;
    *request.uri_mut() = http::Uri::from_static(APPEND_ROWS);
    *request.headers_mut() = metadata.into_headers();
    request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    request
}
