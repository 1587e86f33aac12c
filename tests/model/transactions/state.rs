//! The model's state: one partition's transactional id with its transaction, the rows that readers of
//! committed messages see, the offset that the group keeps, requests under way, and instances.

use super::rules::Budget;

pub const PROCS: usize = 3;
pub const RECORDS: usize = 3;
pub const CALLS: usize = 4;

/// What the brokers have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Brokers {
    /// The last epoch of the transactional id.
    pub epoch: u8,
    pub open: Option<Transaction>,
    /// How many committed rows each record has.
    pub rows: [u8; RECORDS],
    /// The offset that the group keeps.
    pub next: u8,
}

/// A transaction that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Transaction {
    pub rows: [u8; RECORDS],
    pub next: Option<u8>,
    /// It is decided that it is committed; its markers are being written.
    pub committing: bool,
}

/// A request on its way. A copy, or a request whose sender does not wait any more, may arrive at any
/// time, or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Call {
    pub proc: u8,
    /// Whether the sender waits for the answer.
    pub heard: bool,
    pub epoch: u8,
    pub what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum What {
    /// Takes a new epoch.
    Init,
    /// The rows of `first..new`. The brokers drop copies of these by their sequence.
    Rows {
        first: u8,
        new: u8,
    },
    Offset {
        new: u8,
    },
    Commit,
}

/// What an instance does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum At {
    /// Has no partition.
    Idle,
    /// Will take a new epoch.
    Assigned,
    /// Has the epoch and reads the offset next.
    Reads,
    Run,
    /// The rows of the batch are delivered.
    Delivered,
    /// The offset is in the transaction too.
    Ready,
    /// Only without `one_transaction`: the rows are committed.
    RowsStored,
    /// Waits for the answer to a request.
    Waits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Proc {
    pub at: At,
    pub epoch: u8,
    /// The next record to read; the batch in hand begins here. Also the offset that the group keeps,
    /// as far as this writer knows.
    pub next: u8,
    /// Records of the batch in hand.
    pub size: u8,
    /// It has read the offset before.
    pub knows: bool,
    /// One of its requests was sent twice.
    pub copies: bool,
    /// A plain commit is to be sent; only without `no_plain_commit`.
    pub commit_due: bool,
}

pub const IDLE: Proc = Proc {
    at: At::Idle,
    epoch: 0,
    next: 0,
    size: 0,
    knows: false,
    copies: false,
    commit_due: false,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    pub brokers: Brokers,
    /// In order, so that their order makes no states of its own.
    pub calls: [Option<Call>; CALLS],
    pub holder: Option<u8>,
    /// A plain commit that is under way and late.
    pub late: Option<u8>,
    pub procs: [Proc; PROCS],
    pub left: Budget,
}

impl State {
    pub fn new(left: Budget) -> Self {
        let brokers = Brokers { epoch: 0, open: None, rows: [0; RECORDS], next: 0 };
        Self { brokers, calls: [None; CALLS], holder: None, late: None, procs: [IDLE; PROCS], left }
    }

    /// False where too many requests are under way.
    pub fn send(&mut self, call: Call) -> bool {
        let Some(free) = self.calls.iter_mut().find(|call| call.is_none()) else { return false };
        *free = Some(call);
        self.calls.sort_unstable();
        true
    }

    pub fn remove(&mut self, index: usize) {
        self.calls[index] = None;
        self.calls.sort_unstable();
    }

    /// An instance waits for no answers any more.
    pub fn hang_up(&mut self, i: usize) {
        for call in self.calls.iter_mut().flatten() {
            call.heard &= usize::from(call.proc) != i;
        }
        self.calls.sort_unstable();
    }
}
