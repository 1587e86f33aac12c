//! The producer of the event API: publishes records in batches, and says of each where it is, that
//! it is not on the topic, or that nobody knows.

use std::any::Any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use tokio::sync::{Notify, watch};

use super::client::log_line;
use super::native;
use crate::record::Position;

/// An idempotent producer for one topic. Clones share the same client.
#[derive(Clone)]
pub struct Publisher {
    producer: Arc<ThreadedProducer<Reports>>,
    topic: Arc<str>,
    failed: watch::Receiver<Option<String>>,
}

/// A record to publish. librdkafka copies its parts.
pub struct Outgoing<'a> {
    pub key: Option<&'a [u8]>,
    pub value: &'a [u8],
    pub headers: Option<OwnedHeaders>,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All replicas in sync have it.
    Published(Position),
    /// It is not on the topic and will not be.
    NotPublished(RDKafkaErrorCode),
    /// It was sent and not acknowledged: it may be on the topic.
    Unknown(RDKafkaErrorCode),
}

/// Records on their way.
pub struct Pending(Arc<Batch>);

/// The records of one call.
struct Batch {
    outcomes: Box<[OnceLock<Outcome>]>,
    /// Records without an outcome.
    left: AtomicUsize,
    complete: Notify,
    /// Dropped when all records have an outcome and nobody waits for them any more.
    _hold: Box<dyn Any + Send + Sync>,
}

/// One record of a batch, as librdkafka hands it back.
struct Delivery {
    batch: Arc<Batch>,
    index: usize,
}

/// Receives librdkafka's delivery reports.
struct Reports {
    failed: watch::Sender<Option<String>>,
}

impl Publisher {
    /// `config` is an idempotent producer's (`client::publisher_config`).
    pub fn open(config: &ClientConfig, topic: &str) -> Result<Self, KafkaError> {
        let (sender, failed) = watch::channel(None);
        let producer = config.create_with_context(Reports { failed: sender })?;
        Ok(Self { producer: Arc::new(producer), topic: topic.into(), failed })
    }

    /// Hands the records to librdkafka, in this order. `hold` is dropped when all of them have an
    /// outcome, even if the caller does not wait for it.
    pub fn publish<'a>(
        &self,
        records: impl ExactSizeIterator<Item = Outgoing<'a>>,
        hold: impl Any + Send + Sync,
    ) -> Pending {
        let count = records.len();
        let batch = Arc::new(Batch {
            outcomes: (0..count).map(|_| OnceLock::new()).collect(),
            left: AtomicUsize::new(count),
            complete: Notify::new(),
            _hold: Box::new(hold),
        });
        for (index, Outgoing { key, value, headers }) in records.enumerate() {
            let delivery = Box::new(Delivery { batch: batch.clone(), index });
            let mut record: BaseRecord<'_, [u8], [u8], Box<Delivery>> =
                BaseRecord::with_opaque_to(&self.topic, delivery).payload(value);
            record.key = key;
            record.headers = headers;
            if let Err((error, record)) = self.producer.send(record) {
                record.delivery_opaque.ended(Outcome::NotPublished(code(&error)));
            }
        }
        Pending(batch)
    }

    /// Waits until everything that was published has an outcome; `false` at the deadline. Blocks.
    pub fn flush(&self, patience: Duration) -> bool {
        self.producer.flush(patience).is_ok()
    }

    /// Whether the broker knows the topic. Blocks.
    pub fn topic_exists(&self, patience: Duration) -> Result<bool, KafkaError> {
        let answer = self.producer.client().fetch_metadata(Some(&self.topic), patience)?;
        let known = |topic: &rdkafka::metadata::MetadataTopic| topic.error().is_none();
        Ok(answer.topics().iter().any(known))
    }

    /// Waits until the client can publish nothing any more, and returns why.
    pub async fn broken(&self) -> String {
        let mut failed = self.failed.clone();
        match failed.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            // The client is there as long as this handle, and the sender with it.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Pending {
    /// Whether all records have an outcome.
    pub fn is_complete(&self) -> bool {
        self.0.left.load(Ordering::Acquire) == 0
    }

    /// The outcomes in the order of the records. What has none when the time is over is unknown.
    pub async fn outcomes(self, patience: Duration) -> Vec<Outcome> {
        let Self(batch) = self;
        let complete = async {
            // The permit of a notification before this call is kept.
            while batch.left.load(Ordering::Acquire) > 0 {
                batch.complete.notified().await;
            }
        };
        // Not complete at the deadline: that is what the outcomes say.
        let _ = tokio::time::timeout(patience, complete).await;
        let unknown = Outcome::Unknown(RDKafkaErrorCode::OperationTimedOut);
        batch.outcomes.iter().map(|slot| slot.get().copied().unwrap_or(unknown)).collect()
    }
}

impl Delivery {
    fn ended(&self, outcome: Outcome) {
        if let Some(slot) = self.batch.outcomes.get(self.index) {
            // Each record is handed back once.
            let _ = slot.set(outcome);
        }
        if self.batch.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.batch.complete.notify_one();
        }
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            tracing::error!(target: "librdkafka", "{reason}");
            self.failed.send_replace(Some(reason.to_owned()));
        } else {
            // librdkafka logs the same.
            tracing::debug!(target: "librdkafka", "{reason}");
        }
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Delivery>;

    fn delivery(&self, result: &DeliveryResult<'_>, delivery: Box<Delivery>) {
        delivery.ended(match result {
            Ok(message) => Outcome::Published(Position::new(message.partition(), message.offset())),
            Err((error, message)) if native::is_surely_lost(message) => {
                Outcome::NotPublished(code(error))
            }
            Err((error, _)) => Outcome::Unknown(code(error)),
        });
    }
}

fn code(error: &KafkaError) -> RDKafkaErrorCode {
    error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown)
}
