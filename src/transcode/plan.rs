//! The plan: decides about each record and writes its row.

use super::content::Content;
use super::duplicates::without_duplicates;
use super::event_type::{Action, EventTypes};
use super::expected::{ObjectPlan, ValuePlan};
use super::fault::{Fault, Result};
use super::filter::Filter;
use super::options::Ingestion;
use super::partition::{PartitionCheck, PartitionWindow};
use super::position::{self, PositionColumns};
use super::scan;
use super::undeclared::{UndeclaredField, UndeclaredFields};
use super::validator::SchemaValidator;
use super::walk::{Scratch, Walk};
use super::wire::Tag;
use crate::expression::Subject;
use crate::record::{Event, Reason, Rejection, Transcoded};
use crate::row::RowBuffer;

/// A contract that has been compiled for a table (`Plan::compile`).
#[derive(Debug)]
pub struct Plan {
    pub(super) event_types: EventTypes,
    pub(super) ignored_labels: Vec<String>,
    /// The label of records without a value.
    pub(super) tombstone: usize,
    pub(super) filter: Option<Box<PlanFilter>>,
    /// The encoded fields of each of `events`.
    pub(super) contents: Vec<Option<Content>>,
    pub(super) events: Vec<EventPlan>,
    /// The objects of all event types.
    pub(super) objects: Vec<ObjectPlan>,
    pub(super) position: PositionColumns,
    /// The encoded columns that are the same in all rows.
    pub(super) constants: Box<[u8]>,
    /// The column `_extra`, if the table has it and the layout uses it.
    pub(super) extra: Option<Tag>,
    pub(super) partition: Option<PartitionWindow>,
    /// The partition column is `_kafka_timestamp`.
    pub(super) partition_by_timestamp: bool,
    pub(super) max_row_bytes: usize,
    pub(super) scratch: Scratch,
    pub(super) undeclared: UndeclaredFields,
}

/// Which events become rows.
#[derive(Debug)]
pub(super) struct PlanFilter {
    pub(super) filter: Filter,
    /// The label of the events that are left out.
    pub(super) label: usize,
    /// The names of the event types, in the order of `Plan::events`.
    pub(super) event_types: Vec<String>,
}

/// One event type of the contract. It takes exactly one cache line, like the parts of `expected`.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct EventPlan {
    /// The plan of the whole value.
    pub(super) root: ValuePlan,
    /// The encoded columns that are the same in all rows of this type.
    pub(super) constants: Box<[u8]>,
    /// Present if the contract has rules that the walk does not check.
    pub(super) validator: Option<Box<SchemaValidator>>,
}

const _: () = assert!(size_of::<EventPlan>() == 64);

impl Plan {
    /// The metric labels that the index in [`Transcoded::Ignored`] refers to: the ignored event
    /// types, then `tombstone`, and `filter` where there is one.
    pub fn ignored_labels(&self) -> &[String] {
        &self.ignored_labels
    }

    /// The members that the contract does not declare and events had since the last call, with the
    /// layout of columns. Most events are not looked at, so the numbers are estimates.
    pub fn take_undeclared(&mut self) -> Vec<UndeclaredField> {
        match self.undeclared.is_empty() {
            true => Vec::new(),
            false => self.undeclared.take(),
        }
    }

    /// Appends the record's row to `rows`, or returns why there is none. `ingestion` says when the
    /// record was read, and which row is before it in its partition.
    pub fn transcode(
        &mut self,
        event: &Event<'_>,
        ingestion: Ingestion,
        rows: &mut RowBuffer,
    ) -> Transcoded {
        let Some(value) = event.value else {
            return Transcoded::Ignored(self.tombstone);
        };
        self.transcode_value(event, value, false, ingestion, rows)
            .or_else(|_| self.transcode_without_duplicates(event, value, ingestion, rows))
            .unwrap_or_else(|fault| {
                let (reason, detail) = fault.report();
                let event_type = self.event_types.name(event, value);
                Transcoded::Rejected(Box::new(Rejection::new(reason, detail, event_type)))
            })
    }

    /// Transcodes a value again in which the first attempt found a fault, this time without
    /// duplicate keys. This is necessary for two reasons:
    /// - The fault may be in a value that a later duplicate key overrides.
    /// - A value with several faults is rejected for those of the text first (not UTF-8, not JSON,
    ///   …). The first attempt stops at whatever it meets first; here the whole text is
    ///   checked before the event is read.
    #[cold]
    fn transcode_without_duplicates(
        &mut self,
        event: &Event<'_>,
        value: &[u8],
        ingestion: Ingestion,
        rows: &mut RowBuffer,
    ) -> Result<Transcoded> {
        check_bytes(value, self.max_row_bytes)?;
        let value = without_duplicates(value)?;
        self.transcode_value(event, &value, true, ingestion, rows)
    }

    /// Transcodes a value in one pass. `no_duplicates`: it is known to have no duplicate keys. A
    /// fault leaves nothing in `rows`.
    fn transcode_value(
        &mut self,
        event: &Event<'_>,
        value: &[u8],
        no_duplicates: bool,
        ingestion: Ingestion,
        rows: &mut RowBuffer,
    ) -> Result<Transcoded> {
        let text;
        let (index, value, no_duplicates) = match self.event_types.action(event, value)? {
            Action::Ignore(label) => return Ok(Transcoded::Ignored(label)),
            Action::Transcode(index) => (index, value, no_duplicates),
            Action::Prepare(index) => match self.prepare(event, value, index)? {
                Prepared::LeftOut(label) => return Ok(Transcoded::Ignored(label)),
                Prepared::AsItIs => (index, value, no_duplicates),
                Prepared::Decoded(decoded) => {
                    text = decoded;
                    (index, text.as_slice(), true)
                }
            },
        };
        self.write(event, value, index, no_duplicates, ingestion, rows)
    }

    /// Decodes the fields of an event of this type, and asks the filter.
    // Apart, because the path without it is shorter that way.
    #[inline(never)]
    fn prepare(&mut self, event: &Event<'_>, value: &[u8], index: usize) -> Result<Prepared> {
        check_size(value.len(), self.max_row_bytes, "value")?;
        let decoded = match &self.contents[index] {
            Some(content) => Some(content.decode(value)?),
            None => None,
        };
        let value = decoded.as_deref().unwrap_or(value);
        if let Some(PlanFilter { filter, label, event_types }) = self.filter.as_deref() {
            let subject = Subject { event, payload: value, event_type: &event_types[index] };
            if !filter.keeps(&subject)? {
                return Ok(Prepared::LeftOut(*label));
            }
        }
        Ok(decoded.map_or(Prepared::AsItIs, Prepared::Decoded))
    }

    /// Writes the row of an event of this type.
    #[inline(always)]
    fn write(
        &mut self,
        event: &Event<'_>,
        value: &[u8],
        index: usize,
        no_duplicates: bool,
        ingestion: Ingestion,
        rows: &mut RowBuffer,
    ) -> Result<Transcoded> {
        check_size(value.len(), self.max_row_bytes, "value")?;
        let plan = &self.events[index];
        let partition =
            PartitionCheck { now_micros: ingestion.at_micros, window: self.partition.as_ref() };
        rows.push(event.at, |row| {
            let start = row.len();
            if self.partition_by_timestamp {
                position::check_timestamp(event, partition)?;
            }
            row.extend_from_slice(&self.constants);
            row.extend_from_slice(&plan.constants);
            self.position.write(event, ingestion, row);
            let unsure =
                Walk::new(&self.objects, partition, value, no_duplicates, &mut self.scratch)
                    .run(&plan.root, self.extra, row)?;
            let validator = plan.validator.as_ref();
            if let Some(validator) = validator.filter(|all| unsure || !all.only_if_unsure) {
                validator.check(value)?;
            }
            if let Some(members) = self.scratch.extra() {
                self.undeclared.note(index, &plan.root, &self.objects, members);
            }
            check_size(row.len() - start, self.max_row_bytes, "row")
        })?;
        Ok(Transcoded::Row)
    }

    /// The value of an event that has a row, with its decoded fields. `None`: it has none.
    pub fn decoded(&mut self, event: &Event<'_>) -> Option<Vec<u8>> {
        let value = event.value?;
        match self.event_types.action(event, value).ok()? {
            Action::Prepare(index) => self.contents[index].as_ref()?.decode(value).ok(),
            Action::Ignore(_) | Action::Transcode(_) => None,
        }
    }
}

/// An event before its row is written.
enum Prepared {
    /// By the filter. The index is the metric label's.
    LeftOut(usize),
    AsItIs,
    /// Its value with its decoded fields, without duplicate keys.
    Decoded(Vec<u8>),
}

/// Checks what can be known of a value without reading it as JSON.
fn check_bytes(value: &[u8], max_bytes: usize) -> Result<()> {
    match value {
        [] => return Err(Fault::new(Reason::Empty, "the value has no bytes")),
        // A schema registry's frame: a magic byte, four bytes of schema id, then the payload.
        [0, _, _, _, _, ..] => {
            let detail = "the value begins with a schema registry's magic byte";
            return Err(Fault::new(Reason::RegistryFramed, detail));
        }
        _ => {}
    }
    check_size(value.len(), max_bytes, "value")?;
    scan::utf8(value)
}

fn check_size(bytes: usize, max_bytes: usize, what: &str) -> Result<()> {
    if bytes <= max_bytes {
        return Ok(());
    }
    let detail = format!("the {what} has {bytes} bytes, the limit is {max_bytes}");
    Err(Fault::new(Reason::TooLarge, detail))
}
