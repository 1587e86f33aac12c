//! One append request, encoded as a gRPC message without copying its rows.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use prost::encoding::{encode_varint, encoded_len_varint};

use crate::row::RowBuffer;

/// One `AppendRowsRequest`.
#[derive(Debug, Clone)]
pub struct Append {
    /// Name of the write stream; in the first request of a connection only.
    pub stream: Option<Arc<str>>,
    /// Encoded `ProtoSchema`; in the first request of a connection only.
    pub schema: Option<Bytes>,
    /// Row offset in the stream; `None` for the default stream, which has no offsets.
    pub offset: Option<u64>,
    pub rows: Arc<RowBuffer>,
}

/// Shows up in Google's logs, so that support can find our requests.
const TRACE_ID: &str = concat!("generic-consumer:", env!("CARGO_PKG_VERSION"));

/// Bytes before each gRPC message: one for "not compressed", four for the length.
const GRPC_PREFIX: usize = 5;

// Tags (field number << 3 | wire type) of AppendRowsRequest, ProtoData and Int64Value, see
// storage.proto. Wire type 2 is length-delimited, 0 a varint.
const WRITE_STREAM: u8 = 1 << 3 | 2;
const OFFSET: u8 = 2 << 3 | 2;
const PROTO_ROWS: u8 = 4 << 3 | 2;
const TRACE: u8 = 6 << 3 | 2;
const WRITER_SCHEMA: u8 = 1 << 3 | 2;
const ROWS: u8 = 2 << 3 | 2;
const INT64_VALUE: u8 = 1 << 3;

/// Returns the length of a length-delimited field with its tag and its own length.
fn field_len(bytes: usize) -> usize {
    1 + encoded_len_varint(bytes as u64) + bytes
}

fn put_field(tag: u8, bytes: &[u8], into: &mut impl BufMut) {
    into.put_u8(tag);
    encode_varint(bytes.len() as u64, into);
    into.put_slice(bytes);
}

impl Append {
    /// Returns the gRPC message in two parts: everything before the rows, and the rows in the
    /// memory that they were encoded into. Nothing copies them until they are encrypted or written
    /// to the socket.
    pub fn parts(&self) -> [Bytes; 2] {
        let rows = self.rows.bytes();
        let schema = self.schema.as_ref().map_or(0, |schema| field_len(schema.len()));
        let mut head = BytesMut::with_capacity(256 + schema);
        // Not compressed; the length is filled in below.
        head.put_bytes(0, GRPC_PREFIX);
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
        let message = (head.len() - GRPC_PREFIX + rows) as u32;
        head[1..GRPC_PREFIX].copy_from_slice(&message.to_be_bytes());
        [head.freeze(), Bytes::from_owner(SharedRows(self.rows.clone()))]
    }
}

/// The encoded rows, shared by a request in flight and the writer, which may have to send them
/// again.
struct SharedRows(Arc<RowBuffer>);

impl AsRef<[u8]> for SharedRows {
    fn as_ref(&self) -> &[u8] {
        self.0.frames()
    }
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
        let (prefix, message) = bytes.split_at(GRPC_PREFIX);
        assert_eq!(prefix[0], 0, "not compressed");
        assert_eq!(prefix[1..], (message.len() as u32).to_be_bytes());
        AppendRowsRequest::decode(message).expect("decodes")
    }

    #[test]
    fn the_generated_message_type_decodes_a_request() {
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
    fn a_request_without_stream_and_schema_has_rows_and_offset_only() {
        let append = Append { stream: None, schema: None, offset: Some(0), rows: Arc::default() };
        let request = decoded(&append);
        assert_eq!((request.write_stream.as_str(), request.offset), ("", Some(0)));
    }
}
