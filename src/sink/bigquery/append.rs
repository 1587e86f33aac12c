//! The AppendRows connection: requests are written around rows that are framed already, answers
//! come back in order.

use std::sync::Arc;

use bytes::{BufMut, Bytes};
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::AppendRowsResponse;
use prost::encoding::{encode_varint, encoded_len_varint};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tonic::client::Grpc;
use tonic::codec::{BufferSettings, Codec, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Request, Status};

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
    /// Writes the request; the rows are copied once, into the HTTP/2 buffer.
    pub fn encode(&self, into: &mut impl BufMut) {
        if let Some(stream) = &self.stream {
            put_field(WRITE_STREAM, stream.as_bytes(), into);
            put_field(TRACE, TRACE_ID.as_bytes(), into);
        }
        if let Some(offset) = self.offset {
            into.put_u8(OFFSET);
            into.put_u8(1 + encoded_len_varint(offset) as u8);
            into.put_u8(INT64_VALUE);
            encode_varint(offset, into);
        }
        let frames = self.rows.frames();
        let schema = self.schema.as_ref().map_or(0, |schema| field_len(schema.len()));
        into.put_u8(PROTO_ROWS);
        encode_varint((schema + field_len(frames.len())) as u64, into);
        if let Some(schema) = &self.schema {
            put_field(WRITER_SCHEMA, schema, into);
        }
        put_field(ROWS, frames, into);
    }
}

/// Writes [`Append`]s, reads `AppendRowsResponse`s.
#[derive(Debug, Clone, Copy, Default)]
struct AppendCodec;

struct AppendEncoder;

impl Encoder for AppendEncoder {
    type Item = Append;
    type Error = Status;

    fn encode(&mut self, item: Append, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.reserve(item.rows.bytes() + 256 + item.schema.as_ref().map_or(0, Bytes::len));
        item.encode(into);
        Ok(())
    }
}

impl Codec for AppendCodec {
    type Encode = Append;
    type Decode = AppendRowsResponse;
    type Encoder = AppendEncoder;
    type Decoder = tonic_prost::ProstDecoder<AppendRowsResponse>;

    fn encoder(&mut self) -> Self::Encoder {
        AppendEncoder
    }

    fn decoder(&mut self) -> Self::Decoder {
        tonic_prost::ProstDecoder::new(BufferSettings::default())
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
    channel: Channel,
    routing: String,
    bearer: Option<String>,
    outgoing: UnboundedReceiver<Append>,
    incoming: &UnboundedSender<Result<AppendRowsResponse, Status>>,
) -> Result<(), Status> {
    let mut grpc = Grpc::new(channel).max_decoding_message_size(16 << 20);
    grpc.ready().await.map_err(|error| Status::unavailable(format!("connect: {error}")))?;
    let requests = futures_util::stream::unfold(outgoing, |mut outgoing| async move {
        outgoing.recv().await.map(|append| (append, outgoing))
    });
    let mut request = Request::new(requests);
    annotate(request.metadata_mut(), &routing, bearer.as_deref())?;
    let path = http::uri::PathAndQuery::from_static(
        "/google.cloud.bigquery.storage.v1.BigQueryWrite/AppendRows",
    );
    let mut answers = grpc.streaming(request, path, AppendCodec).await?.into_inner();
    while let Some(answer) = answers.message().await? {
        if incoming.send(Ok(answer)).is_err() {
            break;
        }
    }
    Ok(())
}

/// Routing (`x-goog-request-params`) and authorization, on every call.
pub fn annotate(
    metadata: &mut tonic::metadata::MetadataMap,
    routing: &str,
    bearer: Option<&str>,
) -> Result<(), Status> {
    let bad = |_| Status::internal("a header value is not ASCII");
    metadata.insert("x-goog-request-params", routing.parse().map_err(bad)?);
    if let Some(token) = bearer {
        let mut value: tonic::metadata::AsciiMetadataValue =
            format!("Bearer {token}").parse().map_err(bad)?;
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
    use crate::source::Position;

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
        let mut bytes = Vec::new();
        append.encode(&mut bytes);
        let request = AppendRowsRequest::decode(bytes.as_slice()).expect("decodes");
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
        let mut bytes = Vec::new();
        append.encode(&mut bytes);
        let request = AppendRowsRequest::decode(bytes.as_slice()).expect("decodes");
        assert_eq!((request.write_stream.as_str(), request.offset), ("", Some(0)));
    }

    #[test]
    fn routing_values_are_percent_encoded() {
        assert_eq!(percent_encode("projects/p/_default"), "projects%2Fp%2F_default");
    }
}
