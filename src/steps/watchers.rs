//! Who is told what happens to events on their way.

use std::sync::Arc;
use std::time::Duration;

use crate::record::{Partition, Position, Rejection};
use crate::rules::Report;
use crate::telemetry::StepMetrics;
use crate::telemetry::metrics::{LabelText, RuleLabel, SkipLabel};

/// A subscriber of the steps. Whoever calls it goes on with events afterwards, so it does not wait.
///
/// An event that is read again, by this instance or another, is received again.
pub trait Watcher: Send + Sync {
    /// An event was read that is not left out. `payload` is its value, with its decoded fields.
    fn received(&self, _at: Position, _payload: &[u8]) {}

    /// An attempt to fetch its object failed and is repeated.
    fn not_fetched(&self, _at: Position) {}

    /// Its object is there. `bytes` are those of the unpacked object, the time is that of all
    /// attempts.
    fn fetched(&self, _at: Position, _took: Duration, _bytes: u64) {}

    /// The rules were applied.
    fn evaluated(&self, _at: Position, _took: Duration, _report: &Report) {}

    /// Its report is durable and its offset committed.
    fn published(&self, _at: Position) {}

    /// It is a dead letter, and its offset is committed.
    fn failed(&self, _at: Position, _why: &Rejection) {}

    /// What was received of this partition and has not come to an end will be read again.
    fn given_up(&self, _partition: Partition) {}

    /// The run ends. What a watcher still holds back it says now; this call may take seconds.
    fn run_ended(&self) {}
}

/// All subscribers. Clones have the same.
#[derive(Clone, Default)]
pub struct Watchers(Arc<[Arc<dyn Watcher>]>);

impl Watchers {
    /// Calls each.
    pub fn tell(&self, step: impl Fn(&dyn Watcher)) {
        self.0.iter().for_each(|watcher| step(watcher.as_ref()));
    }
}

impl FromIterator<Arc<dyn Watcher>> for Watchers {
    fn from_iter<I: IntoIterator<Item = Arc<dyn Watcher>>>(watchers: I) -> Self {
        Self(watchers.into_iter().collect())
    }
}

/// Counts, by rule where there is one. What is received, published and failed is counted for all
/// domains alike, elsewhere.
impl Watcher for StepMetrics {
    fn not_fetched(&self, _: Position) {
        self.fetch_retries.inc();
    }

    fn fetched(&self, _: Position, took: Duration, bytes: u64) {
        self.fetch_seconds.observe(took.as_secs_f64());
        self.unpacked_bytes.inc_by(bytes);
    }

    fn evaluated(&self, _: Position, took: Duration, report: &Report) {
        self.evaluate_seconds.observe(took.as_secs_f64());
        for finding in &report.findings {
            let label = RuleLabel { rule: LabelText(finding.rule.clone()) };
            self.findings.get_or_create(&label).inc();
        }
        for skip in &report.skips {
            let rule = LabelText(skip.name.clone());
            let label = SkipLabel { rule, reason: skip.why.reason.code() };
            self.skips.get_or_create(&label).inc();
        }
    }
}
