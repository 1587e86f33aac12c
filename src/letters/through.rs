//! Redrives letters of a topic into a sink that cannot be asked which rows it has: Kafka, InfluxDB
//! (docs/adr/0032-redrive.md).

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::groups::Backlog;
use super::handover::{Account, Handover, Out, Pacing, Records, Stored};
use super::round::{Copies, Round, Survey};
use super::topic::{LetterTopic, Moved, spans};
use super::trial::Trial;
use crate::record::{Event, Partition, Reached, Rejected};
use crate::shutdown::Shutdown;
use crate::sink::{
    Batch, BatchId, Command, DeadLimit, Lane, Report, Reports, Sink, Span, Start, Writer,
};
use crate::source::{Offsets, Part, TopicError, TopicParts, TopicReader};
use crate::stop::Stop;
use crate::telemetry::Metrics;

/// How often a signal is looked for.
const POLL: Duration = Duration::from_millis(100);

/// Letters, and the sink that gets their rows.
pub struct Through {
    pub letters: LetterTopic,
    pub sink: Arc<dyn Sink>,
    /// What the sink reads refused rows' records from.
    pub records: Records,
    pub round: Round,
    /// The most letters that become rows.
    pub limit: Option<u64>,
    pub pacing: Option<Pacing>,
    /// How far it is, for whoever shows it.
    pub metrics: Metrics,
}

/// What was done.
#[derive(Debug)]
pub struct Redriven {
    pub trial: Trial,
    /// `None`: there was nothing to do, and nothing was written.
    pub written: Option<Written>,
}

#[derive(Debug)]
pub struct Written {
    pub rows: u64,
    /// Letters that were written again, behind the others.
    pub again: u64,
    pub moved: Moved,
}

#[derive(Debug, thiserror::Error)]
pub enum ThroughError {
    #[error(transparent)]
    Stop(#[from] Stop),
    #[error(
        "another redrive of the same letters has taken them over, or a transaction took too long"
    )]
    TakenOver,
    #[error("stopped by a signal")]
    Interrupted,
}

impl Through {
    /// Redrives them. Blocks, and has to be called inside a tokio runtime.
    ///
    /// Every batch is there once, whenever the process dies: rows, letters and offset are stored in one step,
    /// or rows and letters overwrite themselves or are recognised when they are read again.
    pub fn run(mut self) -> Result<Redriven, ThroughError> {
        let lanes = self.claim()?;
        // What is read from here on is as the owner before has left it.
        let (parts, reader, backlog) = self.open()?;
        let mut spans = spans(&backlog);
        // A partition that was added meanwhile has no writer.
        spans.retain(|part| lanes.writers.contains_key(&part.partition));
        let total: i64 = spans.iter().map(|part| part.to.0 - part.from.0).sum();
        self.metrics.to_catch_up.set(total);
        let copies = self.copies(&parts, &spans)?;
        let Survey { trial, is_new, .. } = self.survey(&parts, &spans, &copies)?;
        if !is_new {
            return Ok(Redriven { trial, written: None });
        }
        let Account { trial, rows, again, passed } =
            self.hand_over(&parts, &spans, &copies, lanes, &reader)?;
        let (_, _, backlog) = self.open()?;
        let left = backlog.read.values().map(|(from, to)| to.0 - from.0).sum::<i64>();
        let (group, left) = (self.letters.group.clone(), u64::try_from(left).unwrap_or(0));
        let moved = Moved { group, passed, left };
        Ok(Redriven { trial, written: Some(Written { rows, again, moved }) })
    }

    /// Becomes the owner of each partition.
    fn claim(&self) -> Result<Lanes, ThroughError> {
        let (_, _, backlog) = self.open()?;
        let (reports, received) = Reports::to_this_thread();
        let lane = |partition: &Partition| Lane { partition: Some(*partition), epoch: 0 };
        let open = |partition: &Partition| {
            (*partition, self.sink.open(lane(partition), Start::Fresh, reports.clone()))
        };
        let lanes = Lanes {
            writers: backlog.read.keys().map(open).collect(),
            reports: received,
            shutdown: self.letters.shutdown.clone(),
        };
        for _ in 0..lanes.writers.len() {
            lanes.wait(|_, report| matches!(report, Report::Ready { .. }).then_some(()))?;
        }
        Ok(lanes)
    }

    fn copies(&self, parts: &TopicParts, spans: &[Part]) -> Result<Copies, ThroughError> {
        let mut copies = Copies::default();
        self.letters.each(parts, spans, &mut |event| copies.add(event, &self.round.screening))?;
        Ok(copies)
    }

    /// What would become of the letters.
    fn survey(
        &mut self,
        parts: &TopicParts,
        spans: &[Part],
        copies: &Copies,
    ) -> Result<Survey, ThroughError> {
        let mut survey = Survey::default();
        let round = &mut self.round;
        self.letters.each(parts, spans, &mut |event| survey.add(event, copies, round))?;
        Ok(survey)
    }

    fn hand_over(
        &mut self,
        parts: &TopicParts,
        spans: &[Part],
        copies: &Copies,
        lanes: Lanes,
        reader: &TopicReader,
    ) -> Result<Account, ThroughError> {
        let (letters, metrics) = (&self.letters, &self.metrics);
        let reader = (!self.sink.commits_to_group()).then_some(reader);
        let out = Storing { lanes, parts, reader, letters, metrics, batches: 0 };
        let mut handover = Handover::new(&mut self.round, copies, &self.records, out);
        (handover.limit, handover.pacing) = (self.limit, self.pacing.take());
        handover.leaves_marks = letters.has_marks;
        for part in spans {
            handover.begin(part.partition, part.from);
            let both = std::cell::RefCell::new((&mut handover, Ok(())));
            let mut take = |event: &Event<'_>| {
                let (handover, failed) = &mut *both.borrow_mut();
                if failed.is_ok() && !handover.is_done() {
                    *failed = handover.take(event);
                }
            };
            let mut turn = || {
                let (handover, failed) = &mut *both.borrow_mut();
                if failed.is_ok() {
                    *failed = handover.turn();
                }
                match failed.is_err() || handover.is_done() {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            };
            let read = parts.read(&[*part], &mut take, &mut turn);
            let (_, stored) = both.into_inner();
            stored?;
            read.map_err(|error| letters.failed(error))?;
            if handover.is_done() {
                handover.store()?;
                break;
            }
            handover.end(part.to)?;
        }
        Ok(handover.account)
    }

    fn open(&self) -> Result<(TopicParts, TopicReader, Backlog), ThroughError> {
        self.letters.open().map_err(|error| self.letters.failed(error))
    }
}

impl LetterTopic {
    /// Reads partition after partition.
    fn each(
        &self,
        parts: &TopicParts,
        spans: &[Part],
        take: &mut dyn FnMut(&Event<'_>),
    ) -> Result<(), ThroughError> {
        for part in spans {
            let read = parts.read(&[*part], take, &mut || ControlFlow::Continue(()));
            read.map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    fn failed(&self, error: TopicError) -> ThroughError {
        match error {
            TopicError::Stopped => ThroughError::Interrupted,
            // Brokers that are away are not asked again after a signal.
            TopicError::Ask { .. } if self.shutdown.requested() => ThroughError::Interrupted,
            error => ThroughError::Stop(self.stop(error)),
        }
    }
}

/// The sink's writers, one a partition.
struct Lanes {
    writers: BTreeMap<Partition, Writer>,
    reports: Receiver<(Lane, Report)>,
    shutdown: Shutdown,
}

impl Lanes {
    /// Waits for a report.
    fn wait<T>(&self, mut is: impl FnMut(Lane, Report) -> Option<T>) -> Result<T, ThroughError> {
        loop {
            if self.shutdown.requested() {
                return Err(ThroughError::Interrupted);
            }
            match self.reports.recv_timeout(POLL) {
                Ok((_, Report::Fenced)) => return Err(ThroughError::TakenOver),
                Ok((_, Report::Failed(stop))) => return Err(stop.into()),
                Ok((lane, report)) => {
                    if let Some(found) = is(lane, report) {
                        return Ok(found);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(error @ RecvTimeoutError::Disconnected) => {
                    return Err(Stop::new("write rows", "please report this", error).into());
                }
            }
        }
    }
}

/// Stores batches in the sink.
struct Storing<'a> {
    lanes: Lanes,
    parts: &'a TopicParts,
    /// Commits the letters' group, where the sink does not.
    reader: Option<&'a TopicReader>,
    letters: &'a LetterTopic,
    metrics: &'a Metrics,
    batches: u64,
}

impl Out for Storing<'_> {
    type Error = ThroughError;

    fn store(
        &mut self,
        partition: Partition,
        batch: Stored,
    ) -> Result<Vec<Rejected>, ThroughError> {
        self.batches += 1;
        let (id, letters) = (BatchId(self.batches), batch.again.len());
        let Stored { rows, again, first, next } = batch;
        let span = Span { partition, first, reached: Reached::at(next) };
        let batch = Batch {
            id,
            spans: vec![span],
            rows,
            letters: again,
            oldest_ms: None,
            note: String::new(),
            limit: DeadLimit::default(),
        };
        if let Some(writer) = self.lanes.writers.get(&partition) {
            writer.send(Command::Append(batch));
        }
        let mut rejected = self.lanes.wait(|lane, report| match report {
            Report::Settled { batch, letters, .. } => {
                (batch == id && lane.partition == Some(partition)).then_some(letters)
            }
            _ => None,
        })?;
        if let Some(reader) = self.reader {
            let behind = Offsets::from([(partition, next)]);
            let moved = self.parts.commit(reader, &behind);
            moved.map_err(|error| match self.letters.failed(error) {
                ThroughError::Stop(stop) => self.letters.not_moved(stop).into(),
                error => error,
            })?;
        }
        self.metrics.caught_up.inc_by(next.0 - first.0);
        // Those of rows come behind those that were sent.
        Ok(rejected.split_off(letters.min(rejected.len())))
    }
}
