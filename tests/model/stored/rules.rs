//! The rules of the PostgreSQL sink's protocol as switches, so that a run can leave one out; and the
//! budget of faults.

/// The rules. The first value of each is what the program does.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The update of the offset's row compares `owner`.
    pub compare_owner: bool,
    /// The update of the offset's row compares `next`.
    pub compare_next: bool,
    /// Rows and offset are stored by one transaction; otherwise the rows' is committed first.
    pub one_transaction: bool,
    /// An update of no row aborts the transaction; otherwise its rows are committed all the same.
    pub abort_on_no_row: bool,
    /// The update and the commit travel in one message; otherwise the server waits in between for a
    /// client that may be frozen.
    pub commit_with_update: bool,
    pub unknown: Unknown,
    /// The read after an unknown outcome waits for a transaction that holds the row.
    pub lock_on_read: bool,
    /// The database's position wins over Kafka's.
    pub database_wins: bool,
    /// Where nothing is stored, the beginning is stored before the first record is read; otherwise
    /// it is committed to Kafka only.
    pub store_beginning: bool,
    /// An idle writer compares the offset's row with what it expects from time to time.
    pub check_when_idle: bool,
}

/// What a writer does if the answer to a commit is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// Reads the offset's row again, and decides by it.
    ReadAgain,
    /// Stores the same batch again with the same comparison, and reads only if that is refused.
    StoreAgain,
    /// Goes on as if the batch were stored.
    AssumeStored,
    /// Stores the same rows again, and expects the `next` that it finds.
    AssumeLost,
}

/// Where reading begins if neither the database nor Kafka knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartFrom {
    Earliest,
    Latest,
}

pub const PROTOCOL: Rules = Rules {
    compare_owner: true,
    compare_next: true,
    one_transaction: true,
    abort_on_no_row: true,
    commit_with_update: true,
    unknown: Unknown::ReadAgain,
    lock_on_read: true,
    database_wins: true,
    store_beginning: true,
    check_when_idle: true,
};

/// How many faults of each kind may still occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Budget {
    /// The group takes the partition from an instance that does not know it.
    pub kick: u8,
    pub crash: u8,
    /// A connection breaks: the answer is lost, and the request is carried out at once, late or never.
    pub cut: u8,
    /// The server aborts a transaction: it was killed, or an administrator ended the connection.
    pub abort: u8,
    /// A commit of the group's offset arrives late.
    pub delay: u8,
    /// Kafka forgets the group's offset.
    pub forget: u8,
    /// A standby server takes over without the latest transactions.
    pub failover: u8,
}

pub const CALM: Budget =
    Budget { kick: 0, crash: 0, cut: 0, abort: 0, delay: 0, forget: 0, failover: 0 };
