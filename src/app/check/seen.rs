//! What was seen of the peers.

use std::collections::BTreeMap;

use crate::check::Finding;
use crate::pipeline::KeptOffset;
use crate::record::{Offset, OwnedEvent, Partition};
use crate::row::TableSchema;
use crate::sink::StoredOffset;
use crate::source::{GroupNow, LookError, Topic};

/// Of the brokers from which events come.
#[derive(Debug, Default)]
pub struct KafkaSeen {
    pub findings: Vec<Finding>,
    pub topic: Option<Topic>,
    pub logs: Option<BTreeMap<Partition, (Offset, Offset)>>,
    pub group: Option<Result<GroupNow, LookError>>,
    pub committed: Option<Result<BTreeMap<Partition, KeptOffset>, LookError>>,
    /// How long the topic keeps its records; `None`: for ever, or nobody says.
    pub retention_ms: Option<i64>,
    pub records: Option<Result<Vec<OwnedEvent>, LookError>>,
    /// What the records are: `last records`.
    pub what_records: &'static str,
}

/// Of the sink.
#[derive(Debug, Default)]
pub struct SinkSeen {
    pub findings: Vec<Finding>,
    /// The columns that a run would write; `None`: not known.
    pub columns: Option<TableSchema>,
    pub partition_by: Option<String>,
    /// About how many rows its table has; `None`: nobody says.
    pub rows: Option<u64>,
    /// Whether the sink, and not the group, keeps the offsets.
    pub keeps_offsets: bool,
    pub kept: Option<KeptBySink>,
}

/// The offsets that a sink keeps.
#[derive(Debug)]
pub struct KeptBySink {
    pub keeper: &'static str,
    /// How a person sets one.
    pub setting: String,
    pub offsets: BTreeMap<Partition, KeptOffset>,
}

impl SinkSeen {
    pub fn of(findings: impl IntoIterator<Item = Finding>) -> Self {
        Self { findings: findings.into_iter().collect(), ..Self::default() }
    }
}

/// Stored offsets, by their partition.
pub fn kept(
    stored: impl IntoIterator<Item = (Partition, StoredOffset)>,
) -> BTreeMap<Partition, KeptOffset> {
    let kept = |stored: StoredOffset| KeptOffset { next: stored.next, note: stored.note };
    stored.into_iter().map(|(partition, stored)| (partition, kept(stored))).collect()
}
