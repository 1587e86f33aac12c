//! What a sink has to say and do. The messages of its writers are in messages.rs.

use super::messages::{Lane, Start};
use super::promise::SinkName;
use super::reports::{Reports, Writer};

/// A place to write rows to, shared by all lanes.
pub trait Sink: Send + Sync {
    /// Name in the metadata of offset commits. Never changes: old commits carry it.
    fn name(&self) -> SinkName;

    /// Where the rows are, for people: `project.dataset.table`.
    fn target(&self) -> String;

    /// Where the dead letters are, for people.
    fn dead_letters(&self) -> String;

    /// What an acknowledged batch is worth. Constant during a run.
    fn durability(&self) -> Durability;

    /// Whether the sink's transactions commit the offsets of the consumer's own group. Then nobody
    /// else may: a plain commit that comes late would move the group back.
    fn commits_to_group(&self) -> bool {
        false
    }

    /// How a person sets the offset from which this group reads on, as the end of a sentence.
    fn setting_offsets(&self) -> String {
        "kafka-consumer-groups --reset-offsets".to_owned()
    }

    /// Starts the writer of a lane on the current tokio runtime. A lane of one partition reports
    /// [`Report::Ready`](super::Report::Ready) before anything else.
    fn open(&self, lane: Lane, start: Start, reports: Reports) -> Writer;
}

/// What acknowledged rows are. It decides where progress is kept, and who keeps an instance that
/// lost its partitions without knowing it (a zombie) from writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Visible at once. The group's offset is committed afterwards, so a crash in between repeats
    /// rows: at-least-once. Nobody fences; a zombie repeats rows. One lane for all partitions.
    Visible,
    /// Durable and invisible until flushed. The offset commit carries a [`Promise`](super::Promise) of the rows;
    /// then they are flushed. Kafka fences: the commit carries the member's generation, and rows
    /// that no commit promises stay invisible. One lane a partition.
    Promised,
    /// Stored in one step with the partition's next offset. The sink's offset decides where reading
    /// resumes; the group's follows for those who watch lag. The sink fences: it refuses the writer
    /// of an earlier owner ([`Report::Fenced`](super::Report::Fenced)). One lane a partition.
    Stored,
}

impl Durability {
    /// Whether every partition has a lane of its own.
    pub fn has_lane_per_partition(self) -> bool {
        match self {
            Self::Visible => false,
            Self::Promised | Self::Stored => true,
        }
    }
}
