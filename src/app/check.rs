//! What a run of a domain would find: its peers are looked at, all at the same time, and nothing is
//! changed.

mod bigquery;
mod contract;
mod influx;
mod kafka;
mod kafka_sink;
mod postgres;
mod request;
mod seen;
mod store;

pub use self::request::CheckRequest;
use self::request::PEER;
use self::seen::{KafkaSeen, SinkSeen};
use crate::check::{self, Finding, Grade, GroupSeen};
use crate::clock::Clock;
use crate::config::{Broker, SinkSettings};
use crate::pipeline::AtStart;

/// Looks at everything that can be looked at. A part that fails hides no other.
pub async fn check(of: CheckRequest<'_>) -> Vec<Finding> {
    let (kafka, sink, store) = tokio::join!(kafka::look(of), sink(of), store::look(of));
    let mut findings = kafka.findings.clone();
    let (google, of_sink): (Vec<Finding>, Vec<Finding>) =
        sink.findings.iter().cloned().partition(|finding| finding.part == "credentials");
    findings.splice(0..0, google);
    findings.extend(group(of, &kafka, &sink));
    findings
        .extend(of.domain.map_or_else(Vec::new, |domain| contract::findings(domain, of.settings)));
    findings.extend(store);
    findings.extend(of_sink);
    findings.extend(samples(of, &kafka, &sink));
    findings
}

async fn sink(of: CheckRequest<'_>) -> SinkSeen {
    let looked = async {
        match &of.settings.write.sink {
            SinkSettings::BigQuery(settings) => bigquery::look(of, settings).await,
            SinkSettings::Postgres(settings) => postgres::look(of, settings).await,
            SinkSettings::Influx(settings) => influx::look(of, settings).await,
            SinkSettings::Kafka(settings) => kafka_sink::look(of, settings).await,
        }
    };
    let name = of.settings.write.sink.name();
    tokio::time::timeout(PEER, looked).await.unwrap_or_else(|_| {
        let what = format!("no answer within {} s", PEER.as_secs());
        SinkSeen::of([Finding::fails(name, what, "check the write environment's addresses")])
    })
}

/// Where a run would begin.
fn group(of: CheckRequest<'_>, kafka: &KafkaSeen, sink: &SinkSeen) -> Option<Finding> {
    let consume = &of.settings.consume;
    if consume.broker == Broker::Embedded {
        return None;
    }
    let unseen = |what: &str| {
        Some(Finding::new("group", Grade::NotSeen, format!("{}: {what}", consume.group_id)))
    };
    let (Some(topic), Some(logs)) = (kafka.topic, &kafka.logs) else {
        return unseen("the topic was not seen");
    };
    let now = kafka.group.as_ref().and_then(|group| group.as_ref().ok());
    let (keeper, setting, kept) = match &sink.kept {
        Some(kept) => (kept.keeper, kept.setting.clone(), kept.offsets.clone()),
        None if sink.keeps_offsets => {
            return unseen("the sink keeps its offsets, and was not seen");
        }
        None => match &kafka.committed {
            Some(Ok(offsets)) => {
                ("the group", "kafka-consumer-groups --reset-offsets".to_owned(), offsets.clone())
            }
            Some(Err(error)) => {
                let what = format!("{}: its offsets are not read: {error}", consume.group_id);
                let hint = match error.is_refusal() {
                    true => format!(
                        "grant this principal READ on the group (kafka-acls --add --operation READ \
                         --group {})",
                        consume.group_id
                    ),
                    false => "look at the group's coordinator, and try again".to_owned(),
                };
                return Some(Finding::fails("group", what, hint));
            }
            None => return unseen("its offsets were not read"),
        },
    };
    Some(check::group(&GroupSeen {
        name: &consume.group_id,
        keeper,
        now,
        rows: sink.rows,
        start: AtStart {
            topic: topic.id,
            logs,
            kept: &kept,
            start_from: consume.start_from,
            accepted: consume.accept_topic,
            sink: of.settings.write.sink.name(),
            setting: &setting,
        },
        retention_ms: kafka.retention_ms,
        now_ms: Clock::System.now_micros() / 1_000,
    }))
}

/// What would become of records.
fn samples(of: CheckRequest<'_>, kafka: &KafkaSeen, sink: &SinkSeen) -> Option<Finding> {
    const PART: &str = "samples";
    let unseen = |what: &str| Some(Finding::new(PART, Grade::NotSeen, what));
    if of.samples == 0 {
        return None;
    }
    let Some(domain) = of.domain else {
        return unseen("without a contract nothing is checked by it");
    };
    let records = match &kafka.records {
        None => return unseen("the topic was not seen"),
        Some(Err(error)) => {
            let hint = "READ on the topic lets this principal read it";
            return Some(Finding::fails(PART, format!("no record is read: {error}"), hint));
        }
        Some(Ok(records)) if records.is_empty() => {
            return Some(Finding::ok(PART, "the topic has no records to look at"));
        }
        Some(Ok(records)) => records,
    };
    // In a domain with rules, what the rows are made of is elsewhere.
    let has_rules = domain.reports.is_some();
    let plan = match (&sink.columns, has_rules) {
        (Some(columns), false) => domain.plan_for(columns, sink.partition_by.as_deref()),
        _ => domain.plan(&domain.columns),
    };
    match plan {
        Ok(mut plan) => {
            let tally = check::tally(&mut plan, records, Clock::System.now_micros());
            let rows = if has_rules { "to apply rules to" } else { "rows" };
            Some(tally.finding(kafka.what_records, rows))
        }
        Err(error) => {
            let hint = "the table has to have the columns that the contract needs";
            Some(Finding::fails(PART, crate::error_chain::chain(&error), hint))
        }
    }
}
