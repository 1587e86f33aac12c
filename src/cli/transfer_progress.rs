//! How far a transfer is: a line on a terminal, lines of the log elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

use super::progress::Rate;
use crate::telemetry::status_line;
use crate::transfer::source::Size;
use crate::transfer::{Phase, Progress, Snapshot};

/// How often the line changes.
const EVERY: Duration = Duration::from_millis(200);

/// How often there is a line in the log.
const LOGGED_EVERY: Duration = Duration::from_secs(15);

/// While rows are staged, and in the other phases.
const TEMPLATES: [&str; 2] = ["{wide_bar} {msg}", "{wide_msg}"];

/// Shows how far the run is as long as this lives.
pub struct ShownProgress {
    bar: Option<ProgressBar>,
    task: JoinHandle<()>,
}

impl ShownProgress {
    /// Has to be called inside a tokio runtime.
    pub fn show(progress: Progress, size: Size) -> Self {
        let styles = TEMPLATES.map(|template| ProgressStyle::with_template(template).ok());
        let ([Some(staging), Some(other)], true) = (styles, std::io::stderr().is_terminal()) else {
            return Self { bar: None, task: tokio::spawn(log(progress, size)) };
        };
        let bar = status_line::show(ProgressBar::new(total(size)).with_style(other.clone()));
        let drawn = bar.clone();
        let task = tokio::spawn(async move {
            let mut rates = Rates::default();
            loop {
                let now = progress.now();
                let rates = rates.of(&now, size);
                if let Some(text) = text(&now, size, rates) {
                    let is_staging = matches!(now.phase, Some((Phase::Staging, _)));
                    drawn.set_style(if is_staging { staging.clone() } else { other.clone() });
                    drawn.set_position(done(&now, size).min(total(size)));
                    drawn.set_message(text);
                }
                drawn.tick();
                tokio::time::sleep(EVERY).await;
            }
        });
        Self { bar: Some(bar), task }
    }
}

impl Drop for ShownProgress {
    fn drop(&mut self) {
        self.task.abort();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Rows a second, and records or bytes a second.
type PerSecond = (Option<u64>, Option<u64>);

#[derive(Default)]
struct Rates {
    rows: Rate,
    done: Rate,
}

impl Rates {
    fn of(&mut self, now: &Snapshot, size: Size) -> PerSecond {
        let at = Instant::now();
        (self.rows.add(at, now.counts.rows), self.done.add(at, done(now, size)))
    }
}

fn total(size: Size) -> u64 {
    match size {
        Size::Records(total) | Size::About(total) | Size::Bytes(total) => total,
    }
}

fn done(now: &Snapshot, size: Size) -> u64 {
    match size {
        Size::Records(_) | Size::About(_) => now.counts.read,
        Size::Bytes(_) => now.bytes,
    }
}

/// How long the rest takes at this rate. `None`: nobody knows, or there is none.
fn left(now: &Snapshot, size: Size, per_second: Option<u64>) -> Option<Duration> {
    let left = total(size).saturating_sub(done(now, size));
    let per_second = per_second.filter(|rate| *rate > 0 && left > 0)?;
    Some(Duration::from_secs(left.div_ceil(per_second)))
}

/// What the line says. `None` between two phases.
fn text(now: &Snapshot, size: Size, (rows_per_second, per_second): PerSecond) -> Option<String> {
    let (phase, since) = now.phase?;
    let seconds = since.as_secs();
    let about = &now.about;
    Some(match phase {
        Phase::PreExecutionCleansing | Phase::PostExecutionCleanup => {
            format!("{}, {seconds} s", phase.step())
        }
        Phase::Statement => format!("running the statement of {about}, {seconds} s"),
        Phase::Checking => format!("checking the staged rows, {seconds} s"),
        Phase::Moving => format!("moving the rows, {seconds} s: job {about}"),
        Phase::Staging => {
            let mut text = format!("staging {} rows", HumanCount(now.counts.rows));
            if done(now, size) >= total(size) {
                text.push_str("  the last ones are committed");
            } else if let Some(rate) = rows_per_second {
                text.push_str(&format!("  {}/s", HumanCount(rate)));
            }
            if let Some(left) = left(now, size, per_second) {
                text.push_str(&format!("  {} left", HumanDuration(left)));
            }
            text
        }
    })
}

/// Says in the log from time to time what a long run does.
async fn log(progress: Progress, size: Size) {
    let mut before = progress.now();
    loop {
        tokio::time::sleep(LOGGED_EVERY).await;
        let now = progress.now();
        let Some((phase, since)) = now.phase else { continue };
        let (step, doing, seconds) = (phase.step(), phase.name(), since.as_secs());
        if phase == Phase::Staging {
            let (records, rows) = (now.counts.read, now.counts.rows);
            let per_second =
                |now: u64, before: u64| now.saturating_sub(before) / LOGGED_EVERY.as_secs();
            let rows_per_second = per_second(rows, before.counts.rows);
            let rate = per_second(done(&now, size), done(&before, size));
            let seconds_left = left(&now, size, Some(rate)).map(|left| left.as_secs());
            tracing::info!(
                step,
                doing,
                seconds,
                records,
                rows,
                rows_per_second,
                seconds_left,
                "transfer goes on"
            );
        } else {
            tracing::info!(step, doing, seconds, about = now.about, "transfer goes on");
        }
        before = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::Counts;

    fn at(phase: Phase, rows: u64, about: &str) -> Snapshot {
        let counts = Counts { read: rows, rows, ..Counts::default() };
        let phase = Some((phase, Duration::from_secs(12)));
        Snapshot { counts, bytes: rows * 100, phase, about: about.to_owned() }
    }

    #[test]
    fn the_line_has_rate_and_time_left_and_says_what_a_job_does() {
        let shown = |now: &Snapshot, size, rates| text(now, size, rates).expect("a text");
        let rates = (Some(4_000), Some(400_000));
        let staging = at(Phase::Staging, 120_000, "");
        assert_eq!(
            shown(&staging, Size::Bytes(20_000_000), rates),
            "staging 120,000 rows  4,000/s  20 seconds left"
        );
        assert_eq!(
            shown(&staging, Size::Bytes(12_000_000), rates),
            "staging 120,000 rows  the last ones are committed"
        );
        // The server's estimate may be too small, and before the first rows there is no rate.
        assert_eq!(
            shown(&at(Phase::Staging, 0, ""), Size::Records(10), (None, None)),
            "staging 0 rows"
        );
        assert_eq!(
            shown(&at(Phase::Moving, 9, "j_1"), Size::Bytes(1), rates),
            "moving the rows, 12 s: job j_1"
        );
        assert_eq!(
            shown(&at(Phase::Statement, 0, "before.sql"), Size::Bytes(1), rates),
            "running the statement of before.sql, 12 s"
        );
        assert_eq!(text(&Snapshot::default(), Size::Bytes(1), rates), None);
    }

    #[test]
    fn the_templates_are_valid() {
        assert!(TEMPLATES.iter().all(|template| ProgressStyle::with_template(template).is_ok()));
    }
}
