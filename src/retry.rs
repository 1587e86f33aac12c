//! Waiting between tries: exponential, with full jitter, bounded.

use std::time::Duration;

use rand::Rng;

/// Backoff state of one operation.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    tries: u32,
}

impl Backoff {
    pub fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, tries: 0 }
    }

    /// How long to wait before the next try: between half and all of `first * 2^tries`, at most
    /// `most`. The jitter keeps a fleet that lost the same server from coming back at once.
    pub fn pause(&mut self) -> Duration {
        let ceiling = self.first.saturating_mul(1 << self.tries.min(16)).min(self.most);
        self.tries += 1;
        ceiling.mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    pub fn reset(&mut self) {
        self.tries = 0;
    }

    pub fn tries(&self) -> u32 {
        self.tries
    }
}
