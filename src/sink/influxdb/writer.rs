//! The writer of all partitions: one task that writes what is queued, request after request.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use futures_util::stream::{self, StreamExt};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::lines::{Lines, Origin};
use super::points::TimeOf;
use super::target::{Letters, Target};
use super::write::{Destination, Waiting};
use crate::record::DeadLetter;
use crate::sink::reread::letter_of_refused_row;
use crate::sink::{Batch, Command, Lane, Report, Reports, Writer};
use crate::stop::Stop;
use crate::telemetry::Waits;

/// Batches that wait are written together up to this size: a server takes one request of thousands of
/// points more easily than many small ones.
const MOST_POINTS: usize = 10_000;
const MOST_BYTES: usize = 1 << 20;

/// Records of refused rows that are read again at the same time: each takes tens of milliseconds, and
/// a retention policy may refuse thousands.
const READ_AT_A_TIME: usize = 8;

/// Starts the task. It ends with the handle, or with a permanent error, which it reports.
pub fn spawn(target: Arc<Target>, lane: Lane, reports: Reports) -> Writer {
    let (commands, inbox) = unbounded_channel();
    let task = Task { target, lane, reports };
    tokio::spawn(async move {
        if let Err(stop) = task.run(inbox).await {
            task.report(Report::Failed(stop));
        }
    });
    Writer::new(commands)
}

struct Task {
    target: Arc<Target>,
    lane: Lane,
    reports: Reports,
}

/// A row that cannot be written.
struct RefusedRow {
    origin: Origin,
    detail: String,
}

impl Task {
    async fn run(&self, mut inbox: UnboundedReceiver<Command>) -> Result<(), Stop> {
        if self.lane.partition.is_some() {
            self.report(Report::Ready { stored: None });
        }
        let mut queue = VecDeque::new();
        loop {
            let Some(command) = inbox.recv().await else { return Ok(()) };
            queue.extend(batch(command));
            while let Ok(command) = inbox.try_recv() {
                queue.extend(batch(command));
            }
            while !queue.is_empty() {
                let mut written = pin!(self.write(together(&mut queue)));
                loop {
                    tokio::select! {
                        written = &mut written => break written?,
                        // Whoever drops the handle wants nothing more to be written.
                        command = inbox.recv() => match command {
                            None => return Ok(()),
                            Some(command) => queue.extend(batch(command)),
                        },
                    }
                }
            }
        }
    }

    /// Makes batches and their dead letters durable, however often that takes, and reports each.
    async fn write(&self, mut batches: Vec<Batch>) -> Result<(), Stop> {
        let began = Instant::now();
        let waiting = |waiting: Waiting| {
            if waiting == Waiting::Retrying {
                self.target.metrics.append_retries.inc();
            }
            self.report(Report::Waiting(Waits::Away));
        };
        let Target { client, name, points, .. } = &*self.target;
        let to = Destination { client, target: name, waiting: &waiting };
        let mut lines = Lines::default();
        let mut refused = Vec::new();
        for (place, batch) in batches.iter().enumerate() {
            let failed = points.append(place, &batch.rows, TimeOf::Row, &mut lines);
            refused.extend(failed.into_iter().map(|(origin, error)| RefusedRow {
                origin,
                detail: format!("the row cannot be a point: {error}"),
            }));
        }
        let by_server = to.write(&lines).await?.into_iter();
        refused.extend(
            by_server.map(|one| RefusedRow { origin: lines.origin(one.line), detail: one.detail }),
        );
        drop(lines);
        self.reject(&mut batches, refused).await?;
        let (mut letters, mut rejected) = (Vec::new(), Vec::new());
        for batch in &mut batches {
            rejected.push(batch.letters.iter().map(DeadLetter::rejected).collect());
            letters.append(&mut batch.letters);
        }
        self.deliver(&letters, &waiting).await?;
        self.target.metrics.append_seconds.observe(began.elapsed().as_secs_f64());
        for (batch, letters) in batches.into_iter().zip(rejected) {
            self.report(Report::Settled {
                batch: batch.id,
                promise: None,
                rows: batch.rows.len(),
                bytes: batch.rows.bytes(),
                letters,
            });
        }
        Ok(())
    }

    /// Takes rows out of their batches; their records become letters. They are read from Kafka again,
    /// because their values were not kept.
    async fn reject(
        &self,
        batches: &mut [Batch],
        mut refused: Vec<RefusedRow>,
    ) -> Result<(), Stop> {
        refused.sort_unstable_by_key(|one| one.origin);
        for (place, batch) in batches.iter_mut().enumerate() {
            let of_batch: Vec<&RefusedRow> =
                refused.iter().filter(|one| one.origin.batch == place).collect();
            if of_batch.is_empty() {
                continue;
            }
            let rows: Vec<_> = batch.rows.rows().collect();
            let first = of_batch.first().map(|one| (rows[one.origin.row].0, one.detail.as_str()));
            batch.limit.check_refused(batch.letters.len(), of_batch.len(), first)?;
            let letters = of_batch.iter().map(|RefusedRow { origin, detail }| {
                let (reread, columns) = (&*self.target.reread, self.target.points.columns());
                letter_of_refused_row(reread, columns, rows[origin.row], detail.clone())
            });
            // Collected first: the compiler cannot see that the iterator may be sent between threads.
            let letters: Vec<_> = letters.collect();
            let mut letters = stream::iter(letters).buffered(READ_AT_A_TIME);
            while let Some(letter) = letters.next().await {
                batch.letters.push(letter);
                // Reading may take a minute for each record while the broker is away.
                self.report(Report::Waiting(Waits::Away));
            }
            drop(letters);
            let indices: Vec<usize> = of_batch.iter().map(|one| one.origin.row).collect();
            batch.rows = batch.rows.without(&indices);
        }
        Ok(())
    }

    async fn deliver(
        &self,
        letters: &[DeadLetter],
        waiting: &(dyn Fn(Waiting) + Send + Sync),
    ) -> Result<(), Stop> {
        if letters.is_empty() {
            return Ok(());
        }
        let Target { client, letters: to, clock, .. } = &*self.target;
        match to {
            Letters::Measurement(name, points) => {
                let to = Destination { client, target: name, waiting };
                points.send(letters, clock.now_micros(), &to).await
            }
            Letters::Elsewhere(to) => {
                let (lane, reports) = (self.lane, self.reports.clone());
                to.send(letters, &move || reports.send(lane, Report::Waiting(Waits::Away))).await
            }
        }
    }

    fn report(&self, report: Report) {
        self.reports.send(self.lane, report);
    }
}

/// The batch of a command. Points are visible as soon as they are written, so there are no promises to
/// flush or to retire.
fn batch(command: Command) -> Option<Batch> {
    match command {
        Command::Append(batch) => Some(batch),
        Command::Flush(_) | Command::Retire(_) => None,
    }
}

/// Takes the batches that are written together: the first, and more while they are small.
fn together(queue: &mut VecDeque<Batch>) -> Vec<Batch> {
    let (mut points, mut bytes) = (0, 0);
    let mut taken = Vec::new();
    while let Some(next) = queue.front() {
        points += next.rows.len();
        bytes += next.rows.bytes();
        if !taken.is_empty() && (points > MOST_POINTS || bytes > MOST_BYTES) {
            break;
        }
        taken.extend(queue.pop_front());
    }
    taken
}
