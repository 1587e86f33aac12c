//! How far `produce --generate` is.

/// What became of events so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    pub published: u64,
    pub refused: u64,
}
