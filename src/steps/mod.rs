//! Work on an event before it becomes a row: the object that it names is fetched, and rules are applied
//! to what is in it. The row is that of their report.
//!
//! ```text
//! event ─► Stage ─► Evaluation: fetch ─► archive ─► rules ─► report ─► Stage ─► transcode
//!          the order of a partition's records is kept around the work on them
//! ```

mod evaluation;
pub mod fetch;
mod fetch_span;
mod stage;
mod tracker;
mod watchers;

use serde_json::Value;

pub use evaluation::Evaluation;
pub use stage::{Finished, Outcome, Stage, Work};
pub use tracker::PayloadTracker;
pub use watchers::{Watcher, Watchers};

/// The value at the end of these keys.
fn value_at<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, key| value.get(key))
}
