//! The domain of the settings, wherever its contract is.

use super::domain::{Domain, DomainError};
use super::error::AppError;
use super::fields::check_steps;
use super::origin::Origin;
use crate::config::{
    BatchSettings, Broker, ContractSettings, DeadLetterTarget, RowSettings, Settings, SinkSettings,
    SourceSettings, StepSettings, TransferSettings,
};
use crate::remote::{FetchError, Fetcher, Fetching, Next};

/// Reads the contract's documents, fetches those that are not on this machine, and derives the
/// columns.
pub async fn domain(settings: &Settings, fetcher: &Fetcher) -> Result<Domain, AppError> {
    Ok(domain_and_origin(settings, fetcher).await?.0)
}

/// The same, with what it was read from.
pub async fn domain_and_origin(
    settings: &Settings,
    fetcher: &Fetcher,
) -> Result<(Domain, Origin), AppError> {
    let steps = settings.steps.as_ref();
    let (domain, origin) = read(&settings.contract, settings.write.rows(), steps, fetcher).await?;
    let domain = domain?;
    check_settings(&domain, settings)?;
    Ok((domain, origin))
}

/// The domain of a transfer. Rows of files and of queries have no place in a topic, and say nothing of
/// when they were read, so that a second run writes the same.
pub async fn transfer_domain(
    settings: &TransferSettings,
    fetcher: &Fetcher,
) -> Result<Domain, AppError> {
    let BatchSettings { contract, write, .. } = &settings.domain;
    let mut domain = read(contract, write.rows(), None, fetcher).await?.0?;
    if !matches!(settings.source, SourceSettings::Topic) {
        let is_of_a_topic = |name: &str| name.starts_with("_kafka_") || name == "_ingested_at";
        domain.columns.columns.retain(|column| !is_of_a_topic(&column.name));
    }
    Ok(domain)
}

/// What documents make of which those that are not on this machine are fetched, as they turn out to be
/// needed.
pub(super) async fn read(
    at: &ContractSettings,
    rows: RowSettings,
    steps: Option<&StepSettings>,
    fetcher: &Fetcher,
) -> Result<(Result<Domain, Vec<DomainError>>, Origin), FetchError> {
    let mut fetching = Fetching::new(fetcher);
    loop {
        let domain = Domain::of_settings(at, rows.clone(), steps, fetching.documents());
        match fetching.next(&at.dir).await? {
            Next::TryAgain => {}
            Next::Complete => return Ok((domain, Origin::new(&at.dir, fetching))),
        }
    }
}

/// Checks what settings and contract say together.
pub fn check_settings(domain: &Domain, settings: &Settings) -> Result<(), AppError> {
    check_topics(domain, settings)?;
    settings.steps.as_ref().map_or(Ok(()), |steps| check_steps(domain, steps))
}

/// Checks that what this domain writes does not go to the topic that it reads, where it would be read
/// again, and that no topic has two kinds of messages.
fn check_topics(domain: &Domain, settings: &Settings) -> Result<(), AppError> {
    let mut topics =
        vec![("IN_TOPIC", domain.contract.topic.clone(), "the topic that this domain reads")];
    if let SinkSettings::Kafka(kafka) = &settings.write.sink
        && settings.consume.broker == Broker::Servers(kafka.server.bootstrap.clone())
    {
        topics.push(("OUT_TOPIC", kafka.topic.clone(), "the topic of its rows"));
        if settings.dead_letter == DeadLetterTarget::Table {
            topics.push(("OUT_TOPIC", kafka.dead_letters(), "the topic of its dead letters"));
        }
    }
    if let DeadLetterTarget::Kafka(topic) = &settings.dead_letter {
        topics.push(("DEAD_LETTER", topic.clone(), "the topic of its dead letters"));
    }
    let tracker = settings.steps.as_ref().and_then(|steps| steps.tracker.as_ref());
    if let Some(tracker) = tracker {
        topics.push(("TRACKER_TOPIC", tracker.topic.clone(), "the payload tracker's topic"));
    }
    for (index, (key, topic, _)) in topics.iter().enumerate() {
        if let Some((_, _, what)) = topics[..index].iter().find(|(_, other, _)| other == topic) {
            let then = match *topic == domain.contract.topic {
                true => "its own messages would be read again: name a topic of their own",
                false => "readers of one kind of message would find the other: name another topic",
            };
            return Err(AppError::Configuration {
                what: format!("{key} names {topic}, {what}"),
                hint: Some(then.to_owned()),
                source: None,
            });
        }
    }
    Ok(())
}
