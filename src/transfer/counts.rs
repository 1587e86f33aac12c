//! What became of the records of a run, and of the rows of its target.

/// Each record that was read is counted in exactly one of the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub read: u64,
    /// Rows, before they are staged.
    pub rows: u64,
    pub rejected: u64,
    /// Left out by IGNORE_EVENTS or FILTER, and tombstones.
    pub ignored: u64,
    /// Of other days, among those of a topic.
    pub of_other_days: u64,
}

impl Counts {
    pub fn add(&mut self, other: Self) {
        self.read += other.read;
        self.rows += other.rows;
        self.rejected += other.rejected;
        self.ignored += other.ignored;
        self.of_other_days += other.of_other_days;
    }

    /// Whether each record is counted once.
    pub fn is_complete(&self) -> bool {
        self.read == self.rows + self.rejected + self.ignored + self.of_other_days
    }
}

/// What has been done to the target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    pub inserted: u64,
    pub updated: u64,
    /// `None`: it is not known how many rows were replaced.
    pub deleted: Option<u64>,
    /// What did it, by a name that only this run has.
    pub job: String,
    /// `None` where nothing is billed.
    pub bytes_billed: Option<u64>,
}
