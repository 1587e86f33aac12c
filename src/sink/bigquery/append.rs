//! The AppendRows connection: requests are put around rows that are framed already, answers come
//! back in order. gRPC by hand, because a codec of tonic's copies every message into a buffer of
//! its own: the request's body is the rows' memory itself.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream::{self, StreamExt};
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::AppendRowsResponse;
use http::HeaderValue;
use http::header::{CONTENT_TYPE, TE};
use http_body::Frame;
use http_body_util::StreamBody;
use prost::encoding::{encode_varint, encoded_len_varint};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tonic::body::Body;
use tonic::codec::BufferSettings;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use tonic_prost::ProstDecoder;
use tower::Service;

use crate::row::RowBuffer;

/// One request: `AppendRowsRequest` with `rows` as they stand in their buffer.
#[derive(Debug, Clone)]
pub struct Append {
    /// Named in the first request of a connection, and then no more.
    pub stream: Option<Arc<str>>,
    /// Encoded `ProtoSchema`, likewise.
    pub schema: Option<Bytes>,
    /// Row offset in the stream; none in the default stream.
    pub offset: Option<u64>,
    pub rows: Arc<RowBuffer>,
}

/// Names us in Google's logs.
const TRACE_ID: &str = concat!("generic-consumer:", env!("CARGO_PKG_VERSION"));

const APPEND_ROWS: &str = "/google.cloud.bigquery.storage.v1.BigQueryWrite/AppendRows";

/// Bytes before each gRPC message.
const GRPC_FRAME: usize = 5;

const LARGEST_ANSWER: usize = 16 << 20;

// Field numbers of AppendRowsRequest, ProtoData and Int64Value (storage.proto).
const WRITE_STREAM: u8 = 1 << 3 | 2;
const OFFSET: u8 = 2 << 3 | 2;
const PROTO_ROWS: u8 = 4 << 3 | 2;
const TRACE: u8 = 6 << 3 | 2;
const WRITER_SCHEMA: u8 = 1 << 3 | 2;
const ROWS: u8 = 2 << 3 | 2;
const INT64_VALUE: u8 = 1 << 3;

fn field_len(bytes: usize) -> usize {
    1 + encoded_len_varint(bytes as u64) + bytes
}

fn put_field(tag: u8, bytes: &[u8], into: &mut impl BufMut) {
    into.put_u8(tag);
    encode_varint(bytes.len() as u64, into);
    into.put_slice(bytes);
}

impl Append {
    /// The request as it goes out, in two parts: what stands before the rows, and the rows in their
    /// own memory. Nothing copies them until they are written to the socket or encrypted.
    pub fn parts(&self) -> [Bytes; 2] {
        let rows = self.rows.bytes();
        let schema = self.schema.as_ref().map_or(0, |schema| field_len(schema.len()));
        let mut head = BytesMut::with_capacity(256 + schema);
        // The message's frame, its length known at the end: uncompressed, four bytes of length.
        head.put_bytes(0, GRPC_FRAME);
        if let Some(stream) = &self.stream {
            put_field(WRITE_STREAM, stream.as_bytes(), &mut head);
            put_field(TRACE, TRACE_ID.as_bytes(), &mut head);
        }
        if let Some(offset) = self.offset {
            head.put_u8(OFFSET);
            head.put_u8(1 + encoded_len_varint(offset) as u8);
            head.put_u8(INT64_VALUE);
            encode_varint(offset, &mut head);
        }
        head.put_u8(PROTO_ROWS);
        encode_varint((schema + field_len(rows)) as u64, &mut head);
        if let Some(schema) = &self.schema {
            put_field(WRITER_SCHEMA, schema, &mut head);
        }
        head.put_u8(ROWS);
        encode_varint(rows as u64, &mut head);
        let message = (head.len() - GRPC_FRAME + rows) as u32;
        head[1..GRPC_FRAME].copy_from_slice(&message.to_be_bytes());
        [head.freeze(), Bytes::from_owner(Frames(self.rows.clone()))]
    }
}

/// Rows that a request in flight shares with the writer, which may have to send them again.
struct Frames(Arc<RowBuffer>);

impl AsRef<[u8]> for Frames {
    fn as_ref(&self) -> &[u8] {
        self.0.frames()
    }
}

/// An open connection of one writer.
#[derive(Debug)]
pub struct Connection {
    requests: UnboundedSender<Append>,
    answers: UnboundedReceiver<Result<AppendRowsResponse, Status>>,
    task: JoinHandle<()>,
}

impl Connection {
    /// Opens a connection for `stream`; failures come as answers. `prepare` adds authorization.
    pub fn open(channel: Channel, stream: &str, bearer: Option<String>) -> Self {
        let (requests, outgoing) = unbounded_channel();
        let (incoming, answers) = unbounded_channel();
        let routing = format!("write_stream={}", percent_encode(stream));
        let task = tokio::spawn(async move {
            if let Err(status) = exchange(channel, routing, bearer, outgoing, &incoming).await {
                let _ = incoming.send(Err(status));
            }
        });
        Self { requests, answers, task }
    }

    pub fn send(&self, append: Append) {
        let _ = self.requests.send(append);
    }

    /// The next answer; `None` once the service closed the connection.
    pub async fn answer(&mut self) -> Option<Result<AppendRowsResponse, Status>> {
        self.answers.recv().await
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn exchange(
    mut channel: Channel,
    routing: String,
    bearer: Option<String>,
    outgoing: UnboundedReceiver<Append>,
    incoming: &UnboundedSender<Result<AppendRowsResponse, Status>>,
) -> Result<(), Status> {
    poll_fn(|context| channel.poll_ready(context))
        .await
        .map_err(|error| Status::unavailable(format!("connect: {error}")))?;
    let parts = stream::unfold(outgoing, |mut outgoing| async move {
        let append = outgoing.recv().await?;
        let parts = append.parts().map(|part| Ok::<_, Infallible>(Frame::data(part)));
        Some((stream::iter(parts), outgoing))
    });
    let mut request = http::Request::new(Body::new(StreamBody::new(parts.flatten())));
    *request.method_mut() = http::Method::POST;
    *request.version_mut() = http::Version::HTTP_2;
    *request.uri_mut() = http::Uri::from_static(APPEND_ROWS);
    let mut metadata = MetadataMap::new();
    annotate(&mut metadata, &routing, bearer.as_deref())?;
    *request.headers_mut() = metadata.into_headers();
    request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    let response = channel.call(request).await.map_err(|error| Status::from_error(error.into()))?;
    // An answer without messages has its status here and no trailers.
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

/// Routing (`x-goog-request-params`) and authorization, on every call.
pub fn annotate(
    metadata: &mut MetadataMap,
    routing: &str,
    bearer: Option<&str>,
) -> Result<(), Status> {
    let bad = |_| Status::internal("a header value is not ASCII");
    metadata.insert("x-goog-request-params", routing.parse().map_err(bad)?);
    if let Some(token) = bearer {
        let mut value: AsciiMetadataValue = format!("Bearer {token}").parse().map_err(bad)?;
        value.set_sensitive(true);
        metadata.insert("authorization", value);
    }
    Ok(())
}

/// Everything but unreserved characters, as the routing header wants it.
pub fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(byte as char);
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use gcp_bigquery_client::google::cloud::bigquery::storage::v1::append_rows_request::Rows;
    use gcp_bigquery_client::google::cloud::bigquery::storage::v1::{
        AppendRowsRequest, ProtoSchema,
    };
    use prost::Message;

    use super::*;
    use crate::record::Position;

    fn decoded(append: &Append) -> AppendRowsRequest {
        let bytes = append.parts().concat();
        let (frame, message) = bytes.split_at(GRPC_FRAME);
        assert_eq!(frame[0], 0, "not compressed");
        assert_eq!(frame[1..], (message.len() as u32).to_be_bytes());
        AppendRowsRequest::decode(message).expect("decodes")
    }

    #[test]
    fn a_request_is_what_the_stub_would_write() {
        let mut rows = RowBuffer::default();
        let big = vec![7u8; 20_000];
        for (offset, row) in [&b"one"[..], b"", &[1; 200], &big].into_iter().enumerate() {
            let written: Result<(), ()> = rows.push(Position::new(0, offset as i64), |into| {
                into.extend_from_slice(row);
                Ok(())
            });
            written.expect("pushed");
        }
        let append = Append {
            stream: Some(Arc::from("projects/p/streams/s")),
            schema: Some(ProtoSchema::default().encode_to_vec().into()),
            offset: Some(300),
            rows: Arc::new(rows),
        };
        let request = decoded(&append);
        assert_eq!(request.write_stream, "projects/p/streams/s");
        assert_eq!(request.offset, Some(300));
        assert_eq!(request.trace_id, TRACE_ID);
        let Some(Rows::ProtoRows(data)) = request.rows else { panic!("no rows") };
        assert!(data.writer_schema.is_some());
        let rows = data.rows.expect("rows").serialized_rows;
        assert_eq!(rows, [b"one".to_vec(), Vec::new(), vec![1; 200], big]);
    }

    #[test]
    fn later_requests_carry_rows_and_offset_only() {
        let append = Append { stream: None, schema: None, offset: Some(0), rows: Arc::default() };
        let request = decoded(&append);
        assert_eq!((request.write_stream.as_str(), request.offset), ("", Some(0)));
    }

    #[test]
    fn routing_values_are_percent_encoded() {
        assert_eq!(percent_encode("projects/p/_default"), "projects%2Fp%2F_default");
    }
}
