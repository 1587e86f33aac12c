//! `dlq redrive`: letters are put through the contract of now, and become rows.

use std::time::Instant;

use super::dlq_args::DlqRedriveArgs;
use super::dlq_open::open;
use super::dlq_trial_page::{self, Tries, What};
use super::failure::Failure;
use super::fill::Fill;
use super::load::load;
use super::output;
use super::pace::{Pace, Rate};
use super::page::terminal_width;
use super::signals;
use crate::app;
use crate::letters::{Fate, Trial};
use crate::shutdown::Shutdown;
use crate::transfer::source::{Pacing, Source};

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
    print(
        args,
        &Tries {
            domain: &args.domain,
            place: &opened.place,
            target: &settings.write.sink.target(),
            contract: &domain.contract.id,
            trial: &trial,
            moved: None,
            what: What::DryRun,
        },
    )
}

async fn run(args: &DlqRedriveArgs, shutdown: Shutdown) -> Result<(), Failure> {
    let (loaded, fetcher) = load(&args.domain, args.layers.inputs()).await?;
    let settings = loaded.settings;
    let domain = app::domain(&settings, &fetcher).await?;
    let mut opened = open(&settings, &args.which, shutdown.clone()).await?;
    let of = args.of();
    let pacing = args.rate.map(|rate| pacing(rate, shutdown.clone()));
    let mut redrive = app::open_redrive(&settings, &domain, &mut opened, &of, pacing).await?;
    let target = settings.write.sink.target();
    let tries = |trial, moved, what| Tries {
        domain: &args.domain,
        place: &opened.place,
        target: &target,
        contract: &domain.contract.id,
        trial,
        moved,
        what,
    };
    let is_tried = redrive.counted.count(|fate| *fate == Fate::Row) > 0;
    let Some((database, _)) = opened.database.as_ref().filter(|_| is_tried) else {
        let moved = app::pass_letters(&opened.store, &of.selection, &redrive.passed).await?;
        return print(args, &tries(&redrive.counted, moved, What::Nothing));
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
    print(args, &tries(&trial, moved, What::Done { run, inserted, took }))
}

fn print(args: &DlqRedriveArgs, tries: &Tries<'_>) -> Result<(), Failure> {
    output::print(&match args.json {
        true => dlq_trial_page::json(tries),
        false => dlq_trial_page::text(tries, terminal_width()),
    })
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
