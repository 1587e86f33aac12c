//! Live updates as server-sent events: the latest buckets of all series, and the instances.
//!
//! All streams with buckets of the same length wake at the same time, and one query for each series
//! serves all of them.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::response::sse::Event;
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use super::fleet::Fleet;
use super::range::Range;
use super::series::Chart;
use super::shared_answer::SharedAnswer;
use crate::clock::Clock;
use crate::shutdown::Shutdown;

/// Streams at the same time.
pub(super) const MOST_STREAMS: usize = 256;

/// Lengths of buckets that are followed at the same time: each has queries of its own.
const MOST_LENGTHS: usize = 32;

/// Buckets of an update: rows may arrive that late, and still be seen at once.
const BUCKETS: i64 = 3;

/// How often the instances are sent.
const FLEET: Duration = Duration::from_secs(2);

/// How often series are sent at most, and at least.
const OFTEN: i64 = 1_000;
const SELDOM: i64 = 30_000;

pub(super) struct Live {
    chart: Arc<Chart>,
    fleet: Arc<Fleet>,
    shutdown: Shutdown,
    places: Arc<Semaphore>,
    /// The updates by the length of their buckets, as long as a stream has them.
    updates: Mutex<HashMap<i64, Weak<SharedAnswer<Arc<str>>>>>,
}

/// There are as many streams as there may be.
#[derive(Debug)]
pub(super) struct Full;

struct Following {
    chart: Arc<Chart>,
    fleet: Arc<Fleet>,
    shutdown: Shutdown,
    bucket: i64,
    update: Arc<SharedAnswer<Arc<str>>>,
    next_series: Instant,
    next_fleet: Instant,
    _place: OwnedSemaphorePermit,
}

impl Live {
    pub fn new(chart: Arc<Chart>, fleet: Arc<Fleet>, shutdown: Shutdown) -> Self {
        let places = Arc::new(Semaphore::new(MOST_STREAMS));
        Self { chart, fleet, shutdown, places, updates: Mutex::default() }
    }

    /// A stream with buckets of this length, until the process stops.
    pub fn follow(
        &self,
        bucket: i64,
    ) -> Result<impl Stream<Item = Result<Event, Infallible>> + use<>, Full> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| Full)?;
        let now = Instant::now();
        let following = Following {
            chart: self.chart.clone(),
            fleet: self.fleet.clone(),
            shutdown: self.shutdown.clone(),
            bucket,
            update: self.update(bucket)?,
            next_series: now,
            next_fleet: now,
            _place: place,
        };
        Ok(unfold(following, |mut following| async move {
            let shutdown = following.shutdown.clone();
            let event = tokio::select! {
                event = following.next() => event,
                () = shutdown.wait() => return None,
            };
            Some((Ok(event), following))
        }))
    }

    fn update(&self, bucket: i64) -> Result<Arc<SharedAnswer<Arc<str>>>, Full> {
        let mut updates = self.updates.lock().unwrap_or_else(PoisonError::into_inner);
        updates.retain(|_, update| update.strong_count() > 0);
        if let Some(update) = updates.get(&bucket).and_then(Weak::upgrade) {
            return Ok(update);
        }
        if updates.len() >= MOST_LENGTHS {
            return Err(Full);
        }
        let update = Arc::default();
        updates.insert(bucket, Arc::downgrade(&update));
        Ok(update)
    }
}

impl Following {
    /// Waits for the next event.
    async fn next(&mut self) -> Event {
        tokio::select! {
            // Where both are due.
            biased;
            () = sleep_until(self.next_series) => {
                let data = self.series().await;
                self.next_series = next_turn(period(self.bucket));
                Event::default().event("series").data(&*data)
            }
            () = sleep_until(self.next_fleet) => {
                let data = self.fleet.latest().await;
                self.next_fleet = Instant::now() + FLEET;
                Event::default().event("fleet").data(&*data)
            }
        }
    }

    /// The latest buckets as JSON.
    async fn series(&self) -> Arc<str> {
        let fresh = Duration::from_millis(period(self.bucket).unsigned_abs() / 2);
        let make = async || {
            let now = Clock::System.now_micros() / 1_000;
            let frame = self.chart.frame(Range::latest(self.bucket, BUCKETS, now)).await;
            // Maps with other keys than texts are what serde_json cannot write; there are none.
            serde_json::to_string(&frame).unwrap_or_default().into()
        };
        self.update.get(fresh, make).await
    }
}

/// Milliseconds between two updates: a fifth of a bucket, within bounds.
fn period(bucket: i64) -> i64 {
    (bucket / 5).clamp(OFTEN, SELDOM)
}

/// The next multiple of a period by the clock, which all streams share.
fn next_turn(period: i64) -> Instant {
    let now = Clock::System.now_micros() / 1_000;
    let left = period - now.rem_euclid(period);
    Instant::now() + Duration::from_millis(left.unsigned_abs())
}
