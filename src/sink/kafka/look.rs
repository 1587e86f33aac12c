//! Looks at the cluster and the topics of rows, and changes nothing: no transactional id is taken over,
//! no group is joined.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::BaseConsumer;

use super::errors::OutError;
use super::owner;
use super::progress::{Place, Progress};
use crate::config::KafkaSettings;
use crate::record::Partition;
use crate::sink::StoredOffset;
use crate::source::{LookError, Onlooker, TopicLook, client};

/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(6);

/// What is looked at.
#[derive(Clone)]
pub struct LookParts {
    pub settings: KafkaSettings,
    /// Whether dead letters are in a topic next to that of the rows.
    pub letters: bool,
    /// The group that reads, and the topic that it reads.
    pub group: String,
    pub topic: String,
    /// The configuration of the consumer whose records become rows.
    /// `None`: it is not there before a run.
    pub source: Option<ClientConfig>,
}

/// A cluster as a run would find it.
#[derive(Debug)]
pub struct KafkaLook {
    pub brokers: usize,
    /// Whether it is the cluster that is read; `None`: that one does not answer.
    pub is_same: Option<bool>,
    /// The topics of the rows and of the dead letters.
    pub topics: Vec<(String, TopicLook)>,
    /// Where the group stands, where another cluster keeps that; `None`: the group's own offsets count,
    /// or nobody knows.
    pub stored: Option<Vec<(Partition, StoredOffset)>>,
    /// How a person sets an offset.
    pub setting: String,
}

/// Looks at the topics. Blocks until there is an answer, or until the deadline.
pub fn look(parts: &LookParts, deadline: Instant) -> Result<KafkaLook, LookError> {
    let KafkaSettings { server, topic, .. } = &parts.settings;
    let config = client::offsets_config(server, &parts.group);
    let out = Onlooker::open(&config, topic)?;
    let brokers = out.brokers(ANSWER)?;
    let mut names = vec![topic.clone()];
    if parts.letters {
        names.push(parts.settings.dead_letters());
    }
    let looked = |name: String| {
        let topic =
            Onlooker::open(&config, &name).and_then(|one| one.topic(&one.brokers(ANSWER)?, ANSWER));
        (name, topic)
    };
    let topics = names.into_iter().map(looked).collect();
    let open = |config: &ClientConfig| Onlooker::open(config, &parts.topic);
    let source = parts.source.as_ref().map(open).transpose()?;
    let id = source.as_ref().and_then(|source| source.cluster_id(ANSWER));
    let ids = id.zip(out.cluster_id(ANSWER));
    let is_same = ids.map(|(source, out)| source == out);
    let place = match is_same {
        Some(false) => Place::Elsewhere { rows: topic.clone() },
        Some(true) | None => Place::SameCluster,
    };
    let progress = Progress { group: parts.group.clone(), source: parts.topic.clone(), place };
    let stored = match (is_same, source) {
        (Some(false), Some(source)) => {
            let found = source.brokers(ANSWER).and_then(|asked| source.topic(&asked, ANSWER));
            let of = |partitions| stored(&config, &progress, partitions, deadline).ok();
            found.ok().and_then(|(topic, _)| of(topic.partitions))
        }
        (Some(_) | None, _) => None,
    };
    let setting = progress.setting();
    Ok(KafkaLook { brokers: brokers.count, is_same, topics, stored, setting })
}

/// What the groups of the partitions keep in the cluster of the rows.
fn stored(
    config: &ClientConfig,
    progress: &Progress,
    partitions: usize,
    deadline: Instant,
) -> Result<Vec<(Partition, StoredOffset)>, OutError> {
    let mut all = Vec::new();
    for partition in (0..).take(partitions).map(Partition) {
        if Instant::now() >= deadline {
            return Err(OutError::NoAnswer { operation: "read the stored offsets" });
        }
        let slot = progress.slot(partition);
        let mut config = config.clone();
        config.set("group.id", &slot.group);
        let reader: BaseConsumer = config.create().map_err(OutError::kafka("create a client"))?;
        all.extend(owner::read(&reader, &slot)?.map(|stored| (partition, stored)));
    }
    Ok(all)
}
