//! One request with events, from its head to its answer.
//!
//! ```text
//! head ─► form ─► body ─► events ─► contract, key, size ─► librdkafka ─► acknowledgements
//!  401     415     408      400            422                 503            202, 207
//!                413, 429
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Response, StatusCode};

use super::answer;
use super::checkers::Checkers;
use super::event_answer::EventAnswer;
use super::examine::{Good, Rules};
use super::form::Form;
use super::incoming::Headers;
use super::problem::Problem;
use super::read_body;
use super::refused::{bad_events, full, not_read, too_large, unparsable, unsupported};
use super::request_span::{self, SendSpan};
use super::room::{PER_EVENT, Room};
use super::split::{self, Split};
use super::type_header::TypeHeader;
use super::work::Work;
use crate::clock::Clock;
use crate::config::ApiSettings;
use crate::source::{self, Outcome, Outgoing, Pending, Publisher};
use crate::telemetry::ApiMetrics;
use crate::telemetry::otlp::{TRACEPARENT, TRACESTATE};

/// The most events of one request: an answer names each of them.
pub(super) const MOST_EVENTS: usize = 10_000;

/// How much longer than librdkafka's own limit an answer waits. librdkafka looks once a second for
/// records whose time is over.
const PATIENCE: Duration = Duration::from_secs(3);

/// The headers of a request that become headers of its records: W3C's trace context.
const PASSED_ON: [&str; 2] = [TRACEPARENT, TRACESTATE];

/// What all requests share.
pub(super) struct Intake {
    pub topic: String,
    pub settings: ApiSettings,
    /// Bytes of the largest record.
    pub largest: usize,
    pub checkers: Checkers,
    pub type_header: Option<TypeHeader>,
    pub publisher: Publisher,
    pub room: Arc<Room>,
    pub metrics: ApiMetrics,
    pub work: Arc<Work>,
    pub clock: Clock,
}

impl Intake {
    /// Publishes the request's events, or says why not.
    pub async fn take(&self, request: Request) -> Result<Response<Body>, Problem> {
        let (head, body) = request.into_parts();
        let partial = partial(head.uri.query())?;
        let form = Form::of(&head.headers).map_err(unsupported)?;
        let within = self.settings.timeout;
        let read = read_body::read(body, self.settings.body_bytes, &self.room, within).await;
        let (body, mut room) = read.map_err(not_read)?;
        let split = split::split(form, &head.headers, &body).map_err(|why| unparsable(&why))?;
        let count = split.events.len();
        if count > MOST_EVENTS {
            let detail = format!("{count} events, at most {MOST_EVENTS} are accepted at once");
            return Err(too_large(detail));
        }
        room.grow(count * PER_EVENT).map_err(|_| full())?;
        let shared = self.shared_headers(&head.headers);
        let (good, bad) = self.check(split, &shared, &body)?;
        self.metrics.count("refused", bad.len());
        if good.is_empty() || !(bad.is_empty() || partial) {
            return Err(bad_events(count, bad));
        }
        let indices: Vec<(usize, bool)> =
            good.iter().map(|event| (event.index, event.ignored)).collect();
        let bytes: usize = good.iter().map(|event| event.value.len()).sum();
        let records = good.iter().map(|event| Outgoing {
            key: event.key.as_deref(),
            value: &event.value,
            headers: source::headers(event.headers.as_ref().unwrap_or(&shared)),
        });
        let span = SendSpan::begin(&self.topic, good.len());
        let pending = self.publisher.publish(records, self.work.begin(room));
        drop(good);
        self.metrics.bytes.inc_by(bytes as u64);
        let outcomes = self.outcomes(pending).await;
        let published = |it: &&Outcome| matches!(it, Outcome::Published(_));
        span.end(outcomes.iter().filter(published).count());
        let published = indices.iter().zip(outcomes);
        let published =
            published.map(|((index, ignored), outcome)| EventAnswer::of(*index, outcome, *ignored));
        let mut events: Vec<EventAnswer> = published.chain(bad).collect();
        events.sort_unstable_by_key(|event| event.index);
        Ok(answer::response(&self.topic, events))
    }

    /// The outcomes of what was published. They are counted even if the client has gone meanwhile.
    async fn outcomes(&self, pending: Pending) -> Vec<Outcome> {
        let (metrics, patience) = (self.metrics.clone(), self.settings.timeout + PATIENCE);
        let task = tokio::spawn(async move {
            let began = Instant::now();
            let outcomes = pending.outcomes(patience).await;
            metrics.publish_seconds.observe(began.elapsed().as_secs_f64());
            let count = |is: fn(&Outcome) -> bool| outcomes.iter().filter(|it| is(it)).count();
            metrics.count("published", count(|it| matches!(it, Outcome::Published(_))));
            metrics.count("not_published", count(|it| matches!(it, Outcome::NotPublished(_))));
            metrics.count("unknown", count(|it| matches!(it, Outcome::Unknown(_))));
            outcomes
        });
        // It ends early only with the runtime, and nobody waits for an answer then.
        task.await.unwrap_or_default()
    }

    /// The good events, and the answers about the bad ones.
    fn check<'b>(
        &self,
        split: Split<'b>,
        shared: &Headers,
        body: &[u8],
    ) -> Result<(Vec<Good<'b>>, Vec<EventAnswer>), Problem> {
        let Split { events, single } = split;
        let mut good = Vec::with_capacity(events.len());
        let mut bad = Vec::new();
        let rules = Rules {
            event_key: self.settings.event_key.as_deref(),
            type_header: self.type_header.as_ref(),
            largest: self.largest,
            clock: self.clock,
        };
        let checked = self.checkers.with(|checker| {
            for (index, event) in events.into_iter().enumerate() {
                match rules.examine(checker, index, event, shared) {
                    Ok(event) => good.push(event),
                    Err(refusal) => bad.push((index, refusal)),
                }
            }
        });
        if checked.is_none() {
            let title = "no contract is loaded";
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return Err(Problem::new(status, "no-contract", title, title));
        }
        if let [(_, refusal)] = &bad[..]
            && single
            && refusal.is_about_bytes()
            && let Err(why) = split::is_json(body.trim_ascii())
        {
            return Err(unparsable(&why));
        }
        let bad = bad.into_iter().map(|(index, refusal)| EventAnswer::refused(index, refusal));
        Ok((good, bad.collect()))
    }

    /// The headers that all events of a request have which have none of their own.
    fn shared_headers(&self, request: &HeaderMap) -> Headers {
        // Where this request has a span, the records are its children.
        let own = request_span::headers();
        let trace = if own.is_empty() { request } else { &own };
        let passed_on = PASSED_ON.iter().filter_map(|name| {
            let value = trace.get(*name)?.as_bytes().to_vec();
            Some(((*name).to_owned(), Some(value)))
        });
        let of_type = self.type_header.as_ref().and_then(|place| place.of_request(request));
        passed_on.chain(of_type).collect()
    }
}

/// Whether good events are published although others are bad.
fn partial(query: Option<&str>) -> Result<bool, Problem> {
    let pairs = query.unwrap_or_default().split('&');
    let mut values = pairs.filter_map(|pair| match pair.split_once('=') {
        Some(("partial", value)) => Some(value),
        None if pair == "partial" => Some(""),
        _ => None,
    });
    match (values.next(), values.next()) {
        (None | Some("false"), None) => Ok(false),
        (Some("true"), None) => Ok(true),
        _ => {
            let title = "the query is wrong";
            let detail = "partial is `true` or `false`, once";
            Err(Problem::new(StatusCode::BAD_REQUEST, "bad-query", title, detail))
        }
    }
}
