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
    /// Over the limit, and most of it is in open batches: send them, because waiting settles nothing of
    /// theirs.
    Send,
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

    /// `held`: bytes in flight and in open batches; `in_flight`: the first alone. Reading resumes when
    /// these fall to half the limit; open batches do not count then, because nothing is added to them
    /// while reading is paused.
    pub fn check(&mut self, held: usize, in_flight: usize, now: Instant) -> Pressure {
        if self.paused {
            // Half of the limit, so that pauses are few.
            return if in_flight * 2 <= self.limit { Pressure::Resume } else { Pressure::None };
        }
        if !self.is_over(held) {
            self.over_since = None;
            return Pressure::None;
        }
        if in_flight * 2 <= self.limit {
            return Pressure::Send;
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

    /// Whatever is held, reading or paused: each answer either lets reading go on, has something sent,
    /// or waits for something that is in flight.
    #[test]
    fn nothing_is_waited_for_that_is_not_in_flight() {
        let now = Instant::now();
        for (open, in_flight) in (0..30).flat_map(|open| (0..30).map(move |sent| (open, sent))) {
            let held = 10 * (open + in_flight);
            for elapsed in [Duration::ZERO, PATIENCE] {
                let mut pressure = BackPressure::new(100);
                pressure.check(held, 10 * in_flight, now);
                match pressure.check(held, 10 * in_flight, now + elapsed) {
                    Pressure::None => assert!(held <= 100),
                    Pressure::Send => assert!(held > 100 && open > 0),
                    Pressure::Wait(_) | Pressure::Pause => assert!(held > 100 && in_flight > 5),
                    Pressure::Resume => panic!("it is not paused"),
                }
            }
        }
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
