//! The event API on a real broker that is killed meanwhile: what was answered with 202 is on the topic
//! once, at the position that the answer has, and what was said not to be published is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use generic_consumer::contract::sample::Samples;
use reqwest::Client;
use serde_json::Value;

use crate::support::bigquery::{At, EmbeddedBigQuery};
use crate::support::domain::{Domain, IGNORED, PARTITIONS, TABLE};
use crate::support::kafka::Kafka;
use crate::support::ports;
use crate::support::records::records;
use crate::support::until::until_true;

const WITHIN: Duration = Duration::from_secs(120);
const AROUND_MS: i64 = 1_794_000_000_000;

/// Events of a request, and requests at the same time.
const EVENTS: usize = 20;
const CLIENTS: u64 = 4;

/// What the answers said.
#[derive(Default)]
struct Answers {
    published: BTreeMap<At, Vec<u8>>,
    not_published: Vec<Vec<u8>>,
    unknown: Vec<Vec<u8>>,
}

/// Posts batches of events of its own until it is stopped. No event is sent twice.
async fn post(
    url: String,
    mut samples: impl Iterator<Item = Vec<u8>>,
    stop: Arc<AtomicBool>,
    accepted: Arc<AtomicUsize>,
) -> Answers {
    let client = Client::builder().no_proxy().build().expect("a client");
    let mut answers = Answers::default();
    while !stop.load(Ordering::Acquire) {
        let events: Vec<Vec<u8>> = samples.by_ref().take(EVENTS).collect();
        let body = events.join(&b'\n');
        let request = client.post(&url).header("content-type", "application/x-ndjson").body(body);
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        let body: Value = response.json().await.expect("JSON");
        assert!([202, 503].contains(&status), "{status}: {body}");
        let said = body["events"].as_array().expect("an answer for each event");
        assert_eq!(said.len(), events.len());
        for (event, value) in said.iter().zip(events) {
            let number = |name: &str| event[name].as_i64().expect("a number");
            match (number("status"), event["reason"].as_str()) {
                (202, None) => {
                    let at = (number("partition") as i32, number("offset"));
                    assert_eq!(answers.published.insert(at, value), None, "{at:?} twice");
                }
                (503, Some("not_published")) => answers.not_published.push(value),
                (503, Some("unknown")) => answers.unknown.push(value),
                other => panic!("{other:?}: {event}"),
            }
        }
        if status == 202 {
            accepted.fetch_add(EVENTS, Ordering::AcqRel);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    answers
}

#[test]
fn what_is_acknowledged_is_on_the_topic_once_although_the_broker_is_killed() {
    let mut kafka = Kafka::start("event-api");
    let bigquery = EmbeddedBigQuery::start("event-api", "", 1);
    let domain = Domain::new("event-api", &kafka, &bigquery.urls());
    let port = ports::free();
    let address = format!("127.0.0.1:{port}");
    let variables = [("API_ADDR", address.as_str()), ("API_TIMEOUT_MS", "3000")];
    let mut api = domain.run(&["api", "DELIVERY"], &variables);
    until_true("the API listens", WITHIN, || {
        assert!(api.ended().is_none(), "{}", api.output());
        std::net::TcpStream::connect(&address).is_ok()
    });

    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (stop, accepted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let contract: &'static _ = Box::leak(Box::new(domain.contract()));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|seed| {
            let mut samples = Samples::new(contract, seed, AROUND_MS);
            let samples = std::iter::from_fn(move || samples.event());
            let samples = samples.filter(|sample| sample.event_type != IGNORED);
            let samples = samples.map(|sample| sample.value);
            let url = format!("http://{address}/v1/events");
            runtime.spawn(post(url, samples, stop.clone(), accepted.clone()))
        })
        .collect();
    let more = |what: &str| {
        let before = accepted.load(Ordering::Acquire);
        until_true(what, WITHIN, || accepted.load(Ordering::Acquire) >= before + 2_000);
    };
    more("accepted before the kill");
    kafka.kill();
    // Longer than the API waits, so that events are given up.
    std::thread::sleep(Duration::from_secs(8));
    kafka.start_again();
    more("accepted after the kill");
    stop.store(true, Ordering::Release);
    let mut all = Answers::default();
    for client in clients {
        let answers = runtime.block_on(client).expect("no panic");
        all.published.extend(answers.published);
        all.not_published.extend(answers.not_published);
        all.unknown.extend(answers.unknown);
    }
    let (status, _) = api.stop(WITHIN);
    assert_eq!(status.code(), Some(0), "{}", api.output());

    let mut counts: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    let stored = records(&kafka, &domain.topic, PARTITIONS);
    for record in stored.values() {
        *counts.entry(record.value.clone().expect("a value")).or_default() += 1;
    }
    for (at, value) in &all.published {
        assert_eq!(stored[at].value.as_ref(), Some(value), "{at:?}");
    }
    let twice = counts.values().filter(|count| **count > 1).count();
    assert_eq!(twice, 0, "records are on the topic twice");
    let there = all.not_published.iter().filter(|value| counts.contains_key(*value)).count();
    assert_eq!(there, 0, "of {} events that were not published", all.not_published.len());
    let given_up = all.not_published.len() + all.unknown.len();
    assert!(given_up > 0, "the kill was not noticed");

    // The consumer makes a row of each.
    let mut run = domain.run(&["DELIVERY", "--until-caught-up"], &[]);
    assert_eq!(run.wait(WITHIN).code(), Some(0), "{}", run.output());
    let rows: BTreeSet<At> =
        bigquery.rows(TABLE).iter().map(|row| (row.partition, row.offset)).collect();
    assert_eq!(rows, stored.keys().copied().collect::<BTreeSet<At>>());
    println!(
        "{} events published, {} not published, {} unknown",
        all.published.len(),
        all.not_published.len(),
        all.unknown.len()
    );
}
