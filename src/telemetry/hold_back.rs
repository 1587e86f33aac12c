//! A filter that holds back repeated log lines. A summary of each follows when its window ends:
//! "repeated 55 times in 30 s: …".

use std::fmt::{Debug, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter};

use super::repeats::{Repeats, Summary};

/// How long after a line the same line is held back.
const WINDOW: Duration = Duration::from_secs(30);

/// The target of summaries, which are never held back.
const SUMMARY: &str = "generic_consumer::repeated";

/// The filter. Clones share what they have seen.
///
/// Of the levels INFO and above, a line that was logged shortly before is held back; whoever asks for
/// DEBUG wants every line of that level.
#[derive(Clone)]
pub struct HoldBack {
    shared: Arc<Shared>,
}

struct Shared {
    repeats: Mutex<Repeats>,
    /// Notified when a line is held back.
    held_back: Condvar,
}

impl HoldBack {
    /// A filter, and a thread that logs its summaries.
    pub fn start() -> Self {
        let filter = Self::new(WINDOW);
        let shared = filter.shared.clone();
        let reporter = std::thread::Builder::new().name("log-summaries".to_owned());
        // Without the thread, a summary waits until the process ends.
        let _ = reporter.spawn(move || {
            loop {
                shared.wait_for_due().iter().for_each(log);
            }
        });
        filter
    }

    fn new(window: Duration) -> Self {
        let repeats = Mutex::new(Repeats::new(window));
        Self { shared: Arc::new(Shared { repeats, held_back: Condvar::new() }) }
    }

    /// Logs the summaries of all lines, before the process ends.
    pub fn finish(&self) {
        let summaries = self.shared.lock().take_all(Instant::now());
        summaries.iter().for_each(log);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Repeats> {
        self.repeats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for_due(&self) -> Vec<Summary> {
        let mut repeats = self.lock();
        loop {
            let now = Instant::now();
            let due = repeats.take_due(now);
            if !due.is_empty() {
                return due;
            }
            repeats = match repeats.next_due() {
                None => self.held_back.wait(repeats).unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let wait = at.saturating_duration_since(now);
                    let woken = self.held_back.wait_timeout(repeats, wait);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

impl<S: Subscriber> Filter<S> for HoldBack {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    /// Not `always`: tracing-subscriber's debug assertions expect that `enabled` was called for every
    /// event that `event_enabled` refuses.
    fn callsite_enabled(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::INFO || metadata.target() == SUMMARY {
            return true;
        }
        let mut line = Line::default();
        event.record(&mut line);
        let mut repeats = self.shared.lock();
        let is_shown = repeats.admit(*metadata.level(), &line.text(), Instant::now());
        if !is_shown {
            self.shared.held_back.notify_one();
        }
        is_shown
    }
}

fn log(summary: &Summary) {
    let Summary { level, text, times, within } = summary;
    let (times, seconds) = (*times, within.as_secs_f64().round());
    let plural = if times == 1 { "" } else { "s" };
    macro_rules! log {
        ($level:expr) => {
            tracing::event!(
                target: SUMMARY, $level, times, "repeated {times} time{plural} in {seconds} s: {text}"
            )
        };
    }
    match *level {
        Level::ERROR => log!(Level::ERROR),
        Level::WARN => log!(Level::WARN),
        _ => log!(Level::INFO),
    }
}

/// An event's message and its other fields.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Line {
    fn text(&self) -> String {
        format!("{}{}", self.message, self.fields)
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string cannot fail.
        let _ = match field.name() {
            // Where a record of the crate `log` comes from.
            name if name.starts_with("log.") => Ok(()),
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::{Layer, SubscriberExt};
    use tracing_subscriber::{EnvFilter, fmt, registry};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Buffer {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    /// The lines, as JSON, that `emit` logs.
    fn logged(filter: &HoldBack, emit: impl FnOnce()) -> Vec<serde_json::Value> {
        let buffer = Buffer::default();
        let env = EnvFilter::new("debug");
        let lines = fmt::layer().with_writer(buffer.clone()).json().flatten_event(true);
        let enabled = tracing_subscriber::filter::FilterExt::and(env, filter.clone());
        let subscriber = registry().with(lines.with_filter(enabled));
        tracing::subscriber::with_default(subscriber, emit);
        let bytes = buffer.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn repeated_lines_become_one_line_and_a_summary() {
        let filter = HoldBack::new(Duration::from_secs(3_600));
        let lines = logged(&filter, || {
            for number in 0..56 {
                tracing::error!(target: "librdkafka", facility = "FAIL", "broker is down");
                tracing::warn!(partition = number % 2, "retrying");
                tracing::debug!("every one of these is shown");
            }
            filter.finish();
        });
        let count = |message: &str| lines.iter().filter(|line| line["message"] == message).count();
        assert_eq!(count("broker is down"), 1);
        assert_eq!(count("retrying"), 2, "one for each partition");
        assert_eq!(count("every one of these is shown"), 56);
        let summaries: Vec<_> = lines.iter().filter(|line| line["target"] == SUMMARY).collect();
        let expected = [
            ("ERROR", 55, "repeated 55 times in 0 s: broker is down facility=\"FAIL\""),
            ("WARN", 27, "repeated 27 times in 0 s: retrying partition=0"),
            ("WARN", 27, "repeated 27 times in 0 s: retrying partition=1"),
        ];
        let found = summaries.iter().map(|line| {
            let text = |name: &str| line[name].as_str().expect("text");
            (text("level"), line["times"].as_u64().expect("a number"), text("message"))
        });
        assert_eq!(found.collect::<Vec<_>>(), expected);
        assert_eq!(lines.len(), 1 + 2 + 56 + 3);
    }

    #[test]
    fn the_summary_comes_when_the_window_ends_without_another_line() {
        let filter = HoldBack::new(Duration::from_millis(300));
        let began = Instant::now();
        let lines = logged(&filter, || {
            tracing::info!("once");
            tracing::info!("twice");
            tracing::info!("twice");
            filter.shared.wait_for_due().iter().for_each(log);
        });
        assert!(began.elapsed() >= Duration::from_millis(300));
        let messages: Vec<&str> =
            lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
        let [first, second, summary] = messages[..] else { panic!("{messages:?}") };
        assert_eq!((first, second), ("once", "twice"));
        assert!(summary.starts_with("repeated 1 time in 0 s: twice"), "{summary}");
    }
}
