//! A lane's writer: one task that appends the lane's rows, flushes what commits promise, and has
//! dead letters delivered. The append loop itself is [`super::appender`].

mod background;
mod finished;

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use tonic::transport::Channel;

use self::finished::Finished;
use super::appender::{Appended, Appender};
use super::stream::StreamName;
use super::target::Target;
use crate::sink::{Batch, BatchId, Command, DeadLimit, Lane, Report, Reports, Start, Writer};
use crate::stop::Stop;

/// Starts the task. It ends with the handle, or with a permanent error, which it reports.
pub fn spawn(target: Arc<Target>, lane: Lane, start: Start, reports: Reports) -> Writer {
    let (commands, inbox) = unbounded_channel();
    let task = Task::new(target, lane, reports.clone());
    tokio::spawn(async move {
        if let Err(stop) = task.run(start, inbox).await {
            reports.send(lane, Report::Failed(stop));
        }
    });
    Writer::new(commands)
}

struct Task {
    target: Arc<Target>,
    lane: Lane,
    reports: Reports,
    channel: Channel,
    appender: Appender,
    /// What batches that are not settled may have of dead letters, and how many they have, where that
    /// is limited.
    limited: HashMap<BatchId, (DeadLimit, usize)>,
    /// The appender's stream, where no commit names it any more and no row has gone to it since.
    unnamed: Option<StreamName>,
    /// Flushes and deliveries of dead letters.
    background: JoinSet<Result<Finished, Stop>>,
}

impl Task {
    fn new(target: Arc<Target>, lane: Lane, reports: Reports) -> Self {
        // A connection of its own: BigQuery limits what one carries.
        let channel = target.bigquery.channel();
        let (bigquery, rows) = (target.bigquery.clone(), target.rows.clone());
        let appender = Appender::new(bigquery, channel.clone(), rows);
        let (limited, background) = (HashMap::new(), JoinSet::new());
        Self { target, lane, reports, channel, appender, limited, unnamed: None, background }
    }

    async fn run(
        mut self,
        start: Start,
        mut inbox: UnboundedReceiver<Command>,
    ) -> Result<(), Stop> {
        match start {
            Start::Flush(promise) => self.flush(promise.into(), Finished::Recovery),
            Start::Fresh if self.lane.partition.is_some() => self.report_ready(),
            Start::Fresh => {}
        }
        loop {
            let sent = self.appender.send().await?;
            self.appended(sent)?;
            tokio::select! {
                command = inbox.recv() => match command {
                    None => {
                        self.unnamed.take().into_iter().for_each(|stream| self.finalize(stream));
                        return Ok(());
                    }
                    Some(Command::Append(batch)) => self.append(batch),
                    Some(Command::Flush(promise)) => {
                        let finished = Finished::Flush(promise.clone());
                        self.flush(promise.into(), finished);
                    }
                    Some(Command::Retire(promise)) => self.retire(promise.into()),
                },
                appended = self.appender.next() => self.appended(appended?)?,
                Some(finished) = self.background.join_next(), if !self.background.is_empty() => {
                    let lost = |error| Stop::new(
                        "run a task of a writer",
                        "please report this with the log around it",
                        error,
                    );
                    self.finished(finished.map_err(lost)??);
                }
            }
        }
    }

    /// Takes a batch on: its rows join the queue, its dead letters leave at once.
    fn append(&mut self, batch: Batch) {
        if batch.limit != DeadLimit::default() {
            self.limited.insert(batch.id, (batch.limit, batch.letters.len()));
        }
        if !batch.rows.is_empty() {
            self.unnamed = None;
        }
        self.appender.admit(batch.id, batch.rows, !batch.letters.is_empty());
        if !batch.letters.is_empty() {
            self.deliver(batch.id, batch.letters);
        }
        self.report_settled();
    }

    fn appended(&mut self, appended: Appended) -> Result<(), Stop> {
        let metrics = self.target.bigquery.metrics();
        match appended {
            Appended::Acknowledged(after) => {
                metrics.append_seconds.observe(after.as_secs_f64());
                self.report_settled();
            }
            Appended::Retrying(why) => {
                metrics.append_retries.inc();
                self.report(Report::Waiting(why));
            }
            Appended::Refused { batch, rows } => {
                if let Some((limit, letters)) = self.limited.get_mut(&batch) {
                    let first = rows.first().map(|row| (row.at, row.message.as_str()));
                    limit.check_refused(*letters, rows.len(), first)?;
                    *letters += rows.len();
                }
                self.deliver_refused(batch, rows);
                self.report_settled();
            }
            Appended::Nothing => {}
        }
        Ok(())
    }

    fn report_settled(&mut self) {
        while let Some(settled) = self.appender.settled() {
            self.limited.remove(&settled.batch);
            self.report(Report::Settled {
                batch: settled.batch,
                promise: settled.place.map(Into::into),
                rows: settled.rows,
                bytes: settled.bytes,
                letters: settled.letters,
            });
        }
    }

    /// BigQuery keeps no offsets of Kafka's.
    fn report_ready(&self) {
        self.report(Report::Ready { stored: None });
    }

    fn report(&self, report: Report) {
        self.reports.send(self.lane, report);
    }
}

#[cfg(all(test, feature = "local"))]
#[path = "writer_tests/mod.rs"]
mod tests;
