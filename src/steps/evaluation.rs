//! From an event to its report: the object that it names is fetched, and the rules are applied.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use http::HeaderMap;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::fetch::{Checks, Fault, Objects, Place};
use super::fetch_span::FetchSpan;
use super::stage::{Outcome, Work};
use super::value_at;
use super::watchers::Watchers;
use crate::archive::{self, ArchiveError, ArchiveLimits, Files};
use crate::config::{FetchSettings, Limits, StepSettings, Variables};
use crate::json_tree;
use crate::record::{OwnedEvent, Reason, Rejection};
use crate::retry::Backoff;
use crate::rules::RuleSet;
use crate::stop::Stop;
use crate::telemetry::Health;
use crate::telemetry::otlp::Tracer;

/// The least memory for the files of one object.
const LEAST_KEPT: usize = 1 << 20;

/// Evaluates events.
pub struct Evaluation {
    rules: Arc<RuleSet>,
    claims: Option<Claims>,
    /// How many are worked on at the same time.
    places: Semaphore,
    /// Rules are applied to one object at a time: contents may need hundreds of times the bytes of an
    /// archive, and all that are read at the same time would add up.
    evaluating: Arc<Semaphore>,
    watchers: Watchers,
    health: Health,
    /// What spans are made with. `None`: there are none.
    tracer: Option<Tracer>,
}

/// How an event names its object, and how it is read.
struct Claims {
    settings: FetchSettings,
    objects: Objects,
    limits: ArchiveLimits,
}

/// An event's object, or that it has none.
#[derive(Debug)]
enum Fetched {
    Files(Files),
    Rejected(Rejection),
}

impl Evaluation {
    /// All objects that are worked on at the same time have [`Limits::in_flight_bytes`] for the files
    /// that rules read.
    pub fn new(
        settings: &StepSettings,
        rules: Arc<RuleSet>,
        limits: &Limits,
        variables: Variables,
        (watchers, health): (Watchers, Health),
    ) -> Result<Self, Stop> {
        let claims = settings.fetch.as_ref().map(|fetch| {
            let hint = "check the certificates of this machine (SSL_CERT_FILE)";
            let objects = Objects::new(fetch, variables)
                .map_err(|error| Stop::new("make the client that fetches objects", hint, error))?;
            let limits = archive_limits(fetch, limits);
            Ok(Claims { settings: fetch.clone(), objects, limits })
        });
        let concurrency = settings.fetch.as_ref().map_or(1, |fetch| fetch.concurrency);
        let places = Semaphore::new(concurrency);
        let (claims, evaluating) = (claims.transpose()?, Arc::new(Semaphore::new(1)));
        Ok(Self { rules, claims, places, evaluating, watchers, health, tracer: None })
    }

    /// Has fetching an object have a span, where the event belongs to a trace.
    #[must_use]
    pub fn traced(self, tracer: Option<Tracer>) -> Self {
        Self { tracer, ..self }
    }

    async fn outcome(&self, event: &OwnedEvent, payload: Vec<u8>) -> Result<Outcome, Stop> {
        let at = event.at;
        // The semaphore is never closed.
        let _place = self.places.acquire().await;
        let payload: Arc<[u8]> = payload.into();
        let files = match &self.claims {
            None => Files::default(),
            Some(claims) => match self.fetch(claims, event, &payload).await? {
                Fetched::Files(files) => files,
                Fetched::Rejected(rejection) => return Ok(Outcome::Rejected(Box::new(rejection))),
            },
        };
        // An evaluation that nobody waits for any more keeps its turn to its end.
        let turn = self.evaluating.clone().acquire_owned().await;
        let began = Instant::now();
        let rules = self.rules.clone();
        let evaluated = spawn_blocking(move || {
            let _turn = turn;
            let report = rules.evaluate(&files, &payload);
            let text = report.json().to_string();
            (report, text)
        });
        let hint = "please report this with the rules and the archive";
        let (report, text) =
            evaluated.await.map_err(|error| Stop::new("evaluate the rules", hint, error))?;
        let took = began.elapsed();
        self.watchers.tell(|watcher| watcher.evaluated(at, took, &report));
        Ok(Outcome::Report(text.into_bytes()))
    }

    /// The files of the event's object. Outages are waited for.
    async fn fetch(
        &self,
        claims: &Claims,
        event: &OwnedEvent,
        payload: &[u8],
    ) -> Result<Fetched, Stop> {
        let (at, began) = (event.at, Instant::now());
        let (place, checks) = match claims.of(payload) {
            Ok(claim) => claim,
            Err(fault) => return end(fault),
        };
        let span = FetchSpan::begin(self.tracer.as_ref(), event, &place);
        let headers = span.headers();
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(30));
        loop {
            let fault = match self.attempt(claims, (&place, &headers), &checks).await {
                Ok(files) => {
                    let (took, bytes) = (began.elapsed(), files.decompressed_bytes());
                    self.watchers.tell(|watcher| watcher.fetched(at, took, bytes));
                    span.end(None);
                    return Ok(Fetched::Files(files));
                }
                Err(fault) => fault,
            };
            let why = match fault {
                Fault::Away(why) => why,
                Fault::Rejected { reason, .. } => {
                    span.end(Some(reason.code()));
                    return end(fault);
                }
                Fault::Stop(_) => return end(fault),
            };
            span.retried();
            let pause = backoff.pause();
            tracing::warn!(
                object = place.shown(),
                why,
                pause_ms = pause.as_millis() as u64,
                "the object is not fetched, trying again"
            );
            self.watchers.tell(|watcher| watcher.not_fetched(at));
            // Waiting for a store is no reason to restart.
            self.health.progress();
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt(
        &self,
        claims: &Claims,
        (place, headers): (&Place, &HeaderMap),
        checks: &Checks,
    ) -> Result<Files, Fault> {
        let (rules, limits) = (self.rules.clone(), claims.limits.clone());
        let name = place.name().to_owned();
        let read = claims.objects.read((place, headers), checks, move |content_type, bytes| {
            let request = archive::Request {
                plain_name: &name,
                wanted: &|path| rules.wants(path),
                limits: &limits,
                on_kept: &mut |_| Ok(()),
            };
            archive::read(bytes, request).map_err(|error| (error, content_type))
        });
        read.await?.map_err(|(error, content_type)| unreadable(&error, content_type.as_deref()))
    }
}

impl Work for Evaluation {
    fn run(
        self: Arc<Self>,
        event: Arc<OwnedEvent>,
        decoded: Option<Vec<u8>>,
    ) -> BoxFuture<'static, Result<Outcome, Stop>> {
        let payload = decoded.or_else(|| event.record.value.clone()).unwrap_or_default();
        Box::pin(async move { self.outcome(&event, payload).await })
    }
}

impl Claims {
    /// The place of the event's object, and what the event says of it.
    fn of(&self, payload: &[u8]) -> Result<(Place, Checks), Fault> {
        let settings = &self.settings;
        let event = json_tree::read(payload)
            .map_err(|error| Fault::rejected(Reason::InvalidJson, error.to_string()))?;
        let missing = |path: &[String], what| {
            let detail = format!("the event has no {what} at /{}", path.join("/"));
            Fault::rejected(Reason::ObjectRefused, detail)
        };
        let url = value_at(&event, &settings.url).and_then(Value::as_str);
        let url = url.ok_or_else(|| missing(&settings.url, "URL"))?;
        let said = |path: &Option<Vec<String>>| {
            let value = path.as_ref().and_then(|path| value_at(&event, path));
            value.filter(|value| !value.is_null()).cloned()
        };
        let size = match said(&settings.size) {
            None => None,
            Some(size) => Some(size.as_u64().ok_or_else(|| {
                let detail = "the size that the event says is no whole number of bytes";
                Fault::rejected(Reason::ObjectMismatch, detail)
            })?),
        };
        let sha256 = match said(&settings.sha256) {
            None => None,
            Some(Value::String(digest)) => Some(digest),
            Some(_) => {
                let detail = "the SHA-256 that the event says is no text";
                return Err(Fault::rejected(Reason::ObjectMismatch, detail));
            }
        };
        let (most_bytes, idle) = (settings.bytes, settings.idle);
        Ok((self.objects.place(url)?, Checks { most_bytes, idle, size, sha256 }))
    }
}

fn end(fault: Fault) -> Result<Fetched, Stop> {
    match fault {
        Fault::Rejected { reason, detail } => {
            Ok(Fetched::Rejected(Rejection::new(reason, detail, None)))
        }
        Fault::Stop(stop) => Err(*stop),
        // Whoever calls this has waited for it.
        Fault::Away(why) => Ok(Fetched::Rejected(Rejection::new(Reason::ObjectMissing, why, None))),
    }
}

fn archive_limits(fetch: &FetchSettings, limits: &Limits) -> ArchiveLimits {
    let kept = (limits.in_flight_bytes / fetch.concurrency).max(LEAST_KEPT) as u64;
    ArchiveLimits {
        decompressed_bytes: fetch.unpacked_bytes,
        file_bytes: fetch.entry_bytes as u64,
        kept_bytes: kept,
        entries: fetch.entries as u64,
        zip_bytes: kept.min(fetch.bytes),
        ..ArchiveLimits::default()
    }
}

/// What becomes of an event whose object is no archive that can be read.
fn unreadable(error: &ArchiveError, content_type: Option<&str>) -> Fault {
    let reason = match error {
        ArchiveError::TooManyEntries(_)
        | ArchiveError::TooManyBytes(_)
        | ArchiveError::FileTooLarge { .. }
        | ArchiveError::TooMuchKept(_)
        | ArchiveError::ZipTooLarge(_)
        | ArchiveError::NameTooLong { .. }
        | ArchiveError::NoRoom(_) => Reason::ObjectTooLarge,
        ArchiveError::Read(_)
        | ArchiveError::ReadFile { .. }
        | ArchiveError::Empty
        | ArchiveError::NotAnArchive
        | ArchiveError::Unsupported(_)
        | ArchiveError::Truncated
        | ArchiveError::Malformed(_)
        | ArchiveError::Encrypted(_)
        | ArchiveError::BadName { .. } => Reason::ObjectUnreadable,
    };
    let mut detail = format!("{}: {error}", error.code());
    if let (ArchiveError::NotAnArchive, Some(content_type)) = (error, content_type) {
        let shown: String = content_type.chars().filter(|c| !c.is_control()).take(60).collect();
        detail.push_str(&format!("; its content type is {shown}"));
    }
    Fault::rejected(reason, detail)
}
