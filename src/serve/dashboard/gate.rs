//! The way to a store: how many ask at once, how long they wait, and what they are told while it is
//! away. Then nobody waits: one task asks until it answers.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::range::Range;
use super::reason::shown;
use super::store::{Store, StoreError};
use crate::config::SeriesSettings;

/// How long a store may take for an answer. It gives up its own work earlier, where it can.
pub(super) const ANSWER: Duration = Duration::from_secs(5);

/// How often a store that is away is asked whether it is back.
const AGAIN: Duration = Duration::from_secs(1);

pub(super) struct Gate {
    store: Box<dyn Store>,
    places: Semaphore,
    away: Mutex<Option<Away>>,
}

struct Away {
    since: Instant,
    why: String,
}

impl Gate {
    /// `most`: requests at the same time.
    pub fn new(store: impl Store + 'static, most: usize) -> Arc<Self> {
        let store = Box::new(store);
        Arc::new(Self { store, places: Semaphore::new(most), away: Mutex::new(None) })
    }

    /// The values of the buckets, or one sentence for the page.
    pub async fn values(
        self: &Arc<Self>,
        series: &SeriesSettings,
        range: &Range,
    ) -> Result<Vec<(i64, f64)>, String> {
        self.check()?;
        let name = self.store.name();
        let place = tokio::time::timeout(ANSWER, self.places.acquire()).await;
        // The semaphore is never closed.
        let Ok(_place) = place else {
            return Err(format!("too many requests for {name} at once"));
        };
        // It may have gone while others were asking.
        self.check()?;
        let began = Instant::now();
        let answer = tokio::time::timeout(ANSWER, self.store.values(series, range)).await;
        let why = match answer {
            Ok(Ok(values)) => return Ok(values),
            Ok(Err(StoreError::Refused(why))) => return Err(shown(&format!("{name}: {why}"))),
            Ok(Err(StoreError::Away(why))) => why,
            Err(_) => no_answer(),
        };
        let gone = shown(&format!("{name} does not answer: {why}"));
        self.went_away(began, why);
        Err(self.check().err().unwrap_or(gone))
    }

    /// Fails while the store is away.
    fn check(&self) -> Result<(), String> {
        let away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Away { since, why }) = &*away else { return Ok(()) };
        let name = self.store.name();
        Err(shown(&match since.elapsed().as_secs() {
            0 => format!("{name} does not answer: {why}"),
            seconds => format!("{name} has not answered for {seconds} s: {why}"),
        }))
    }

    fn went_away(self: &Arc<Self>, since: Instant, why: String) {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        if away.is_some() {
            return;
        }
        tracing::warn!(store = self.store.name(), why, "the store does not answer");
        *away = Some(Away { since, why });
        tokio::spawn(until_back(Arc::downgrade(self)));
    }
}

/// Asks until the store answers, or nobody has the gate any more.
async fn until_back(gate: Weak<Gate>) {
    loop {
        tokio::time::sleep(AGAIN).await;
        let Some(gate) = gate.upgrade() else { return };
        let why = match tokio::time::timeout(ANSWER, gate.store.ping()).await {
            Ok(Ok(())) => None,
            Ok(Err(StoreError::Away(why) | StoreError::Refused(why))) => Some(why),
            Err(_) => Some(no_answer()),
        };
        let mut away = gate.away.lock().unwrap_or_else(PoisonError::into_inner);
        match (why, &mut *away) {
            (Some(why), Some(away)) => away.why = why,
            (None, _) => {
                tracing::info!(store = gate.store.name(), "the store answers again");
                *away = None;
                return;
            }
            (Some(_), None) => return,
        }
    }
}

fn no_answer() -> String {
    format!("no answer within {} s", ANSWER.as_secs())
}
