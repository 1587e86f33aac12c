//! What a flow is assembled from.

use super::domain::Domain;
use super::peers::Peers;
use crate::config::Settings;
use crate::pipeline::Until;
use crate::shutdown::Shutdown;
use crate::telemetry::{Health, Metrics, StepMetrics};

/// The parts of a run before its sink is opened.
#[derive(Clone)]
pub struct Assembly<'a> {
    pub settings: &'a Settings,
    pub domain: &'a Domain,
    pub peers: &'a Peers,
    pub until: Until,
    pub metrics: Metrics,
    /// Where the domain has steps before a row.
    pub step_metrics: Option<StepMetrics>,
    pub health: Health,
    pub shutdown: Shutdown,
}
