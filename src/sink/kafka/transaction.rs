//! One transaction: rows, dead letters and the partition's next offset.

use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use super::errors::OutError;
use super::message::Message;
use super::owner::Owner;
use crate::sink::StoredOffset;
use crate::source::{Produced, TransactionError, Undelivered};

/// How long a call may block. Between two of them the writer reports that it waits.
const STEP: Duration = Duration::from_secs(2);

/// A message and its topic.
pub(super) struct Addressed<'a> {
    pub topic: &'a str,
    pub message: &'a Message,
}

/// Why a transaction was not committed, as far as is known.
pub(super) enum Failed {
    /// Nobody waits for it any more.
    Closed,
    /// These messages are to blame, by their place among what was sent. Nothing is stored.
    Refused(Vec<Undelivered>),
    Error(OutError),
}

/// Called while a transaction waits for the cluster. False where nobody waits for it any more.
pub(super) type Waits<'a> = &'a dyn Fn() -> bool;

impl Owner {
    /// Stores the messages and the offset. On a failure the transaction is still open, or unknown.
    pub fn store(
        &self,
        messages: &[Addressed<'_>],
        next: &StoredOffset,
        waits: Waits<'_>,
    ) -> Result<(), Failed> {
        self.send(messages, waits)?;
        let offsets = self.offsets(next).map_err(Failed::Error)?;
        until(waits, "add an offset to a transaction", || {
            self.producer.send(&offsets, &self.membership, STEP)
        })?;
        until(waits, "commit a transaction", || self.producer.end(STEP))
    }

    /// Begins a transaction and delivers the messages.
    pub fn send(&self, messages: &[Addressed<'_>], waits: Waits<'_>) -> Result<(), Failed> {
        self.producer.take_undelivered();
        until(waits, "begin a transaction", || self.producer.begin())?;
        let mut refused = Vec::new();
        for (number, Addressed { topic, message }) in messages.iter().enumerate() {
            let Message { key, value, headers, partition, timestamp_ms } = message;
            let record = Produced {
                topic,
                key: key.as_deref(),
                value: value.as_deref(),
                headers,
                partition: *partition,
                timestamp_ms: *timestamp_ms,
            };
            loop {
                match self.producer.produce(&record, number) {
                    Ok(()) => break,
                    Err(error) if error.code == Code::QueueFull => self.flush(waits)?,
                    Err(error) if is_refused(error.code) => {
                        refused.push(Undelivered { number, code: error.code });
                        break;
                    }
                    Err(source) => {
                        // What was not delivered before says more.
                        self.undelivered(messages, Vec::new())?;
                        let operation = "write messages";
                        return Err(Failed::Error(OutError::Transaction { operation, source }));
                    }
                }
            }
        }
        self.flush(waits)?;
        self.undelivered(messages, refused)
    }

    /// Gives the transaction up.
    pub fn abort(&self, waits: Waits<'_>) -> Result<(), Failed> {
        until(waits, "abort a transaction", || self.producer.abort(STEP))
    }

    fn flush(&self, waits: Waits<'_>) -> Result<(), Failed> {
        while !self.producer.flush(STEP) {
            if !waits() {
                return Err(Failed::Closed);
            }
        }
        Ok(())
    }

    /// Fails where messages were not delivered.
    fn undelivered(
        &self,
        messages: &[Addressed<'_>],
        mut refused: Vec<Undelivered>,
    ) -> Result<(), Failed> {
        let mut failed = None;
        for undelivered in self.producer.take_undelivered() {
            match is_refused(undelivered.code) {
                true => refused.push(undelivered),
                // Those that were purged only follow another one.
                false if failed.is_none_or(|one: Undelivered| is_purged(one.code)) => {
                    failed = Some(undelivered);
                }
                false => {}
            }
        }
        if !refused.is_empty() {
            return Err(Failed::Refused(refused));
        }
        let Some(Undelivered { number, code }) = failed else { return Ok(()) };
        let topic = messages.get(number).map_or("", |message| message.topic).to_owned();
        Err(Failed::Error(OutError::Undelivered { topic, code }))
    }

    fn offsets(&self, next: &StoredOffset) -> Result<TopicPartitionList, OutError> {
        let mut list = TopicPartitionList::with_capacity(1);
        let mut element = list.add_partition(&self.slot.topic, self.slot.partition);
        let offset = element.set_offset(KafkaOffset::Offset(next.next.0));
        offset.map_err(OutError::kafka("add an offset to a transaction"))?;
        element.set_metadata(&next.note);
        Ok(list)
    }
}

/// Whether the broker refuses the message and would take others.
fn is_refused(code: Code) -> bool {
    matches!(code, Code::MessageSizeTooLarge | Code::InvalidRecord)
}

fn is_purged(code: Code) -> bool {
    matches!(code, Code::PurgeQueue | Code::PurgeInflight)
}

/// Calls again as long as the call says that it can be continued.
fn until(
    waits: Waits<'_>,
    operation: &'static str,
    call: impl Fn() -> Result<(), TransactionError>,
) -> Result<(), Failed> {
    loop {
        match call() {
            Ok(()) => return Ok(()),
            Err(error) if error.is_retriable => {
                if !waits() {
                    return Err(Failed::Closed);
                }
                // Some calls return at once.
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(source) => return Err(Failed::Error(OutError::Transaction { operation, source })),
        }
    }
}
