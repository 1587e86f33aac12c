//! The contract as the consumer reads it: decides about events before they are published.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::de::IgnoredAny;

use super::refusal::Refusal;
use crate::clock::Clock;
use crate::record::{Event, HeaderList, Position, Reason, Transcoded};
use crate::row::RowBuffer;
use crate::transcode::{Ingestion, Plan};

/// Compiled contracts, of which each is used by one thread at a time.
pub(super) struct Checkers {
    all: Box<[Mutex<Checker>]>,
    next: AtomicUsize,
}

/// A compiled contract, with the buffer for a row that nobody reads.
pub(super) struct Checker {
    plan: Plan,
    row: RowBuffer,
}

/// An event that may be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accepted {
    /// The domain's consumer makes a row of it.
    Row,
    /// The domain's consumer leaves it out (`IGNORE_EVENTS`): only that it is JSON was checked.
    Ignored,
}

impl Checkers {
    /// One plan for each thread that checks at the same time, and at least one.
    pub fn new(plans: Vec<Plan>) -> Self {
        let checker = |plan| Mutex::new(Checker { plan, row: RowBuffer::default() });
        Self { all: plans.into_iter().map(checker).collect(), next: AtomicUsize::new(0) }
    }

    /// Calls `work` with a compiled contract that no other thread uses meanwhile.
    pub fn with<T>(&self, work: impl FnOnce(&mut Checker) -> T) -> Option<T> {
        let count = self.all.len();
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let turn = (0..count).map(|step| &self.all[first.wrapping_add(step) % count]);
        let free = turn.clone().find_map(|checker| checker.try_lock().ok());
        let taken =
            || turn.clone().next().map(|one| one.lock().unwrap_or_else(PoisonError::into_inner));
        let mut checker = free.or_else(taken)?;
        Some(work(&mut checker))
    }
}

impl Checker {
    /// What the domain's consumer would make of the event, apart from its filter.
    pub fn check(
        &mut self,
        value: &[u8],
        headers: &dyn HeaderList,
        clock: Clock,
    ) -> Result<Accepted, Refusal> {
        let now = clock.now_micros();
        let event = Event {
            timestamp_ms: Some(now / 1_000),
            value: Some(value),
            headers,
            ..Event::unknown(Position::new(0, 0))
        };
        self.row.clear();
        match self.plan.transcode(&event, Ingestion::at(now), &mut self.row) {
            Transcoded::Row => Ok(Accepted::Row),
            Transcoded::Rejected(rejection) => Err(Refusal::by_contract(*rejection)),
            Transcoded::Ignored(_) => match serde_json::from_slice::<IgnoredAny>(value) {
                Ok(IgnoredAny) => Ok(Accepted::Ignored),
                Err(error) => {
                    Err(Refusal::new(Reason::InvalidJson.code(), format!("not JSON: {error}")))
                }
            },
        }
    }
}
