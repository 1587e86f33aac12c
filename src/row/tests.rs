//! The row buffer against prost's own reading of `ProtoRows`.

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::ProtoRows;
use proptest::prelude::*;
use prost::Message;

use super::RowBuffer;
use crate::record::Position;

/// Rows of the lengths at which the length prefix changes its own length.
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

/// What a reader of the wire sees, with the offset each row is said to come from.
fn read(buffer: &RowBuffer) -> Vec<(i64, Vec<u8>)> {
    let wire = ProtoRows::decode(buffer.frames()).unwrap();
    assert_eq!(wire.serialized_rows.len(), buffer.len());
    assert_eq!(wire.encoded_len(), buffer.bytes());
    let offsets = buffer.positions().iter().map(|at| at.offset.0);
    offsets.zip(wire.serialized_rows).collect()
}

fn numbered(rows: &[Vec<u8>]) -> Vec<(i64, Vec<u8>)> {
    (0..).zip(rows.iter().cloned()).collect()
}

proptest! {
    #[test]
    fn frames_are_proto_rows(rows in rows()) {
        let buffer = buffer(&rows);
        prop_assert_eq!(read(&buffer), numbered(&rows));
        prop_assert_eq!(buffer.is_empty(), rows.is_empty());
    }

    #[test]
    fn a_row_that_fails_leaves_nothing(rows in rows(), partial in 0..300usize) {
        let mut buffer = buffer(&rows);
        let failed = buffer.push(Position::new(0, 99), |into| {
            into.resize(into.len() + partial, 0xff);
            Err("no")
        });
        prop_assert_eq!(failed, Err("no"));
        prop_assert_eq!(read(&buffer), numbered(&rows));
    }

    #[test]
    fn without_takes_out_just_those(rows in rows(), out in prop::collection::btree_set(0..12usize, 0..12)) {
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
        // Parts are as full as they can be: none takes its successor's first row.
        for pair in parts.windows(2) {
            let first = pair[1].clone().split(1).swap_remove(0);
            prop_assert!(pair[0].bytes() + first.bytes() > bytes);
        }
        let all: Vec<_> = parts.iter().flat_map(read).collect();
        prop_assert_eq!(all, numbered(&rows));
    }
}
