//! Compiles one event type: its schema × the table's columns → the plans of its values.

use std::collections::HashMap;

use crate::contract::{EventSchema, Property, Schema, SchemaKind};
use crate::row::{Column, ColumnType, Mode, TableSchema};
use crate::transcode::bounds::QuickBounds;
use crate::transcode::expected::{
    Expected, FieldPlan, NumberAs, ObjectPlan, StringAs, Undeclared, ValuePlan,
};
use crate::transcode::key::Key;
use crate::transcode::names::Names;
use crate::transcode::options::PlanMistake;
use crate::transcode::partition::PartitionWindow;
use crate::transcode::seen::Required;
use crate::transcode::wire::Tag;

pub(super) struct EventCompiler<'c> {
    event: &'c EventSchema,
    partition: Option<&'c PartitionWindow>,
    /// The objects of all event types; those of this one are added.
    objects: &'c mut Vec<ObjectPlan>,
    /// What does not fit the table.
    mistakes: &'c mut Vec<PlanMistake>,
    /// Path of the field that is being compiled, itself included: for errors, and a length of 1 means
    /// that it is at the top level.
    path: Vec<&'c str>,
}

impl<'c> EventCompiler<'c> {
    pub(super) fn new(
        event: &'c EventSchema,
        partition: Option<&'c PartitionWindow>,
        objects: &'c mut Vec<ObjectPlan>,
        mistakes: &'c mut Vec<PlanMistake>,
    ) -> Self {
        Self { event, partition, objects, mistakes, path: Vec::new() }
    }

    /// The plan of the whole value, with a column for each field.
    pub(super) fn columns(&mut self, table: &TableSchema) -> ValuePlan {
        let columns: Vec<(usize, &Column)> = table.payload_columns().collect();
        let properties: &[Property] = match &self.event.schema.kind {
            SchemaKind::Object(properties) => properties,
            // No field is declared: all of them go to `_extra`.
            _ => &[],
        };
        let object = self.object(properties, Undeclared::Extra, &columns);
        let expected = Expected::Object(object);
        ValuePlan { nullable: false, tag: None, expected, bounds: None }
    }

    /// The plan of the whole value, which is written to the column `payload`.
    pub(super) fn envelope(&mut self, table: &TableSchema) -> ValuePlan {
        let checked = self.checked(&self.event.schema, true);
        let tag = Tag::find(table, "payload", &ColumnType::Json);
        let expected = Expected::JsonText(Box::new(checked));
        ValuePlan { nullable: false, tag, expected, bounds: None }
    }

    /// Adds the plan of an object and returns its index. `columns` are those its fields can be
    /// written to, with their indices.
    fn object(
        &mut self,
        properties: &'c [Property],
        undeclared: Undeclared,
        columns: &[(usize, &Column)],
    ) -> usize {
        let by_field: HashMap<&str, (usize, &Column)> = columns
            .iter()
            .map(|(index, column)| (column.source.as_str(), (*index, *column)))
            .collect();
        let mut fields = Vec::with_capacity(properties.len());
        for property in properties {
            let value = match by_field.get(property.name.as_str()) {
                Some((index, column)) => {
                    self.path.push(&property.name);
                    let value = self.column(&property.schema, property.required, *index, column);
                    self.path.pop();
                    value
                }
                None => self.checked(&property.schema, property.required),
            };
            fields.push(FieldPlan { key: Key::new(&property.name), value });
        }
        let names = Names::new(properties.iter().map(|property| property.name.as_str())).into();
        let required = Required::of(properties.iter().map(|property| property.required));
        let first_guess =
            self.objects.last().map_or(0, |last| last.first_guess + last.fields.len() + 1);
        let fields = fields.into_boxed_slice();
        self.objects.push(ObjectPlan { names, fields, required, undeclared, first_guess });
        self.objects.len() - 1
    }

    /// The plan of a value that is written to a column.
    fn column(
        &mut self,
        schema: &'c Schema,
        required: bool,
        index: usize,
        column: &Column,
    ) -> ValuePlan {
        let nullable = schema.nullable || !required;
        let mut tag = Some(Tag::of(index, &column.kind));
        let repeated = column.mode == Mode::Repeated;
        let expected = match (&schema.kind, &column.kind) {
            (SchemaKind::Array(items), _) if repeated => {
                let single = Column { mode: Mode::Nullable, ..column.clone() };
                tag = None;
                let items = self.column(items, true, index, &single);
                // A repeated column cannot contain NULL, whatever the contract allows.
                Expected::Array(Box::new(ValuePlan { nullable: false, ..items }))
            }
            _ if repeated => self.does_not_fit(schema, column),
            (SchemaKind::Any, ColumnType::Json) => Expected::Any,
            (SchemaKind::String, ColumnType::String) => Expected::String,
            (_, kind @ (ColumnType::Json | ColumnType::String)) => {
                match self.checked(schema, true) {
                    ValuePlan { expected: Expected::Any, .. } if *kind == ColumnType::String => {
                        Expected::AnyAsText
                    }
                    ValuePlan { expected: Expected::Any, .. } => Expected::Any,
                    checked => Expected::JsonText(Box::new(checked)),
                }
            }
            (SchemaKind::Object(properties), ColumnType::Record(fields)) => {
                let fields: Vec<(usize, &Column)> = fields.iter().enumerate().collect();
                Expected::Object(self.object(properties, Undeclared::Extra, &fields))
            }
            (SchemaKind::Boolean, ColumnType::Bool) => Expected::Boolean,
            (SchemaKind::Integer, kind) => match number_as(kind) {
                Some(to) => Expected::Number { to, whole: true },
                None => self.does_not_fit(schema, column),
            },
            (SchemaKind::Number, kind) => match number_as(kind) {
                Some(to) => Expected::Number { to, whole: to == NumberAs::Int64 },
                None => self.does_not_fit(schema, column),
            },
            (SchemaKind::String, kind) => match self.string_as(kind, column) {
                Some(to) => Expected::ConvertedString(to),
                None => self.does_not_fit(schema, column),
            },
            (
                SchemaKind::Any
                | SchemaKind::Boolean
                | SchemaKind::Object(_)
                | SchemaKind::Array(_),
                _,
            ) => self.does_not_fit(schema, column),
        };
        ValuePlan { nullable, tag, expected, bounds: QuickBounds::of(schema, required) }
    }

    /// What a string is converted to for a column that is not a string.
    fn string_as(&self, kind: &ColumnType, column: &Column) -> Option<StringAs> {
        let top_level = self.path.len() == 1;
        let partition =
            top_level && self.partition.is_some_and(|partition| partition.is_on(&column.name));
        match kind {
            ColumnType::Bytes => Some(StringAs::Bytes),
            ColumnType::Timestamp if partition => Some(StringAs::PartitionTimestamp),
            ColumnType::Timestamp => Some(StringAs::Timestamp),
            ColumnType::Date if partition => Some(StringAs::PartitionDate),
            ColumnType::Date => Some(StringAs::Date),
            ColumnType::Datetime => Some(StringAs::Datetime),
            ColumnType::Time => Some(StringAs::Time),
            kind => number_as(kind).map(StringAs::Number),
        }
    }

    /// The plan of a value that is only checked, because it has no column or is part of JSON text.
    /// The formats of strings are not checked, because no string is converted. Where several JSON
    /// types are allowed, nothing is checked: the validator does it.
    fn checked(&mut self, schema: &'c Schema, required: bool) -> ValuePlan {
        let expected = match &schema.kind {
            SchemaKind::Any => Expected::Any,
            _ if schema.open => Expected::Any,
            SchemaKind::Boolean => Expected::Boolean,
            SchemaKind::Integer => Expected::Number { to: NumberAs::Float64, whole: true },
            SchemaKind::Number => Expected::Number { to: NumberAs::Float64, whole: false },
            SchemaKind::String => Expected::String,
            SchemaKind::Array(items) => Expected::Array(Box::new(self.checked(items, true))),
            SchemaKind::Object(properties) => {
                Expected::Object(self.object(properties, Undeclared::Skip, &[]))
            }
        };
        let nullable = schema.nullable || !required;
        ValuePlan { nullable, tag: None, expected, bounds: QuickBounds::of(schema, required) }
    }

    /// Notes that the table's column cannot hold the field. Any plan will do in its place.
    fn does_not_fit(&mut self, schema: &Schema, column: &Column) -> Expected {
        let found = match &schema.kind {
            SchemaKind::Any => "any value",
            SchemaKind::Boolean => "a boolean",
            SchemaKind::Integer => "an integer",
            SchemaKind::Number => "a number",
            SchemaKind::String => "a string",
            SchemaKind::Object(_) => "an object",
            SchemaKind::Array(_) => "an array",
        };
        self.mistakes.push(PlanMistake::Column {
            place: self.event.place(&self.path),
            event: self.event.name.clone(),
            field: self.path.join("."),
            found,
            column: column.kind.name(),
        });
        Expected::Any
    }
}

/// The number type of a column; `None` if it does not hold numbers.
fn number_as(kind: &ColumnType) -> Option<NumberAs> {
    match kind {
        ColumnType::Int64 => Some(NumberAs::Int64),
        ColumnType::Float64 => Some(NumberAs::Float64),
        ColumnType::Numeric => Some(NumberAs::Numeric),
        ColumnType::BigNumeric => Some(NumberAs::BigNumeric),
        ColumnType::String
        | ColumnType::Bytes
        | ColumnType::Bool
        | ColumnType::Timestamp
        | ColumnType::Date
        | ColumnType::Datetime
        | ColumnType::Time
        | ColumnType::Json
        | ColumnType::Record(_) => None,
    }
}
