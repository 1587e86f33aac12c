//! What a run would do to its target, before it does anything.

/// What a run would do to its target.
#[derive(Debug, Clone)]
pub struct Planned {
    /// How the rows would reach the target. `None`: it is created first.
    pub method: Option<String>,
    pub replaced: Replaced,
}

/// The rows of the target that a run would replace, or among which it would merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    Counted {
        rows: u64,
        bytes_billed: u64,
    },
    /// Counting would bill more than this.
    TooDear {
        most_billed: u64,
    },
}

impl Planned {
    /// There is no target yet.
    pub(super) fn of_no_table() -> Self {
        Self { method: None, replaced: Replaced::Counted { rows: 0, bytes_billed: 0 } }
    }
}
