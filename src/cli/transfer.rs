//! `transfer EXECUTION_DATE TRANSFER_NAME truncate|delta CONFIG_LOCATION`: a batch of rows.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::failure::{Exit, Failure};
use super::metrics_file::{EndedRun, MetricsFile};
use super::otlp;
use super::output;
use super::signals;
use super::transfer_args::{RunOf, TransferArgs, TransferCommand, TransferFlags};
use super::transfer_days::Asked;
use super::transfer_page;
use super::transfer_progress::ShownProgress;
use super::transfer_settings;
use super::transfer_status;
use crate::app;
use crate::clock::Clock;
use crate::config::{DeadLetterTarget, SourceSettings};
use crate::document;
use crate::error_chain::chain;
use crate::row::TableSchema;
use crate::shutdown::Shutdown;
use crate::stop::Stop;
use crate::telemetry::otlp::Service;
use crate::transfer::source::{Source, SourceError};
use crate::transfer::{OwnSql, Progress, Request, Summary, Transfer, TransferError};

/// Runs a transfer to its end, or shows its status.
pub async fn transfer(args: TransferArgs) -> Result<(), Failure> {
    match (&args.command, args.run_of()) {
        (Some(TransferCommand::Status(args)), _) => transfer_status::status(args).await,
        (None, Some(of)) => to_its_end(&of, &args.flags).await,
        (None, None) => {
            let hint = "`generic-consumer transfer --help` has both forms";
            Err(Failure::new(Exit::Usage, "a run needs date, transfer, mode and file").hint(hint))
        }
    }
}

/// Runs the transfer, and writes the metrics of the run, however it ends.
async fn to_its_end(of: &RunOf, flags: &TransferFlags) -> Result<(), Failure> {
    let file = MetricsFile::open(flags.metrics_file.as_deref())?;
    let progress = Progress::default();
    let started_micros = Clock::System.now_micros();
    let ended = until_stopped(of, flags, &progress).await;
    if !flags.dry_run {
        let run = EndedRun {
            transfer: &of.name,
            mode: of.mode.mode().name(),
            started_micros,
            ended_micros: Clock::System.now_micros(),
            exit_code: ended.as_ref().map_or_else(|failure| failure.exit.code(), |_| 0),
            progress: &progress,
            summary: ended.as_ref().ok().and_then(Option::as_ref),
        };
        crate::telemetry::otlp::report(Arc::new(run.metrics(&[])));
        if let Some(Err(error)) = file.map(|file| file.write(&run)) {
            tracing::warn!(%error, "the metrics of the run are not written");
        }
    }
    ended.map(drop)
}

/// What the run has done; `None` after a dry run.
async fn until_stopped(
    of: &RunOf,
    flags: &TransferFlags,
    progress: &Progress,
) -> Result<Option<Summary>, Failure> {
    let shutdown = signals::shutdown()?;
    signals::until_stopped(run(of, flags, progress, shutdown.clone()), &shutdown).await
}

async fn run(
    of: &RunOf,
    flags: &TransferFlags,
    progress: &Progress,
    shutdown: Shutdown,
) -> Result<Option<Summary>, Failure> {
    let asked = Asked::read(of, flags)?;
    let source_name = format!("the source of {}", of.name);
    let inputs = flags.layers.inputs().transfer_file(&of.config_location);
    let (settings, fetcher) = transfer_settings::load(&of.name, inputs).await?;
    let environment = Some(settings.domain.write.environment.as_str());
    let service = Service { environment, ..Service::default() };
    otlp::start(settings.otlp.as_ref(), &service, None)?;
    let now = Timestamp::from_microsecond(Clock::System.now_micros()).unwrap_or_default();
    let mode = asked.mode;
    let days = asked.days(&settings.time_zone, now).map_err(|error| {
        let hint = "time_zone of the transfer says when its days begin";
        Failure::new(Exit::Usage, "use the dates").source(error).hint(hint)
    })?;
    if !days.are_over(now) {
        tracing::warn!(days = %days, "the last day is not over: a later run will find more rows");
    }
    let (wait, max_rejected) = (flags.wait, flags.max_rejected);
    let request = Request { days: Some(days.clone()), mode, wait, max_rejected };
    let before = own_sql(settings.before.as_deref())?;
    let after = own_sql(settings.after.as_deref())?;
    let domain = app::transfer_domain(&settings, &fetcher).await?;
    let proxy = flags.sql_proxy.as_deref();
    if proxy.is_some() && !matches!(settings.source, SourceSettings::Query(_)) {
        let hint = "a source of the kind `query` is reached by it; leave --sql-proxy out";
        return Err(
            Failure::new(Exit::Usage, "--sql-proxy is for a query of PostgreSQL").hint(hint)
        );
    }
    let opened =
        app::open_transfer(&settings, &domain, &days, &fetcher, proxy, shutdown.clone()).await;
    let mut opened = opened.map_err(|error| match shutdown.requested() {
        true => Failure::new(Exit::Interrupted, "stopped by a signal").hint("run it again"),
        false => error.into(),
    })?;
    let plan = |table: &TableSchema| {
        domain.plan_for(table, None).map_err(|error| {
            Stop::new(
                "compile the contract for the target",
                "`generic-consumer config` has more",
                error,
            )
        })
    };
    if flags.dry_run {
        let planned = opened.database.planned(&settings, &request, &domain.columns).await;
        let planned = planned.map_err(|error| failure(error, &source_name))?;
        output::print(&transfer_page::plan(&settings, &request, &opened, &planned))?;
        return Ok(None);
    }
    tracing::info!(
        transfer = settings.name,
        days = %days,
        mode = request.mode.name(),
        table = %opened.database,
        source = opened.read_from,
        "transfer begins"
    );
    if let DeadLetterTarget::Kafka(topic) = &settings.domain.dead_letter {
        tracing::warn!(
            topic,
            table = opened.database.dead_letters(),
            "DEAD_LETTER names a topic, which is for the consumer: rejected records of a transfer are \
             in the table"
        );
    }
    let source = std::mem::replace(&mut opened.source, Source::none());
    let shown = ShownProgress::show(progress.clone(), source.size());
    let transfer = Transfer {
        settings: &settings,
        request: &request,
        columns: domain.columns.clone(),
        plan: &plan,
        source,
        before,
        after,
        topic: opened.read_from.clone(),
        contract: domain.contract.id.clone(),
        progress: progress.clone(),
        shutdown,
    };
    let ended = transfer.run(&opened.database).await;
    progress.end();
    drop(shown);
    let summary = ended.map_err(|error| {
        // It closes connections that it cannot serve; its lines say why.
        let said = match (&error, &opened.sql_proxy) {
            (TransferError::Source(_), Some(proxy)) => Some(proxy.said()),
            _ => None,
        };
        let failure = failure(error, &source_name);
        if let Some(said) = said { failure.source(said) } else { failure }
    })?;
    output::print(&transfer_page::summary(&settings, &request, &summary, &progress.took()))?;
    Ok(Some(summary))
}

/// A statement of the user's own.
fn own_sql(file: Option<&Path>) -> Result<Option<OwnSql>, Failure> {
    let Some(path) = file else { return Ok(None) };
    let file = path.display().to_string();
    let hint = "`before` and `after` of the transfer name files with a statement, in UTF-8";
    let text = document::read_text(path).map_err(|error| {
        Failure::new(Exit::Configuration, format!("read {file}")).source(error).hint(hint)
    })?;
    // Editors on Windows begin a text with a byte order mark.
    let text = text.trim_start_matches('\u{feff}').trim().to_owned();
    if text.is_empty() {
        return Err(Failure::new(Exit::Configuration, format!("{file} is empty")).hint(hint));
    }
    Ok(Some(OwnSql { file, text }))
}

/// `source` is what was read.
pub(super) fn failure(error: TransferError, source_name: &str) -> Failure {
    let what = error.to_string();
    match error {
        TransferError::Stop(stop) | TransferError::Source(SourceError::Letters(stop)) => {
            stop.into()
        }
        TransferError::Source(source) => {
            let hint = "the target is as it was; run it again once the source can be read";
            Failure::stopped(format!("read {source_name}: {}", chain(&source)), hint)
        }
        TransferError::Held { expires_in_ms, .. } => {
            let seconds = expires_in_ms.max(0).unsigned_abs().div_ceil(1_000);
            Failure::new(Exit::Held, what).hint(format!(
                "wait for it with --wait; if it was killed, its lease ends in {seconds} s"
            ))
        }
        TransferError::TooManyRejected { dead_letters, .. } => {
            Failure::new(Exit::TooManyRejected, what).hint(format!(
                "the target is as it was; the records and the reasons are in {dead_letters}"
            ))
        }
        TransferError::Duplicates { .. } => Failure::new(Exit::Configuration, what).hint(
            "the target is as it was; correct the source or the key, or set duplicates = \"last\"",
        ),
        TransferError::Settings { hint, .. } => Failure::new(Exit::Configuration, what).hint(hint),
        TransferError::TakenOver { .. } => Failure::stopped(
            what,
            "this run was away for longer than its lease; the other one goes on",
        ),
        TransferError::Interrupted => Failure::new(Exit::Interrupted, what)
            .hint("the target is as it was; run it again to begin anew"),
    }
}
