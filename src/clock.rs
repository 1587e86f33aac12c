//! The clock, injected: nothing else asks the operating system for the time of day.

use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time of day; a test hands in a fixed one.
#[derive(Debug, Clone, Copy)]
pub enum Clock {
    System,
    /// Microseconds since the epoch.
    Fixed(i64),
}

impl Clock {
    /// Microseconds since the epoch, UTC.
    pub fn now_micros(self) -> i64 {
        match self {
            #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
            Self::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_micros() as i64),
            Self::Fixed(micros) => micros,
        }
    }
}
