//! The brokers from which events come: whether they are there and let us in, the topic, the group, and
//! the last records.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::HumanCount;
use rdkafka::ClientConfig;
use serde_json::json;

use super::request::{CheckRequest, PEER};
use super::seen::KafkaSeen;
use crate::check::{Finding, Grade, counted, spread};
use crate::config::{Broker, ConsumeSettings, DeadLetterTarget, Secret, is_secret};
use crate::pipeline::KeptOffset;
use crate::record::{Offset, Partition};
use crate::source::{Brokers, LookError, Onlooker, Rights, TopicLook, client, topic_properties};

/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(6);

/// The most partitions whose offsets are listed.
const MOST_LISTED: usize = 8;

/// A topic that messages go to, and what goes there.
struct Other {
    part: &'static str,
    topic: String,
    key: &'static str,
}

/// What the thread that asks is given.
struct Asked {
    config: ClientConfig,
    /// `None`: nobody knows which topic.
    topic: Option<String>,
    group: String,
    others: Vec<Other>,
    samples: usize,
    environment: String,
}

/// Looks at the brokers of the consume environment.
pub async fn look(of: CheckRequest<'_>) -> KafkaSeen {
    let settings = of.settings;
    let Broker::Servers(bootstrap) = &settings.consume.broker else {
        return embedded(of);
    };
    let config = client::consumer_config(&settings.consume, bootstrap);
    let topic = match of.domain {
        Some(domain) => Some(domain.contract.topic.clone()),
        None => settings.contract.topic.clone(),
    };
    let mut others = Vec::new();
    if let DeadLetterTarget::Kafka(topic) = &settings.dead_letter {
        others.push(Other { part: "dead letters", topic: topic.clone(), key: "DEAD_LETTER" });
    }
    if let Some(tracker) = settings.steps.as_ref().and_then(|steps| steps.tracker.as_ref()) {
        let topic = tracker.topic.clone();
        others.push(Other { part: "tracker", topic, key: "TRACKER_TOPIC" });
    }
    let asked = Asked {
        config: config.clone(),
        topic: topic.clone(),
        group: settings.consume.group_id.clone(),
        others,
        samples: if of.domain.is_some() { of.samples } else { 0 },
        environment: settings.consume.environment.clone(),
    };
    let deadline = Instant::now() + PEER;
    let asking = tokio::task::spawn_blocking(move || ask(&asked, deadline));
    let retention = async {
        match &topic {
            Some(topic) => topic_properties(&config, topic, ANSWER).await.ok(),
            None => None,
        }
    };
    let patience = PEER + Duration::from_secs(2);
    let (asked, properties) =
        tokio::join!(tokio::time::timeout(patience, asking), tokio::time::timeout(PEER, retention));
    let mut seen = match asked {
        Ok(Ok(seen)) => seen,
        Ok(Err(_)) | Err(_) => KafkaSeen {
            findings: vec![Finding::fails(
                "brokers",
                format!("{bootstrap}: no answer within {} s", patience.as_secs()),
                format!(
                    "check bootstrap_servers of the consume environment {}",
                    settings.consume.environment
                ),
            )],
            ..KafkaSeen::default()
        },
    };
    let properties = properties.ok().flatten();
    seen.retention_ms = properties.as_ref().and_then(retention_ms);
    if let Some(topic) = seen.findings.iter_mut().find(|finding| finding.part == "topic") {
        kept_for(topic, properties.as_ref());
    }
    seen.findings.insert(0, login(&settings.consume));
    seen
}

fn retention_ms(properties: &BTreeMap<String, String>) -> Option<i64> {
    let deletes = properties.get("cleanup.policy").is_none_or(|policy| policy.contains("delete"));
    let ms = properties.get("retention.ms")?.parse().ok()?;
    (deletes && ms > 0).then_some(ms)
}

/// Adds how long the topic keeps its records.
fn kept_for(topic: &mut Finding, properties: Option<&BTreeMap<String, String>>) {
    // Of a topic that was not seen nothing more is said.
    if !topic.facts.contains_key("partitions") {
        return;
    }
    let Some(properties) = properties else {
        let line = "how long it keeps records is not known: that needs DESCRIBE_CONFIGS on it";
        topic.more.push(line.to_owned());
        return;
    };
    let ms = retention_ms(properties);
    let is_compacted = properties.get("cleanup.policy").is_some_and(|it| it.contains("compact"));
    let kept = ms.map_or("for ever".to_owned(), |ms| format!("for {}", crate::check::in_words(ms)));
    let compacted = if is_compacted { "; it is compacted" } else { "" };
    topic.more.push(format!("records are kept {kept}{compacted}"));
    topic.facts.insert("retention_ms".to_owned(), json!(ms));
}

/// The embedded broker begins with each run.
fn embedded(of: CheckRequest<'_>) -> KafkaSeen {
    let what = "embedded: each run starts one, filled with events made from the contract";
    let mut findings = vec![Finding::ok("brokers", what)];
    if let Some(domain) = of.domain {
        let what = format!("{}: a run creates it in the embedded broker", domain.contract.topic);
        findings.push(Finding::ok("topic", what));
    }
    let records = made_up(of);
    KafkaSeen {
        findings,
        records,
        what_records: "events made from the contract (a few bad on purpose)",
        ..KafkaSeen::default()
    }
}

/// Events like those that the embedded broker is filled with.
#[cfg(feature = "local")]
fn made_up(of: CheckRequest<'_>) -> Option<Result<Vec<crate::record::OwnedEvent>, LookError>> {
    use crate::clock::Clock;
    use crate::record::{OwnedEvent, Position};

    let now_ms = Clock::System.now_micros() / 1_000;
    let events = crate::app::samples::sample_events(of.domain?, 1, now_ms).ok()?;
    let records = events.records.into_iter().take(of.samples).zip(0..);
    let owned = |(record, offset)| OwnedEvent {
        at: Position::new(0, offset),
        timestamp_ms: Some(now_ms),
        record,
    };
    Some(Ok(records.map(owned).collect()))
}

#[cfg(not(feature = "local"))]
fn made_up(_: CheckRequest<'_>) -> Option<Result<Vec<crate::record::OwnedEvent>, LookError>> {
    None
}

/// As whom the brokers are asked. Whether that is right, the brokers say.
fn login(consume: &ConsumeSettings) -> Finding {
    let property = |name: &str| {
        let value = consume.properties.get(name).map(Secret::expose);
        value.filter(|_| !is_secret(name)).map(str::to_owned)
    };
    let protocol = property("security.protocol").unwrap_or_else(|| "plaintext".to_owned());
    let protocol = protocol.to_lowercase();
    let mechanism = property("sasl.mechanism").or_else(|| property("sasl.mechanisms"));
    let certificate = property("ssl.certificate.location");
    let what = match (protocol.as_str(), mechanism, certificate) {
        (protocol, Some(mechanism), _) if protocol.starts_with("sasl") => {
            let user =
                property("sasl.username").map_or(String::new(), |user| format!(" as {user}"));
            format!("{mechanism}{user} ({protocol})")
        }
        ("ssl", _, Some(certificate)) => format!("the client certificate {certificate} (ssl)"),
        ("ssl", _, None) => "none: encrypted, and without a client certificate".to_owned(),
        (protocol, ..) => format!("none ({protocol})"),
    };
    Finding::ok("credentials", format!("Kafka: {what}"))
        .fact("peer", "kafka")
        .fact("protocol", protocol)
}

fn ask(asked: &Asked, deadline: Instant) -> KafkaSeen {
    let mut seen = KafkaSeen { what_records: "last records", ..KafkaSeen::default() };
    let servers = asked.config.get("bootstrap.servers").unwrap_or_default().to_owned();
    // Brokers can be asked without a topic too.
    let topic = asked.topic.clone().unwrap_or_else(|| "_".to_owned());
    let opened = Onlooker::open(&asked.config, &topic)
        .and_then(|onlooker| Ok((onlooker.brokers(ANSWER)?, onlooker)));
    let (brokers, onlooker) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let hint = format!(
                "check bootstrap_servers and the security properties of the consume environment {}, \
                 and that the network lets it through",
                asked.environment
            );
            seen.findings.push(Finding::fails("brokers", format!("{servers}: {error}"), hint));
            if let Some(topic) = &asked.topic {
                let what = format!("{topic}: the brokers were not reached");
                seen.findings.push(Finding::new("topic", Grade::NotSeen, what));
            }
            let unseen = |other: &Other| {
                let what = format!("topic {}: the brokers were not reached", other.topic);
                Finding::new(other.part, Grade::NotSeen, what)
            };
            seen.findings.extend(asked.others.iter().map(unseen));
            return seen;
        }
    };
    let count = counted(brokers.count, "broker");
    seen.findings.push(
        Finding::ok("brokers", format!("{count} at {servers}")).fact("brokers", brokers.count),
    );
    match &asked.topic {
        Some(topic) => the_topic(asked, topic, (&onlooker, &brokers), deadline, &mut seen),
        None => {
            let what = "which topic is read is not known: the contract names it";
            seen.findings.push(Finding::new("topic", Grade::NotSeen, what));
        }
    }
    for other in &asked.others {
        let looked = Onlooker::open(&asked.config, &other.topic)
            .and_then(|onlooker| onlooker.topic(&onlooker.brokers(ANSWER)?, ANSWER));
        let also = format!("{} names it", other.key);
        seen.findings.push(written_topic(other.part, &other.topic, &looked, &also));
    }
    seen
}

fn the_topic(
    asked: &Asked,
    topic: &str,
    (onlooker, brokers): (&Onlooker, &Brokers),
    deadline: Instant,
    seen: &mut KafkaSeen,
) {
    let (now, rights) = match onlooker.topic(brokers, ANSWER) {
        Ok(described) => described,
        Err(error) => {
            seen.findings.push(unseen_topic("topic", topic, &error, "READ"));
            return;
        }
    };
    seen.topic = Some(now);
    let partitions: Vec<Partition> = (0..).take(now.partitions).map(Partition).collect();
    let logs = onlooker.logs(&partitions, ANSWER);
    let mut finding = Finding::ok("topic", described(topic, now.partitions, now.id))
        .fact("topic", topic)
        .fact("id", now.id.map(|id| id.to_string()))
        .fact("partitions", now.partitions);
    match &logs {
        Ok(logs) => {
            finding = finding.more([offsets(logs)]);
            let missing = now.partitions - logs.len().min(now.partitions);
            if missing > 0 {
                let what = format!("{missing} partitions have no leader that answers");
                finding = finding.at_least(Grade::Note).more([what]);
            }
        }
        Err(error) => {
            finding = finding
                .at_least(Grade::WouldFail)
                .more([format!("where it begins and ends is not known: {error}")]);
        }
    }
    if rights.is_some_and(|rights| !rights.read) {
        let hint = format!(
            "grant it READ on the topic (kafka-acls --add --operation READ --topic {topic})"
        );
        let more = std::mem::take(&mut finding.more);
        let facts = std::mem::take(&mut finding.facts);
        let what = format!("this principal may not READ the topic {topic}");
        finding = Finding { facts, ..Finding::fails("topic", what, hint).more(more) };
    }
    seen.findings.push(finding);
    seen.group = Some(onlooker.group(&asked.group, ANSWER));
    let committed = onlooker.committed(&partitions, ANSWER);
    seen.committed = Some(committed.map(|all| {
        let kept = |one: crate::source::Committed| {
            Some((one.partition, KeptOffset { next: one.offset?, note: one.metadata }))
        };
        all.into_iter().filter_map(kept).collect()
    }));
    if let Ok(logs) = logs {
        if asked.samples > 0 {
            let tails = spread(&logs, asked.samples);
            seen.records = Some(onlooker.last_records(&tails, deadline));
        }
        seen.logs = Some(logs);
    }
}

fn described(topic: &str, partitions: usize, id: Option<crate::topic_id::TopicId>) -> String {
    let count = counted(partitions, "partition");
    let id = id.map_or("without an id".to_owned(), |id| format!("id {id}"));
    format!("{topic}: {count}, {id}")
}

/// `1,200 offsets; 0: 0 to 600, 1: 0 to 600`.
fn offsets(logs: &BTreeMap<Partition, (Offset, Offset)>) -> String {
    let all: i64 = logs.values().map(|(begin, end)| end.0 - begin.0).sum();
    let all = HumanCount(u64::try_from(all).unwrap_or(0));
    let listed = logs.iter().take(MOST_LISTED);
    let listed = listed.map(|(partition, (begin, end))| format!("{partition}: {begin} to {end}"));
    let listed = listed.collect::<Vec<_>>().join(", ");
    let more = if logs.len() > MOST_LISTED { ", …" } else { "" };
    format!("{all} offsets; {listed}{more}")
}

/// A topic that messages are written to.
pub(super) fn written_topic(
    part: &'static str,
    topic: &str,
    looked: &TopicLook,
    also: &str,
) -> Finding {
    match looked {
        Ok((_, Some(Rights { write: false, .. }))) => Finding::fails(
            part,
            format!("this principal may not WRITE to the topic {topic}"),
            format!("grant it WRITE and DESCRIBE (kafka-acls --add --producer --topic {topic})"),
        ),
        Ok((now, _)) => Finding::ok(part, described(topic, now.partitions, now.id))
            .fact("topic", topic)
            .fact("partitions", now.partitions),
        Err(error) => {
            let mut finding = unseen_topic(part, topic, error, "WRITE");
            if let Some(hint) = &mut finding.hint {
                hint.push_str(&format!("; {also}"));
            }
            finding
        }
    }
}

fn unseen_topic(part: &'static str, topic: &str, error: &LookError, right: &str) -> Finding {
    let (what, hint) = match () {
        () if error.is_missing() => (
            format!("there is no topic {topic}, or this principal may not see it"),
            format!("create it (kafka-topics --create --topic {topic} …)"),
        ),
        () if error.is_refusal() => (
            format!("this principal may not see the topic {topic}"),
            format!(
                "grant it {right} and DESCRIBE on the topic (kafka-acls --add --operation {right} \
                 --topic {topic})"
            ),
        ),
        () => (
            format!("topic {topic} was not seen: {error}"),
            "look at the brokers, and try again".to_owned(),
        ),
    };
    Finding::fails(part, what, hint)
}
