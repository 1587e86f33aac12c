//! `replay DELIVERY`: rows that the table lacks are made from the topic again.

use std::time::Instant;

use super::failure::{Exit, Failure};
use super::load::load;
use super::otlp;
use super::output;
use super::replay_args::ReplayArgs;
use super::replay_page;
use super::signals;
use super::transfer;
use super::transfer_progress::ShownProgress;
use crate::app;
use crate::config::DeadLetterTarget;
use crate::row::TableSchema;
use crate::shutdown::Shutdown;
use crate::stop::Stop;
use crate::telemetry::otlp::Service;
use crate::transfer::source::Source;
use crate::transfer::{MaxRejected, Mode, Progress, Request, Transfer};

/// Reads a part of the topic again, and inserts the rows that the table does not have.
pub async fn replay(args: &ReplayArgs) -> Result<(), Failure> {
    let shutdown = signals::shutdown()?;
    signals::until_stopped(run(args, shutdown.clone()), &shutdown).await
}

async fn run(args: &ReplayArgs, shutdown: Shutdown) -> Result<(), Failure> {
    let part = args.part().map_err(|what| Failure::new(Exit::Usage, what))?;
    let (loaded, fetcher) = load(&args.domain, args.layers.inputs()).await?;
    let settings = loaded.settings;
    otlp::start(settings.otlp.as_ref(), &Service::of(&settings), None)?;
    let domain = app::domain(&settings, &fetcher).await?;
    let topic = domain.contract.topic.clone();
    let mut replay = app::open_replay(&settings, &domain, &part, shutdown.clone()).await?;
    if args.dry_run || replay_page::offsets(&replay) == 0 {
        return output::print(&replay_page::plan(&args.domain, &topic, &replay));
    }
    if let DeadLetterTarget::Kafka(topic) = &settings.dead_letter {
        let table = replay.opened.database.dead_letters();
        tracing::warn!(
            topic,
            table,
            "rejected records of a replay are in the table, not in the topic"
        );
    }
    let plan = |table: &TableSchema| {
        domain.plan(table).map_err(|error| {
            let hint = "`generic-consumer config` has more";
            Stop::new("compile the contract for the table", hint, error)
        })
    };
    let source = std::mem::replace(&mut replay.source, Source::none());
    let progress = Progress::default();
    let shown = ShownProgress::show(progress.clone(), source.size());
    // A record that is rejected is a dead letter, as it is for an instance.
    let max_rejected = MaxRejected::Percent(100.0);
    let request = Request { days: None, mode: Mode::Fill, wait: args.wait, max_rejected };
    let transfer = Transfer {
        settings: &replay.settings,
        request: &request,
        columns: domain.columns.clone(),
        plan: &plan,
        source,
        before: None,
        after: None,
        topic,
        contract: domain.contract.id.clone(),
        progress: progress.clone(),
        shutdown,
    };
    let began = Instant::now();
    let ended = transfer.run(&replay.opened.database).await;
    progress.end();
    drop(shown);
    let done = ended.map_err(|error| transfer::failure(error, "the topic"))?;
    output::print(&replay_page::summary(&args.domain, &replay, &done, began.elapsed()))
}
