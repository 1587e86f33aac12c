//! What librdkafka calls back: rebalances are noted for the polling thread, its words are passed on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;

use super::committer::is_fenced;
use super::consumer::Rebalance;
use super::progress::RanDry;
use crate::record::Partition;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::PartitionLabel;

/// Notes rebalances for the polling thread, and passes librdkafka's words on to tracing.
pub struct Rebalancer {
    topic: String,
    metrics: Metrics,
    noted: Mutex<Vec<Rebalance>>,
    ran_dry: Mutex<RanDry>,
    closing: AtomicBool,
    fenced: AtomicBool,
}

impl Rebalancer {
    pub(super) fn new(topic: String, metrics: Metrics) -> Self {
        Self {
            topic,
            metrics,
            noted: Mutex::default(),
            ran_dry: Mutex::default(),
            closing: AtomicBool::new(false),
            fenced: AtomicBool::new(false),
        }
    }

    /// Whether [`Self::take`] has something.
    pub(super) fn has_noted(&self) -> bool {
        !self.noted().is_empty()
    }

    /// The rebalances noted since the last call, in order.
    pub(super) fn take(&self) -> Vec<Rebalance> {
        std::mem::take(&mut self.noted())
    }

    /// From here on nothing new is taken on, and what is revoked is given up inside the callback.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// Whether a plain commit was refused since the last call, because the group has moved on.
    pub(super) fn take_fenced(&self) -> bool {
        self.fenced.swap(false, Ordering::AcqRel)
    }

    pub(super) fn ran_dry<T>(&self, with: impl FnOnce(&mut RanDry) -> T) -> T {
        with(&mut self.ran_dry.lock().unwrap_or_else(PoisonError::into_inner))
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
        let partitions: Vec<Partition> =
            list.elements().iter().map(|element| Partition(element.partition())).collect();
        let assigned = what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Acquire) {
            // Nothing new is taken on any more, and what is revoked is given up at once.
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
        if let Err(error) = result {
            tracing::warn!(error = %error, "a plain offset commit failed");
            if error.rdkafka_error_code().is_some_and(is_fenced) {
                self.fenced.store(true, Ordering::Release);
            }
        }
    }
}

impl ClientContext for Rebalancer {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        super::client::log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(error = %error, reason, "kafka client reports an error");
    }

    fn stats(&self, statistics: Statistics) {
        for (partition, lag) in super::client::lag_from_statistics(&statistics, &self.topic) {
            self.metrics.lag.get_or_create(&PartitionLabel { partition }).set(lag);
        }
        let Some(topic) = statistics.topics.get(&self.topic) else { return };
        self.ran_dry(|ran_dry| {
            for found in topic.partitions.values().filter(|found| found.fetch_state == "active") {
                let partition = Partition(found.partition);
                ran_dry.note(partition, found.next_offset, found.fetchq_cnt, statistics.time);
            }
        });
    }
}
