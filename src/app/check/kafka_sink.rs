//! Kafka as a sink: the cluster and the topics of the rows.

use std::time::Instant;

use super::kafka::written_topic;
use super::request::{CheckRequest, PEER};
use super::seen::{KeptBySink, SinkSeen, kept};
use crate::check::{Finding, Grade, counted};
use crate::config::{Broker, DeadLetterTarget, KafkaSettings};
use crate::sink::kafka::{LookParts, look as look_at};
use crate::source::client;

const PART: &str = "kafka";

pub async fn look(of: CheckRequest<'_>, settings: &KafkaSettings) -> SinkSeen {
    let consume = &of.settings.consume;
    let bootstrap = match &consume.broker {
        Broker::Servers(servers) => servers.clone(),
        // It is started by a run; its offsets are of no cluster that is there.
        Broker::Embedded => String::new(),
    };
    let topic = match of.domain {
        Some(domain) => domain.contract.topic.clone(),
        None => of.settings.contract.topic.clone().unwrap_or_default(),
    };
    let parts = LookParts {
        settings: settings.clone(),
        letters: of.settings.dead_letter == DeadLetterTarget::Table,
        group: consume.group_id.clone(),
        topic: topic.clone(),
        source: (!bootstrap.is_empty()).then(|| client::consumer_config(consume, &bootstrap)),
    };
    let servers = &settings.server.bootstrap;
    let deadline = Instant::now() + PEER;
    let looked = tokio::task::spawn_blocking(move || look_at(&parts, deadline)).await;
    let columns = of.domain.map(|domain| domain.written().columns.clone());
    let looked = match looked {
        Ok(Ok(looked)) => looked,
        failed => {
            let why = match failed {
                Ok(Err(error)) => error.to_string(),
                Err(error) => error.to_string(),
                Ok(Ok(_)) => String::new(),
            };
            let hint = "check bootstrap_servers and the properties of the write environment's \
                        `kafka` section, and the brokers";
            let unseen = Finding::new(
                "out topic",
                Grade::NotSeen,
                format!("{}: the brokers were not reached", settings.topic),
            );
            let fails = Finding::fails(PART, format!("{servers}: {why}"), hint);
            let seen = SinkSeen::of([fails, unseen]);
            return SinkSeen { columns, keeps_offsets: true, ..seen };
        }
    };
    let count = counted(looked.brokers, "broker");
    let which = match looked.is_same {
        Some(true) => ", the cluster that is read",
        Some(false) => ", another cluster than the one that is read",
        None => "",
    };
    let mut seen = SinkSeen::of([Finding::ok(PART, format!("{count} at {servers}{which}"))
        .fact("same_cluster", looked.is_same)
        .more([
            "not seen: the right to the transactional ids, which only a run takes over".to_owned()
        ])]);
    for (part, (name, found)) in ["out topic", "dead letters"].into_iter().zip(&looked.topics) {
        let finding = match looked.is_same == Some(true) && *name == topic {
            false => written_topic(part, name, found, "OUT_TOPIC names it"),
            true => Finding::fails(
                part,
                format!("{name} is the topic that this domain reads: its rows would be read again"),
                "name another OUT_TOPIC",
            ),
        };
        seen.findings.push(finding);
    }
    // In the same cluster the group itself has the offsets.
    seen.keeps_offsets = looked.is_same != Some(true);
    seen.kept = looked.stored.map(|stored| KeptBySink {
        keeper: "the cluster of the rows",
        setting: looked.setting,
        offsets: kept(stored),
    });
    SinkSeen { columns, ..seen }
}
