//! A client that looks at brokers, a topic and a group, and changes nothing: it joins no group, commits
//! no offset and creates no topic.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use super::admin::{Admin, GroupNow, Rights, Topic};
use super::error_code::code_of;
use super::native;
use super::offsets::{Committed, committed};
use super::topic_parts::Part;
use super::topic_reader::with_event;
use crate::record::{Offset, OwnedEvent, Partition};

const POLL: Duration = Duration::from_millis(50);

/// The most messages of librdkafka's that are taken for the reason why nobody answers.
const MOST_SAID: usize = 100;

/// Looks at one topic. Each question waits for its answer.
pub struct Onlooker {
    // Dropped before the client.
    admin: Admin<Quiet>,
    consumer: Arc<BaseConsumer<Quiet>>,
    topic: String,
}

/// The brokers that answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brokers {
    pub count: usize,
    /// The broker that has answered.
    answered: i32,
}

/// The last records of a partition, of which `keep` are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    pub part: Part,
    pub keep: usize,
}

/// What came of a question, on one line and without a setting's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookError {
    pub code: Option<RDKafkaErrorCode>,
    text: String,
}

impl fmt::Display for LookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for LookError {}

impl From<KafkaError> for LookError {
    fn from(error: KafkaError) -> Self {
        let code = code_of(&error);
        let text = match &error {
            // The rest of it may be a password.
            KafkaError::ClientConfig(_, message, name, _) => format!("{name}: {message}"),
            _ => code.map_or_else(|| error.to_string(), |code| code.to_string()),
        };
        Self { code, text }
    }
}

impl LookError {
    /// Whether nobody has answered.
    pub fn is_silence(&self) -> bool {
        use RDKafkaErrorCode as Code;
        matches!(
            self.code,
            Some(
                Code::BrokerTransportFailure
                    | Code::AllBrokersDown
                    | Code::OperationTimedOut
                    | Code::RequestTimedOut
                    | Code::Resolve
                    | Code::SSL
                    | Code::Authentication
            )
        )
    }

    /// Whether there is no such topic.
    pub fn is_missing(&self) -> bool {
        use RDKafkaErrorCode as Code;
        matches!(
            self.code,
            Some(Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition)
        )
    }

    /// Whether a right is missing.
    pub fn is_refusal(&self) -> bool {
        use RDKafkaErrorCode as Code;
        matches!(
            self.code,
            Some(
                Code::TopicAuthorizationFailed
                    | Code::GroupAuthorizationFailed
                    | Code::ClusterAuthorizationFailed
            )
        )
    }

    fn said(code: RDKafkaErrorCode) -> Self {
        Self { code: Some(code), text: code.to_string() }
    }
}

/// A topic, and what this principal may do to it; `None`: the brokers do not say.
pub type TopicLook = Result<(Topic, Option<Rights>), LookError>;

/// Keeps what librdkafka said last of a connection that failed.
#[derive(Default)]
struct Quiet {
    said: Mutex<Option<String>>,
}

impl ClientContext for Quiet {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "librdkafka", facility, "{message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // It says that all brokers are down after it has said why.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            *self.said.lock().unwrap_or_else(PoisonError::into_inner) = Some(plain(reason));
        }
    }
}

impl ConsumerContext for Quiet {}

/// Without the thread that says it, and how often it was said.
fn plain(reason: &str) -> String {
    let rest = reason.split_once("]: ").map_or(reason, |(_, rest)| rest);
    rest.split(" (after ").next().unwrap_or(rest).to_owned()
}

impl Onlooker {
    /// Connects to nobody yet. `config` is a consumer's; its group is a name only.
    pub fn open(config: &ClientConfig, topic: &str) -> Result<Self, LookError> {
        let mut config = config.clone();
        config
            .set("allow.auto.create.topics", "false")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "false")
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "error");
        let consumer: BaseConsumer<Quiet> = config.create_with_context(Quiet::default())?;
        let consumer = Arc::new(consumer);
        let admin = Admin::new(consumer.clone(), topic)?;
        Ok(Self { admin, consumer, topic: topic.to_owned() })
    }

    /// Asks any broker which ones there are. The error says why nobody answers, where that is known.
    pub fn brokers(&self, patience: Duration) -> Result<Brokers, LookError> {
        let asked = self.consumer.fetch_metadata(Some(&self.topic), patience);
        match asked {
            Ok(answer) => {
                Ok(Brokers { count: answer.brokers().len(), answered: answer.orig_broker_id() })
            }
            Err(error) => {
                // What the client says of its connections comes with polls, one at a time.
                for _ in 0..MOST_SAID {
                    let _ = self.consumer.poll(Duration::ZERO);
                }
                let said = self.consumer.client().context().said.lock();
                let said = said.unwrap_or_else(PoisonError::into_inner).take();
                let error = LookError::from(error);
                Err(LookError { text: said.unwrap_or(error.text), ..error })
            }
        }
    }

    /// The cluster's id; `None`: it has none, or nobody answers.
    pub fn cluster_id(&self, patience: Duration) -> Option<String> {
        self.consumer.client().fetch_cluster_id(patience)
    }

    /// The topic, and what this principal may do to it; `None`: the brokers do not say.
    pub fn topic(&self, brokers: &Brokers, patience: Duration) -> TopicLook {
        Ok(self.admin.describe_topic(brokers.answered, patience)?)
    }

    /// The group, of which this client never is a member.
    pub fn group(&self, group: &str, patience: Duration) -> Result<GroupNow, LookError> {
        match self.coordinated(patience, || self.admin.describe_group(group, patience)) {
            // Newer brokers say so of a group that nobody knows.
            Err(error) if code_of(&error) == Some(RDKafkaErrorCode::GroupIdNotFound) => {
                Ok(GroupNow { state: "Dead".to_owned(), members: 0, rights: None })
            }
            answer => Ok(answer?),
        }
    }

    /// What the group of the configuration has committed.
    pub fn committed(
        &self,
        partitions: &[Partition],
        patience: Duration,
    ) -> Result<Vec<Committed>, LookError> {
        Ok(self.coordinated(patience, || {
            committed(&self.consumer.committed_offsets(self.list(partitions), patience)?)
        })?)
    }

    /// Asks a group's coordinator again while there is none, or while it begins: in a cluster that never
    /// had a group, or after a broker has gone.
    fn coordinated<T>(
        &self,
        patience: Duration,
        ask: impl Fn() -> Result<T, KafkaError>,
    ) -> Result<T, KafkaError> {
        use RDKafkaErrorCode as Code;
        let deadline = Instant::now() + patience;
        loop {
            match ask() {
                Err(error)
                    if matches!(
                        code_of(&error),
                        Some(
                            Code::NotCoordinator
                                | Code::CoordinatorNotAvailable
                                | Code::CoordinatorLoadInProgress
                        )
                    ) && Instant::now() < deadline =>
                {
                    std::thread::sleep(POLL);
                }
                answer => return answer,
            }
        }
    }

    /// Where the logs begin, and where their readable records end. Partitions without a leader that
    /// answers are left out.
    pub fn logs(
        &self,
        partitions: &[Partition],
        patience: Duration,
    ) -> Result<BTreeMap<Partition, (Offset, Offset)>, LookError> {
        let end = |end: KafkaOffset| -> Result<BTreeMap<Partition, Offset>, LookError> {
            let mut times = self.list(partitions);
            times.set_all_offsets(end)?;
            let found = self.consumer.offsets_for_times(times, patience)?;
            let offset = |element: &TopicPartitionListElem<'_>| {
                element.error().ok()?;
                let offset = element.offset().to_raw().filter(|offset| *offset >= 0)?;
                Some((Partition(element.partition()), Offset(offset)))
            };
            Ok(found.elements().iter().filter_map(offset).collect())
        };
        let begins = end(KafkaOffset::Beginning)?;
        let ends = end(KafkaOffset::End)?;
        let both = |(partition, begin): (Partition, Offset)| {
            ends.get(&partition).map(|end| (partition, (begin, *end)))
        };
        Ok(begins.into_iter().filter_map(both).collect())
    }

    /// The last records of partitions, in the order of each partition. Fewer than are wanted where the
    /// deadline comes first, or where the offsets hold no records.
    pub fn last_records(
        &self,
        tails: &[Tail],
        deadline: Instant,
    ) -> Result<Vec<OwnedEvent>, LookError> {
        let mut list = TopicPartitionList::with_capacity(tails.len());
        let mut open: BTreeMap<Partition, Tail> = BTreeMap::new();
        let mut kept: BTreeMap<Partition, VecDeque<OwnedEvent>> = BTreeMap::new();
        for tail in tails.iter().filter(|tail| tail.keep > 0 && tail.part.from < tail.part.to) {
            let Part { partition, from, .. } = tail.part;
            list.add_partition_offset(&self.topic, partition.0, KafkaOffset::Offset(from.0))?;
            open.insert(partition, *tail);
        }
        self.consumer.assign(&list)?;
        while !open.is_empty() && Instant::now() < deadline {
            match self.consumer.poll(POLL) {
                Some(Ok(message)) => with_event(&message, |event| {
                    let Some(tail) = open.get(&event.at.partition) else { return };
                    if event.at.offset < tail.part.to {
                        let kept = kept.entry(event.at.partition).or_default();
                        kept.push_back(OwnedEvent::of(event));
                        if kept.len() > tail.keep {
                            kept.pop_front();
                        }
                    }
                }),
                Some(Err(error)) => {
                    let error = LookError::from(error);
                    if error.is_refusal() || error.is_missing() {
                        return Err(error);
                    }
                    // What a partition's log no longer has is not waited for, nor what is no record.
                    tracing::debug!(%error, "a record is not read");
                }
                None => {}
            }
            // A part may end in transaction markers, or in records that compaction has removed.
            open.retain(|partition, tail| {
                let at = native::position(self.consumer.client(), &self.topic, *partition);
                at.is_none_or(|at| at < tail.part.to.0)
            });
        }
        self.consumer.unassign()?;
        Ok(kept.into_values().flatten().collect())
    }

    fn list(&self, partitions: &[Partition]) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition(&self.topic, partition.0);
        }
        list
    }
}

/// The properties of a topic, as the brokers have them: `retention.ms`, `cleanup.policy`. Needs
/// DESCRIBE_CONFIGS on the topic.
pub async fn topic_properties(
    config: &ClientConfig,
    topic: &str,
    patience: Duration,
) -> Result<BTreeMap<String, String>, LookError> {
    let mut config = config.clone();
    config.set("allow.auto.create.topics", "false");
    let admin: AdminClient<Quiet> = config.create_with_context(Quiet::default())?;
    let options = AdminOptions::new().request_timeout(Some(patience));
    let asked = admin.describe_configs([&ResourceSpecifier::Topic(topic)], &options).await?;
    let Some(answer) = asked.into_iter().next() else {
        return Err(LookError::said(RDKafkaErrorCode::UnknownTopicOrPartition));
    };
    let properties = answer.map_err(LookError::said)?.entries.into_iter();
    Ok(properties.filter_map(|entry| Some((entry.name, entry.value?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_setting_keeps_its_value_to_itself() {
        let mut config = ClientConfig::new();
        config.set("sasl.mechanism", "PLAIN").set("sasl.password.of", "a-secret");
        let error = Onlooker::open(&config, "t").err().expect("no such property");
        assert!(!error.to_string().contains("a-secret"), "{error}");
        assert!(error.to_string().contains("sasl.password.of"), "{error}");
    }

    #[test]
    fn what_the_client_says_is_cut_to_what_happened() {
        let said = "[thrd:127.0.0.1:1/bootstrap]: 127.0.0.1:1/bootstrap: Connect to \
                    ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)";
        let expected =
            "127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused";
        assert_eq!(plain(said), expected);
        assert_eq!(plain("no such host"), "no such host");
    }
}
