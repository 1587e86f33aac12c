//! Every rule of the protocol is a switch, so that a run can leave one out and show what breaks.

/// What a record turns into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Row,
    Ignored,
    /// Rejected by the transcoder: a dead letter.
    Rejected,
    /// BigQuery answers `row_errors` to any request that holds it.
    Bad,
}

/// The rules; `true` is the protocol as built.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Rows are flushed after the commit that covers them, never before.
    pub commit_before_flush: bool,
    /// Only rows that a commit covers are flushed, not all that were acknowledged.
    pub flush_committed_only: bool,
    /// A new owner flushes again what the committed metadata names.
    pub flush_on_assign: bool,
    /// Member id and generation are read by the thread that serves rebalances, at once before the
    /// commit; otherwise the commit waits in a queue and is stamped when it leaves.
    pub captured_membership: bool,
    /// No commit once the assignment is known to be lost.
    pub lost_check: bool,
    /// After a refused or unanswered commit the session ends; otherwise it commits again.
    pub end_session_in_doubt: bool,
    /// A commit that the client sent twice of itself counts as unanswered, though one copy was
    /// answered.
    pub doubt_when_sent_twice: bool,
    /// A new session takes the same transactional id and so ends what the one before left pending.
    pub same_transactional_id: bool,
    /// Committed offsets are read once no transaction is pending on them.
    pub stable_read: bool,
    /// Committed offsets are read after the assignment, not when joining.
    pub read_after_assign: bool,
    /// Every assignment opens a stream of its own; otherwise it goes on in the old one.
    pub fresh_stream: bool,
    /// `ALREADY_EXISTS` is success for a request that was sent before, for no other.
    pub exists_only_same: bool,
    /// After `row_errors` the rest goes to a fresh stream.
    pub fresh_on_row_errors: bool,
    /// The commit point does not cross into another stream before the first one's rows are visible.
    pub flush_before_switch: bool,
    /// Appends are acknowledged before the commit that covers them.
    pub wait_for_append: bool,
    /// Dead letters are durable before the commit that covers them.
    pub letters_first: bool,
    /// A used-up stream is finalized once no commit names it; otherwise right after the flush.
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
    /// A process dies anywhere and starts anew.
    pub crash: u8,
    /// The broker throws a member out that does not know of it: a zombie.
    pub kick: u8,
    /// The group rebalances for no reason of ours.
    pub rebalance: u8,
    /// A call takes effect, its answer is lost.
    pub lost: u8,
    /// A request arrives later, and the client hears of a fault.
    pub delay: u8,
    /// A JoinGroup answer is late: the broker is a generation ahead of the client.
    pub late_join: u8,
    /// A member leaves and joins again.
    pub leave: u8,
    /// A pending transaction times out while its producer lives.
    pub txn_timeout: u8,
}
