//! The field reader, compared with what was encoded by prost.

use proptest::prelude::*;
use prost::encoding::{bool, bytes, double, int32, int64, string};

use super::damage::{damage, damages};
use crate::row::{Column, ColumnType, FieldError, FieldValue, Fields, Mode, WireError};

/// A value on its way into a row, and as it is read back.
#[derive(Debug, Clone, PartialEq)]
enum Tree {
    Null,
    String(String),
    Bytes(Vec<u8>),
    Int64(i64),
    /// The bits, so that NaN equals itself.
    Float64(u64),
    Bool(bool),
    Date(i32),
    Record(Vec<Tree>),
    Array(Vec<Tree>),
}

fn column(name: &str, kind: ColumnType, mode: Mode) -> Column {
    Column { mode, ..Column::nullable(name, kind) }
}

fn columns() -> impl Strategy<Value = Vec<Column>> {
    let scalar = prop::sample::select(vec![
        ColumnType::String,
        ColumnType::Bytes,
        ColumnType::Int64,
        ColumnType::Float64,
        ColumnType::Bool,
        ColumnType::Timestamp,
        ColumnType::Date,
        ColumnType::Datetime,
        ColumnType::Time,
        ColumnType::Numeric,
        ColumnType::BigNumeric,
        ColumnType::Json,
    ]);
    let kind =
        scalar.prop_recursive(3, 30, 4, |inner| columns_of(inner).prop_map(ColumnType::Record));
    columns_of(kind)
}

/// Up to 20 columns, so that some field numbers take two bytes.
fn columns_of(kind: impl Strategy<Value = ColumnType>) -> impl Strategy<Value = Vec<Column>> {
    let mode = prop::sample::select(vec![Mode::Nullable, Mode::Required, Mode::Repeated]);
    prop::collection::vec((kind, mode), 0..20).prop_map(|columns| {
        let columns = columns.into_iter().enumerate();
        columns.map(|(index, (kind, mode))| column(&format!("c{index}"), kind, mode)).collect()
    })
}

fn values(columns: &[Column]) -> BoxedStrategy<Vec<Tree>> {
    let one = |column: &Column| {
        let single = single(&column.kind);
        match column.mode {
            Mode::Repeated => prop::collection::vec(single, 0..4).prop_map(Tree::Array).boxed(),
            Mode::Nullable | Mode::Required => {
                prop_oneof![1 => Just(Tree::Null), 3 => single].boxed()
            }
        }
    };
    columns.iter().map(one).collect::<Vec<_>>().boxed()
}

fn single(kind: &ColumnType) -> BoxedStrategy<Tree> {
    match kind {
        ColumnType::Bytes => any::<Vec<u8>>().prop_map(Tree::Bytes).boxed(),
        ColumnType::Int64 | ColumnType::Timestamp => {
            prop_oneof![any::<i64>(), -200..200i64].prop_map(Tree::Int64).boxed()
        }
        ColumnType::Float64 => {
            any::<f64>().prop_map(|value| Tree::Float64(value.to_bits())).boxed()
        }
        ColumnType::Bool => any::<bool>().prop_map(Tree::Bool).boxed(),
        ColumnType::Date => any::<i32>().prop_map(Tree::Date).boxed(),
        ColumnType::Record(fields) => values(fields).prop_map(Tree::Record).boxed(),
        ColumnType::String
        | ColumnType::Datetime
        | ColumnType::Time
        | ColumnType::Numeric
        | ColumnType::BigNumeric
        | ColumnType::Json => "\\PC{0,200}".prop_map(Tree::String).boxed(),
    }
}

/// Columns and a row of them, its fields in the order that `order` gives.
fn rows() -> impl Strategy<Value = (Vec<Column>, Vec<Tree>, Vec<u8>)> {
    columns().prop_flat_map(|columns| {
        let order = prop::collection::vec(any::<u8>(), 1..20);
        (Just(columns.clone()), values(&columns), order).prop_map(|(columns, values, order)| {
            let row = encode(&values, &order);
            (columns, values, row)
        })
    })
}

fn encode(values: &[Tree], order: &[u8]) -> Vec<u8> {
    let mut indices: Vec<usize> = (0..values.len()).collect();
    indices.sort_by_key(|index| order[index % order.len()]);
    let mut row = Vec::new();
    for index in indices {
        put(index as u32 + 1, &values[index], order, &mut row);
    }
    row
}

fn put(number: u32, value: &Tree, order: &[u8], row: &mut Vec<u8>) {
    match value {
        Tree::Null => {}
        Tree::String(value) => string::encode(number, value, row),
        Tree::Bytes(value) => bytes::encode(number, value, row),
        Tree::Int64(value) => int64::encode(number, value, row),
        Tree::Float64(value) => double::encode(number, &f64::from_bits(*value), row),
        Tree::Bool(value) => bool::encode(number, value, row),
        Tree::Date(value) => int32::encode(number, value, row),
        Tree::Record(fields) => bytes::encode(number, &encode(fields, order), row),
        Tree::Array(items) => items.iter().for_each(|item| put(number, item, order, row)),
    }
}

/// Reads everything, with one vector as the stack for all nested records.
fn read<'r>(fields: Fields<'r>, stack: &mut Vec<FieldValue<'r>>) -> Result<Vec<Tree>, FieldError> {
    let before = stack.len();
    fields.read(stack)?;
    assert_eq!(stack.len() - before, fields.columns().len());
    let trees = (before..stack.len()).map(|index| tree(stack[index], stack)).collect();
    stack.truncate(before);
    trees
}

fn tree<'r>(value: FieldValue<'r>, stack: &mut Vec<FieldValue<'r>>) -> Result<Tree, FieldError> {
    Ok(match value {
        FieldValue::Null => Tree::Null,
        FieldValue::String(text)
        | FieldValue::Datetime(text)
        | FieldValue::Time(text)
        | FieldValue::Numeric(text)
        | FieldValue::BigNumeric(text)
        | FieldValue::Json(text) => Tree::String(text.to_owned()),
        FieldValue::Bytes(bytes) => Tree::Bytes(bytes.to_vec()),
        FieldValue::Int64(value) | FieldValue::Timestamp(value) => Tree::Int64(value),
        FieldValue::Float64(value) => Tree::Float64(value.to_bits()),
        FieldValue::Bool(value) => Tree::Bool(value),
        FieldValue::Date(days) => Tree::Date(days),
        FieldValue::Record(fields) => Tree::Record(read(fields, stack)?),
        FieldValue::Array(items) => {
            let mut trees = Vec::new();
            for item in items {
                trees.push(tree(item?, stack)?);
            }
            assert_eq!((trees.len(), trees.is_empty()), (items.len(), items.is_empty()));
            Tree::Array(trees)
        }
    })
}

fn read_row(columns: &[Column], row: &[u8]) -> Result<Vec<Tree>, FieldError> {
    read(Fields::new(columns, row), &mut Vec::new())
}

proptest! {
    #[test]
    fn what_was_encoded_is_read_back((columns, values, row) in rows()) {
        prop_assert_eq!(read_row(&columns, &row), Ok(values));
    }

    #[test]
    fn mutated_rows_never_panic(
        (columns, _, mut row) in rows(),
        damages in damages(),
    ) {
        damage(&mut row, &damages);
        let _ = read_row(&columns, &row);
    }

    #[test]
    fn any_bytes_never_panic(columns in columns(), row in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = read_row(&columns, &row);
    }
}

#[test]
fn values_stand_in_the_order_of_the_columns_and_absent_ones_are_null() {
    let columns = [
        column("a", ColumnType::Int64, Mode::Nullable),
        column("b", ColumnType::String, Mode::Nullable),
        column("c", ColumnType::Bool, Mode::Nullable),
        column("d", ColumnType::Int64, Mode::Repeated),
    ];
    let mut row = Vec::new();
    bool::encode(3, &false, &mut row);
    int64::encode(1, &-7, &mut row);
    let mut values = vec![FieldValue::Bool(true)];
    Fields::new(&columns, &row).read(&mut values).unwrap();
    assert!(matches!(
        values[..],
        [
            FieldValue::Bool(true),
            FieldValue::Int64(-7),
            FieldValue::Null,
            FieldValue::Bool(false),
            FieldValue::Array(items),
        ] if items.is_empty()
    ));
}

#[test]
fn text_and_bytes_are_borrowed_from_the_row() {
    let columns = [column("a", ColumnType::Json, Mode::Nullable)];
    let mut row = Vec::new();
    string::encode(1, &"{}".to_owned(), &mut row);
    let mut values = Vec::new();
    Fields::new(&columns, &row).read(&mut values).unwrap();
    let [FieldValue::Json(text)] = values[..] else { panic!("{values:?}") };
    assert_eq!(text.as_bytes().as_ptr_range(), row[2..].as_ptr_range());
}

/// What is wrong with a row of the columns `a INT64`, `b DATE`, `c ARRAY of STRING`, `d RECORD`.
fn fault(row: &[u8]) -> FieldError {
    let columns = [
        column("a", ColumnType::Int64, Mode::Nullable),
        column("b", ColumnType::Date, Mode::Nullable),
        column("c", ColumnType::String, Mode::Repeated),
        column(
            "d",
            ColumnType::Record(vec![column("e", ColumnType::Float64, Mode::Nullable)]),
            Mode::Nullable,
        ),
    ];
    read_row(&columns, row).expect_err("refused")
}

#[test]
fn each_fault_has_its_error() {
    let mut late = Vec::new();
    int64::encode(2, &(i64::from(i32::MAX) + 1), &mut late);
    let column = |name: &str| name.to_owned();
    for (row, expected) in [
        (&b"\x08"[..], WireError::Truncated.into()),
        (b"\x08\x80", WireError::Truncated.into()),
        (b"\x1a\x05abcd", WireError::Truncated.into()),
        (b"\x22\x03\x09\0\0", WireError::Truncated.into()),
        (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", WireError::Varint.into()),
        (b"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\0", WireError::Varint.into()),
        (b"\x0b", WireError::WireType { number: 1, wire_type: 3 }.into()),
        (b"\x0d\0\0\0\0", WireError::WireType { number: 1, wire_type: 5 }.into()),
        (b"\0\0", FieldError::NoColumn { number: 0, columns: 4 }),
        (b"\x28\0", FieldError::NoColumn { number: 5, columns: 4 }),
        (b"\x22\x02\x10\0", FieldError::NoColumn { number: 2, columns: 1 }),
        (b"\x08\0\x08\0", FieldError::Twice { column: column("a") }),
        (b"\x1a\0\x08\0\x1a\0", FieldError::Twice { column: column("c") }),
        // Packed integers, as other writers may encode an array.
        (b"\x0a\x01\0", FieldError::Encoding { column: column("a"), expected: "INT64" }),
        (b"\x18\0", FieldError::Encoding { column: column("c"), expected: "STRING" }),
        (b"\x22\x02\x08\0", FieldError::Encoding { column: column("e"), expected: "FLOAT64" }),
        (b"\x1a\x01a\x1a\x01\xff", FieldError::NotUtf8 { column: column("c") }),
        (&late, FieldError::Date { column: column("b"), days: 1 << 31 }),
    ] {
        assert_eq!(fault(row), expected, "{row:x?}");
    }
}

#[test]
fn a_row_that_cannot_be_read_appends_nothing() {
    let columns = [column("a", ColumnType::Int64, Mode::Nullable)];
    let mut values = vec![FieldValue::Null];
    assert!(Fields::new(&columns, b"\x08\0\x08").read(&mut values).is_err());
    assert_eq!(values.len(), 1);
}

#[test]
fn items_end_with_the_first_error() {
    let columns = [column("a", ColumnType::String, Mode::Repeated)];
    let mut values = Vec::new();
    Fields::new(&columns, b"\x0a\x01a\x0a\x01\xff\x0a\x01b").read(&mut values).unwrap();
    let [FieldValue::Array(items)] = values[..] else { panic!("{values:?}") };
    assert_eq!(items.len(), 3);
    let read: Vec<_> = items.into_iter().map(|item| item.is_ok()).collect();
    assert_eq!(read, [true, false]);
}
