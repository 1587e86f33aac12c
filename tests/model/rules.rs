//! The protocol's rules as switches, so that a run can leave one out; and the budget of faults.

/// What a record turns into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Row,
    Ignored,
    /// Rejected by the transcoder: a dead letter.
    Rejected,
    /// BigQuery returns `row_errors` for every append that contains it; becomes a dead letter.
    Bad,
}

/// The rules. `true` is what the program does.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Rows are flushed after the commit that covers them, never before.
    pub commit_before_flush: bool,
    /// Only rows that a commit covers are flushed, not all that were acknowledged.
    pub flush_committed_only: bool,
    /// A new owner repeats the flush that the committed metadata promises.
    pub flush_on_assign: bool,
    /// The thread that serves rebalances reads member id and generation immediately before the
    /// commit; otherwise the commit is queued and gets both when it is sent.
    pub captured_membership: bool,
    /// Nothing is committed once the assignment is known to be lost.
    pub lost_check: bool,
    /// After a refused or unanswered commit the session ends; otherwise it commits again.
    pub end_session_in_doubt: bool,
    /// A commit that the client resent by itself counts as unanswered, even if one copy was
    /// answered.
    pub doubt_when_sent_twice: bool,
    /// A new session reuses the transactional id and so aborts the previous session's transaction.
    pub same_transactional_id: bool,
    /// Committed offsets are read only when no transaction is pending on them.
    pub stable_read: bool,
    /// Committed offsets are read after the assignment, not when joining.
    pub read_after_assign: bool,
    /// Every assignment creates a new stream; otherwise it appends to the old one.
    pub fresh_stream: bool,
    /// `ALREADY_EXISTS` counts as success only for a request that was sent before.
    pub exists_only_same: bool,
    /// After `row_errors` the remaining rows are appended to a new stream.
    pub fresh_on_row_errors: bool,
    /// The commit point does not move on to a new stream before the old stream's rows are visible.
    pub flush_before_switch: bool,
    /// A commit covers only acknowledged appends.
    pub wait_for_append: bool,
    /// Dead letters are durable before the commit that covers them.
    pub letters_first: bool,
    /// A stream that a commit names is not finalized (the model then finalizes none); otherwise a
    /// new owner finalizes the old stream after repeating its flush.
    pub finalize_when_uncovered: bool,
}

pub const PROTOCOL: Rules = Rules {
    commit_before_flush: true,
    flush_committed_only: true,
    flush_on_assign: true,
    captured_membership: true,
    lost_check: true,
    end_session_in_doubt: true,
    doubt_when_sent_twice: true,
    same_transactional_id: true,
    stable_read: true,
    read_after_assign: true,
    fresh_stream: true,
    exists_only_same: true,
    fresh_on_row_errors: true,
    flush_before_switch: true,
    wait_for_append: true,
    letters_first: true,
    finalize_when_uncovered: true,
};

/// How many of each fault a run may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Budget {
    /// A process crashes at any point and starts again.
    pub crash: u8,
    /// The broker removes a member that does not know of it yet: a zombie.
    pub kick: u8,
    /// The group rebalances for a reason outside the model.
    pub rebalance: u8,
    /// A call takes effect, but its response is lost.
    pub lost: u8,
    /// A request, or the first of two copies, arrives late; the client gets no response to it.
    pub delay: u8,
    /// A JoinGroup response is late: the broker is a generation ahead of the client.
    pub late_join: u8,
    /// A member leaves and joins again.
    pub leave: u8,
    /// A transaction times out while its producer is about to end it.
    pub txn_timeout: u8,
}
