//! From a record's bytes to a row's bytes, or to the reason why it is no row.
//!
//! A contract and a table are compiled into a [`Plan`] once; then one pass over each value checks
//! it and writes the row's wire format, without a tree between and without allocating. The plain
//! way (parse, validate, encode) lives in the tests, and the two must agree.
//!
//! ```text
//! compile: contract × table ─► plan
//! kind:    which event type? ─► ignored, or
//! walk:    scan ─► convert ─► wire        a fault ─► distinct ─► walk once more ─► rejected
//! ```

mod bounds;
mod compile;
mod convert;
mod distinct;
mod extra;
mod fault;
mod headers;
mod kind;
mod lanes;
mod names;
mod number;
mod partition;
mod plan;
mod position;
mod rules;
mod scan;
mod seen;
mod text;
mod time;
mod walk;
mod wire;

#[cfg(any(test, fuzzing))]
pub mod tests;

pub use compile::{PlanError, PlanOptions};
pub use partition::PartitionWindow;

use self::fault::{Fault, Walked};
use self::kind::{Fate, Kinds};
use self::partition::PartitionCheck;
use self::plan::{Node, Object};
use self::position::PositionColumns;
use self::rules::Rules;
use self::walk::{Scratch, Walk};
use self::wire::Tag;
use crate::record::{Event, Reason, Rejection, Transcoded};
use crate::row::RowBuffer;

/// A contract compiled for a table: decides about every record and writes the rows.
#[derive(Debug)]
pub struct Plan {
    kinds: Kinds,
    ignored_labels: Vec<String>,
    events: Vec<EventPlan>,
    objects: Vec<Object>,
    position: PositionColumns,
    /// Columns that are the same in all rows.
    constants: Box<[u8]>,
    /// `_extra`, where the table has it and the layout uses it.
    extra: Option<Tag>,
    partition: Option<PartitionWindow>,
    /// The partition column is `_kafka_timestamp`.
    partition_by_timestamp: bool,
    max_row_bytes: usize,
    scratch: Scratch,
}

/// One event type of the contract; a line of a processor's cache, as a field is.
#[derive(Debug)]
#[repr(align(64))]
struct EventPlan {
    root: Node,
    /// Columns that are the same in all its rows, and in no others.
    constants: Box<[u8]>,
    /// What the contract asks for beyond what the walk checks.
    rules: Option<Box<Rules>>,
}

const _: () = assert!(size_of::<EventPlan>() == 64);

impl Plan {
    /// Metric labels of [`Transcoded::Ignored`]: the ignored event types, then `tombstone`.
    pub fn ignored_labels(&self) -> &[String] {
        &self.ignored_labels
    }

    /// Writes the record's row behind `rows`, or answers why there is none. `ingested_at_micros` is
    /// now, or a moment ago: microseconds since the epoch.
    pub fn transcode(
        &mut self,
        event: &Event<'_>,
        ingested_at_micros: i64,
        rows: &mut RowBuffer,
    ) -> Transcoded {
        let Some(value) = event.value else {
            return Transcoded::Ignored(self.ignored_labels.len() - 1);
        };
        self.attempt(event, value, false, ingested_at_micros, rows)
            .or_else(|_| self.second_look(event, value, ingested_at_micros, rows))
            .unwrap_or_else(|fault| {
                let (reason, detail) = fault.report();
                let event_type = self.kinds.name(event, value);
                Transcoded::Rejected(Box::new(Rejection { reason, detail, event_type }))
            })
    }

    /// A fault of the quick pass may lie in a value that does not count, because its key comes
    /// again; and of several faults those of the text itself come first. So the text is read again
    /// without repeated keys, and what is found then is final.
    #[cold]
    fn second_look(
        &mut self,
        event: &Event<'_>,
        value: &[u8],
        ingested_at_micros: i64,
        rows: &mut RowBuffer,
    ) -> Walked<Transcoded> {
        readable(value, self.max_row_bytes)?;
        let distinct = distinct::without_repeated(value)?;
        self.attempt(event, &distinct, true, ingested_at_micros, rows)
    }

    fn attempt(
        &mut self,
        event: &Event<'_>,
        value: &[u8],
        distinct: bool,
        ingested_at_micros: i64,
        rows: &mut RowBuffer,
    ) -> Walked<Transcoded> {
        let index = match self.kinds.fate(event, value)? {
            Fate::Ignored(label) => return Ok(Transcoded::Ignored(label)),
            Fate::Event(index) => index,
        };
        within(value.len(), self.max_row_bytes, "value")?;
        let plan = &self.events[index];
        let partition =
            PartitionCheck { now_micros: ingested_at_micros, window: self.partition.as_ref() };
        rows.push(event.at, |row| {
            let start = row.len();
            if self.partition_by_timestamp {
                position::check_timestamp(event, partition)?;
            }
            row.extend_from_slice(&self.constants);
            row.extend_from_slice(&plan.constants);
            self.position.write(event, ingested_at_micros, row);
            let doubt = Walk::new(&self.objects, partition, value, distinct, &mut self.scratch)
                .run(&plan.root, self.extra, row)?;
            if let Some(rules) = plan.rules.as_ref().filter(|rules| doubt || !rules.only_in_doubt) {
                rules.check(value, &plan.root, &self.objects)?;
            }
            within(row.len() - start, self.max_row_bytes, "row")
        })?;
        Ok(Transcoded::Row)
    }
}

/// The ways in which a value is no JSON text of a size that can be appended.
fn readable(value: &[u8], max_bytes: usize) -> Walked<()> {
    match value {
        [] => return Err(Fault::new(Reason::Empty, "the value has no bytes")),
        // The registry's frame: magic byte, four bytes of schema id, then the payload.
        [0, _, _, _, _, ..] => {
            let detail = "the value begins with a schema registry's magic byte";
            return Err(Fault::new(Reason::RegistryFramed, detail));
        }
        _ => {}
    }
    within(value.len(), max_bytes, "value")?;
    scan::utf8(value)
}

fn within(bytes: usize, max_bytes: usize, what: &str) -> Walked<()> {
    if bytes <= max_bytes {
        return Ok(());
    }
    let detail = format!("the {what} has {bytes} bytes, an append takes {max_bytes}");
    Err(Fault::new(Reason::TooLarge, detail))
}
