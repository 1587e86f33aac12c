//! How many records of a batch may become dead letters before the instance stops instead.

use crate::config::Share;
use crate::record::Position;
use crate::stop::Stop;

/// The limit of one batch (`MAX_DEAD_SHARE`). The pipeline sets it and applies it to the records that the
/// contract rejects; a sink applies it again before it makes letters of rows that it cannot write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeadLimit(Option<Judged>);

/// What a batch is judged with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Judged {
    most: Share,
    /// Records that are rows or dead letters: those of the batch and those that it is judged with.
    records: usize,
    /// Dead letters among the others.
    others: usize,
}

impl DeadLimit {
    pub fn new(most: Share, records: usize, others: usize) -> Self {
        Self(Some(Judged { most, records, others }))
    }

    /// Fails if so many letters of the batch are too many. `why` says what is wrong with the records.
    pub fn check(self, letters: usize, why: impl FnOnce() -> String) -> Result<(), Stop> {
        let Some(Judged { most, records, others }) = self.0 else { return Ok(()) };
        let letters = letters + others;
        if !most.is_exceeded(letters, records) {
            return Ok(());
        }
        Err(Stop::new(
            format!(
                "{letters} of {records} records would become dead letters, more than \
                 MAX_DEAD_SHARE={most}"
            ),
            "nothing of this batch is committed: deploy the contract or the table that fits these \
             events, and it goes on here (`generic-consumer validate` tries events out); if they are \
             to be dead letters, raise MAX_DEAD_SHARE or leave it empty",
            why(),
        ))
    }

    /// The same for rows that the sink refuses, next to `letters` that the batch has; `first` is the
    /// first of them with what is said of it.
    pub(super) fn check_refused(
        self,
        letters: usize,
        refused: usize,
        first: Option<(Position, &str)>,
    ) -> Result<(), Stop> {
        self.check(letters + refused, || {
            let first = first.map(|(at, why)| format!("; the first is {at}: {why}"));
            format!("the sink refuses {refused} rows{}", first.unwrap_or_default())
        })
    }
}
