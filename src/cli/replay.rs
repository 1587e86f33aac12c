//! `replay DELIVERY`: rows that the table lacks are made from the topic again.

use super::failure::{Exit, Failure};
use super::fill::Fill;
use super::load::load;
use super::otlp;
use super::output;
use super::replay_args::ReplayArgs;
use super::replay_page;
use super::signals;
use crate::app;
use crate::config::DeadLetterTarget;
use crate::shutdown::Shutdown;
use crate::telemetry::otlp::Service;
use crate::transfer::source::Source;

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
    let source = std::mem::replace(&mut replay.source, Source::none());
    let fill = Fill {
        domain: &domain,
        settings: &replay.settings,
        database: &replay.opened.database,
        source,
        source_name: "the topic",
        wait: args.wait,
        shutdown,
    };
    let (done, took) = fill.run().await?;
    output::print(&replay_page::summary(&args.domain, &replay, &done, took))
}
