//! `transfer EXECUTION_DATE TRANSFER_NAME truncate|delta CONFIG_LOCATION`: a batch of rows.

use std::path::Path;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::failure::{Exit, Failure};
use super::load::fetched;
use super::output;
use super::signals;
use super::transfer_args::{ModeArg, TransferArgs};
use super::transfer_page;
use crate::app;
use crate::clock::Clock;
use crate::config::{TransferSettings, load_transfer};
use crate::error_chain::chain;
use crate::remote::Fetcher;
use crate::row::TableSchema;
use crate::shutdown::Shutdown;
use crate::stop::Stop;
use crate::transfer::source::Source;
use crate::transfer::{
    DateError, Days, Due, ExecutionDate, Mode, OwnSql, Progress, Request, Transfer, TransferError,
    execution_date,
};

/// How long a run may take to end after a signal. Kubernetes kills it after 30 s.
const ENDS_WITHIN: Duration = Duration::from_secs(15);

/// Runs the transfer to its end.
pub async fn transfer(args: &TransferArgs) -> Result<(), Failure> {
    let shutdown = signals::shutdown()?;
    let run = run(args, shutdown.clone());
    tokio::pin!(run);
    tokio::select! {
        ended = &mut run => return ended,
        () = shutdown.wait() => {}
    }
    // It ends by itself after what it is doing, unless that is waiting for a service.
    let stopped = tokio::time::timeout(ENDS_WITHIN, run).await;
    stopped.unwrap_or_else(|_| {
        Err(Failure::new(Exit::Interrupted, "stopped by a signal")
            .hint("the target is as it was, or as it should be; run it again, which says which"))
    })
}

async fn run(args: &TransferArgs, shutdown: Shutdown) -> Result<(), Failure> {
    let asked = Asked::read(args)?;
    let fetcher = Fetcher::new(std::env::vars_os().collect());
    let inputs = fetched(&fetcher, args.inputs()).await?;
    let settings = load_transfer(&args.name, &inputs, &mut |_, _, _| Vec::new());
    let settings = settings.map_err(|mistakes| {
        let hint = "docs/reference/transfer.md has every key of a transfer";
        Failure::new(Exit::Configuration, mistakes.to_string()).hint(hint)
    })?;
    let now = Timestamp::from_microsecond(Clock::System.now_micros()).unwrap_or_default();
    let mode = asked.mode;
    let days = asked.days(&settings.time_zone, now).map_err(|error| {
        let hint = "time_zone of the transfer says when its days begin";
        Failure::new(Exit::Usage, "use the dates").source(error).hint(hint)
    })?;
    if !days.are_over(now) {
        tracing::warn!(days = %days, "the last day is not over: a later run will find more rows");
    }
    let request = Request { days, mode, wait: args.wait, max_rejected: args.max_rejected };
    let before = own_sql(settings.before.as_deref())?;
    let after = own_sql(settings.after.as_deref())?;
    let domain = app::transfer_domain(&settings, &fetcher).await?;
    let mut opened =
        app::open_transfer(&settings, &domain, &request, &fetcher, shutdown.clone()).await?;
    let plan = |table: &TableSchema| {
        domain.plan_for(table, None).map_err(|error| {
            Stop::new(
                "compile the contract for the target",
                "`generic-consumer config` has more",
                error,
            )
        })
    };
    let page = transfer_page::plan(&settings, &request, &opened);
    if args.dry_run {
        return output::print(&page);
    }
    tracing::info!(
        transfer = settings.name,
        days = %request.days,
        mode = request.mode.name(),
        table = %opened.target.table,
        source = opened.read_from,
        "transfer begins"
    );
    let progress = Progress::default();
    let source = std::mem::replace(&mut opened.source, Source::none());
    let line = transfer_page::Line::show(progress.clone(), source.size());
    let transfer = Transfer {
        settings: &settings,
        request: &request,
        bigquery: opened.bigquery.clone(),
        target: opened.target.table.clone(),
        columns: domain.columns.clone(),
        plan: &plan,
        source,
        before,
        after,
        is_moving: false,
        topic: opened.read_from.clone(),
        contract: domain.contract.id.clone(),
        progress,
        shutdown,
    };
    let began = std::time::Instant::now();
    let ended = transfer.run().await;
    drop(line);
    let summary = ended.map_err(|error| failure(error, &settings))?;
    output::print(&transfer_page::summary(&settings, &request, &summary, began.elapsed()))
}

/// A statement of the user's own.
fn own_sql(file: Option<&Path>) -> Result<Option<OwnSql>, Failure> {
    let Some(path) = file else { return Ok(None) };
    let file = path.display().to_string();
    let hint = "`before` and `after` of the transfer name files with a statement, in UTF-8";
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::new(Exit::Configuration, format!("read {file}")).source(error).hint(hint)
    })?;
    // Editors on Windows begin a text with a byte order mark.
    let text = text.trim_start_matches('\u{feff}').trim().to_owned();
    if text.is_empty() {
        return Err(Failure::new(Exit::Configuration, format!("{file} is empty")).hint(hint));
    }
    Ok(Some(OwnSql { file, text }))
}

/// What the command line says of the days.
struct Asked {
    mode: Mode,
    last: ExecutionDate,
    due: Option<Due>,
    first: First,
}

/// The first day in mode delta.
enum First {
    Day(Date),
    /// So many days before the last one.
    Before(u16),
}

impl Asked {
    fn read(args: &TransferArgs) -> Result<Self, Failure> {
        const DAY: &str = "a day is written as 20261121";
        let hint = "a day is written as 20261121; `today` and `yesterday` are days too";
        let last = args.date.parse().map_err(|error| wrong_date("EXECUTION_DATE", error, hint))?;
        let hint = "name the Job after the day: kubectl create job orders-20261121 \
                    --from=cronjob/transfer-orders";
        let due = args
            .job
            .as_deref()
            .map(|name| name.parse().map_err(|error| wrong_date("--job", error, hint)));
        let mode = match args.mode {
            ModeArg::Truncate => Mode::Truncate,
            ModeArg::Delta => Mode::Delta,
        };
        let first = match (&args.delta_start_date, args.delta_days, mode) {
            (None, None, _) => First::Before(0),
            (Some(first), _, Mode::Delta) => {
                let wrong = |error| wrong_date("--delta-start-date", error, DAY);
                First::Day(execution_date(first).map_err(wrong)?)
            }
            (None, Some(days), Mode::Delta) => First::Before(days.saturating_sub(1)),
            (first, _, Mode::Truncate) => {
                let flag = match first {
                    Some(_) => "--delta-start-date",
                    None => "--delta-days",
                };
                let hint = "mode truncate replaces one day: run each day by itself";
                let what = format!("{flag} is for mode delta");
                return Err(Failure::new(Exit::Usage, what).hint(hint));
            }
        };
        Ok(Self { mode, last, due: due.transpose()?, first })
    }

    fn days(&self, zone: &TimeZone, now: Timestamp) -> Result<Days, DateError> {
        let last = self.last.resolve(self.due, zone, now)?;
        let first = match self.first {
            First::Day(first) => first,
            First::Before(days) => last.saturating_sub(i64::from(days).days()),
        };
        Days::new(first, last, zone.clone(), now)
    }
}

fn wrong_date(which: &str, error: DateError, hint: &str) -> Failure {
    Failure::new(Exit::Usage, format!("read {which}")).source(error).hint(hint)
}

fn failure(error: TransferError, settings: &TransferSettings) -> Failure {
    let what = error.to_string();
    match error {
        TransferError::Stop(stop) => stop.into(),
        TransferError::Source(source) => {
            let hint = "the target is as it was; run it again once the source can be read";
            Failure::stopped(
                format!("read the source of {}: {}", settings.name, chain(&source)),
                hint,
            )
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
        TransferError::Interrupted => Failure::new(Exit::Interrupted, what)
            .hint("the target is as it was; run it again to begin anew"),
    }
}
