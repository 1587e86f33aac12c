//! What to read, as whom, and from where.

use rdkafka::config::ClientConfig;

use super::client;
use crate::config::{ConsumeSettings, StartFrom};
use crate::topic_id::TopicId;

/// One topic, the group it is read in, and the configuration of the clients that do it.
#[derive(Debug, Clone)]
pub struct Subscription {
    pub topic: String,
    pub group: String,
    /// Where the group begins while it has no committed offset.
    pub start_from: StartFrom,
    /// The topic to read in place of the one that the group has read so far.
    pub accept_topic: Option<TopicId>,
    pub consumer: ClientConfig,
    /// The transactional producer's, without its `transactional.id`.
    pub transactions: ClientConfig,
}

impl Subscription {
    /// `bootstrap` is `host:port,…`.
    pub fn new(consume: &ConsumeSettings, bootstrap: &str, topic: &str) -> Self {
        Self {
            topic: topic.to_owned(),
            group: consume.group_id.clone(),
            start_from: consume.start_from,
            accept_topic: consume.accept_topic,
            consumer: client::consumer_config(consume, bootstrap),
            transactions: client::transactional_config(consume, bootstrap),
        }
    }
}
