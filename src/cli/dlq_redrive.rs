//! `dlq redrive`: letters are put through the contract of now, and become rows.

use std::time::Instant;

use prometheus_client::registry::Registry;

use super::dlq_args::DlqRedriveArgs;
use super::dlq_open::open;
use super::dlq_trial_page::{self, Tries, What};
use super::failure::{Exit, Failure};
use super::fill::Fill;
use super::load::load;
use super::output;
use super::pace::{Pace, Rate};
use super::page::terminal_width;
use super::progress::ProgressLine;
use super::signals;
use crate::app::{self, Domain, OpenedLetters};
use crate::config::Settings;
use crate::letters::{Fate, Moved, Pacing, Redriven, ThroughError, Trial};
use crate::shutdown::Shutdown;
use crate::telemetry::Metrics;
use crate::transfer::source::Source;

/// Says what would become of letters, or redrives them.
pub async fn redrive(args: &DlqRedriveArgs, shutdown: Shutdown) -> Result<(), Failure> {
    match args.dry_run {
        true => signals::unless_stopped(dry_run(args, shutdown.clone()), &shutdown).await?,
        false => signals::until_stopped(run(args, shutdown.clone()), &shutdown).await,
    }
}

async fn dry_run(args: &DlqRedriveArgs, shutdown: Shutdown) -> Result<(), Failure> {
    let (loaded, fetcher) = load(&args.domain, args.layers.inputs()).await?;
    let settings = loaded.settings;
    let domain = app::domain(&settings, &fetcher).await?;
    let mut opened = open(&settings, &args.which, shutdown).await?;
    let trial = app::try_letters(&settings, &domain, &mut opened, &args.of()).await?;
    Page::of(args, &settings, &domain, &opened).print(&trial, None, What::DryRun)
}

async fn run(args: &DlqRedriveArgs, shutdown: Shutdown) -> Result<(), Failure> {
    let (loaded, fetcher) = load(&args.domain, args.layers.inputs()).await?;
    let settings = loaded.settings;
    let domain = app::domain(&settings, &fetcher).await?;
    let mut opened = open(&settings, &args.which, shutdown.clone()).await?;
    let of = args.of();
    let pacing = args.rate.map(|rate| pacing(rate, shutdown.clone()));
    let page = Page::of(args, &settings, &domain, &opened);
    if app::is_through_sink(&settings) {
        let metrics = Metrics::register(&mut Registry::default());
        let how = (pacing, metrics.clone(), shutdown);
        let through = app::open_through(&settings, &domain, &opened, &of, how).await?;
        let line = ProgressLine::show(metrics, "reading the dead letters");
        let began = Instant::now();
        let redriven = app::redrive_through(through).await;
        drop(line);
        let Redriven { trial, written } = redriven.map_err(failure)?;
        let what = match &written {
            None => What::Nothing,
            Some(written) => {
                What::Written { rows: written.rows, again: written.again, took: began.elapsed() }
            }
        };
        return page.print(&trial, written.map(|written| written.moved), what);
    }
    let mut redrive = app::open_redrive(&settings, &domain, &mut opened, &of, pacing).await?;
    let is_tried = redrive.counted.count(|fate| *fate == Fate::Row) > 0;
    let Some((database, _)) = opened.database.as_ref().filter(|_| is_tried) else {
        let moved = app::pass_letters(&opened.store, &of.selection, &redrive.passed).await?;
        return page.print(&redrive.counted, moved, What::Nothing);
    };
    let source = std::mem::replace(&mut redrive.source, Source::none());
    let fill = Fill {
        domain: &domain,
        settings: &redrive.settings,
        database,
        source,
        source_name: "the dead letters",
        wait: args.wait,
        shutdown,
    };
    let (done, took) = fill.run().await?;
    let (read, passed) = redrive.redriven.all();
    let moved = app::pass_letters(&opened.store, &of.selection, &passed).await?;
    let bytes_billed =
        redrive.counted.bytes_billed + read.bytes_billed + done.applied.bytes_billed.unwrap_or(0);
    let trial = Trial { bytes_billed, ..read };
    let (run, inserted) = (done.run.number, done.applied.inserted);
    page.print(&trial, moved, What::Done { run, inserted, took })
}

fn failure(error: ThroughError) -> Failure {
    let what = error.to_string();
    match error {
        ThroughError::Stop(stop) => stop.into(),
        ThroughError::TakenOver => Failure::new(Exit::Held, what).hint(
            "each letter is redriven once: run it again, and it goes on where the last one ended",
        ),
        ThroughError::Interrupted => Failure::new(Exit::Interrupted, what)
            .hint("what was redriven is there once; the same command goes on behind it"),
    }
}

/// What the page of a redrive names, whatever came of it.
struct Page<'a> {
    args: &'a DlqRedriveArgs,
    place: String,
    target: String,
    contract: &'a str,
}

impl<'a> Page<'a> {
    fn of(
        args: &'a DlqRedriveArgs,
        settings: &Settings,
        domain: &'a Domain,
        opened: &OpenedLetters,
    ) -> Self {
        let (place, target) = (opened.place.clone(), settings.write.sink.target());
        Self { args, place, target, contract: &domain.contract.id }
    }

    fn print(&self, trial: &Trial, moved: Option<Moved>, what: What) -> Result<(), Failure> {
        let Self { args, place, target, contract } = self;
        let tries = Tries { domain: &args.domain, place, target, contract, trial, moved, what };
        output::print(&match args.json {
            true => dlq_trial_page::json(&tries),
            false => dlq_trial_page::text(&tries, terminal_width()),
        })
    }
}

/// Waits until the next letter is due, or a signal comes.
fn pacing(rate: Rate, shutdown: Shutdown) -> Pacing {
    let mut pace = Pace::new(rate, Instant::now());
    Box::new(move || {
        while pace.take(Instant::now(), 1) == 0 && !shutdown.requested() {
            shutdown.sleep(pace.next().saturating_duration_since(Instant::now()));
        }
    })
}
