//! What a run is made of: everything that its sessions share.

use std::sync::Arc;

use super::succession::{Succession, Successor};
use crate::clock::Clock;
use crate::config::Limits;
use crate::shutdown::Shutdown;
use crate::sink::Sink;
use crate::source::Subscription;
use crate::steps::{Watchers, Work};
use crate::telemetry::otlp::Tracer;
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

/// What happens to an event before it becomes a row.
pub struct Steps {
    /// Decides which events are worked on: those of which it would write a row.
    pub gate: Plan,
    pub work: Arc<dyn Work>,
    /// They are told what becomes of these events.
    pub watchers: Watchers,
}

/// The parts of a run, ready to flow.
pub struct Flow {
    pub subscription: Subscription,
    /// Writes rows: of events, or of the reports that the steps make of them.
    pub plan: Plan,
    /// What happens to an event before it becomes a row.
    pub steps: Option<Steps>,
    pub sink: Arc<dyn Sink>,
    pub limits: Limits,
    pub until: Until,
    pub metrics: Metrics,
    pub health: Health,
    /// What spans are made with. `None`: there are none.
    pub tracer: Option<Tracer>,
    pub clock: Clock,
    pub shutdown: Shutdown,
    /// What comes after `plan` and `sink`.
    pub succession: Succession,
    /// The topic that this run has read from, once that is known. Another one under its name stops
    /// the run, even if the group's offsets went with the old one.
    pub topic: Option<TopicId>,
    /// There was no topic when this run looked for it. So all of its records came while the run was
    /// there to read them.
    pub topic_was_missing: bool,
}

impl Flow {
    /// Takes on what follows plan and sink, if anything does. Only between two sessions.
    pub(super) fn succeed(&mut self) {
        let Some(Successor { plan, sink, taken }) = self.succession.take() else { return };
        (self.plan, self.sink) = (plan, sink);
        taken();
    }

    /// The metric labels of events that are left out.
    pub fn ignored_labels(&self) -> &[String] {
        self.steps.as_ref().map_or(&self.plan, |steps| &steps.gate).ignored_labels()
    }
}
