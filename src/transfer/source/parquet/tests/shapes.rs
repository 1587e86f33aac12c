//! Rows of any shape, written by the crate's own writer, come back. The values are divided into columns
//! here, by the definition of the levels.

use std::sync::Arc;

use parquet::column::writer::ColumnWriter;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::values;

proptest! {
    #[test]
    fn rows_of_any_shape_come_back((shape, rows) in shape_and_rows(), group in 1..5_usize) {
        let mut fields = String::new();
        let Shape::Record(top) = &shape else { unreachable!("the top is a record") };
        for (number, (field, is_optional)) in top.iter().enumerate() {
            field.declare(&format!("f{number}"), *is_optional, &mut fields);
        }
        let schema = parse_message_type(&format!("message rows {{ {fields} }}")).expect("a schema");
        let properties = WriterProperties::builder().set_data_page_row_count_limit(2).build();
        let mut writer =
            SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties))
                .expect("a writer");
        for rows in rows.chunks(group) {
            let mut columns = vec![Shredded::default(); shape.columns()];
            for row in rows {
                shape.shred(Some(row), false, Levels::default(), &mut columns);
            }
            let mut written = writer.next_row_group().expect("a group");
            for column in &columns {
                let mut to = written.next_column().expect("written").expect("a column");
                let ColumnWriter::Int64ColumnWriter(into) = to.untyped() else {
                    unreachable!("all columns are INT64")
                };
                into.write_batch(&column.values, Some(&column.levels), Some(&column.agains))
                    .expect("written");
                to.close().expect("written");
            }
            written.close().expect("written");
        }
        let bytes = writer.into_inner().expect("a file");
        prop_assert_eq!(values(&bytes), rows);
    }
}

/// What a field holds.
#[derive(Debug, Clone)]
enum Shape {
    Number,
    /// The fields, and whether they are optional.
    Record(Vec<(Shape, bool)>),
    /// The item, and whether it is optional.
    List(Box<Shape>, bool),
    Map(Box<Shape>, bool),
    /// A repeated field without a list around it.
    Repeated(Box<Shape>),
}

#[derive(Debug, Clone, Copy, Default)]
struct Levels {
    level: i16,
    /// The repetition level of the next value, and how often fields are repeated so far.
    again: i16,
    depth: i16,
}

/// A column as Parquet stores it.
#[derive(Debug, Clone, Default)]
struct Shredded {
    values: Vec<i64>,
    levels: Vec<i16>,
    agains: Vec<i16>,
}

impl Shape {
    fn declare(&self, name: &str, is_optional: bool, into: &mut String) {
        let often = if is_optional { "optional" } else { "required" };
        match self {
            Self::Number => *into += &format!("{often} int64 {name};"),
            Self::Record(fields) => {
                *into += &format!("{often} group {name} {{");
                for (number, (field, is_optional)) in fields.iter().enumerate() {
                    field.declare(&format!("f{number}"), *is_optional, into);
                }
                *into += "}";
            }
            Self::List(item, optional) => {
                *into += &format!("{often} group {name} (LIST) {{ repeated group list {{");
                item.declare("element", *optional, into);
                *into += "} }";
            }
            Self::Map(item, optional) => {
                *into += &format!("{often} group {name} (MAP) {{ repeated group key_value {{ ");
                *into += "required int64 key;";
                item.declare("value", *optional, into);
                *into += "} }";
            }
            Self::Repeated(item) => {
                let mut field = String::new();
                item.declare(name, false, &mut field);
                *into += &field.replacen("required", "repeated", 1);
            }
        }
    }

    fn columns(&self) -> usize {
        match self {
            Self::Number => 1,
            Self::Record(fields) => fields.iter().map(|(field, _)| field.columns()).sum(),
            Self::List(item, _) | Self::Repeated(item) => item.columns(),
            Self::Map(item, _) => 1 + item.columns(),
        }
    }

    /// Adds a value, or what there is of it, to its columns.
    fn shred(
        &self,
        value: Option<&Value>,
        is_optional: bool,
        mut at: Levels,
        columns: &mut [Shredded],
    ) {
        let Some(value) = value.filter(|value| !value.is_null()) else {
            for column in columns {
                column.levels.push(at.level);
                column.agains.push(at.again);
            }
            return;
        };
        at.level += i16::from(is_optional);
        match self {
            Self::Number => {
                columns[0].levels.push(at.level);
                columns[0].agains.push(at.again);
                columns[0].values.push(value.as_i64().expect("a number"));
            }
            Self::Record(fields) => {
                let mut columns = columns;
                for (number, (field, is_optional)) in fields.iter().enumerate() {
                    let (own, others) = columns.split_at_mut(field.columns());
                    field.shred(value.get(format!("f{number}")), *is_optional, at, own);
                    columns = others;
                }
            }
            Self::List(item, optional) => {
                let items = value.as_array().expect("an array");
                repeated(items, at, columns, |value, at, columns| {
                    item.shred(Some(value), *optional, at, columns);
                });
            }
            Self::Repeated(item) => {
                let items = value.as_array().expect("an array");
                repeated(items, at, columns, |value, at, columns| {
                    item.shred(Some(value), false, at, columns);
                });
            }
            Self::Map(item, optional) => {
                let entries = value.as_object().expect("an object");
                let entries: Vec<_> = entries.iter().collect();
                repeated(&entries, at, columns, |(key, value), at, columns| {
                    let (keys, values) = columns.split_at_mut(1);
                    let key = json!(key.parse::<i64>().expect("a number"));
                    Self::Number.shred(Some(&key), false, at, keys);
                    item.shred(Some(value), *optional, at, values);
                });
            }
        }
    }
}

fn repeated<T>(
    items: &[T],
    at: Levels,
    columns: &mut [Shredded],
    mut shred: impl FnMut(&T, Levels, &mut [Shredded]),
) {
    if items.is_empty() {
        for column in &mut *columns {
            column.levels.push(at.level);
            column.agains.push(at.again);
        }
    }
    let depth = at.depth + 1;
    for (number, item) in items.iter().enumerate() {
        let again = if number == 0 { at.again } else { depth };
        shred(item, Levels { level: at.level + 1, again, depth }, columns);
    }
}

fn shapes() -> BoxedStrategy<Shape> {
    let nested = |inner: BoxedStrategy<Shape>| {
        let record = prop::collection::vec(field(inner.clone()), 1..3);
        // A repeated field of a list or of a map would be annotated itself.
        let plain = prop_oneof![Just(Shape::Number), record.clone().prop_map(Shape::Record)];
        prop_oneof![
            record.prop_map(Shape::Record),
            (inner.clone(), any::<bool>()).prop_map(|(item, is)| list(item, is)),
            (inner, any::<bool>()).prop_map(|(item, is)| map(item, is)),
            plain.prop_map(|item| Shape::Repeated(Box::new(item))),
        ]
    };
    Just(Shape::Number).prop_recursive(4, 12, 3, nested).boxed()
}

/// A field, and whether it is optional. A repeated one is neither optional nor required.
fn field(shapes: BoxedStrategy<Shape>) -> BoxedStrategy<(Shape, bool)> {
    let fit = |(shape, is_optional)| {
        let is_optional = is_optional && !matches!(shape, Shape::Repeated(_));
        (shape, is_optional)
    };
    (shapes, any::<bool>()).prop_map(fit).boxed()
}

/// A repeated field stands in a record.
fn in_record(item: Shape) -> Shape {
    match item {
        Shape::Repeated(_) => Shape::Record(vec![(item, false)]),
        item => item,
    }
}

fn list(item: Shape, is_optional: bool) -> Shape {
    Shape::List(Box::new(in_record(item)), is_optional)
}

fn map(item: Shape, is_optional: bool) -> Shape {
    Shape::Map(Box::new(in_record(item)), is_optional)
}

/// Values of a shape; `null` where one that is optional is missing in a list or a map.
fn values_of(shape: &Shape) -> BoxedStrategy<Value> {
    let or_null = |shape: &Shape, is_optional: bool| match is_optional {
        true => prop_oneof![Just(Value::Null), values_of(shape)].boxed(),
        false => values_of(shape),
    };
    match shape {
        Shape::Number => any::<i64>().prop_map(|number| json!(number)).boxed(),
        Shape::Record(fields) => {
            let fields: Vec<_> =
                fields.iter().map(|(field, is_optional)| or_null(field, *is_optional)).collect();
            let object = |values: Vec<Value>| {
                let fields = values.into_iter().enumerate().filter(|(_, value)| !value.is_null());
                fields.map(|(number, value)| (format!("f{number}"), value)).collect()
            };
            fields.prop_map(object).boxed()
        }
        Shape::List(item, is_optional) => {
            prop::collection::vec(or_null(item, *is_optional), 0..4).prop_map(Value::from).boxed()
        }
        Shape::Repeated(item) => {
            prop::collection::vec(values_of(item), 0..4).prop_map(Value::from).boxed()
        }
        Shape::Map(item, is_optional) => {
            let entries =
                prop::collection::btree_map(any::<i64>(), or_null(item, *is_optional), 0..4);
            let object = |entries: std::collections::BTreeMap<i64, Value>| {
                entries.into_iter().map(|(key, value)| (key.to_string(), value)).collect()
            };
            entries.prop_map(object).boxed()
        }
    }
}

fn shape_and_rows() -> impl Strategy<Value = (Shape, Vec<Value>)> {
    prop::collection::vec(field(shapes()), 1..3).prop_flat_map(|fields| {
        let shape = Shape::Record(fields);
        let rows = prop::collection::vec(values_of(&shape), 0..12);
        (Just(shape), rows)
    })
}
