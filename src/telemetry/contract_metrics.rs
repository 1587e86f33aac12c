//! The metrics of a running domain's contract.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::label_text::LabelText;
use super::metrics::{Names, OutcomeLabel};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ContractLabel {
    pub contract: LabelText,
    pub digest: LabelText,
}

/// The metrics of a running domain's contract. Clones share the same ones.
#[derive(Debug, Clone)]
pub struct ContractMetrics {
    /// 1 for the contract in use.
    pub info: Family<ContractLabel, Gauge>,
    /// Whether there is a changed contract that is not used.
    pub refused: Gauge,
    /// Since when, in seconds since 1970; 0 where there is none.
    pub refused_since: Gauge,
    /// Changed contracts by what became of them.
    pub reloads: Family<OutcomeLabel, Counter>,
}

impl ContractMetrics {
    /// Creates the metrics and registers each under its name.
    pub fn register(registry: &mut Registry) -> Self {
        let mut names = Names(registry.sub_registry_with_prefix("generic_consumer_contract"));
        Self {
            info: names.add("info", "The contract in use"),
            refused: names.add("refused", "Whether a changed contract is not used"),
            refused_since: names
                .add_seconds("refused_timestamp", "Since when a changed contract is not used"),
            reloads: names.add("reloads", "Looks at a changed contract"),
        }
    }
}
