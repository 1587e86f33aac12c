//! Pauses between retries: exponential backoff with jitter and an upper bound.

use std::time::Duration;

use rand::Rng;

/// The backoff of one operation.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    retries: u32,
}

impl Backoff {
    /// A backoff whose pauses double from `first` up to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, retries: 0 }
    }

    /// How long to wait before the next retry: a random time between half and all of
    /// `first * 2^retries`, which is at most `longest`. The jitter keeps instances that lost the same
    /// server from retrying all at once.
    pub fn pause(&mut self) -> Duration {
        let ceiling = self.first.saturating_mul(1 << self.retries.min(16)).min(self.longest);
        self.retries += 1;
        ceiling.mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    /// Starts over, after a success.
    pub fn reset(&mut self) {
        self.retries = 0;
    }
}
