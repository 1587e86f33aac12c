//! From a record to its place in a batch.
//!
//! In a flow with steps, a record is worked on in between. The records of a partition come back in the
//! order of their offsets, so everything after the steps is as in a flow without them.

use std::time::Instant;

use super::chain::Chain;
use super::watched::Watched;
use crate::json_tree;
use crate::pipeline::assembler::Assembler;
use crate::pipeline::flow::Flow;
use crate::pipeline::ledger::Ledger;
use crate::pipeline::summary::Tally;
use crate::record::{
    Bookmark, DeadLetter, Event, Partition, Reached, Rejected, Rejection, Transcoded,
};
use crate::row::RowBuffer;
use crate::sink::Batch;
use crate::steps::{Finished, Outcome, Stage};
use crate::stop::Stop;
use crate::transcode::{Ingestion, Plan};

/// When a record is taken: the instant, and microseconds since the epoch.
pub(super) type Times = (Instant, i64);

/// What every record changes.
pub(super) struct Intake {
    /// Records that the steps work on; none where the flow has no steps.
    stage: Option<Stage>,
    pub(super) assembler: Assembler,
    /// The last row of each partition.
    pub(super) chain: Chain,
    pub(super) tally: Tally,
    /// Rows of events that are worked on, which nobody needs.
    unwritten: RowBuffer,
    /// Who is told of events; none where the flow has no steps.
    watched: Option<Watched>,
}

impl Intake {
    pub(super) fn new(flow: &Flow) -> Self {
        Self {
            stage: flow.steps.as_ref().map(|steps| Stage::new(steps.work.clone())),
            assembler: Assembler::new(flow.sink.durability(), &flow.limits)
                .traced(flow.tracer.is_some()),
            chain: Chain::default(),
            tally: Tally::default(),
            unwritten: RowBuffer::default(),
            watched: flow.steps.as_ref().map(|steps| Watched::new(steps.watchers.clone())),
        }
    }

    /// Takes a record that was read. Returns the batch that it has filled.
    #[inline]
    pub(super) fn take(
        &mut self,
        event: &Event<'_>,
        flow: &mut Flow,
        times: Times,
    ) -> Option<Batch> {
        self.tally.read(event.value.map_or(0, <[u8]>::len));
        match flow.steps {
            None => self.add(event, &mut flow.plan, times, |plan, ingestion, rows| {
                plan.transcode(event, ingestion, rows)
            }),
            Some(_) => self.begin(event, flow, times),
        }
    }

    /// Hands a record to the steps, unless contract, filter or ignore list have decided already.
    fn begin(&mut self, event: &Event<'_>, flow: &mut Flow, times: Times) -> Option<Batch> {
        let (stage, steps) = (self.stage.as_mut()?, flow.steps.as_mut()?);
        let watched = self.watched.as_mut()?;
        self.unwritten.clear();
        let ingestion = Ingestion::at(times.1);
        let outcome = match steps.gate.transcode(event, ingestion, &mut self.unwritten) {
            Transcoded::Row => {
                let decoded = steps.gate.decoded(event);
                let payload = decoded.as_deref().or(event.value).unwrap_or_default();
                watched.received(event.at, payload);
                stage.begin(event, decoded, times.0);
                return None;
            }
            Transcoded::Ignored(label) => Outcome::Ignored(label),
            Transcoded::Rejected(rejection) => {
                watched.received(event.at, event.value.unwrap_or_default());
                Outcome::Rejected(rejection)
            }
        };
        if stage.holds(event.at.partition) {
            stage.pass(event, outcome, times.0);
            return None;
        }
        self.add_outcome(event, outcome, &mut flow.plan, times)
    }

    /// Takes a record that the steps have finished, if there is one. Returns whether there was, and
    /// the batch that it has filled.
    pub(super) fn take_finished(
        &mut self,
        flow: &mut Flow,
        times: Times,
    ) -> Result<Option<Option<Batch>>, Stop> {
        let Some(stage) = &mut self.stage else { return Ok(None) };
        let finished = stage.next_finished()?;
        Ok(finished.map(|Finished { event, outcome }| {
            self.add_outcome(&event.event(), outcome, &mut flow.plan, times)
        }))
    }

    fn add_outcome(
        &mut self,
        event: &Event<'_>,
        outcome: Outcome,
        plan: &mut Plan,
        times: Times,
    ) -> Option<Batch> {
        self.add(event, plan, times, |plan, ingestion, rows| match outcome {
            Outcome::Ignored(label) => Transcoded::Ignored(label),
            Outcome::Rejected(rejection) => Transcoded::Rejected(rejection),
            Outcome::Report(report) => {
                let of_report = Event { value: Some(&report), ..*event };
                match plan.transcode(&of_report, ingestion, rows) {
                    Transcoded::Rejected(rejection) => rejected_report(&report, &rejection),
                    row @ (Transcoded::Row | Transcoded::Ignored(_)) => row,
                }
            }
        })
    }

    /// Adds to its partition's batch what becomes of a record.
    #[inline]
    fn add(
        &mut self,
        event: &Event<'_>,
        plan: &mut Plan,
        (now, at_micros): Times,
        transcode: impl FnOnce(&mut Plan, Ingestion, &mut RowBuffer) -> Transcoded,
    ) -> Option<Batch> {
        let partition = event.at.partition;
        let open = self.assembler.batch_for(partition, now);
        let ingestion = Ingestion { at_micros, previous: self.chain.last(partition) };
        let became = transcode(plan, ingestion, open.rows());
        if let Some(watched) = &mut self.watched {
            watched.ends(event.at, &became);
        }
        match became {
            Transcoded::Row => {
                open.row_of(event.timestamp_ms);
                self.chain.add(event.at);
            }
            Transcoded::Ignored(label) => self.tally.ignore(label),
            Transcoded::Rejected(rejection) => open.reject(DeadLetter::of(event, *rejection)),
        }
        let reached = Reached {
            next: event.at.offset.next(),
            last: Some(Bookmark::of(event)),
            last_row: self.chain.last(partition),
        };
        open.cover(partition, event.at.offset, reached);
        open.comes_from(event);
        self.assembler.take_full(partition)
    }

    /// Bytes that the steps work on, as they count against the limit.
    pub(super) fn staged_bytes(&self) -> usize {
        self.stage.as_ref().map_or(0, Stage::bytes)
    }

    /// Whether the steps work on something.
    pub(super) fn is_staging(&self) -> bool {
        self.stage.as_ref().is_some_and(|stage| !stage.is_empty())
    }

    /// Since when the steps work on their oldest record.
    pub(super) fn oldest_staged(&self) -> Option<Instant> {
        self.stage.as_ref().and_then(Stage::oldest)
    }

    /// Gives up what the steps work on in a partition: its next owner reads it again.
    pub(super) fn release_staged(&mut self, partition: Partition) {
        if let Some(stage) = &mut self.stage {
            stage.release(partition);
        }
    }

    /// Tells the watchers what has been committed since the last call. `rejected` has what became a dead
    /// letter since then, also in the sink.
    pub(super) fn tell_committed(&mut self, rejected: Vec<Rejected>, ledger: &Ledger) {
        if let Some(watched) = &mut self.watched {
            watched.tell_committed(rejected, ledger);
        }
    }

    /// Forgets a partition that is given up.
    pub(super) fn release(&mut self, partition: Partition) {
        self.release_staged(partition);
        if let Some(watched) = &mut self.watched {
            watched.release(partition);
        }
    }

    /// Whether all that was read of a partition is settled, committed and flushed.
    pub(super) fn is_nothing_of(&self, partition: Partition, ledger: &Ledger) -> bool {
        ledger.is_idle(partition)
            && !self.assembler.holds(partition)
            && !self.stage.as_ref().is_some_and(|stage| stage.holds(partition))
    }
}

/// A report that is not as its contract says. The letter has the event, and no type of it. A member
/// that could not be computed is `null`, so the detail names those.
#[cold]
fn rejected_report(report: &[u8], rejection: &Rejection) -> Transcoded {
    let mut detail = format!("the report is not as its contract says: {}", rejection.detail);
    let report = json_tree::read(report).unwrap_or_default();
    for skip in report["skips"].as_array().into_iter().flatten() {
        if let (Some(member), Some(reason)) = (skip["member"].as_str(), skip["reason"].as_str()) {
            detail.push_str(&format!("; `{member}` could not be computed: {reason}"));
        }
    }
    Transcoded::Rejected(Box::new(Rejection::new(rejection.reason, detail, None)))
}
