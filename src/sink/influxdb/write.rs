//! Writing lines until each is written or refused: a request that fails because of a point is halved
//! until the point is found. Lines that were written already are written again meanwhile, and overwrite
//! themselves.

use std::ops::Range;
use std::time::Duration;

use super::client::Client;
use super::errors::{Verdict, WriteError};
use super::lines::Lines;
use crate::retry::Backoff;
use crate::stop::Stop;

/// How often an answer that nobody expects is asked for again.
const MOST_UNEXPECTED: usize = 8;

/// Longest time between two signs of life while the server wants no requests.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// A line that the server refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub line: usize,
    pub detail: String,
}

/// Where lines go, and who is told about it.
pub struct Destination<'d> {
    pub client: &'d Client,
    /// For people: `events/low`.
    pub target: &'d str,
    /// Called whenever a request failed, and at least every few seconds while there is none.
    pub waiting: &'d (dyn Fn(Waiting) + Send + Sync),
}

/// Why there is no success yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// A request failed and is sent again.
    Retrying,
    /// The server asked for a pause, or points are searched for.
    Working,
}

impl Destination<'_> {
    /// Writes the lines, however often that takes. Returns those that the server refuses; all others
    /// are durable.
    pub async fn write(&self, lines: &Lines) -> Result<Vec<Refused>, Stop> {
        let mut refused = Vec::new();
        // Ranges still to be written, the next one last.
        let mut ranges: Vec<Range<usize>> = std::iter::once(0..lines.len()).collect();
        while let Some(range) = ranges.pop() {
            if range.is_empty() {
                continue;
            }
            let Err(error) = self.definite(lines.text(range.clone())).await? else { continue };
            let is_large = error.verdict() == Verdict::TooLarge;
            if range.len() == 1 || !is_large && error.dropped_all(range.len()) {
                let detail = error.detail();
                refused.extend(range.map(|line| Refused { line, detail: detail.clone() }));
                continue;
            }
            (self.waiting)(Waiting::Working);
            let middle = range.start + range.len() / 2;
            ranges.push(middle..range.end);
            ranges.push(range.start..middle);
        }
        Ok(refused)
    }

    /// Sends a request until the server has taken it or blames its points, or its size.
    async fn definite(&self, text: &[u8]) -> Result<Result<(), WriteError>, Stop> {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(10));
        let mut unexpected = 0;
        loop {
            let Err(error) = self.client.write(text).await else { return Ok(Ok(())) };
            match error.verdict() {
                Verdict::Refused | Verdict::TooLarge => return Ok(Err(error)),
                Verdict::Stop(_) => return Err(error.stop(self.operation())),
                Verdict::Unexpected if unexpected == MOST_UNEXPECTED => {
                    return Err(error.stop(self.operation()));
                }
                Verdict::Unexpected => unexpected += 1,
                Verdict::Retry => {}
            }
            tracing::warn!(error = %error, target = self.target, "retrying a write");
            (self.waiting)(Waiting::Retrying);
            self.pause(backoff.pause().max(error.retry_after().unwrap_or_default())).await;
        }
    }

    async fn pause(&self, pause: Duration) {
        let mut left = pause;
        while left > SIGN_OF_LIFE {
            tokio::time::sleep(SIGN_OF_LIFE).await;
            (self.waiting)(Waiting::Working);
            left -= SIGN_OF_LIFE;
        }
        tokio::time::sleep(left).await;
    }

    pub fn operation(&self) -> String {
        format!("write to {}", self.target)
    }
}
