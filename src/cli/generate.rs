//! `produce DELIVERY --generate`: an endless stream of events made from the contract.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use rand::Rng;

use super::args::ProduceArgs;
use super::failure::Failure;
use super::output;
use super::pace::Pace;
use super::produce_target::target;
use super::sent::Sent;
use super::signals;
use super::to_api::ToApi;
use super::to_topic::ToTopic;
use crate::app::{self, Domain, Generator};
use crate::clock::Clock;
use crate::config::Settings;
use crate::record::UnsentRecord;
use crate::remote::Fetcher;
use crate::shutdown::Shutdown;
use crate::telemetry::status_line;

/// Events that are sent together at most.
const MOST_AT_ONCE: u64 = 1_000;

/// The shortest pause: events of a higher rate are sent in groups.
const TICK: Duration = Duration::from_millis(5);

/// How often a line says how far it is where there is no terminal.
const EVERY: Duration = Duration::from_secs(10);

/// Where events go.
enum Target {
    Topic(ToTopic),
    Api(ToApi),
}

impl Target {
    async fn send(&mut self, events: Vec<UnsentRecord>, sent: &mut Sent) -> Result<(), Failure> {
        match self {
            Self::Topic(topic) => topic.send(&events, sent).await,
            Self::Api(api) => api.send(events, sent).await,
        }
    }

    /// Returns once everything has been sent.
    async fn finish(&mut self, sent: &mut Sent) -> Result<(), Failure> {
        match self {
            Self::Topic(topic) => topic.finish(sent).await,
            Self::Api(_) => Ok(()),
        }
    }
}

/// Publishes made-up events until a signal or `--count` ends it.
pub async fn generate(
    args: &ProduceArgs,
    settings: &Settings,
    fetcher: &Fetcher,
) -> Result<(), Failure> {
    let shutdown = signals::shutdown()?;
    let servers = match &args.generate.to_api {
        Some(_) => String::new(),
        None => target(args.to.as_deref(), settings)?,
    };
    let domain = tokio::select! {
        domain = app::domain(settings, fetcher) => domain?,
        () = shutdown.wait() => return Ok(()),
    };
    let topic = &domain.contract.topic;
    let (to, place) = match &args.generate.to_api {
        Some(url) => {
            let api = ToApi::new(url, args.generate.token_file.as_deref(), shutdown.clone())?;
            let place = api.place();
            (Target::Api(api), place)
        }
        None => {
            let environment = &settings.consume.environment;
            let place = format!("{topic} ({environment})");
            (Target::Topic(ToTopic::open(settings, &servers, topic)?), place)
        }
    };
    let began = Instant::now();
    let sent = stream(args, settings, &domain, to, &shutdown).await?;
    let seconds = began.elapsed().as_secs_f64();
    let rate = sent.published as f64 / seconds.max(0.001);
    let refused = match sent.refused {
        0 => String::new(),
        some => format!(", {some} were refused"),
    };
    output::print(&format!(
        "published {} events to {place} in {seconds:.1} s ({rate:.0}/s){refused}\n",
        sent.published
    ))
}

async fn stream(
    args: &ProduceArgs,
    settings: &Settings,
    domain: &Domain,
    mut to: Target,
    shutdown: &Shutdown,
) -> Result<Sent, Failure> {
    let seed = args.generate.seed.unwrap_or_else(|| rand::rng().random());
    let key = settings.api.event_key.as_deref();
    let unfiltered = domain.without_filter();
    let mut generator = Generator::new(&unfiltered, seed, key, Clock::System)?;
    let mut pace = Pace::new(args.generate.rate, Instant::now());
    let mut left = args.generate.count.unwrap_or(u64::MAX);
    let mut sent = Sent::default();
    let mut progress = Progress::start();
    let mut warned = 0;
    while left > 0 && !shutdown.requested() {
        let due = pace.take(Instant::now(), MOST_AT_ONCE.min(left));
        let events: Vec<UnsentRecord> =
            std::iter::from_fn(|| generator.event()).take(due as usize).collect();
        for (event_type, why) in generator.missing.iter().skip(warned) {
            tracing::warn!(event_type, why, "no event of this type can be made");
        }
        warned = generator.missing.len();
        if (events.len() as u64) < due {
            let what = "no event of the contract can be made";
            return Err(Failure::stopped(what, "`produce DELIVERY FILE` publishes your own"));
        }
        left -= due;
        if due > 0 {
            to.send(events, &mut sent).await?;
            progress.show(&sent);
        }
        if left > 0 {
            let next = pace.next().max(Instant::now() + TICK);
            tokio::select! {
                () = tokio::time::sleep_until(next.into()) => {}
                () = shutdown.wait() => {}
            }
        }
    }
    to.finish(&mut sent).await?;
    Ok(sent)
}

/// The line at the bottom of a terminal, or a line of the log now and then.
struct Progress {
    bar: Option<ProgressBar>,
    logged: Instant,
    logged_at: u64,
}

impl Progress {
    fn start() -> Self {
        let style = ProgressStyle::with_template("{spinner} {msg}").ok();
        let style = style.filter(|_| std::io::stderr().is_terminal());
        let bar =
            style.map(|style| status_line::show(ProgressBar::new_spinner().with_style(style)));
        if let Some(bar) = &bar {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self { bar, logged: Instant::now(), logged_at: 0 }
    }

    fn show(&mut self, sent: &Sent) {
        let passed = self.logged.elapsed();
        let every = if self.bar.is_some() { Duration::from_secs(1) } else { EVERY };
        if passed < every && self.logged_at > 0 {
            return;
        }
        let rate = (sent.published - self.logged_at) as f64 / passed.as_secs_f64().max(0.001);
        match &self.bar {
            Some(bar) => bar.set_message(format!(
                "{} events published  {rate:.0}/s  {} refused  (Ctrl-C stops)",
                HumanCount(sent.published),
                HumanCount(sent.refused)
            )),
            None if passed < every => return,
            None => tracing::info!(
                published = sent.published,
                refused = sent.refused,
                per_second = rate.round(),
                "producing"
            ),
        }
        (self.logged, self.logged_at) = (Instant::now(), sent.published);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
