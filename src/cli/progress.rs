//! The line on a terminal that says how far a run has caught up.

use std::collections::VecDeque;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

use crate::telemetry::{Metrics, status_line};

/// How often the line changes.
const EVERY: Duration = Duration::from_millis(200);

/// The rate is that of this time.
const RATE_OF: Duration = Duration::from_secs(3);

/// Before it is known how much there is, and then.
const TEMPLATES: [&str; 2] = ["{prefix} {spinner}", "{wide_bar} {msg}"];

/// The line, which is there as long as this. Only on a terminal.
#[derive(Debug)]
pub struct ProgressLine {
    bar: ProgressBar,
    task: JoinHandle<()>,
}

impl ProgressLine {
    /// Shows the line on standard error; `None` if that is not a terminal. Has to be called inside
    /// a tokio runtime. `beginning` says what is done until it is known how much there is.
    pub fn show(metrics: Metrics, beginning: &'static str) -> Option<Self> {
        if !std::io::stderr().is_terminal() {
            return None;
        }
        let [joining, reading] =
            TEMPLATES.map(|template| ProgressStyle::with_template(template).ok());
        let (joining, reading) = (joining?, reading?);
        let bar = ProgressBar::new(0).with_style(joining).with_prefix(beginning);
        let bar = status_line::show(bar);
        let drawn = bar.clone();
        let task = tokio::spawn(async move {
            let mut rate = Rate::default();
            loop {
                let progress = Progress::of(&metrics);
                if progress.total > 0 {
                    let per_second = rate.add(Instant::now(), progress.read);
                    drawn.set_style(reading.clone());
                    drawn.set_length(progress.total);
                    drawn.set_position(progress.read);
                    drawn.set_message(progress.text(per_second));
                }
                drawn.tick();
                tokio::time::sleep(EVERY).await;
            }
        });
        Some(Self { bar, task })
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.task.abort();
        self.bar.finish_and_clear();
    }
}

/// How far a run has come.
#[derive(Debug, PartialEq, Eq)]
struct Progress {
    /// Offsets that are read, of those up to the end that the topic had at the start.
    read: u64,
    /// Zero while it is not known.
    total: u64,
}

impl Progress {
    fn of(metrics: &Metrics) -> Self {
        let [read, total] = [&metrics.caught_up, &metrics.to_catch_up]
            .map(|gauge| u64::try_from(gauge.get()).unwrap_or(0));
        Self { read, total }
    }

    /// Records, rate, lag and the time left at this rate.
    fn text(&self, per_second: Option<u64>) -> String {
        let lag = self.total.saturating_sub(self.read);
        let (read, total) = (HumanCount(self.read), HumanCount(self.total));
        let records = format!("{read} of {total} records");
        match per_second {
            _ if lag == 0 => format!("{records}  lag 0  the last rows become visible"),
            Some(rate) if rate > 0 => {
                let left = HumanDuration(Duration::from_secs(lag.div_ceil(rate)));
                let (rate, lag) = (HumanCount(rate), HumanCount(lag));
                format!("{records}  {rate}/s  lag {lag}  {left} left")
            }
            _ => format!("{records}  lag {}", HumanCount(lag)),
        }
    }
}

/// Records a second, over the last three seconds.
#[derive(Debug, Default)]
pub(super) struct Rate {
    seen: VecDeque<(Instant, u64)>,
}

impl Rate {
    /// Adds how many records were read until now, and returns the rate once there is one.
    pub(super) fn add(&mut self, now: Instant, read: u64) -> Option<u64> {
        while self.seen.front().is_some_and(|(at, _)| now.duration_since(*at) > RATE_OF) {
            self.seen.pop_front();
        }
        self.seen.push_back((now, read));
        let (since, before) = *self.seen.front()?;
        let seconds = now.duration_since(since).as_secs_f64();
        (seconds > 0.0).then(|| (read.saturating_sub(before) as f64 / seconds) as u64)
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn the_lag_is_what_is_left_to_read() {
        let metrics = Metrics::register(&mut Registry::default());
        assert_eq!(Progress::of(&metrics), Progress { read: 0, total: 0 });
        metrics.to_catch_up.set(90_000);
        metrics.caught_up.set(30_000);
        let text = Progress::of(&metrics).text(Some(5_000));
        assert_eq!(text, "30,000 of 90,000 records  5,000/s  lag 60,000  12 seconds left");
        let text = Progress::of(&metrics).text(None);
        assert_eq!(text, "30,000 of 90,000 records  lag 60,000");
        // A live topic has more records than those it had at the start.
        metrics.read.inc_by(100_000);
        metrics.caught_up.set(90_000);
        let text = Progress::of(&metrics).text(Some(5_000));
        assert_eq!(text, "90,000 of 90,000 records  lag 0  the last rows become visible");
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        assert_eq!(rate.add(at(0), 0), None);
        assert_eq!(rate.add(at(2), 200), Some(100));
        assert_eq!(rate.add(at(4), 1_200), Some(500), "the first is too old");
        assert_eq!(rate.add(at(60), 1_200), None, "after a stall of the line itself");
    }

    #[test]
    fn the_templates_are_valid() {
        assert!(TEMPLATES.iter().all(|template| ProgressStyle::with_template(template).is_ok()));
    }
}
