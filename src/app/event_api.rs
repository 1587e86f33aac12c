//! Settings and contract, made an event API.

use std::time::Duration;

use super::broker::publisher;
use super::domain::Domain;
use super::error::AppError;
use super::fields;
use super::samples::{SampleJudge, plain};
use crate::clock::Clock;
use crate::config::Settings;
use crate::contract::pointer;
use crate::contract::sample::Samples;
use crate::record::UnsentRecord;
use crate::serve::api::{EventApi, Publishing, Tokens};
use crate::source::{Publisher, client};
use crate::stop::Stop;
use crate::telemetry::{ApiMetrics, Health};

/// What an event API is assembled from.
pub struct EventApiAssembly<'a> {
    pub settings: &'a Settings,
    pub domain: &'a Domain,
    pub bootstrap: &'a str,
    pub tokens: Option<Tokens>,
    pub metrics: ApiMetrics,
    pub health: Health,
}

/// Compiles the contract, opens the producer and listens.
pub async fn event_api(of: EventApiAssembly<'_>) -> Result<(EventApi, Publisher), AppError> {
    let (settings, topic) = (of.settings, &of.domain.contract.topic);
    if let Some(key) = &settings.api.event_key {
        check_key(of.domain, key)?;
    }
    // What a domain leaves out of its table belongs on the topic all the same.
    let domain = of.domain.without_filter();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let plans = (0..threads).map(|_| domain.plan(&domain.columns)).collect::<Result<_, _>>()?;
    let config = client::publisher_config(&settings.consume, of.bootstrap, settings.api.timeout);
    let publisher = publisher(&config, topic)?;
    let publishing = Publishing {
        contract: &domain.contract,
        ignored: domain.ignored(),
        plans,
        settings: settings.api.clone(),
        largest: client::largest_message(&settings.consume),
        in_flight_bytes: settings.limits.in_flight_bytes,
        publisher: publisher.clone(),
        health: of.health.clone(),
        clock: Clock::System,
    };
    let address = settings.api.address;
    let listening = EventApi::listen(address, of.tokens, Some(publishing), of.metrics).await;
    let api = listening.map_err(|error| {
        Stop::new("start the event API", "API_ADDR names an address of this machine", error)
    })?;
    tokio::spawn(reach(publisher.clone(), topic.clone(), of.health));
    Ok((api, publisher))
}

/// Looks for the topic until the broker knows it.
async fn reach(publisher: Publisher, topic: String, health: Health) {
    const PATIENCE: Duration = Duration::from_secs(5);
    const PAUSE: Duration = Duration::from_secs(1);
    loop {
        let asked = publisher.clone();
        let answer = tokio::task::spawn_blocking(move || asked.topic_exists(PATIENCE)).await;
        match answer {
            Ok(Ok(true)) => {
                health.missing_topic(None);
                health.broker_reached();
                return;
            }
            Ok(Ok(false)) => {
                tracing::warn!(topic, "the topic does not exist");
                health.missing_topic(Some(topic.clone()));
            }
            Ok(Err(error)) => tracing::warn!(topic, %error, "the broker does not answer"),
            // The runtime ends.
            Err(_) => return,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Fails if no event type declares the field of the key. Where some do not, events without it are
/// refused, and a warning says so.
fn check_key(domain: &Domain, key: &[String]) -> Result<(), AppError> {
    let without = fields::check(domain, "EVENT_KEY", key)?;
    if !without.is_empty() {
        tracing::warn!(
            field = pointer::of(key),
            event_types = without.join(", "),
            "EVENT_KEY is not declared by all event types: events without the field are refused"
        );
    }
    Ok(())
}

/// A short event that the API accepts, to show how one is sent.
pub fn first_event(domain: &Domain) -> Option<UnsentRecord> {
    let now = Clock::System.now_micros();
    let unfiltered = domain.without_filter();
    let mut judge = SampleJudge::new(&unfiltered, now).ok()?;
    let mut samples = Samples::new(&domain.contract, 1, now / 1_000).live().with_optional(0.0);
    let event = domain.contract.not_ignored(domain.ignored()).next()?;
    judge.accepted(&mut samples, event).ok().map(plain)
}
