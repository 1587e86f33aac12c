//! Compiles a contract for a table: contract × table × options → [`Plan`].

mod fields;

use self::fields::EventCompiler;
use super::content::Content;
use super::event_type::{Action, Elsewhere, EventTypes, PayloadPath, TypeLocation};
use super::options::{PlanError, PlanMistake, PlanOptions};
use super::partition::PartitionWindow;
use super::plan::{EventPlan, Plan, PlanFilter};
use super::position::PositionColumns;
use super::undeclared::UndeclaredFields;
use super::validator::SchemaValidator;
use super::walk::Scratch;
use super::wire::Tag;
use crate::config::RowLayout;
use crate::contract::{Contract, Discriminator, EventSchema, Validation};
use crate::row::{ColumnType, TableSchema};

impl Plan {
    /// Compiles a contract for a table. `table` has the columns that can be written. A field whose
    /// column is missing there is checked and not written.
    pub fn compile(
        contract: &Contract,
        table: &TableSchema,
        options: PlanOptions,
    ) -> Result<Self, PlanError> {
        let position = PositionColumns::of(table);
        let mut events = Vec::new();
        let mut contents = Vec::new();
        let mut objects = Vec::new();
        let mut mistakes = Vec::new();
        let declared: Vec<&EventSchema> = contract.not_ignored(&options.ignore).collect();
        for event in &declared {
            let partition = options.partition.as_ref();
            let mut compiler = EventCompiler::new(event, partition, &mut objects, &mut mistakes);
            let root = match options.layout {
                RowLayout::Columns => compiler.columns(table),
                RowLayout::Envelope => compiler.envelope(table),
            };
            let constants = position.event_type_constant(&event.name);
            let validator = validator(event).unwrap_or_else(|mistake| {
                mistakes.push(mistake);
                None
            });
            events.push(EventPlan { root, constants, validator });
            contents.push(Content::of(&event.encoded));
        }
        if !mistakes.is_empty() {
            return Err(PlanError { mistakes });
        }
        let (event_types, mut ignored_labels) = event_types(
            &contract.discriminator,
            &declared,
            &options.ignore,
            options.filter.is_some(),
        );
        let tombstone = ignored_labels.len();
        ignored_labels.push("tombstone".to_owned());
        let filter = options.filter.map(|filter| {
            let label = ignored_labels.len();
            ignored_labels.push("filter".to_owned());
            let event_types = declared.iter().map(|event| event.name.clone()).collect();
            Box::new(PlanFilter { filter, label, event_types })
        });
        let extra = match options.layout {
            RowLayout::Columns => Tag::find(table, "_extra", &ColumnType::Json),
            RowLayout::Envelope => None,
        };
        let scratch = Scratch::new(&objects);
        let names = declared.iter().map(|event| event.name.clone()).collect();
        let constants = position.constants(&options.topic, &contract.id);
        let on_timestamp = |partition: &PartitionWindow| partition.is_on("_kafka_timestamp");
        Ok(Self {
            event_types,
            ignored_labels,
            tombstone,
            filter,
            contents,
            events,
            objects,
            position,
            constants,
            extra,
            partition_by_timestamp: options.partition.as_ref().is_some_and(on_timestamp),
            partition: options.partition,
            max_row_bytes: options.max_row_bytes,
            scratch,
            undeclared: UndeclaredFields::of(names),
        })
    }
}

/// Returns the event types that are ignored or declared, and the metric labels of those that are
/// ignored. No event type is in both lists.
fn event_types(
    discriminator: &Discriminator,
    declared: &[&EventSchema],
    ignore: &[String],
    is_filtered: bool,
) -> (EventTypes, Vec<String>) {
    let mut labels: Vec<String> = ignore.to_vec();
    labels.sort_unstable();
    labels.dedup();
    let ignored = labels.iter().enumerate().map(|(i, name)| (name.as_str(), Action::Ignore(i)));
    let declared = declared.iter().enumerate().map(|(index, event)| {
        let is_prepared = is_filtered || !event.encoded.is_empty();
        let action = if is_prepared { Action::Prepare } else { Action::Transcode };
        (event.name.as_str(), action(index))
    });
    let known: Vec<(&str, Action)> = ignored.chain(declared).collect();
    let location = match discriminator {
        Discriminator::Payload(keys) => TypeLocation::Payload(PayloadPath::new(keys)),
        Discriminator::Header(name) => {
            TypeLocation::Elsewhere(Elsewhere::Header(name.as_str().into()))
        }
        Discriminator::Only(name) => TypeLocation::Elsewhere(Elsewhere::Only(name.as_str().into())),
    };
    let event_types = EventTypes::new(location, &known);
    (event_types, labels)
}

/// The validator of an event type, if it has rules that the walk does not check.
fn validator(event: &EventSchema) -> Result<Option<Box<SchemaValidator>>, PlanMistake> {
    let only_if_unsure = match event.validation {
        Validation::Never => return Ok(None),
        Validation::OutsideBounds => true,
        Validation::Always => false,
    };
    SchemaValidator::compile(event, only_if_unsure)
        .map(|validator| Some(Box::new(validator)))
        .map_err(|problem| PlanMistake::Schema {
            place: event.place(&[]),
            event: event.name.clone(),
            problem,
        })
}
