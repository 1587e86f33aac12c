//! Kafka as the pipeline sees it: one topic, and a writer for each lane.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;

use super::errors::{Names, OutError, Verdict};
use super::message::Layout;
use super::progress::{Place, Progress};
use super::target::{Letters, Target};
use super::{cluster, writer};
use crate::config::KafkaSettings;
use crate::error_chain::chain;
use crate::retry::Backoff;
use crate::row::TableSchema;
use crate::sink::dead_letter::{About, DeadLetters};
use crate::sink::{Durability, Lane, Reports, Reread, Sink, SinkName, Start, Writer};
use crate::source::client;
use crate::stop::Stop;
use crate::telemetry::Metrics;

const NAME: SinkName = SinkName("kafka");

/// How long brokers that do not answer are waited for at the start.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long writers may take to end with the sink.
const LEAVES_WITHIN: Duration = Duration::from_secs(3);

/// librdkafka's default, which is below what every topic takes that is not limited further.
const BATCH_BYTES: usize = 1_000_000;

/// The sink of one topic.
pub struct KafkaSink {
    target: Arc<Target>,
    writers: Mutex<Vec<JoinHandle<()>>>,
}

/// What a sink is made of.
pub struct SinkParts<'a> {
    pub settings: &'a KafkaSettings,
    pub columns: &'a TableSchema,
    pub about: About,
    /// `None`: the topic `<topic>_dead_letters`.
    pub letters: Option<DeadLetters>,
    pub reads: Reads,
    pub reread: Arc<dyn Reread>,
    pub metrics: Metrics,
    /// The topic that is read begins anew with each run.
    pub source_is_new: bool,
}

/// The records that become rows: whose offsets the transactions store.
pub struct Reads {
    pub group: String,
    pub topic: String,
    /// Of their consumer.
    pub config: ClientConfig,
}

impl KafkaSink {
    /// Finds out which cluster it is, and looks for the topics.
    pub async fn open(parts: SinkParts<'_>) -> Result<Self, Stop> {
        let SinkParts { settings, columns, about, letters, reads, .. } = parts;
        let KafkaSettings { server, topic, key } = settings;
        let letters = match letters {
            Some(letters) => Letters::Elsewhere(letters),
            None => Letters::Topic { topic: settings.dead_letters(), about: about.clone() },
        };
        let mut topics = vec![topic.clone()];
        if let Letters::Topic { topic, .. } = &letters {
            topics.push(topic.clone());
        }
        let offsets = client::offsets_config(server, &reads.group);
        let is_same =
            looked_at(settings, &reads.group, reads.config, offsets.clone(), topics).await?;
        if is_same && *topic == reads.topic {
            return Err(Stop {
                what: format!("write to topic {topic}"),
                hint: format!(
                    "OUT_TOPIC is the topic that this domain reads, and its rows would be read \
                     again: name another topic than {topic}"
                ),
                source: None,
            });
        }
        let place = match is_same {
            true => Place::SameCluster,
            false => Place::Elsewhere { rows: topic.clone() },
        };
        tracing::info!(topic, same_cluster = is_same, "rows go to a topic of Kafka");
        let layout = Layout::new(columns, key.as_deref(), &about.topic).map_err(|error| {
            Stop::new("use OUT_KEY", "name a field of the contract with one value", error)
        })?;
        let target = Target {
            producer: client::rows_config(server, &reads.group),
            offsets,
            progress: Progress { group: reads.group, source: reads.topic, place },
            topic: topic.clone(),
            layout,
            letters,
            reread: parts.reread,
            metrics: parts.metrics,
            batch_bytes: AtomicUsize::new(BATCH_BYTES),
            source_is_new: parts.source_is_new,
        };
        Ok(Self { target: Arc::new(target), writers: Mutex::default() })
    }
}

/// Whether the cluster is the one that is read. Waits for brokers that do not answer.
async fn looked_at(
    settings: &KafkaSettings,
    group: &str,
    source: ClientConfig,
    offsets: ClientConfig,
    topics: Vec<String>,
) -> Result<bool, Stop> {
    let began = Instant::now();
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    let topic = &settings.topic;
    loop {
        let (source, offsets, topics) = (source.clone(), offsets.clone(), topics.clone());
        let look = move || {
            let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
            cluster::check_topics(&offsets, &topics)?;
            cluster::is_same(&source, &offsets)
        };
        let looked = tokio::task::spawn_blocking(look).await;
        let operation = "look at the cluster";
        let error = match looked.unwrap_or(Err(OutError::NoAnswer { operation })) {
            Ok(is_same) => return Ok(is_same),
            Err(error) => error,
        };
        let what = format!("write to topic {topic}");
        match error.verdict(&Names { topic, group, transactional_id: group }) {
            Verdict::Stop(hint) => return Err(error.stop(what, hint)),
            Verdict::Retry | Verdict::Fenced if began.elapsed() < PATIENCE => {
                tracing::warn!(error = chain(&error), "Kafka is not ready for rows yet");
                tokio::time::sleep(backoff.pause()).await;
            }
            Verdict::Retry | Verdict::Fenced => {
                let hint = "check bootstrap_servers and the properties of the write environment's \
                            `kafka` section, and the brokers";
                return Err(error.stop(what, hint));
            }
        }
    }
}

impl Sink for KafkaSink {
    fn name(&self) -> SinkName {
        NAME
    }

    fn target(&self) -> String {
        format!("topic {}", self.target.topic)
    }

    fn dead_letters(&self) -> String {
        match &self.target.letters {
            Letters::Topic { topic, .. } => format!("topic {topic}"),
            Letters::Elsewhere(letters) => letters.to_string(),
        }
    }

    fn durability(&self) -> Durability {
        Durability::Stored
    }

    fn commits_to_group(&self) -> bool {
        self.target.progress.place == Place::SameCluster
    }

    fn setting_offsets(&self) -> String {
        self.target.progress.setting()
    }

    fn open(&self, lane: Lane, _: Start, reports: Reports) -> Writer {
        let (writer, thread) = writer::spawn(self.target.clone(), lane, reports);
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        writers.retain(|thread| !thread.is_finished());
        writers.extend(thread);
        writer
    }
}

/// Waits for the writers, whose handles are gone by now: the process must not end while librdkafka's
/// threads use what it frees.
impl Drop for KafkaSink {
    fn drop(&mut self) {
        let deadline = Instant::now() + LEAVES_WITHIN;
        let writers = self.writers.get_mut().unwrap_or_else(PoisonError::into_inner);
        while !writers.iter().all(JoinHandle::is_finished) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
