//! The clock. All other code gets the time of day from here, so that tests can set it.

#[cfg(test)]
use std::time::Duration;
use std::time::{SystemTime, UNIX_EPOCH};

/// A source of the time of day.
#[derive(Debug, Clone, Copy)]
pub enum Clock {
    System,
    /// Always this time, in microseconds since the epoch.
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

/// How long this thread has computed: a limit of it holds on a busy machine too.
#[cfg(test)]
pub fn computed() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
