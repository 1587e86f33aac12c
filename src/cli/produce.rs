//! `produce DELIVERY FILE|-`: publish events to the domain's topic, checked by the contract first.
//! (`generate.rs` is `produce DELIVERY --generate`.)
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
use super::event_file::{self, FileEvent, listed};
use super::failure::{Exit, Failure};
use super::produce_target::target;
use super::{generate, output};
use crate::app::{self, Domain, Verdict};
use crate::config::Settings;
use crate::remote::Fetcher;
use crate::source::{client, message};

/// Deliveries under way at once: enough to fill librdkafka's batches, few enough to bound memory.
const UNDER_WAY: usize = 10_000;

/// Ranges of lines that a message names.
const RANGES: usize = 100;

/// How long the broker may acknowledge nothing before `produce` gives up.
const SILENCE: Duration = Duration::from_secs(30);

/// Publishes the events and returns once every one of them is on the broker.
pub async fn produce(
    args: ProduceArgs,
    settings: Settings,
    fetcher: &Fetcher,
) -> Result<(), Failure> {
    let Some(file) = &args.file else {
        return generate::generate(&args, &settings, fetcher).await;
    };
    let servers = target(args.to.as_deref(), &settings)?;
    let domain = app::domain(&settings, fetcher).await?;
    let events = event_file::read(file, args.envelope)?;
    if !args.no_validate {
        check(&events, &domain)?;
    }
    let topic = &domain.contract.topic;
    publish(&events, &settings, &servers, topic).await?;
    let environment = &settings.consume.environment;
    output::print(&format!("published {} events to {topic} ({environment})\n", events.len()))
}

/// Fails if the domain's consumer would reject one of the events.
fn check(events: &[FileEvent], domain: &Domain) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    event_file::judge(events, domain, &mut |event, verdict| {
        if let Verdict::Rejected(why) = verdict {
            wrong.push(format!("line {}: {why}", event.line));
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
    let mut config = client::producer_config(&settings.consume, servers);
    config.set(client::TOPIC_MAY_COME.0, client::TOPIC_MAY_COME.1);
    let producer: FutureProducer = config.create().map_err(failed)?;
    let progress = progress(events.len() as u64);
    let mut under_way = FuturesUnordered::new();
    let mut lost: Vec<(usize, KafkaError)> = Vec::new();
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
            Ok(Some(Err(one))) => lost.push(one),
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
    Err(not_published(lost, events.len()))
}

/// Some of the events were not published: their lines, and what the first of them met.
fn not_published(mut lost: Vec<(usize, KafkaError)>, total: usize) -> Failure {
    lost.sort_by_key(|(line, _)| *line);
    let lines: Vec<usize> = lost.iter().map(|(line, _)| *line).collect();
    let what =
        format!("{} of {total} events were not published: {}", lost.len(), line_numbers(&lines));
    let hint = format!("{} are on the broker: publish only these lines again", total - lost.len());
    let failure = Failure::new(Exit::Stopped, what).hint(hint);
    match lost.into_iter().next() {
        Some((_, error)) => failure.source(error),
        None => failure,
    }
}

/// `lines 1, 3-5, 9`, with at most [`RANGES`] of them and then the number of the others.
fn line_numbers(sorted: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for line in sorted {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *line => *last = *line,
            _ => ranges.push((*line, *line)),
        }
    }
    let shown: Vec<String> = ranges
        .iter()
        .take(RANGES)
        .map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        })
        .collect();
    let others: usize = ranges.iter().skip(RANGES).map(|(first, last)| last - first + 1).sum();
    let noun = if sorted.len() == 1 { "line" } else { "lines" };
    let rest = if others == 0 { String::new() } else { format!(" and {others} more") };
    format!("{noun} {}{rest}", shown.join(", "))
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

/// An error has the event's line.
async fn deliver(
    producer: &FutureProducer,
    topic: &str,
    event: &FileEvent,
) -> Result<(), (usize, KafkaError)> {
    let sent = producer.send(message(topic, &event.record), SILENCE).await;
    sent.map(drop).map_err(|(error, _)| (event.line, error))
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
    use rdkafka::types::RDKafkaErrorCode;

    use super::*;

    #[test]
    fn every_line_that_was_not_published_is_named() {
        let error = KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge);
        let lost = [7, 3, 4, 5].map(|line| (line, error.clone())).to_vec();
        let said = not_published(lost, 10).to_string();
        for part in ["4 of 10 events were not published: lines 3-5, 7", "6 are on the broker"] {
            assert!(said.contains(part), "{said}");
        }
        assert!(said.contains("because: "), "{said}");
        assert_eq!(line_numbers(&[2]), "line 2");
        let odd: Vec<usize> = (0..120).map(|n| 2 * n + 1).collect();
        let said = line_numbers(&odd);
        assert!(said.ends_with(", 197, 199 and 20 more"), "{said}");
    }
}
