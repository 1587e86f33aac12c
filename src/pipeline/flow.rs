//! What a run is made of: everything that its sessions share.

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Limits;
use crate::shutdown::Shutdown;
use crate::sink::Sink;
use crate::source::Subscription;
use crate::telemetry::{Health, Metrics};
use crate::topic_id::TopicId;
use crate::transcode::Plan;

/// When a run ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    Stopped,
    /// Everything up to the ends of the partitions, as they were when first assigned, is settled
    /// and visible.
    CaughtUp,
}

/// The parts of a run, ready to flow.
pub struct Flow {
    pub subscription: Subscription,
    pub plan: Plan,
    pub sink: Arc<dyn Sink>,
    pub limits: Limits,
    pub until: Until,
    pub metrics: Metrics,
    pub health: Health,
    pub clock: Clock,
    pub shutdown: Shutdown,
    /// The topic that this run has read from, once that is known. Another one under its name stops
    /// the run, even if the group's offsets went with the old one.
    pub topic: Option<TopicId>,
    /// There was no topic when this run looked for it. So all of its records came while the run was
    /// there to read them.
    pub topic_was_missing: bool,
}
