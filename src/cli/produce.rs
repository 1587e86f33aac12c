//! `produce DELIVERY FILE|-`: publish events to the domain's topic, checked by the contract first.
//!
//! Every line is read and checked before the first is published, so a file with a bad line
//! publishes nothing.

use std::io::{IsTerminal, Read};
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use indicatif::{ProgressBar, ProgressStyle};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::args::ProduceArgs;
use super::failure::{Exit, Failure};
use crate::app::Domain;
use crate::clock::Clock;
use crate::config::{Broker, Settings};
use crate::record::{Event, Position, Transcoded};
use crate::row::RowBuffer;
use crate::source::client;
use crate::transcode::Ingestion;

/// Bad lines that are printed; the count tells of the rest.
const SHOWN: usize = 20;

/// Deliveries under way at once: enough to fill librdkafka's batches, few enough to bound memory.
const UNDER_WAY: usize = 10_000;

/// How long the broker may acknowledge nothing before `produce` gives up.
const SILENCE: Duration = Duration::from_secs(30);

/// One record to publish.
#[derive(Debug, PartialEq, Eq)]
struct Record {
    line: usize,
    key: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
    value: Option<Vec<u8>>,
}

/// Publishes the lines; answers once every one of them is on the broker.
pub async fn produce(args: ProduceArgs, settings: Settings) -> Result<(), Failure> {
    let servers = target(&args, &settings)?;
    let domain = Domain::of(&settings)?;
    let records = records(&read(&args.file)?, args.envelope)?;
    if !args.no_validate {
        check(&records, &domain)?;
    }
    let topic = &domain.contract.topic;
    publish(&records, &settings, &servers, topic).await?;
    let environment = &settings.consume.environment;
    println!("published {} events to {} ({environment})", records.len(), topic);
    Ok(())
}

/// The broker to write to, unless it is protected or not there.
fn target(args: &ProduceArgs, settings: &Settings) -> Result<String, Failure> {
    let consume = &settings.consume;
    let environment = &consume.environment;
    if let Some(named) = args.to.as_ref().filter(|named| *named != environment) {
        let what = format!("--to {named}, but {} reads from {environment}", settings.domain);
        let hint = format!("set CONSUME_ENV_{}={named}, or leave --to out", settings.domain);
        return Err(Failure::new(Exit::Usage, what).hint(hint));
    }
    if consume.protected && args.to.is_none() {
        let what = format!("the environment {environment} is protected");
        let hint = format!("name it to write to it: --to {environment}");
        return Err(Failure::new(Exit::Usage, what).hint(hint));
    }
    match &consume.broker {
        Broker::Servers(servers) => Ok(servers.clone()),
        Broker::Embedded => {
            let what = "the embedded broker lives inside `run` alone and fills itself with samples";
            let hint = "name an environment with a broker: CONSUME__DEV__BOOTSTRAP_SERVERS=localhost:9092 \
                        and CONSUME_ENV_<DOMAIN>=dev";
            Err(Failure::new(Exit::Configuration, what).hint(hint))
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut bytes).map(drop)
    } else {
        std::fs::read(file).map(|read| bytes = read)
    };
    read.map_err(|error| {
        Failure::new(Exit::Usage, format!("read {}", file.display())).source(error)
    })?;
    Ok(bytes)
}

/// A line of `--envelope`. `value` is any JSON, or `null` for a tombstone; `value_base64` is bytes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    headers: serde_json::Map<String, Value>,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
    #[serde(default)]
    value_base64: Option<String>,
}

fn records(text: &[u8], envelope: bool) -> Result<Vec<Record>, Failure> {
    let mut records = Vec::new();
    let mut wrong = Vec::new();
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let line_number = index + 1;
        if envelope {
            match unwrap(line, line_number) {
                Ok(record) => records.push(record),
                Err(what) => wrong.push(format!("line {line_number}: {what}")),
            }
        } else {
            let value = Some(line.to_vec());
            records.push(Record { line: line_number, key: None, headers: Vec::new(), value });
        }
    }
    let total = records.len() + wrong.len();
    refuse(
        wrong,
        total,
        "lines are no envelopes",
        "a line is {\"key\": …, \"headers\": {…}, \"value\": …}",
    )?;
    Ok(records)
}

fn unwrap(line: &[u8], number: usize) -> Result<Record, String> {
    let envelope: Envelope = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let value = match (envelope.value, envelope.value_base64) {
        (Some(_), Some(_)) => return Err("value and value_base64 exclude each other".to_owned()),
        (Some(value), None) => Some(value.get().as_bytes().to_vec()),
        (None, Some(text)) => Some(STANDARD.decode(text).map_err(|error| error.to_string())?),
        (None, None) => None,
    };
    let headers = envelope.headers.into_iter().map(|(name, value)| match value {
        Value::Null => (name, None),
        Value::String(text) => (name, Some(text.into_bytes())),
        other => (name, Some(other.to_string().into_bytes())),
    });
    Ok(Record {
        line: number,
        key: envelope.key.map(String::into_bytes),
        headers: headers.collect(),
        value,
    })
}

/// Runs every record through the transcoder, as the domain's consumer would.
fn check(records: &[Record], domain: &Domain) -> Result<(), Failure> {
    let mut plan = domain.plan(&domain.columns)?;
    let now = Clock::System.now_micros();
    let mut wrong = Vec::new();
    for record in records {
        let event = Event {
            at: Position::new(0, record.line as i64),
            timestamp_ms: Some(now / 1_000),
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &record.headers,
        };
        // The row itself is not needed.
        if let Transcoded::Rejected(why) =
            plan.transcode(&event, Ingestion::at(now), &mut RowBuffer::default())
        {
            wrong.push(format!("line {}: {}: {}", record.line, why.reason.code(), why.detail));
        }
    }
    refuse(
        wrong,
        records.len(),
        "lines do not keep the contract, so nothing was published",
        "--no-validate publishes them all the same",
    )
}

fn refuse(wrong: Vec<String>, total: usize, what: &str, hint: &str) -> Result<(), Failure> {
    if wrong.is_empty() {
        return Ok(());
    }
    let mut text = format!("{} of {total} {what}", wrong.len());
    for line in wrong.iter().take(SHOWN) {
        text.push_str("\n  ");
        text.push_str(line);
    }
    if wrong.len() > SHOWN {
        text.push_str("\n  …");
    }
    Err(Failure::new(Exit::Usage, text).hint(hint))
}

async fn publish(
    records: &[Record],
    settings: &Settings,
    servers: &str,
    topic: &str,
) -> Result<(), Failure> {
    let failed = |error: KafkaError| {
        Failure::new(Exit::Stopped, format!("publish to {topic}"))
            .source(error)
            .hint("check the consume environment's servers and properties, and WRITE on the topic")
    };
    let producer: FutureProducer =
        client::producer_config(&settings.consume, servers).create().map_err(failed)?;
    let progress = progress(records.len() as u64);
    let mut under_way = FuturesUnordered::new();
    let mut lost: Vec<String> = Vec::new();
    let mut waiting = records.iter();
    let mut published = 0;
    loop {
        let free = UNDER_WAY - under_way.len();
        under_way
            .extend(waiting.by_ref().take(free).map(|record| deliver(&producer, topic, record)));
        match tokio::time::timeout(SILENCE, under_way.next()).await {
            Ok(None) => break,
            Ok(Some(Ok(()))) => {
                progress.inc(1);
                published += 1;
            }
            Ok(Some(Err(what))) => lost.push(what),
            Err(_) => {
                progress.finish_and_clear();
                return Err(silent(servers, topic, published, records.len()));
            }
        }
    }
    progress.finish_and_clear();
    if lost.is_empty() {
        return Ok(());
    }
    let first = lost.first().cloned().unwrap_or_default();
    let what =
        format!("{} of {} events were not published; first: {first}", lost.len(), records.len());
    let hint = format!("{published} are on the broker: publish only the others again");
    Err(Failure::new(Exit::Stopped, what).hint(hint))
}

/// The broker has acknowledged nothing for [`SILENCE`].
fn silent(servers: &str, topic: &str, published: usize, total: usize) -> Failure {
    let seconds = SILENCE.as_secs();
    let what = format!(
        "publish to {topic}: {servers} acknowledged nothing for {seconds} s; {published} of {total} \
         events were published before that"
    );
    Failure::new(Exit::Stopped, what).hint(
        "check that the broker runs and that the consume environment's servers and properties reach \
         it; some of the other events may have arrived all the same",
    )
}

async fn deliver(producer: &FutureProducer, topic: &str, record: &Record) -> Result<(), String> {
    let mut message = FutureRecord::to(topic);
    if let Some(key) = &record.key {
        message = message.key(key);
    }
    if let Some(value) = &record.value {
        message = message.payload(value);
    }
    if !record.headers.is_empty() {
        let headers = record.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: value.as_deref() })
        });
        message = message.headers(headers);
    }
    let sent = producer.send(message, SILENCE).await;
    sent.map(drop).map_err(|(error, _)| format!("line {}: {error}", record.line))
}

fn progress(total: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len} events  {per_sec}  {eta} left");
    let bar = ProgressBar::new(total);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::RowOptions;
    use crate::config::RowLayout;
    use crate::contract;

    fn domain(layout: RowLayout, partition_by: &str) -> Domain {
        let contracts = Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts");
        let document = "contracts.delivery.delivery_events_v10";
        let contract = contract::load(&contracts, document, "DeliveryEventsV10Topic");
        let partition_by = partition_by.to_owned();
        let options = RowOptions { layout, partition_by, ..RowOptions::default() };
        Domain::new(contract.expect("loads"), options).expect("columns")
    }

    /// The same event is checked by the domain's own layout and partition column.
    #[test]
    fn records_are_checked_as_the_domain_writes_them() {
        let sample = "contracts/delivery/delivery_events_v10/accept/assigned.json";
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(sample);
        let text = std::fs::read_to_string(path).expect("the sample");
        let mut event: Value = serde_json::from_str(&text).expect("JSON");
        event["occurred_at"] = "2001-01-01T00:00:00Z".into();
        let value = Some(event.to_string().into_bytes());
        let records = [Record { line: 1, key: None, headers: Vec::new(), value }];
        check(&records, &domain(RowLayout::Columns, "_ingested_at")).expect("accepted");
        let by_event_time = domain(RowLayout::Columns, "occurred_at");
        let refused = check(&records, &by_event_time).expect_err("refused").to_string();
        assert!(refused.contains("out_of_range: /occurred_at"), "{refused}");

        // A format is checked only where a column needs it.
        event["occurred_at"] = "yesterday".into();
        let value = Some(event.to_string().into_bytes());
        let records = [Record { line: 1, key: None, headers: Vec::new(), value }];
        check(&records, &domain(RowLayout::Envelope, "_ingested_at")).expect("accepted");
        let columns = domain(RowLayout::Columns, "_ingested_at");
        let refused = check(&records, &columns).expect_err("refused").to_string();
        assert!(refused.contains("bad_format: /occurred_at"), "{refused}");
    }

    #[test]
    fn envelopes_carry_key_headers_and_any_value() {
        let text = br#"{"key":"k","headers":{"h":"x","n":null},"value":{"a": 1}}
{"value":null}
{"value_base64":"AAE="}
"#;
        let read = records(text, true).expect("reads");
        assert_eq!(read[0].key.as_deref(), Some(&b"k"[..]));
        assert_eq!(
            read[0].headers,
            [("h".to_owned(), Some(b"x".to_vec())), ("n".to_owned(), None)]
        );
        assert_eq!(read[0].value.as_deref(), Some(&br#"{"a": 1}"#[..]));
        assert_eq!(read[1].value, None);
        assert_eq!(read[2].value.as_deref(), Some(&[0, 1][..]));
    }

    #[test]
    fn every_bad_envelope_is_named_by_its_line() {
        let error = records(b"{}\n{\"val\":1}\nnope\n", true).expect_err("refused").to_string();
        assert!(
            error.contains("2 of 3 lines") && error.contains("line 2") && error.contains("line 3"),
            "{error}"
        );
    }

    #[test]
    fn plain_lines_are_values_and_blank_lines_nothing() {
        let read = records(b"{\"a\":1}\r\n\n{}\n", false).expect("reads");
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].line, read[1].line), (1, 3));
        assert_eq!(read[0].value.as_deref(), Some(&b"{\"a\":1}"[..]));
    }
}
