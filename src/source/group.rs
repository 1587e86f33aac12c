//! What the consumer group tells its members: changes of the assignment, and refusals of members
//! that it has left behind.

use rdkafka::error::RDKafkaErrorCode;

use crate::record::Partition;

/// A change of the assignment, to be carried out by the polling thread.
#[derive(Debug)]
pub enum Rebalance {
    Assigned(Vec<Partition>),
    /// `lost`: another member may own the partitions already, so nothing of them may be committed
    /// any more.
    Revoked {
        partitions: Vec<Partition>,
        lost: bool,
    },
}

/// Whether the broker refused a request because the group has moved on without this member.
pub(super) fn is_fenced(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(code, Code::IllegalGeneration | Code::UnknownMemberId | Code::FencedInstanceId)
}
