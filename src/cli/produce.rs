//! `produce DELIVERY FILE|-`: publish events to the domain's topic, checked by the contract first.
//!
//! Every line is read and checked before the first is published, so a file with a bad line
//! publishes nothing.

use std::io::IsTerminal;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use indicatif::{ProgressBar, ProgressStyle};
use rdkafka::error::KafkaError;
use rdkafka::producer::FutureProducer;

use super::args::ProduceArgs;
use super::event_file::{self, FileEvent, Verdict, listed};
use super::failure::{Exit, Failure};
use crate::app::Domain;
use crate::config::{Broker, Settings};
use crate::source::{client, message};

/// Deliveries under way at once: enough to fill librdkafka's batches, few enough to bound memory.
const UNDER_WAY: usize = 10_000;

/// How long the broker may acknowledge nothing before `produce` gives up.
const SILENCE: Duration = Duration::from_secs(30);

/// Publishes the events and returns once every one of them is on the broker.
pub async fn produce(args: ProduceArgs, settings: Settings) -> Result<(), Failure> {
    let servers = target(&args, &settings)?;
    let domain = Domain::of(&settings)?;
    let events = event_file::read(&args.events.file, args.events.envelope)?;
    if !args.no_validate {
        check(&events, &domain)?;
    }
    let topic = &domain.contract.topic;
    publish(&events, &settings, &servers, topic).await?;
    let environment = &settings.consume.environment;
    println!("published {} events to {topic} ({environment})", events.len());
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
            let what = "the embedded broker lives inside `run` alone, so nothing can be sent to it";
            let domain = &settings.domain;
            let hint = format!(
                "`generic-consumer {domain} --events FILE` fills it with your events; to publish, \
                 name an environment with a broker: CONSUME__DEV__BOOTSTRAP_SERVERS=localhost:9092 \
                 and CONSUME_ENV_{domain}=dev"
            );
            Err(Failure::new(Exit::Configuration, what).hint(hint))
        }
    }
}

/// Fails if the domain's consumer would reject one of the events.
fn check(events: &[FileEvent], domain: &Domain) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    event_file::judge(events, domain, &mut |event, verdict| {
        if let Verdict::Rejected(why) = verdict {
            wrong.push(format!("line {}: {}: {}", event.line, why.reason.code(), why.detail));
        }
        Ok(())
    })?;
    if wrong.is_empty() {
        return Ok(());
    }
    let what = format!(
        "the contract rejects {} of {} lines, so nothing was published{}",
        wrong.len(),
        events.len(),
        listed(&wrong)
    );
    Err(Failure::new(Exit::BadEvents, what).hint("--no-validate publishes them all the same"))
}

async fn publish(
    events: &[FileEvent],
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
    let progress = progress(events.len() as u64);
    let mut under_way = FuturesUnordered::new();
    let mut lost: Vec<String> = Vec::new();
    let mut waiting = events.iter();
    let mut published = 0;
    loop {
        let free = UNDER_WAY - under_way.len();
        under_way.extend(waiting.by_ref().take(free).map(|event| deliver(&producer, topic, event)));
        match tokio::time::timeout(SILENCE, under_way.next()).await {
            Ok(None) => break,
            Ok(Some(Ok(()))) => {
                progress.inc(1);
                published += 1;
            }
            Ok(Some(Err(what))) => lost.push(what),
            Err(_) => {
                progress.finish_and_clear();
                return Err(silent(servers, topic, published, events.len()));
            }
        }
    }
    progress.finish_and_clear();
    if lost.is_empty() {
        return Ok(());
    }
    let first = lost.first().cloned().unwrap_or_default();
    let what =
        format!("{} of {} events were not published; first: {first}", lost.len(), events.len());
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

async fn deliver(producer: &FutureProducer, topic: &str, event: &FileEvent) -> Result<(), String> {
    let sent = producer.send(message(topic, &event.record), SILENCE).await;
    sent.map(drop).map_err(|(error, _)| format!("line {}: {error}", event.line))
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
