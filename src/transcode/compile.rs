//! Contract × table → plan.

use super::kind::{Discriminator, Fate, Kinds, Path};
use super::names::{Key, Names};
use super::plan::{Converted, Field, Kind, Node, NumberAs, Object, Rest};
use super::position::PositionColumns;
use super::rules::Rules;
use super::seen::Required;
use super::walk::Scratch;
use super::wire::{Tag, WireType};
use super::{EventPlan, Plan};
use crate::config::RowLayout;
use crate::contract::{
    self, Bounds, Contract, EventSchema, Property, Schema, SchemaKind, Validation,
};
use crate::row::{Column, ColumnType, Mode, TableSchema};

/// What a plan needs to know beside the contract and the table.
#[derive(Debug, Clone)]
pub struct PlanOptions {
    /// The topic the records come from, for `_kafka_topic`.
    pub topic: String,
    /// Event types to leave out; they need not be in the contract.
    pub ignore: Vec<String>,
    pub layout: RowLayout,
    /// Name of the column that the table's day partition goes by.
    pub partition_by: String,
    /// The largest row, and the largest value, that fits an append (20 MB with what frames it).
    pub max_row_bytes: usize,
}

/// Why a contract does not fit a table.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlanError {
    #[error("event type {event}, field {field}: {found} cannot be written to a {column} column")]
    Column { event: String, field: String, found: &'static str, column: &'static str },
    #[error("event type {event}: its JSON Schema does not compile: {problem}")]
    Schema { event: String, problem: String },
}

impl Plan {
    /// Compiles a contract for a table. `table` is what can be written: of a column that it lacks
    /// the values are checked and left out.
    pub fn compile(
        contract: &Contract,
        table: &TableSchema,
        options: PlanOptions,
    ) -> Result<Self, PlanError> {
        let position = PositionColumns::of(table);
        let mut events = Vec::new();
        let mut objects = Vec::new();
        for event in &contract.events {
            let mut compiler = Compiler { objects, options: &options, event, path: Vec::new() };
            let root = match options.layout {
                RowLayout::Columns => compiler.columns(table)?,
                RowLayout::Envelope => compiler.envelope(table)?,
            };
            objects = compiler.objects;
            let constants = position.of_type(&event.name);
            events.push(EventPlan { root, constants, rules: rules(event)? });
        }
        let (kinds, ignored_labels) = kinds(contract, &options.ignore);
        let extra = (options.layout == RowLayout::Columns)
            .then(|| top_level(table, "_extra", &ColumnType::Json))
            .flatten();
        let scratch = Scratch::new(&objects);
        let constants = position.constants(&options.topic, &contract.id);
        Ok(Self {
            kinds,
            ignored_labels,
            events,
            objects,
            position,
            constants,
            extra,
            partition_by_timestamp: options.partition_by.eq_ignore_ascii_case("_kafka_timestamp"),
            max_row_bytes: options.max_row_bytes,
            scratch,
        })
    }
}

/// The ignore list goes before the contract: a type in both is ignored.
fn kinds(contract: &Contract, ignore: &[String]) -> (Kinds, Vec<String>) {
    let mut labels: Vec<String> = ignore.to_vec();
    labels.sort_unstable();
    labels.dedup();
    let ignored = labels.iter().enumerate().map(|(i, name)| (name.as_str(), Fate::Ignored(i)));
    let declared = contract
        .events
        .iter()
        .enumerate()
        .map(|(index, event)| (event.name.as_str(), Fate::Event(index)))
        .filter(|(name, _)| labels.iter().all(|label| label != name));
    let known: Vec<(&str, Fate)> = ignored.chain(declared).collect();
    let discriminator = match &contract.discriminator {
        contract::Discriminator::Payload(keys) => Discriminator::Payload(Path::new(keys)),
        contract::Discriminator::Header(name) => Discriminator::Header(name.as_str().into()),
    };
    let kinds = Kinds::new(discriminator, &known);
    labels.push("tombstone".to_owned());
    (kinds, labels)
}

fn bounds(schema: &Schema) -> Option<Box<Bounds>> {
    schema.bounds.clone().map(Box::new)
}

fn rules(event: &EventSchema) -> Result<Option<Box<Rules>>, PlanError> {
    let only_in_doubt = match event.validation {
        Validation::Never => return Ok(None),
        Validation::OutsideBounds => true,
        Validation::Always => false,
    };
    Rules::compile(&event.json_schema, only_in_doubt)
        .map(|rules| Some(Box::new(rules)))
        .map_err(|problem| PlanError::Schema { event: event.name.clone(), problem })
}

fn top_level(table: &TableSchema, name: &str, kind: &ColumnType) -> Option<Tag> {
    let found = |column: &Column| column.name.eq_ignore_ascii_case(name) && column.kind == *kind;
    table.columns.iter().position(found).map(|index| Tag::new(index, wire_type(kind)))
}

fn wire_type(kind: &ColumnType) -> WireType {
    match kind {
        ColumnType::Int64 | ColumnType::Bool | ColumnType::Timestamp | ColumnType::Date => {
            WireType::Varint
        }
        ColumnType::Float64 => WireType::Fixed64,
        ColumnType::String
        | ColumnType::Bytes
        | ColumnType::Datetime
        | ColumnType::Time
        | ColumnType::Numeric
        | ColumnType::BigNumeric
        | ColumnType::Json
        | ColumnType::Record(_) => WireType::Bytes,
    }
}

/// One event type on its way into the plan.
struct Compiler<'c> {
    objects: Vec<Object>,
    options: &'c PlanOptions,
    event: &'c EventSchema,
    /// Names of the fields being compiled, for errors.
    path: Vec<&'c str>,
}

impl<'c> Compiler<'c> {
    fn columns(&mut self, table: &TableSchema) -> Result<Node, PlanError> {
        let columns: Vec<(usize, &Column)> = table.columns.iter().enumerate().collect();
        let properties: &[Property] = match &self.event.schema.kind {
            SchemaKind::Object(properties) => properties,
            // Whatever the contract leaves open goes into `_extra`.
            _ => &[],
        };
        let object = self.object(properties, Rest::Extra, &columns)?;
        Ok(Node { nullable: false, tag: None, kind: Kind::Object(object), bounds: None })
    }

    fn envelope(&mut self, table: &TableSchema) -> Result<Node, PlanError> {
        let checked = self.checked(&self.event.schema, true)?;
        let tag = top_level(table, "payload", &ColumnType::Json);
        Ok(Node { nullable: false, tag, kind: Kind::Text(Box::new(checked)), bounds: None })
    }

    fn object(
        &mut self,
        properties: &'c [Property],
        rest: Rest,
        columns: &[(usize, &Column)],
    ) -> Result<usize, PlanError> {
        let mut fields = Vec::with_capacity(properties.len());
        for property in properties {
            let column = columns.iter().find(|(_, column)| column.source == property.name);
            let node = match column {
                Some((index, column)) => {
                    self.path.push(&property.name);
                    let node = self.column(&property.schema, property.required, *index, column)?;
                    self.path.pop();
                    node
                }
                None => self.checked(&property.schema, property.required)?,
            };
            let key = Key::new(&property.name);
            fields.push(Field { key, node });
        }
        let required = Required::of(properties.iter().map(|property| property.required));
        let names = Names::new(properties.iter().map(|property| property.name.as_str())).into();
        let order = self.objects.last().map_or(0, |last| last.order + last.fields.len() + 1);
        let fields = fields.into_boxed_slice();
        self.objects.push(Object { names, fields, required, rest, order });
        Ok(self.objects.len() - 1)
    }

    /// A value that goes into a typed column.
    fn column(
        &mut self,
        schema: &'c Schema,
        required: bool,
        index: usize,
        column: &Column,
    ) -> Result<Node, PlanError> {
        let nullable = schema.nullable || !required;
        let mut tag = Some(Tag::new(index, wire_type(&column.kind)));
        let repeated = column.mode == Mode::Repeated;
        let kind = match (&schema.kind, &column.kind) {
            (SchemaKind::Array(items), _) if repeated => {
                let single = Column { mode: Mode::Nullable, ..column.clone() };
                tag = None;
                Kind::Array(Box::new(self.column(items, true, index, &single)?))
            }
            _ if repeated => return Err(self.unfit(schema, column)),
            (SchemaKind::Any, ColumnType::Json) => Kind::Any,
            (SchemaKind::String, ColumnType::String) => Kind::String,
            (_, ColumnType::Json | ColumnType::String) => {
                Kind::Text(Box::new(self.checked(schema, true)?))
            }
            (SchemaKind::Object(properties), ColumnType::Record(fields)) => {
                let fields: Vec<(usize, &Column)> = fields.iter().enumerate().collect();
                Kind::Object(self.object(properties, Rest::Extra, &fields)?)
            }
            (SchemaKind::Boolean, ColumnType::Bool) => Kind::Boolean,
            (SchemaKind::Integer, kind) => match number_as(kind) {
                Some(to) => Kind::Number { to, whole: true },
                None => return Err(self.unfit(schema, column)),
            },
            (SchemaKind::Number, kind) => match number_as(kind) {
                Some(to) => Kind::Number { to, whole: to == NumberAs::Int64 },
                None => return Err(self.unfit(schema, column)),
            },
            (SchemaKind::String, kind) => match self.string_as(kind, column) {
                Some(to) => Kind::Converted(to),
                None => return Err(self.unfit(schema, column)),
            },
            (
                SchemaKind::Any
                | SchemaKind::Boolean
                | SchemaKind::Object(_)
                | SchemaKind::Array(_),
                _,
            ) => return Err(self.unfit(schema, column)),
        };
        // A text's inner node has them too, and never sees a null.
        Ok(Node { nullable, tag, kind, bounds: bounds(schema) })
    }

    fn string_as(&self, kind: &ColumnType, column: &Column) -> Option<Converted> {
        let partition =
            self.path.len() == 1 && column.name.eq_ignore_ascii_case(&self.options.partition_by);
        match kind {
            ColumnType::Bytes => Some(Converted::Base64),
            ColumnType::Timestamp if partition => Some(Converted::PartitionTimestamp),
            ColumnType::Timestamp => Some(Converted::Timestamp),
            ColumnType::Date if partition => Some(Converted::PartitionDate),
            ColumnType::Date => Some(Converted::Date),
            ColumnType::Datetime => Some(Converted::Datetime),
            ColumnType::Time => Some(Converted::Time),
            kind => number_as(kind).map(Converted::Number),
        }
    }

    /// A value that is only checked, because it has no column or one of JSON text. Formats are
    /// not asserted: nothing is converted by them.
    fn checked(&mut self, schema: &'c Schema, required: bool) -> Result<Node, PlanError> {
        let kind = match &schema.kind {
            SchemaKind::Any => Kind::Any,
            SchemaKind::Boolean => Kind::Boolean,
            SchemaKind::Integer => Kind::Number { to: NumberAs::Float64, whole: true },
            SchemaKind::Number => Kind::Number { to: NumberAs::Float64, whole: false },
            SchemaKind::String => Kind::String,
            SchemaKind::Array(items) => Kind::Array(Box::new(self.checked(items, true)?)),
            SchemaKind::Object(properties) => {
                Kind::Object(self.object(properties, Rest::Pass, &[])?)
            }
        };
        let nullable = schema.nullable || !required;
        Ok(Node { nullable, tag: None, kind, bounds: bounds(schema) })
    }

    fn unfit(&self, schema: &Schema, column: &Column) -> PlanError {
        let found = match &schema.kind {
            SchemaKind::Any => "any value",
            SchemaKind::Boolean => "a boolean",
            SchemaKind::Integer => "an integer",
            SchemaKind::Number => "a number",
            SchemaKind::String => "a string",
            SchemaKind::Object(_) => "an object",
            SchemaKind::Array(_) => "an array",
        };
        PlanError::Column {
            event: self.event.name.clone(),
            field: self.path.join("."),
            found,
            column: column.kind.name(),
        }
    }
}

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
