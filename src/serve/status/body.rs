//! What `/status` says.

use std::collections::BTreeMap;

use serde::Serialize;

/// The body of `/status`.
#[derive(Debug, Serialize)]
pub(super) struct Status<'a> {
    pub domain: &'a str,
    pub state: &'static str,
    /// One sentence, where the state alone leaves a question open.
    pub detail: Option<String>,
    pub topic: Option<&'a str>,
    /// `None`: not read yet.
    pub contract: Option<ContractSaid>,
    /// A changed contract that is not used.
    pub contract_refused: Option<RefusalSaid>,
    /// The sink's name and its table.
    pub sink: &'a str,
    pub group: &'a str,
    /// Milliseconds since 1970.
    pub started: i64,
    pub version: &'static str,
    pub partitions: Vec<PartitionLag>,
    /// The sum of the lags that are known.
    pub lag: i64,
    /// Rows that the sink has acknowledged since the start.
    pub rows: u64,
    /// Over the last ten seconds.
    pub rows_per_second: Option<f64>,
    /// Records by the event type or the cause for which they were left out.
    pub ignored: BTreeMap<String, u64>,
    /// Records by the code of the reason.
    pub dead_letters: BTreeMap<String, u64>,
}

#[derive(Debug, Serialize)]
pub(super) struct ContractSaid {
    pub id: String,
    pub digest: String,
    /// Milliseconds since 1970.
    pub since: i64,
}

#[derive(Debug, Serialize)]
pub(super) struct RefusalSaid {
    pub why: String,
    /// Milliseconds since 1970.
    pub since: i64,
}

#[derive(Debug, Serialize)]
pub(super) struct PartitionLag {
    pub partition: i32,
    /// `None`: not known yet.
    pub lag: Option<i64>,
}
