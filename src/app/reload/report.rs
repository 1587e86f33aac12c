//! What logs, metrics, probes and status say of the contract.

use crate::clock::Clock;
use crate::telemetry::contract::ContractInUse;
use crate::telemetry::contract_metrics::ContractLabel;
use crate::telemetry::metrics::{LabelText, OutcomeLabel};
use crate::telemetry::{ContractMetrics, Health};

/// The contract of a running instance, as the outside sees it. Clones share the same places.
#[derive(Clone)]
pub struct ContractReport {
    metrics: ContractMetrics,
    health: Health,
}

/// What became of a changed contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reloaded {
    Taken,
    Refused,
    /// The sink could not be made ready for it.
    Failed,
    /// Nobody can say whether it has changed.
    Unread,
}

impl ContractReport {
    pub fn new(metrics: ContractMetrics, health: Health) -> Self {
        Self { metrics, health }
    }

    /// Rows are written by this contract from now on.
    pub fn uses(&self, id: &str, digest: &str) {
        let text = |text: &str| LabelText(text.to_owned());
        let label = ContractLabel { contract: text(id), digest: text(digest) };
        self.metrics.info.clear();
        self.metrics.info.get_or_create(&label).set(1);
        let (id, digest, since_ms) = (id.to_owned(), digest.to_owned(), now_ms());
        self.health.contract().uses(ContractInUse { id, digest, since_ms });
    }

    /// There is a changed contract, and the one before is used.
    pub(super) fn refuses(&self, why: &str) {
        let status = self.health.contract();
        status.refuses(why, now_ms());
        let since_ms = status.refused().map_or(0, |refused| refused.since_ms);
        self.metrics.refused.set(1);
        self.metrics.refused_since.set(since_ms / 1_000);
    }

    /// The contract that there is, is used. Returns whether another was refused before.
    pub(super) fn refuses_nothing(&self) -> bool {
        let refused = self.health.contract().refused().is_some();
        self.health.contract().refuses_nothing();
        self.metrics.refused.set(0);
        self.metrics.refused_since.set(0);
        refused
    }

    pub(super) fn count(&self, outcome: Reloaded) {
        let outcome = match outcome {
            Reloaded::Taken => "taken",
            Reloaded::Refused => "refused",
            Reloaded::Failed => "failed",
            Reloaded::Unread => "unread",
        };
        self.metrics.reloads.get_or_create(&OutcomeLabel { outcome }).inc();
    }
}

fn now_ms() -> i64 {
    Clock::System.now_micros() / 1_000
}
