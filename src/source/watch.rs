//! What changes on the brokers while records are read: where the partitions end, and whether the
//! topic is still the same one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::admin::{Admin, Answer, End, Topic};
use super::error_code::code_of;
use super::rebalancer::Rebalancer;
use crate::record::{Offset, Partition};

/// How often the brokers are asked.
const INTERVAL: Duration = Duration::from_secs(5);

/// How long an answer may take; the next question waits for it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long the polling thread may wait for a broker that it can ask.
const QUICKLY: Duration = Duration::from_secs(1);

/// Asks without blocking, and keeps the last answers.
pub(super) struct Watch {
    consumer: Arc<BaseConsumer<Rebalancer>>,
    admin: Admin<Rebalancer>,
    name: String,
    /// The broker to ask about the topic. Without one librdkafka asks the controller, which its mock
    /// cluster does not have.
    broker: Option<i32>,
    /// Questions without an answer yet.
    asked: u32,
    due: Instant,
    topic: Option<Topic>,
    ends: BTreeMap<Partition, Offset>,
    /// Since when no broker has answered.
    silent_since: Option<Instant>,
}

impl Watch {
    pub fn new(consumer: Arc<BaseConsumer<Rebalancer>>, topic: &str) -> Result<Self, KafkaError> {
        Ok(Self {
            admin: Admin::new(consumer.clone(), topic)?,
            consumer,
            name: topic.to_owned(),
            broker: None,
            asked: 0,
            // Before the first assignment there is nothing to compare, unless it is long in coming.
            due: Instant::now() + INTERVAL,
            topic: None,
            ends: BTreeMap::new(),
            silent_since: None,
        })
    }

    /// Asks once it is time, about these partitions, and takes the answers that have come.
    pub fn turn(&mut self, partitions: impl FnOnce() -> Vec<Partition>) {
        while self.asked > 0
            && let Some(answer) = self.admin.answer(Duration::ZERO)
        {
            self.asked -= 1;
            self.take(answer);
        }
        if self.asked == 0 && Instant::now() >= self.due {
            self.due = Instant::now() + INTERVAL;
            if self.broker.is_none() {
                match self.answering_broker(QUICKLY) {
                    // Negative while only the addresses in the configuration are known: no broker's id.
                    Ok(id) => self.broker = Some(id).filter(|id| *id >= 0),
                    Err(_) => self.is_silent(),
                }
            }
            if let Some(broker) = self.broker {
                self.admin.ask_for_topic(broker, TIMEOUT);
                self.asked += 1;
            }
            let partitions = partitions();
            if !partitions.is_empty() {
                self.admin.ask_for_ends(&partitions, End::Readable, TIMEOUT);
                self.asked += 1;
            }
        }
    }

    /// The topic as the brokers have it now, waiting for their answer.
    pub fn topic_now(&mut self, patience: Duration) -> Result<Topic, KafkaError> {
        let broker = self.answering_broker(patience)?;
        self.broker = Some(broker);
        let deadline = Instant::now() + patience + Duration::from_secs(1);
        // An older answer must not be taken for this one.
        self.take_all(deadline)?;
        self.admin.ask_for_topic(broker, patience);
        self.asked += 1;
        while let Some(answer) =
            self.admin.answer(deadline.saturating_duration_since(Instant::now()))
        {
            self.asked -= 1;
            match answer {
                Answer::Topic(topic) => {
                    self.topic = topic.as_ref().ok().copied();
                    return topic;
                }
                Answer::Ends(_) => self.take(answer),
            }
        }
        Err(timed_out())
    }

    /// Where the partitions end, with what cannot be read yet, waiting for the brokers' answer.
    pub fn written_ends(
        &mut self,
        partitions: &[Partition],
        patience: Duration,
    ) -> Result<Vec<(Partition, Offset)>, KafkaError> {
        self.ends_now(partitions, End::Written, patience)
    }

    /// Where the partitions' readable records end, waiting for the brokers' answer.
    pub fn readable_ends(
        &mut self,
        partitions: &[Partition],
        patience: Duration,
    ) -> Result<Vec<(Partition, Offset)>, KafkaError> {
        self.ends_now(partitions, End::Readable, patience)
    }

    fn ends_now(
        &mut self,
        partitions: &[Partition],
        end: End,
        patience: Duration,
    ) -> Result<Vec<(Partition, Offset)>, KafkaError> {
        // An answer that is still on its way must not be taken for this one.
        self.take_all(Instant::now() + patience)?;
        self.admin.ask_for_ends(partitions, end, patience);
        match self.admin.answer(patience + Duration::from_secs(1)) {
            Some(Answer::Ends(ends)) => ends,
            _ => Err(timed_out()),
        }
    }

    /// Waits for the answers to all questions.
    fn take_all(&mut self, deadline: Instant) -> Result<(), KafkaError> {
        while self.asked > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            let answer = self.admin.answer(left).ok_or_else(timed_out)?;
            self.asked -= 1;
            self.take(answer);
        }
        Ok(())
    }

    /// The topic as the last answer had it; `None` where that was none.
    pub fn topic(&self) -> Option<Topic> {
        self.topic
    }

    /// Where a partition's readable records end, as it was last seen.
    pub fn end(&self, partition: Partition) -> Option<Offset> {
        self.ends.get(&partition).copied()
    }

    /// Since when no broker has answered a question, if the last one was not answered.
    pub fn silent_since(&self) -> Option<Instant> {
        self.silent_since
    }

    pub fn note_end(&mut self, partition: Partition, end: Offset) {
        self.ends.insert(partition, end);
    }

    pub fn forget(&mut self, partition: Partition) {
        self.ends.remove(&partition);
    }

    /// The id of a broker that answers now.
    fn answering_broker(&self, patience: Duration) -> Result<i32, KafkaError> {
        let metadata = self.consumer.fetch_metadata(Some(&self.name), patience)?;
        Ok(metadata.orig_broker_id())
    }

    fn is_silent(&mut self) {
        self.silent_since = self.silent_since.or_else(|| Some(Instant::now()));
    }

    fn take(&mut self, answer: Answer) {
        // A refusal is an answer too, and so is a partition's end among others that have no leader.
        match &answer {
            Answer::Topic(Err(error)) | Answer::Ends(Err(error)) if is_silence(error) => {
                self.is_silent();
            }
            Answer::Ends(Ok(ends)) if ends.is_empty() => {}
            Answer::Topic(_) | Answer::Ends(_) => self.silent_since = None,
        }
        match answer {
            Answer::Topic(Ok(topic)) => self.topic = Some(topic),
            Answer::Ends(Ok(ends)) => {
                for (partition, end) in ends {
                    if let Some(known) = self.ends.get_mut(&partition) {
                        *known = end;
                    }
                }
            }
            // Asked again at the next interval; about the topic, another broker, because the one that
            // was asked may be gone for good.
            Answer::Topic(Err(error)) => {
                tracing::debug!(error = %error, "the broker does not say which topic it has");
                (self.topic, self.broker) = (None, None);
            }
            Answer::Ends(Err(error)) => {
                tracing::debug!(error = %error, "the brokers do not say where the topic stands");
            }
        }
    }
}

fn is_silence(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code_of(error),
        Some(
            Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::OperationTimedOut
                | Code::RequestTimedOut
        )
    )
}

fn timed_out() -> KafkaError {
    KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut)
}
