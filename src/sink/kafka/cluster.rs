//! Looks at the cluster that rows are written to, before the first record is read.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;

use super::errors::OutError;

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(10);

/// Whether two addresses are those of one cluster, which has an id.
pub(super) fn is_same(one: &ClientConfig, other: &ClientConfig) -> Result<bool, OutError> {
    Ok(id(one)? == id(other)?)
}

fn id(config: &ClientConfig) -> Result<String, OutError> {
    let client = client(config)?;
    let id = client.client().fetch_cluster_id(REQUEST);
    id.ok_or(OutError::NoAnswer { operation: "ask for a cluster's id" })
}

/// Checks that the topics are there and that this principal may see them.
pub(super) fn check_topics(config: &ClientConfig, topics: &[&str]) -> Result<(), OutError> {
    let client = client(config)?;
    for topic in topics {
        let operation = "look for topics";
        let answer =
            client.fetch_metadata(Some(topic), REQUEST).map_err(OutError::kafka(operation))?;
        let error = answer.topics().iter().find_map(|topic| topic.error());
        if let Some(code) = error {
            let (topic, code) = ((*topic).to_owned(), RDKafkaErrorCode::from(code));
            return Err(OutError::Undelivered { topic, code });
        }
    }
    Ok(())
}

/// A consumer: a producer's question for a topic may create it.
fn client(config: &ClientConfig) -> Result<BaseConsumer, OutError> {
    config.create().map_err(OutError::kafka("create a client"))
}
