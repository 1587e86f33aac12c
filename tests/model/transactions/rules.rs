//! The rules of the Kafka sink's protocol as switches, so that a run can leave one out; and the budget
//! of faults.

/// The rules. The first value of each is what the program and the brokers do.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The brokers refuse requests of an epoch that is not the last one.
    pub fence: bool,
    /// The offset is read after the epoch was taken; otherwise before.
    pub epoch_before_read: bool,
    /// Rows and offset are in one transaction; otherwise the rows' is committed first.
    pub one_transaction: bool,
    /// A new epoch ends the transaction of the one before. Kafka does this.
    pub abort_on_new_epoch: bool,
    pub unknown: Unknown,
    /// After a request was sent twice, the next transaction has a new epoch.
    pub new_epoch_after_copies: bool,
    /// Nobody commits the group's offset outside of a transaction.
    pub no_plain_commit: bool,
    /// An offset is not read while a transaction that holds it is being committed.
    pub stable_read: bool,
}

/// What a writer does if its producer can no longer be used, with a batch in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// Takes a new epoch, reads the offset, and decides by it.
    ReadAgain,
    /// Goes on as if the batch were stored.
    AssumeStored,
    /// Takes a new epoch, and stores the batch again.
    AssumeLost,
}

pub const PROTOCOL: Rules = Rules {
    fence: true,
    epoch_before_read: true,
    one_transaction: true,
    abort_on_new_epoch: true,
    unknown: Unknown::ReadAgain,
    new_epoch_after_copies: true,
    no_plain_commit: true,
    stable_read: true,
};

/// How many faults of each kind may still occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Budget {
    /// The group takes the partition from an instance that does not know it.
    pub kick: u8,
    pub crash: u8,
    /// A connection breaks, and the client sends the request again: a copy may arrive at any time.
    pub copy: u8,
    /// The producer fails for good while it waits for an answer.
    pub fail: u8,
    /// The coordinator aborts a transaction that takes too long.
    pub timeout: u8,
    /// A plain commit arrives late; only without `no_plain_commit`.
    pub delay: u8,
}

pub const CALM: Budget = Budget { kick: 0, crash: 0, copy: 0, fail: 0, timeout: 0, delay: 0 };
