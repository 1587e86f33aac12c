//! The model's state: the offset's row and the rows of one partition in the database, requests under
//! way to it, the consumer group, and up to three instances.

use super::rules::Budget;

pub const PROCS: usize = 3;
pub const RECORDS: usize = 4;
pub const CALLS: usize = 4;

/// What a transaction changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Database {
    /// Token of the owner; 0: nobody has claimed the partition.
    pub owner: u8,
    pub next: Option<u8>,
    /// How many rows each record has.
    pub rows: [u8; RECORDS],
}

/// A request on its way to the server, or being carried out there. One whose sender does not wait any
/// more may be carried out at any time, or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Call {
    pub proc: u8,
    /// Whether the sender waits for the answer.
    pub heard: bool,
    pub token: u8,
    pub what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum What {
    Claim,
    /// The rows of `first..new`, and `new` as the next offset if it was `expected`.
    Store {
        phase: Phase,
        expected: Option<u8>,
        first: u8,
        new: u8,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    Sent,
    /// Only without `one_transaction`: the rows are committed, the offset is not.
    RowsStored,
    /// The update has found its row, and has locked it until the commit.
    Updated,
}

/// What an instance does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum At {
    /// Has no partition.
    Idle,
    /// Will claim the partition.
    Assigned,
    /// Waits for the answer to its claim.
    Claiming,
    /// Has claimed a partition of which nothing is stored.
    Begin,
    /// Has found where to begin; only without `store_beginning`.
    Beginning,
    Run,
    /// Waits for the answer to a transaction.
    Storing,
    /// The answer to a transaction is lost, or its update found no row.
    Unknown {
        refused: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Proc {
    pub at: At,
    pub token: u8,
    /// What the database has as the next offset, as far as this writer knows.
    pub expected: Option<u8>,
    /// The next record to read; the batch in hand begins here.
    pub next: u8,
    /// Records of the batch in hand.
    pub size: u8,
    /// The group's offset is to be committed.
    pub commit_due: bool,
}

pub const IDLE: Proc =
    Proc { at: At::Idle, token: 0, expected: None, next: 0, size: 0, commit_due: false };

/// The consumer group. Kafka takes plain commits of zombies too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Group {
    pub holder: Option<u8>,
    pub offset: Option<u8>,
    /// A commit that is under way and late.
    pub late: Option<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    pub database: Database,
    /// What the standby server has.
    pub standby: Option<Database>,
    /// In order, so that their order makes no states of its own.
    pub calls: [Option<Call>; CALLS],
    pub group: Group,
    pub procs: [Proc; PROCS],
    /// Records in the log.
    pub end: u8,
    /// Where reading began for the first time.
    pub begun: Option<u8>,
    /// A writer has stored rows although another one had claimed the partition since.
    pub zombie_stored: bool,
    pub tokens: u8,
    pub left: Budget,
}

impl State {
    pub fn new(end: u8, left: Budget) -> Self {
        Self {
            database: Database { owner: 0, next: None, rows: [0; RECORDS] },
            standby: None,
            calls: [None; CALLS],
            group: Group { holder: None, offset: None, late: None },
            procs: [IDLE; PROCS],
            end,
            begun: None,
            zombie_stored: false,
            tokens: 0,
            left,
        }
    }

    /// Whether a transaction holds the offset's row.
    pub fn is_locked(&self) -> bool {
        self.calls
            .iter()
            .flatten()
            .any(|call| matches!(call.what, What::Store { phase: Phase::Updated, .. }))
    }

    /// Sends a request; false if too many are under way.
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

    /// The instance does not wait for its request any more.
    pub fn hang_up(&mut self, proc: usize) {
        for call in self.calls.iter_mut().flatten().filter(|call| usize::from(call.proc) == proc) {
            call.heard = false;
        }
        self.calls.sort_unstable();
    }
}
