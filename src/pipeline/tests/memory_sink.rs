//! A sink in memory that behaves in each of the three ways a sink may, and fails on purpose: it
//! answers late, is away, carries a call out and loses the answer, refuses for good, or hands a
//! partition to another owner.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::record::{DeadLetter, Offset, Partition, Position, Reason, Rejected, Rejection};
use crate::sink::{
    Batch, Command, Durability, Lane, Promise, Report, Reports, Sink, SinkName, Start,
    StoredOffset, Writer,
};
use crate::stop::Stop;
use crate::telemetry::Waits;

pub const NAME: SinkName = SinkName("memory");

/// What outlives an instance: the place where rows are.
#[derive(Default)]
pub struct Store {
    /// Rows that readers see, but for those of flushed series.
    rows: Vec<Position>,
    pub letters: Vec<(Position, Reason)>,
    /// [`Durability::Promised`]: what was appended, and how much of it is flushed.
    pub series: BTreeMap<Arc<str>, Series>,
    /// [`Durability::Stored`]: next offset and owner of each partition.
    pub offsets: BTreeMap<Partition, Stored>,
    /// Appends and stores carried out.
    pub calls: usize,
}

#[derive(Debug, Default)]
pub struct Series {
    rows: Vec<Position>,
    flushed: usize,
    pub retired: bool,
}

#[derive(Debug, Default, Clone)]
pub struct Stored {
    pub next: Option<Offset>,
    pub note: String,
    /// Number of the claim that owns it.
    pub owner: u64,
}

/// Which faults occur. Shares are probabilities of a call.
pub struct Faults {
    pub dice: StdRng,
    /// Not carried out; retried.
    pub away: f64,
    /// Carried out without an answer; retried.
    pub lost: f64,
    pub late: f64,
    /// Refuses appends for good once so many calls were carried out.
    pub fail_after: Option<usize>,
    /// Refuses flushes for good.
    pub fail_flushes: bool,
    /// Appends wait as long as this is true.
    pub hold: bool,
    /// Rows of this offset become dead letters.
    pub refused: Option<Offset>,
    /// All rows become dead letters.
    pub refuse_all: bool,
}

/// The sink of one instance. Clones of the store are shared with others.
pub struct MemorySink {
    durability: Durability,
    pub store: Arc<Mutex<Store>>,
    pub faults: Arc<Mutex<Faults>>,
}

impl Store {
    /// Rows that readers see, in order of their positions.
    pub fn visible(&self) -> Vec<Position> {
        let flushed = self.series.values().flat_map(|series| &series.rows[..series.flushed]);
        let mut visible: Vec<Position> = self.rows.iter().chain(flushed).copied().collect();
        visible.sort_unstable();
        visible
    }

    fn claim(&mut self, partition: Partition) -> Stored {
        let claims: u64 = self.offsets.values().map(|stored| stored.owner).max().unwrap_or(0);
        let stored = self.offsets.entry(partition).or_default();
        stored.owner = claims + 1;
        stored.clone()
    }
}

impl Faults {
    pub fn none() -> Self {
        Self::seeded(0, 0.0)
    }

    /// Every kind of passing fault in this share of calls.
    pub fn seeded(seed: u64, share: f64) -> Self {
        Self {
            dice: StdRng::seed_from_u64(seed),
            away: share,
            lost: share,
            late: share,
            fail_after: None,
            fail_flushes: false,
            hold: false,
            refused: None,
            refuse_all: false,
        }
    }
}

impl MemorySink {
    pub fn new(durability: Durability, store: Arc<Mutex<Store>>, faults: Faults) -> Self {
        Self { durability, store, faults: Arc::new(Mutex::new(faults)) }
    }
}

impl Sink for MemorySink {
    fn name(&self) -> SinkName {
        NAME
    }

    fn target(&self) -> String {
        "memory".to_owned()
    }

    fn dead_letters(&self) -> String {
        "memory too".to_owned()
    }

    fn durability(&self) -> Durability {
        self.durability
    }

    fn setting_offsets(&self) -> String {
        "set the sink's offset".to_owned()
    }

    fn open(&self, lane: Lane, start: Start, reports: Reports) -> Writer {
        let (commands, inbox) = unbounded_channel();
        let task = Task {
            durability: self.durability,
            store: self.store.clone(),
            faults: self.faults.clone(),
            lane,
            reports,
            series: Arc::from(format!("{:016x}", rand::random::<u64>())),
            appended: 0,
            unnamed: false,
            owned: Stored::default(),
        };
        tokio::spawn(task.run(start, inbox));
        Writer::new(commands)
    }
}

struct Task {
    durability: Durability,
    store: Arc<Mutex<Store>>,
    faults: Arc<Mutex<Faults>>,
    lane: Lane,
    reports: Reports,
    /// A series of its own for every lane, and its rows so far.
    series: Arc<str>,
    appended: usize,
    /// No commit names the series any more, and no row has gone to it since.
    unnamed: bool,
    /// The claim of this lane, and the next offset that it expects.
    owned: Stored,
}

/// Why a task ends early.
enum End {
    Failed(&'static str),
    Stopped(Stop),
    Fenced,
}

impl Task {
    async fn run(mut self, start: Start, mut inbox: UnboundedReceiver<Command>) {
        let ended = match self.start(start).await {
            Ok(()) => loop {
                let Some(command) = inbox.recv().await else {
                    if self.unnamed {
                        self.retire(&self.series);
                    }
                    return;
                };
                if let Err(end) = self.carry_out(command).await {
                    break end;
                }
            },
            Err(end) => end,
        };
        self.report(match ended {
            End::Failed(what) => Report::Failed(Stop {
                what: what.to_owned(),
                hint: "a hint".to_owned(),
                source: None,
            }),
            End::Stopped(stop) => Report::Failed(stop),
            End::Fenced => Report::Fenced,
        });
        // A writer that has reported its end ignores what it is still asked.
        while inbox.recv().await.is_some() {}
    }

    async fn start(&mut self, start: Start) -> Result<(), End> {
        if let Start::Flush(promise) = start {
            self.flush(&promise).await?;
        }
        let Some(partition) = self.lane.partition else { return Ok(()) };
        if self.durability == Durability::Stored {
            self.owned = self.call(|store| store.claim(partition)).await;
        }
        let Stored { next, note, .. } = self.owned.clone();
        self.report(Report::Ready { stored: next.map(|next| StoredOffset { next, note }) });
        Ok(())
    }

    async fn carry_out(&mut self, command: Command) -> Result<(), End> {
        match command {
            Command::Append(batch) => self.append(batch).await,
            Command::Flush(promise) => {
                self.flush(&promise).await?;
                self.report(Report::Flushed(promise));
                Ok(())
            }
            // As BigQuery's writer does: the series that rows may still go to stays open.
            Command::Retire(promise) if *promise.series() == self.series => {
                self.unnamed = true;
                Ok(())
            }
            Command::Retire(promise) => {
                self.retire(promise.series());
                Ok(())
            }
        }
    }

    fn retire(&self, series: &Arc<str>) {
        if let Some(series) = self.store().series.get_mut(series) {
            series.retired = true;
        }
    }

    async fn append(&mut self, batch: Batch) -> Result<(), End> {
        while self.faults().hold && !(batch.rows.is_empty() && batch.letters.is_empty()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let done = self.store().calls;
        if self.faults().fail_after.is_some_and(|most| done >= most) {
            return Err(End::Failed("append to memory"));
        }
        let mut rejected: Vec<Rejected> = batch.letters.iter().map(DeadLetter::rejected).collect();
        let Faults { refused, refuse_all: all, .. } = *self.faults();
        let (refused, positions): (Vec<Position>, Vec<Position>) =
            batch.rows.positions().iter().partition(|at| all || Some(at.offset) == refused);
        rejected.extend(refused.into_iter().map(|at| {
            let rejection = Rejection::new(Reason::RowError, "refused".to_owned(), None);
            Rejected { at, rejection }
        }));
        let why = || "the sink refuses them".to_owned();
        batch.limit.check(rejected.len(), why).map_err(End::Stopped)?;
        let letters: Vec<(Position, Reason)> =
            rejected.iter().map(|letter| (letter.at, letter.rejection.reason)).collect();
        self.call(|store| store.letters.extend(&letters)).await;
        self.unnamed &= positions.is_empty();
        let promise = match self.durability {
            Durability::Visible => {
                self.call(|store| {
                    store.calls += 1;
                    store.rows.extend(&positions);
                })
                .await;
                None
            }
            Durability::Promised => {
                let (name, at) = (self.series.clone(), self.appended);
                self.call(|store| {
                    store.calls += 1;
                    let series = store.series.entry(name.clone()).or_default();
                    // The same rows at the same place: a repeated call changes nothing.
                    series.rows.truncate(at);
                    series.rows.extend(&positions);
                })
                .await;
                self.appended += positions.len();
                (!positions.is_empty()).then(|| Promise::new(NAME, name, self.appended as u64))
            }
            Durability::Stored => {
                self.store_with_offset(&batch, &positions).await?;
                None
            }
        };
        self.report(Report::Settled {
            batch: batch.id,
            promise,
            rows: positions.len(),
            bytes: batch.rows.bytes(),
            letters: rejected,
        });
        Ok(())
    }

    /// Rows and the next offset in one step, as a transaction with a compare-and-set would.
    async fn store_with_offset(&mut self, batch: &Batch, rows: &[Position]) -> Result<(), End> {
        let [span] = batch.spans[..] else { panic!("one partition a lane") };
        let Stored { next: expected, owner, .. } = self.owned;
        let stored = self
            .call(|store| {
                store.calls += 1;
                let Some(stored) = store.offsets.get_mut(&span.partition) else { return false };
                if stored.owner != owner {
                    return false;
                }
                // A commit of unknown outcome is read again: this one has happened.
                if stored.next == Some(span.reached.next) {
                    return true;
                }
                if stored.next != expected {
                    return false;
                }
                stored.next = Some(span.reached.next);
                stored.note.clone_from(&batch.note);
                store.rows.extend(rows);
                true
            })
            .await;
        self.owned.next = Some(span.reached.next);
        if stored { Ok(()) } else { Err(End::Fenced) }
    }

    async fn flush(&mut self, promise: &Promise) -> Result<(), End> {
        if self.faults().fail_flushes {
            return Err(End::Failed("flush in memory"));
        }
        self.call(|store| {
            let series = store.series.get_mut(promise.series()).expect("a series that exists");
            assert!(!series.retired, "a retired series cannot be flushed");
            let rows = usize::try_from(promise.rows()).expect("a small number");
            assert!(rows <= series.rows.len(), "promised beyond what was appended");
            series.flushed = series.flushed.max(rows);
        })
        .await;
        Ok(())
    }

    /// Carries a call out, through whatever faults are due, until its answer arrives.
    async fn call<T>(&self, mut carry_out: impl FnMut(&mut Store) -> T) -> T {
        loop {
            let (away, lost, late) = {
                let mut faults = self.faults();
                let Faults { away, lost, late, .. } = *faults;
                let mut happens = |share| faults.dice.random_bool(share);
                (happens(away), happens(lost), happens(late))
            };
            if late {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            if !away {
                let answer = carry_out(&mut self.store());
                if !lost {
                    return answer;
                }
            }
            self.report(Report::Waiting(Waits::Away));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn report(&self, report: Report) {
        self.reports.send(self.lane, report);
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().expect("no panic elsewhere")
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().expect("no panic elsewhere")
    }
}
