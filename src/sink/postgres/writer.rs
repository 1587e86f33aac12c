//! A lane's writer: one task that claims its partition and then stores one batch after another.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::errors::{PgError, Verdict};
use super::offsets::{Outcome, Owned};
use super::pool::within;
use super::refused::{self, Refused};
use super::target::{Letters, Target};
use super::transaction::{self, Failed, Parts};
use crate::error_chain::chain;
use crate::record::{DeadLetter, Partition};
use crate::retry::Backoff;
use crate::row::RowBuffer;
use crate::sink::dead_letter::letter_row::Kept;
use crate::sink::reread::letter_of_refused_row;
use crate::sink::{Batch, Command, DeadLimit, Lane, Report, Reports, StoredOffset, Writer};
use crate::stop::Stop;
use crate::telemetry::Waits;

/// How long a writer without work waits before it looks at its offset.
const IDLE: Duration = Duration::from_secs(30);

/// Starts the task. It ends with the handle, with a permanent error, which it reports, or when
/// another writer owns the partition.
pub(super) fn spawn(target: Arc<Target>, lane: Lane, reports: Reports) -> Writer {
    let (commands, inbox) = unbounded_channel();
    // Every lane of this sink has one.
    let partition = lane.partition.unwrap_or(Partition(0));
    let token = format!("{:032x}", rand::random::<u128>());
    let owned = Owned { partition, token, stored: None };
    let mut task = Task { target, lane, reports, owned };
    tokio::spawn(async move {
        let report = match task.run(inbox).await {
            Ok(Ended::Closed) => return,
            Ok(Ended::Fenced) => Report::Fenced,
            Err(stop) => Report::Failed(stop),
        };
        task.report(report);
    });
    Writer::new(commands)
}

struct Task {
    target: Arc<Target>,
    lane: Lane,
    reports: Reports,
    owned: Owned,
}

/// Why a writer ends well.
enum Ended {
    /// Nobody sends it commands any more.
    Closed,
    Fenced,
}

/// What is left to store of a batch.
struct Work {
    rows: RowBuffer,
    letters: Vec<DeadLetter>,
    next: StoredOffset,
    /// So many of the letters are durable already, where they do not go into the transaction.
    sent: usize,
    /// The letters that the database refuses with parts of their records, by their indices.
    bare: BTreeSet<usize>,
    limit: DeadLimit,
}

impl Work {
    /// The letters, each with how much of its record it holds.
    fn letters(&self) -> impl Iterator<Item = (&DeadLetter, Kept)> {
        self.letters.iter().enumerate().map(|(index, letter)| {
            let kept = if self.bare.contains(&index) { Kept::Position } else { Kept::MIB };
            (letter, kept)
        })
    }
}

impl Task {
    async fn run(&mut self, mut inbox: UnboundedReceiver<Command>) -> Result<Ended, Stop> {
        self.owned.stored = self.claim().await?;
        self.report(Report::Ready { stored: self.owned.stored.clone() });
        loop {
            let Ok(command) = tokio::time::timeout(IDLE, inbox.recv()).await else {
                match self.is_as_left().await? {
                    true => continue,
                    false => return Ok(Ended::Fenced),
                }
            };
            match command {
                None => return Ok(Ended::Closed),
                Some(Command::Append(batch)) => {
                    if !self.append(batch).await? {
                        return Ok(Ended::Fenced);
                    }
                }
                // Rows are visible as soon as they are stored, so there are no promises.
                Some(Command::Flush(_) | Command::Retire(_)) => {}
            }
        }
    }

    async fn claim(&self) -> Result<Option<StoredOffset>, Stop> {
        let Target { offsets, connections, .. } = &*self.target;
        self.answered("claim a partition", || async {
            offsets.claim(connections.get().await?, &self.owned).await
        })
        .await
    }

    /// Asks the database until it answers.
    async fn answered<T, Answer>(
        &self,
        operation: &'static str,
        ask: impl Fn() -> Answer,
    ) -> Result<T, Stop>
    where
        Answer: Future<Output = Result<T, PgError>>,
    {
        let mut backoff = backoff();
        loop {
            match within(operation, ask()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => self.retry(error, &mut backoff).await?,
            }
        }
    }

    /// Whether the database still has what this writer read or wrote last. A standby server that took
    /// over without the latest transactions took rows and offset back together.
    async fn is_as_left(&self) -> Result<bool, Stop> {
        let Target { offsets, connections, .. } = &*self.target;
        self.answered("read an offset", || async {
            offsets.is_as_left(connections.get().await?, &self.owned).await
        })
        .await
    }

    /// Stores a batch. False where another writer owns the partition.
    async fn append(&mut self, batch: Batch) -> Result<bool, Stop> {
        let Some(span) = batch.spans.last() else { return Ok(true) };
        let next = StoredOffset { next: span.reached.next, note: batch.note.clone() };
        let (id, began) = (batch.id, Instant::now());
        let Batch { rows, letters, limit, .. } = batch;
        let mut work = Work { rows, letters, next, sent: 0, bare: BTreeSet::new(), limit };
        if !self.store(&mut work).await? {
            return Ok(false);
        }
        self.target.metrics.append_seconds.observe(began.elapsed().as_secs_f64());
        self.owned.stored = Some(work.next);
        self.report(Report::Settled {
            batch: id,
            promise: None,
            rows: work.rows.len(),
            bytes: work.rows.bytes(),
            letters: work.letters.iter().map(DeadLetter::rejected).collect(),
        });
        Ok(true)
    }

    /// Stores rows, letters and offset, however often that takes. False as in `append`.
    async fn store(&self, work: &mut Work) -> Result<bool, Stop> {
        let mut backoff = backoff();
        loop {
            let parts = self.parts(work).await?;
            let Err(failed) = transaction::store(&self.target, &self.owned, &parts).await else {
                return Ok(true);
            };
            let moved = failed.is_moved();
            match (failed.error().verdict(), failed) {
                _ if moved => {}
                (Verdict::Refused, Failed::Letters(error)) => {
                    self.take_bare(work, error).await?;
                    continue;
                }
                (Verdict::Refused, Failed::Rows(_)) if self.take_refused(work).await? => continue,
                (Verdict::Refused, Failed::Commit(error)) => {
                    let hint = "look at the constraints and triggers of the table of offsets";
                    return Err(error.stop("store an offset", hint));
                }
                (
                    Verdict::Refused | Verdict::Retry | Verdict::Stop(_),
                    Failed::Rows(error) | Failed::Letters(error) | Failed::Commit(error),
                ) => self.retry(error, &mut backoff).await?,
            }
            match self.outcome(&work.next).await? {
                Outcome::Stored => return Ok(true),
                Outcome::NotStored => {}
                Outcome::Fenced => return Ok(false),
            }
        }
    }

    /// The messages of a transaction. Rows that do not fit their columns become letters on the way.
    async fn parts(&self, work: &mut Work) -> Result<Parts, Stop> {
        let encoded = loop {
            let (message, unfit) = self.target.rows.message(&work.rows, 0..work.rows.len());
            if unfit.is_empty() {
                break (!work.rows.is_empty()).then(|| message.freeze());
            }
            self.reject(work, refused::unfit(unfit)).await?;
        };
        let letters = match &self.target.letters {
            _ if work.letters.is_empty() => None,
            Letters::Table { rows, about, .. } => {
                let now = self.target.clock.now_micros();
                let letters = about.rows(rows.columns(), work.letters(), now);
                let (message, _) = rows.message(&letters, 0..letters.len());
                Some(message.freeze())
            }
            Letters::Elsewhere(letters) => {
                let (lane, reports) = (self.lane, self.reports.clone());
                let on_retry = move || reports.send(lane, Report::Waiting(Waits::Away));
                letters.send(&work.letters[work.sent..], &on_retry).await?;
                work.sent = work.letters.len();
                None
            }
        };
        Ok(Parts { rows: encoded, letters, next: work.next.clone() })
    }

    /// Finds the rows that the database refuses, and makes letters of them. False where it refuses
    /// none of them any more.
    async fn take_refused(&self, work: &mut Work) -> Result<bool, Stop> {
        let Target { connections, rows, .. } = &*self.target;
        let mut backoff = backoff();
        let refused = loop {
            match refused::find(connections, rows, &work.rows).await {
                Ok(refused) => break refused,
                Err(error) => self.retry(error, &mut backoff).await?,
            }
        };
        let found = !refused.is_empty();
        self.reject(work, refused).await?;
        Ok(found)
    }

    /// Finds the letters that the database refuses: each is written without the parts of its record, and
    /// no other is.
    async fn take_bare(&self, work: &mut Work, error: PgError) -> Result<(), Stop> {
        let Letters::Table { rows, about, .. } = &self.target.letters else { return Ok(()) };
        let mut backoff = backoff();
        let refused = loop {
            let now = self.target.clock.now_micros();
            let letters = about.rows(rows.columns(), work.letters(), now);
            match refused::find(&self.target.connections, rows, &letters).await {
                Ok(refused) => break refused,
                Err(error) => self.retry(error, &mut backoff).await?,
            }
        };
        if refused.is_empty() {
            // It refuses none of them any more.
            return self.retry(error, &mut backoff).await;
        }
        for Refused { index, detail } in refused {
            let at = work.letters.get(index).map(|letter| letter.at);
            if !work.bare.insert(index) {
                let hint = "look at the constraints of their table";
                return Err(error.stop("write dead letters", hint));
            }
            let at = at.map(|at| at.to_string());
            tracing::warn!(at, detail, "a dead letter is written without the parts of its record");
        }
        Ok(())
    }

    /// Takes rows out of the work; their records become letters. They are read from Kafka again,
    /// because their values were not kept.
    async fn reject(&self, work: &mut Work, mut refused: Vec<Refused>) -> Result<(), Stop> {
        refused.sort_unstable_by_key(|one| one.index);
        let indices: Vec<usize> = refused.iter().map(|one| one.index).collect();
        let rows: Vec<_> = work.rows.rows().collect();
        let first = refused.first().and_then(|one| {
            let (at, _) = rows.get(one.index)?;
            Some((*at, one.detail.as_str()))
        });
        work.limit.check_refused(work.letters.len(), refused.len(), first)?;
        for Refused { index, detail } in refused {
            let Some(row) = rows.get(index).copied() else { continue };
            let (reread, columns) = (&*self.target.reread, self.target.rows.columns());
            work.letters.push(letter_of_refused_row(reread, columns, row, detail).await);
            // Reading may take a minute for each record while the broker is away.
            self.report(Report::Waiting(Waits::Away));
        }
        work.rows = work.rows.without(&indices);
        Ok(())
    }

    /// What became of a transaction: asked until the database answers.
    async fn outcome(&self, next: &StoredOffset) -> Result<Outcome, Stop> {
        let Target { offsets, connections, .. } = &*self.target;
        self.answered("read an offset", || async {
            offsets.outcome(connections.get().await?, &self.owned, next).await
        })
        .await
    }

    /// Waits before another try, or stops where none will help.
    async fn retry(&self, error: PgError, backoff: &mut Backoff) -> Result<(), Stop> {
        if let Verdict::Stop(hint) = error.verdict() {
            return Err(error.stop(format!("write to the table {}", self.target.table), hint));
        }
        tracing::warn!(error = chain(&error), table = %self.target.table, "retrying");
        self.target.metrics.append_retries.inc();
        self.report(Report::Waiting(Waits::Away));
        tokio::time::sleep(backoff.pause()).await;
        Ok(())
    }

    fn report(&self, report: Report) {
        self.reports.send(self.lane, report);
    }
}

fn backoff() -> Backoff {
    Backoff::new(Duration::from_millis(50), Duration::from_secs(10))
}
