//! librdkafka's callbacks: rebalances are noted for the polling thread, messages are logged.
//! All of them run on the polling thread, inside a poll.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;

use super::group::{Rebalance, is_fenced};
use crate::record::Partition;

/// What the callbacks noted since the polling thread asked last.
pub struct Rebalancer {
    noted: Mutex<Vec<Rebalance>>,
    called_back: AtomicBool,
    closing: AtomicBool,
    fenced: AtomicBool,
    too_large: AtomicBool,
}

impl Rebalancer {
    pub(super) fn new() -> Self {
        Self {
            noted: Mutex::default(),
            called_back: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            fenced: AtomicBool::new(false),
            too_large: AtomicBool::new(false),
        }
    }

    /// Whether [`Self::take`] returns anything.
    pub(super) fn has_noted(&self) -> bool {
        !self.noted().is_empty()
    }

    /// The rebalances noted since the last call, in order.
    pub(super) fn take(&self) -> Vec<Rebalance> {
        std::mem::take(&mut self.noted())
    }

    /// Whether a poll has served an event since the last call of this function that it does not
    /// return: a rebalance, the answer to a commit, a log line or statistics.
    pub(super) fn take_called_back(&self) -> bool {
        self.called_back.swap(false, Ordering::AcqRel)
    }

    /// From now on new assignments are declined, and what is revoked is given up in the callback.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// Whether the broker has refused a plain commit since the last call, because the group has
    /// moved on.
    pub(super) fn take_fenced(&self) -> bool {
        self.fenced.swap(false, Ordering::AcqRel)
    }

    /// Whether the broker has refused the metadata of a plain commit since the last call.
    pub(super) fn take_too_large(&self) -> bool {
        self.too_large.swap(false, Ordering::AcqRel)
    }

    fn note_call(&self) {
        self.called_back.store(true, Ordering::Release);
    }

    fn noted(&self) -> MutexGuard<'_, Vec<Rebalance>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConsumerContext for Rebalancer {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        self.note_call();
        let partitions: Vec<Partition> =
            list.elements().iter().map(|element| Partition(element.partition())).collect();
        let assigned = what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Acquire) {
            if let Err(error) = consumer.unassign() {
                tracing::warn!(error = %error, "giving partitions up failed");
            }
        } else if assigned {
            self.noted().push(Rebalance::Assigned(partitions));
        } else {
            let lost = consumer.assignment_lost();
            self.noted().push(Rebalance::Revoked { partitions, lost });
        }
    }

    fn commit_callback(&self, result: Result<(), KafkaError>, _: &TopicPartitionList) {
        self.note_call();
        if let Err(error) = result {
            tracing::warn!(error = %error, "a plain offset commit failed");
            match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::OffsetMetadataTooLarge) => {
                    self.too_large.store(true, Ordering::Release);
                }
                Some(code) if is_fenced(code) => self.fenced.store(true, Ordering::Release),
                _ => {}
            }
        }
    }
}

impl ClientContext for Rebalancer {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.note_call();
        super::client::log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(error = %error, reason, "the Kafka client reports an error");
    }

    fn stats(&self, _: Statistics) {
        self.note_call();
    }
}
