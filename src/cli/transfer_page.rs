//! What `transfer` prints: the plan, the progress line and the summary.

use std::fmt::Write;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount, HumanDuration, ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

use crate::app::OpenedTransfer;
use crate::config::TransferSettings;
use crate::telemetry::status_line;
use crate::transfer::source::Size;
use crate::transfer::{Progress, Request, Summary};

/// How often the line changes.
const EVERY: Duration = Duration::from_millis(200);

/// The most files or partitions that are listed.
const MOST_LINES: usize = 20;

const TEMPLATE: &str = "{wide_bar} {msg}";

/// What would be read and written.
pub fn plan(settings: &TransferSettings, request: &Request, opened: &OpenedTransfer) -> String {
    let mut text = String::new();
    let mut line = |what: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{what:12}{value}");
    };
    line("transfer", &format!("{} ({})", settings.name, request.mode.name()));
    line("days", &request.days.to_string());
    line("read", &size(opened.source.size()));
    let described = opened.source.describe();
    for one in described.iter().take(MOST_LINES) {
        line("", one);
    }
    if described.len() > MOST_LINES {
        line("", &format!("and {} more", described.len() - MOST_LINES));
    }
    line("stage", &format!("in a table of its own next to {}", opened.database));
    let by = settings.date_column.as_ref().map_or(String::new(), |name| format!(", by {name}"));
    line("write", &format!("{}{by}", opened.database));
    text
}

fn size(size: Size) -> String {
    match size {
        Size::Records(records) => format!("up to {} records", HumanCount(records)),
        Size::Bytes(bytes) => HumanBytes(bytes).to_string(),
    }
}

/// What a run has done.
pub fn summary(
    settings: &TransferSettings,
    request: &Request,
    summary: &Summary,
    took: Duration,
) -> String {
    let mut text = String::new();
    let mut line = |what: &str, value: String| {
        let _ = writeln!(text, "{what:12}{value}");
    };
    let counts = summary.run.counts;
    line(
        "transfer",
        format!("{} ({}), run {}", settings.name, request.mode.name(), summary.run.number),
    );
    line("days", request.days.to_string());
    line("read", format!("{} records", HumanCount(counts.read)));
    let mut left_out = Vec::new();
    for (count, what) in [
        (counts.rejected, format!("rejected, in {}", summary.dead_letters)),
        (counts.ignored, "ignored".to_owned()),
        (counts.of_other_days, "of other days".to_owned()),
    ] {
        if count > 0 {
            left_out.push(format!("{} {what}", HumanCount(count)));
        }
    }
    line("staged", format!("{} rows", HumanCount(counts.rows)));
    if !left_out.is_empty() {
        line("left out", left_out.join("; "));
    }
    if counts.rows == 0 {
        line("", "the days have no rows".to_owned());
    }
    line("write", summary.method.clone());
    let applied = &summary.applied;
    let inserted = HumanCount(applied.inserted);
    line(
        "written",
        match applied.deleted {
            None => format!("{inserted} rows, in place of those before"),
            Some(deleted) => format!(
                "{inserted} inserted, {} updated, {} deleted",
                HumanCount(applied.updated),
                HumanCount(deleted)
            ),
        },
    );
    if let Some(bytes) = applied.bytes_billed {
        line("billed", HumanBytes(bytes).to_string());
    }
    line("took", format!("{:.1} s", took.as_secs_f64()));
    text
}

/// The line on a terminal, which is there as long as this.
pub struct Line {
    bar: ProgressBar,
    task: JoinHandle<()>,
}

impl Line {
    /// `None` if standard error is no terminal.
    pub fn show(progress: Progress, size: Size) -> Option<Self> {
        if !std::io::stderr().is_terminal() {
            return None;
        }
        let style = ProgressStyle::with_template(TEMPLATE).ok()?;
        let total = match size {
            Size::Records(total) | Size::Bytes(total) => total,
        };
        let bar = status_line::show(ProgressBar::new(total).with_style(style));
        let drawn = bar.clone();
        let task = tokio::spawn(async move {
            let began = std::time::Instant::now();
            loop {
                let (read, bytes, rows) = progress.now();
                let done = match size {
                    Size::Records(_) => read,
                    Size::Bytes(_) => bytes,
                };
                let per_second = done as f64 / began.elapsed().as_secs_f64().max(0.001);
                let left = total.saturating_sub(done) as f64 / per_second;
                let left = match per_second > 0.0 && left.is_finite() {
                    true => {
                        format!("  {} left", HumanDuration(Duration::from_secs_f64(left.min(1e6))))
                    }
                    false => String::new(),
                };
                drawn.set_position(done.min(total));
                drawn.set_message(format!("{} rows staged{left}", HumanCount(rows)));
                tokio::time::sleep(EVERY).await;
            }
        });
        Some(Self { bar, task })
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
        self.bar.finish_and_clear();
    }
}
