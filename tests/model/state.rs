//! The model's state: the consumer group and the transaction coordinator of one Kafka partition, a
//! table's BUFFERED streams, delayed requests, and up to three consumers.

use super::rules::{Budget, Kind};

pub const PROCS: usize = 3;
pub const STREAMS: usize = 7;
pub const ROWS: usize = 4;
pub const NET: usize = 2;
/// The number of transactional ids. Each process starts with one. A crash, or a new session without
/// `same_transactional_id`, takes another one as long as there are any.
pub const TXNS: usize = 6;
pub const NONE: u8 = u8::MAX;

/// An offset with its commit metadata, which promises that the first `rows` rows of `stream` become
/// visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Commit {
    pub offset: u8,
    pub stream: u8,
    pub rows: u8,
}

pub const NOTHING: Commit = Commit { offset: 0, stream: NONE, rows: 0 };

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stream {
    pub exists: bool,
    pub finalized: bool,
    /// The appended records, in order.
    pub rows: [u8; ROWS],
    pub len: u8,
    pub flushed: u8,
}

pub const NO_STREAM: Stream =
    Stream { exists: false, finalized: false, rows: [NONE; ROWS], len: 0, flushed: 0 };

/// The state of the group coordinator and of the transaction coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Broker {
    pub generation: i8,
    /// Member id of each process; 0 if it is not a member.
    pub member: [u8; PROCS],
    pub next_member: u8,
    /// A rebalance is under way.
    pub preparing: bool,
    pub committed: Commit,
    /// The highest offset ever committed: the committed offset must not fall below it.
    pub highest: u8,
    pub txn: [Txn; TXNS],
    pub next_txn: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Txn {
    pub epoch: u8,
    pub open: bool,
    pub pending: Option<Commit>,
}

pub const NO_TXN: Txn = Txn { epoch: 0, open: false, pending: None };

/// What a consumer is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum At {
    /// Before `init_transactions`.
    Down,
    /// Does not own the partition.
    Idle,
    /// Owns the partition; reads the committed offset next.
    Read,
    /// Repeats the flush that the commit promises.
    Reflush,
    Run,
    /// A commit is queued; only without `captured_membership`.
    Queued,
    /// The offsets were sent to the transaction, which has not ended.
    Sent,
    /// Stopped with an error that a person must resolve.
    Stopped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Proc {
    // librdkafka's state
    pub member: u8,
    pub generation: i8,
    pub has: bool,
    /// The assignment is lost; its callback has not been served yet.
    pub lost: bool,
    /// The partition is revoked; the callback has not been served yet.
    pub revoke: bool,
    // the program's state
    pub at: At,
    pub txn: u8,
    pub epoch: u8,
    pub read: Commit,
    pub stream: u8,
    /// The next record to append.
    pub next: u8,
    /// Number of rows acknowledged in `stream`.
    pub rows: u8,
    pub done: Commit,
    pub flush_due: bool,
    /// The client sent a request of this commit twice; one copy may still arrive.
    pub sent_twice: bool,
    /// The commit that covers the rows acknowledged on the previous stream. Obsolete once `done`
    /// has reached its offset.
    pub before: Commit,
    pub wanted: Commit,
    /// Size of the batch that was sent and not answered; 0 if there is none.
    pub resend: u8,
    /// Bit mask of the bad records that were removed from the batch.
    pub bad: u8,
    /// Bit mask of the dead letters not yet durable; only without `letters_first`.
    pub letters_due: u8,
}

pub const FRESH: Proc = Proc {
    member: 0,
    generation: -1,
    has: false,
    lost: false,
    revoke: false,
    at: At::Down,
    txn: NONE,
    epoch: 0,
    read: NOTHING,
    stream: NONE,
    next: 0,
    rows: 0,
    done: NOTHING,
    flush_due: false,
    sent_twice: false,
    before: NOTHING,
    wanted: NOTHING,
    resend: 0,
    bad: 0,
    letters_due: 0,
};

/// A delayed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Message {
    Append { stream: u8, at: u8, first: u8, count: u8 },
    Offsets { txn: u8, epoch: u8, proc: u8, member: u8, generation: i8, commit: Commit },
    End { txn: u8, epoch: u8 },
    Flush { stream: u8, rows: u8 },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    pub broker: Broker,
    pub procs: [Proc; PROCS],
    pub streams: [Stream; STREAMS],
    pub net: [Option<Message>; NET],
    /// Bit mask of the records with a durable dead letter.
    pub letters: u8,
    pub left: Budget,
}

impl State {
    pub fn new(procs: usize, left: Budget) -> Self {
        let mut state = Self {
            broker: Broker {
                generation: 0,
                member: [0; PROCS],
                next_member: 1,
                preparing: false,
                committed: NOTHING,
                highest: 0,
                txn: [NO_TXN; TXNS],
                next_txn: 0,
            },
            procs: [FRESH; PROCS],
            streams: [NO_STREAM; STREAMS],
            net: [None; NET],
            letters: 0,
            left,
        };
        for index in 0..procs {
            state.procs[index].txn = state.broker.next_txn;
            state.broker.next_txn += 1;
        }
        state
    }

    /// How many times each record is visible.
    pub fn visible(&self) -> [u8; 8] {
        let mut seen = [0; 8];
        for stream in &self.streams {
            for row in &stream.rows[..stream.flushed as usize] {
                seen[*row as usize] += 1;
            }
        }
        seen
    }

    /// Whether the record is visible, or the committed metadata promises that it becomes visible.
    pub fn is_safe(&self, record: u8) -> bool {
        let promised = self.broker.committed;
        let in_promise = promised.stream != NONE && {
            let stream = &self.streams[promised.stream as usize];
            stream.rows[..promised.rows.min(stream.len) as usize].contains(&record)
        };
        in_promise || self.visible()[record as usize] > 0
    }

    /// Whether nothing is lost if the record is below the committed offset.
    pub fn is_accounted(&self, record: u8, kind: Kind) -> bool {
        match kind {
            Kind::Ignored => true,
            Kind::Row => self.is_safe(record),
            Kind::Rejected | Kind::Bad => self.letters & (1 << record) != 0,
        }
    }

    pub fn send(&mut self, message: Message) -> bool {
        match self.net.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => {
                *slot = Some(message);
                true
            }
            None => false,
        }
    }
}
