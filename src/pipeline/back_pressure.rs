//! Back-pressure by bytes: reading waits, and then pauses, while too much is in flight.

use std::time::{Duration, Instant};

/// How long reading just waits for reports before it pauses. A pause drops what librdkafka has
/// prefetched, so it is worth it only for a sink that stalls.
const PATIENCE: Duration = Duration::from_millis(500);

/// Decides when to read. The limit is [`crate::config::Limits::in_flight_bytes`].
#[derive(Debug)]
pub struct BackPressure {
    limit: usize,
    paused: bool,
    over_since: Option<Instant>,
}

/// What to do about the bytes that are held.
#[derive(Debug, PartialEq, Eq)]
pub enum Pressure {
    /// Read on.
    None,
    /// Over the limit: wait for a report, but no longer than this.
    Wait(Duration),
    /// Over the limit for too long: pause the partitions.
    Pause,
    /// Enough has been settled: resume the partitions.
    Resume,
}

impl BackPressure {
    pub fn new(limit: usize) -> Self {
        Self { limit, paused: false, over_since: None }
    }

    /// `held`: bytes in flight and in open batches; `in_flight`: the first alone, because while
    /// paused nothing is added to open batches.
    pub fn check(&mut self, held: usize, in_flight: usize, now: Instant) -> Pressure {
        if self.paused {
            // Half of the limit, so that pauses are few.
            return if in_flight * 2 <= self.limit { Pressure::Resume } else { Pressure::None };
        }
        if !self.is_over(held) {
            self.over_since = None;
            return Pressure::None;
        }
        let since = *self.over_since.get_or_insert(now);
        match PATIENCE.saturating_sub(now.duration_since(since)) {
            Duration::ZERO => Pressure::Pause,
            left => Pressure::Wait(left),
        }
    }

    pub fn is_over(&self, held: usize) -> bool {
        held > self.limit
    }

    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// The partitions are paused, or resumed.
    pub fn set_paused(&mut self, paused: bool) {
        (self.paused, self.over_since) = (paused, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_the_limit_it_waits_then_pauses_and_resumes_at_half() {
        let mut pressure = BackPressure::new(100);
        let now = Instant::now();
        assert_eq!(pressure.check(100, 100, now), Pressure::None);
        assert_eq!(pressure.check(101, 90, now), Pressure::Wait(PATIENCE));
        let half = now + PATIENCE / 2;
        assert_eq!(pressure.check(101, 90, half), Pressure::Wait(PATIENCE / 2));
        assert_eq!(pressure.check(101, 90, now + PATIENCE), Pressure::Pause);
        pressure.set_paused(true);
        assert_eq!(pressure.check(61, 51, now + PATIENCE), Pressure::None);
        assert_eq!(pressure.check(60, 50, now + PATIENCE), Pressure::Resume);
        pressure.set_paused(false);
        assert_eq!(pressure.check(60, 50, now + PATIENCE), Pressure::None);
    }

    #[test]
    fn patience_begins_anew_once_below_the_limit() {
        let mut pressure = BackPressure::new(100);
        let now = Instant::now();
        assert_eq!(pressure.check(101, 101, now), Pressure::Wait(PATIENCE));
        assert_eq!(pressure.check(99, 99, now + PATIENCE), Pressure::None);
        assert_eq!(pressure.check(101, 101, now + PATIENCE), Pressure::Wait(PATIENCE));
    }
}
