//! The row buffer, compared with prost's decoding of `ProtoRows`.

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::ProtoRows;
use proptest::prelude::*;
use prost::Message;

use crate::record::Position;
use crate::row::RowBuffer;

/// Rows of lengths near those at which the length prefix gets another byte.
fn rows() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let length = prop_oneof![0..4usize, 120..136usize, 16_376..16_392usize, 0..600usize];
    prop::collection::vec(length.prop_map(|n| (0..n).map(|i| i as u8).collect()), 0..12)
}

fn buffer(rows: &[Vec<u8>]) -> RowBuffer {
    let mut buffer = RowBuffer::default();
    for (offset, row) in rows.iter().enumerate() {
        buffer
            .push(Position::new(3, offset as i64), |into| {
                into.extend_from_slice(row);
                Ok::<(), ()>(())
            })
            .unwrap();
    }
    buffer
}

/// The offsets and bytes of the rows, as prost decodes them and as `rows` returns them.
fn read(buffer: &RowBuffer) -> Vec<(i64, Vec<u8>)> {
    let wire = ProtoRows::decode(buffer.frames()).unwrap();
    assert_eq!(wire.serialized_rows.len(), buffer.len());
    assert_eq!(wire.encoded_len(), buffer.bytes());
    let offsets = buffer.positions().iter().map(|at| at.offset.0);
    let read: Vec<_> = offsets.zip(wire.serialized_rows).collect();
    let rows: Vec<_> = buffer.rows().map(|(at, row)| (at.offset.0, row.to_vec())).collect();
    assert_eq!(rows, read);
    read
}

fn numbered(rows: &[Vec<u8>]) -> Vec<(i64, Vec<u8>)> {
    (0..).zip(rows.iter().cloned()).collect()
}

proptest! {
    #[test]
    fn frames_are_a_proto_rows_message(rows in rows()) {
        let buffer = buffer(&rows);
        prop_assert_eq!(read(&buffer), numbered(&rows));
        prop_assert_eq!(buffer.is_empty(), rows.is_empty());
    }

    #[test]
    fn a_row_that_fails_leaves_the_buffer_as_it_was(rows in rows(), partial in 0..300usize) {
        let mut buffer = buffer(&rows);
        let failed = buffer.push(Position::new(0, 99), |into| {
            into.resize(into.len() + partial, 0xff);
            Err("no")
        });
        prop_assert_eq!(failed, Err("no"));
        prop_assert_eq!(read(&buffer), numbered(&rows));
    }

    #[test]
    fn without_removes_the_rows_at_the_indices(rows in rows(), out in prop::collection::btree_set(0..12usize, 0..12)) {
        let indices: Vec<usize> = out.iter().copied().collect();
        let kept = buffer(&rows).without(&indices);
        let mut expected = numbered(&rows);
        expected.retain(|(offset, _)| !out.contains(&(*offset as usize)));
        prop_assert_eq!(read(&kept), expected);
    }

    #[test]
    fn split_keeps_order_and_limit(rows in rows(), bytes in 1..40_000usize) {
        let parts = buffer(&rows).split(bytes);
        for part in &parts {
            prop_assert!(part.bytes() <= bytes || part.len() == 1);
        }
        // Parts are as full as they can be: the next part's first row does not fit.
        for pair in parts.windows(2) {
            let first = pair[1].clone().split(1).swap_remove(0);
            prop_assert!(pair[0].bytes() + first.bytes() > bytes);
        }
        let all: Vec<_> = parts.iter().flat_map(read).collect();
        prop_assert_eq!(all, numbered(&rows));
    }
}
