//! The metrics of the last run of a transfer, which are written to a file when it has ended.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::metrics::{LabelText, Names};

/// A number by transfer and mode. One that is not known is not exposed.
pub type OfTransfer = Family<TransferLabel, Gauge<f64, AtomicU64>>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TransferLabel {
    pub transfer: LabelText,
    pub mode: LabelText,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PhaseLabel {
    pub transfer: LabelText,
    pub mode: LabelText,
    pub step: &'static str,
    pub phase: &'static str,
}

/// The metrics of the last run. All are gauges: the next run replaces them.
#[derive(Debug, Clone)]
pub struct TransferMetrics {
    pub started: OfTransfer,
    pub ended: OfTransfer,
    pub last_success: OfTransfer,
    pub succeeded: OfTransfer,
    pub exit_code: OfTransfer,
    pub phase_seconds: Family<PhaseLabel, Gauge<f64, AtomicU64>>,
    pub read: OfTransfer,
    pub staged: OfTransfer,
    pub rejected: OfTransfer,
    pub ignored: OfTransfer,
    pub of_other_days: OfTransfer,
    pub inserted: OfTransfer,
    pub updated: OfTransfer,
    pub deleted: OfTransfer,
    pub billed_bytes: OfTransfer,
}

impl TransferMetrics {
    /// The beginning of their names.
    pub const PREFIX: &str = "generic_consumer_transfer";

    /// The name of the metric that a failed run takes over from the run before.
    pub const LAST_SUCCESS: &str = "generic_consumer_transfer_last_success_timestamp_seconds";

    /// Creates the metrics and registers each under its name.
    pub fn register(registry: &mut Registry) -> Self {
        let mut names = Names(registry.sub_registry_with_prefix(Self::PREFIX));
        Self {
            started: names.add_seconds("last_start_timestamp", "When the last run began"),
            ended: names.add_seconds("last_end_timestamp", "When the last run ended"),
            last_success: names
                .add_seconds("last_success_timestamp", "When the last run that succeeded ended"),
            succeeded: names.add("succeeded", "Whether the last run succeeded"),
            exit_code: names.add("exit_code", "Exit code of the last run"),
            phase_seconds: names.add_seconds("phase", "Time of a part of the last run"),
            read: names.add("read_records", "Records read by the last run"),
            staged: names.add("staged_rows", "Rows staged by the last run"),
            rejected: names.add("rejected_records", "Records rejected by the last run"),
            ignored: names.add("ignored_records", "Records left out on purpose by the last run"),
            of_other_days: names.add("other_day_records", "Records of other days"),
            inserted: names.add("inserted_rows", "Rows inserted into the target"),
            updated: names.add("updated_rows", "Rows of the target updated"),
            deleted: names.add("deleted_rows", "Rows of the target deleted"),
            billed_bytes: names.add_bytes("billed", "Bytes billed for the last run's job"),
        }
    }

    /// Gives each a value, so that it is exposed.
    #[cfg(test)]
    pub fn for_test(&self) {
        let text = || LabelText("a".to_owned());
        let label = PhaseLabel { transfer: text(), mode: text(), step: "a", phase: "a" };
        self.phase_seconds.get_or_create(&label).set(1.0);
        let label = TransferLabel { transfer: text(), mode: text() };
        for of_transfer in [
            &self.started,
            &self.ended,
            &self.last_success,
            &self.succeeded,
            &self.exit_code,
            &self.read,
            &self.staged,
            &self.rejected,
            &self.ignored,
            &self.of_other_days,
            &self.inserted,
            &self.updated,
            &self.deleted,
            &self.billed_bytes,
        ] {
            of_transfer.get_or_create(&label).set(1.0);
        }
    }
}
