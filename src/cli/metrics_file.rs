//! `--metrics-file`: the metrics of the last run in Prometheus' text format, for the textfile collector
//! of node_exporter.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::failure::{Exit, Failure};
use crate::telemetry::metrics::LabelText;
use crate::telemetry::{PhaseLabel, TransferLabel, TransferMetrics};
use crate::transfer::{Counts, Progress, Summary};

/// Names the file where no flag does.
const VARIABLE: &str = "TRANSFER_METRICS_FILE";

/// The file, which can be written.
pub struct MetricsFile {
    path: PathBuf,
    /// When the last runs that succeeded ended, by transfer and mode.
    successes: Vec<(TransferLabel, f64)>,
}

/// A run that has ended.
pub struct EndedRun<'a> {
    pub transfer: &'a str,
    pub mode: &'static str,
    pub started_micros: i64,
    pub ended_micros: i64,
    pub exit_code: u8,
    pub progress: &'a Progress,
    /// `None`: it has failed.
    pub summary: Option<&'a Summary>,
}

impl MetricsFile {
    /// The file of the flag, or of the variable; `None` without both. A file that cannot be written is
    /// an error now, and not when the run has ended.
    pub fn open(flag: Option<&Path>) -> Result<Option<Self>, Failure> {
        let variable = std::env::var_os(VARIABLE).filter(|value| !value.is_empty());
        let Some(path) = flag.map(Path::to_owned).or(variable.map(PathBuf::from)) else {
            return Ok(None);
        };
        let failed = |error: io::Error| {
            let hint = format!(
                "--metrics-file or {VARIABLE} names a file in a folder that this user may write to"
            );
            let what = format!("write the metrics to {}", path.display());
            Failure::new(Exit::Usage, what).source(error).hint(hint)
        };
        if fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file()) {
            return Err(failed(io::Error::other("it is there, and is no file")));
        }
        let successes = match fs::read_to_string(&path) {
            Ok(text) => text.lines().filter_map(success).collect(),
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(error)),
        };
        let file = Self { path: path.clone(), successes };
        let temporary = file.temporary().map_err(failed)?;
        fs::write(&temporary, "").and_then(|()| fs::remove_file(&temporary)).map_err(failed)?;
        Ok(Some(file))
    }

    /// Replaces the file as a whole.
    pub fn write(&self, run: &EndedRun<'_>) -> io::Result<()> {
        let temporary = self.temporary()?;
        fs::write(&temporary, self.text(run))?;
        fs::rename(&temporary, &self.path)
    }

    fn text(&self, run: &EndedRun<'_>) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &run.metrics(&self.successes));
        text
    }

    /// A file beside it, which collectors do not read.
    fn temporary(&self) -> io::Result<PathBuf> {
        let name = self.path.file_name().ok_or(ErrorKind::IsADirectory)?;
        let name = format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id());
        Ok(self.path.with_file_name(name))
    }
}

impl EndedRun<'_> {
    /// The metrics of the run, and when the runs before it ended that succeeded.
    pub fn metrics(&self, successes: &[(TransferLabel, f64)]) -> Registry {
        let run = self;
        let mut registry = Registry::default();
        let metrics = TransferMetrics::register(&mut registry);
        let mode = || LabelText(run.mode.to_owned());
        let transfer = || LabelText(run.transfer.to_owned());
        let label = TransferLabel { transfer: transfer(), mode: mode() };
        let seconds = |micros: i64| micros as f64 / 1e6;
        for (of, at) in successes {
            metrics.last_success.get_or_create(of).set(*at);
        }
        if run.exit_code == 0 {
            metrics.last_success.get_or_create(&label).set(seconds(run.ended_micros));
        }
        let counts = run.summary.map_or_else(|| run.progress.now().counts, |done| done.run.counts);
        let Counts { read, rows, rejected, ignored, of_other_days } = counts;
        for (metric, value) in [
            (&metrics.started, seconds(run.started_micros)),
            (&metrics.ended, seconds(run.ended_micros)),
            (&metrics.succeeded, f64::from(u8::from(run.exit_code == 0))),
            (&metrics.exit_code, f64::from(run.exit_code)),
            (&metrics.read, read as f64),
            (&metrics.staged, rows as f64),
            (&metrics.rejected, rejected as f64),
            (&metrics.ignored, ignored as f64),
            (&metrics.of_other_days, of_other_days as f64),
        ] {
            metric.get_or_create(&label).set(value);
        }
        if let Some(Summary { applied, .. }) = run.summary {
            for (metric, value) in [
                (&metrics.inserted, Some(applied.inserted)),
                (&metrics.updated, Some(applied.updated)),
                (&metrics.deleted, applied.deleted),
                (&metrics.billed_bytes, applied.bytes_billed),
            ] {
                if let Some(value) = value {
                    metric.get_or_create(&label).set(value as f64);
                }
            }
        }
        for (phase, took) in run.progress.took() {
            let (step, phase) = (phase.step(), phase.name());
            let label = PhaseLabel { transfer: transfer(), mode: mode(), step, phase };
            metrics.phase_seconds.get_or_create(&label).set(took.as_secs_f64());
        }
        registry
    }
}

/// A line with the time of a success: of which transfer and mode, and the time.
fn success(line: &str) -> Option<(TransferLabel, f64)> {
    let labels = line.strip_prefix(TransferMetrics::LAST_SUCCESS)?.strip_prefix('{')?;
    let (labels, value) = labels.split_once("} ")?;
    let label = |name: &str| {
        let mut pairs = labels.split(',').filter_map(|pair| pair.split_once('='));
        let value = pairs.find(|(of, _)| *of == name)?.1;
        Some(LabelText(value.strip_prefix('"')?.strip_suffix('"')?.to_owned()))
    };
    let of = TransferLabel { transfer: label("transfer")?, mode: label("mode")? };
    Some((of, value.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<'a>(progress: &'a Progress, exit_code: u8, ended_micros: i64) -> EndedRun<'a> {
        let (transfer, mode) = ("orders", "truncate");
        let started_micros = ended_micros - 1_000_000;
        EndedRun {
            transfer,
            mode,
            started_micros,
            ended_micros,
            exit_code,
            progress,
            summary: None,
        }
    }

    fn value(text: &str, name: &str) -> Option<f64> {
        let start =
            format!("generic_consumer_transfer_{name}{{transfer=\"orders\",mode=\"truncate\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok())
    }

    #[test]
    fn a_failed_run_keeps_the_time_of_the_last_success() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("orders.prom");
        let progress = Progress::default();
        let write = |exit_code, at| {
            let file = MetricsFile::open(Some(&path)).expect("writable").expect("a file");
            file.write(&run(&progress, exit_code, at)).expect("written");
            fs::read_to_string(&path).expect("read")
        };
        let text = write(3, 5_000_000);
        assert_eq!(value(&text, "last_success_timestamp_seconds"), None);
        let text = write(0, 7_500_000);
        assert_eq!(value(&text, "last_success_timestamp_seconds"), Some(7.5));
        let other = "generic_consumer_transfer_last_success_timestamp_seconds{transfer=\"orders\",mode=\"delta\"} 3.0\n";
        fs::write(&path, format!("{text}{other}")).expect("written");
        let text = write(7, 9_000_000);
        assert_eq!(value(&text, "last_success_timestamp_seconds"), Some(7.5));
        assert_eq!(value(&text, "last_end_timestamp_seconds"), Some(9.0));
        assert_eq!(value(&text, "exit_code"), Some(7.0));
        assert_eq!(value(&text, "succeeded"), Some(0.0));
        assert!(text.contains(other), "another mode keeps its own: {text}");
        assert_eq!(value(&text, "inserted_rows"), None, "nobody knows");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing is left");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_found_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        for path in [folder.path().to_owned(), folder.path().join("none/orders.prom")] {
            let error = MetricsFile::open(Some(&path)).err().expect("refused");
            assert_eq!(error.exit, Exit::Usage, "{error}");
        }
    }
}
