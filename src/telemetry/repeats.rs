//! Which log lines repeat an earlier one, and how often.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use tracing::Level;

/// Lines remembered at once. Others pass.
const MOST: usize = 256;

/// Bytes of a line's text that are kept for its summary.
const KEPT: usize = 300;

/// The lines shown within the last `window`.
#[derive(Debug)]
pub struct Repeats {
    window: Duration,
    shown: HashMap<u64, Shown>,
    /// Summaries of windows that ended because their line was shown again.
    ended: Vec<Summary>,
}

/// A line that was shown, and its repetitions since.
#[derive(Debug)]
struct Shown {
    at: Instant,
    level: Level,
    text: String,
    held_back: u64,
}

/// How often a line was held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub level: Level,
    /// The beginning of the line.
    pub text: String,
    pub times: u64,
    /// Since the line was shown.
    pub within: Duration,
}

impl Repeats {
    pub fn new(window: Duration) -> Self {
        Self { window, shown: HashMap::new(), ended: Vec::new() }
    }

    /// Whether to show this line: not if the same line was shown within the window.
    pub fn admit(&mut self, level: Level, text: &str, now: Instant) -> bool {
        let identity = identity(level, text);
        if let Some(shown) = self.shown.get_mut(&identity) {
            if now.saturating_duration_since(shown.at) < self.window {
                shown.held_back += 1;
                return false;
            }
            let ended = self.shown.remove(&identity).and_then(|shown| shown.summary(now));
            self.ended.extend(ended);
        }
        if self.shown.len() >= MOST {
            let window = self.window;
            let is_current = |shown: &Shown| now.saturating_duration_since(shown.at) < window;
            self.shown.retain(|_, shown| shown.held_back > 0 || is_current(shown));
        }
        if self.shown.len() < MOST {
            let text = beginning(text, KEPT).to_owned();
            self.shown.insert(identity, Shown { at: now, level, text, held_back: 0 });
        }
        true
    }

    /// Removes and returns the summaries of the windows that have ended.
    pub fn take_due(&mut self, now: Instant) -> Vec<Summary> {
        let window = self.window;
        let has_ended = |shown: &Shown| now.saturating_duration_since(shown.at) >= window;
        self.take(now, has_ended)
    }

    /// Removes and returns the summaries of all lines.
    pub fn take_all(&mut self, now: Instant) -> Vec<Summary> {
        self.take(now, |_| true)
    }

    fn take(&mut self, now: Instant, is_due: impl Fn(&Shown) -> bool) -> Vec<Summary> {
        let mut due: Vec<Shown> =
            self.shown.extract_if(|_, shown| is_due(shown)).map(|(_, shown)| shown).collect();
        due.sort_by_key(|shown| shown.at);
        let mut summaries = std::mem::take(&mut self.ended);
        summaries.extend(due.into_iter().filter_map(|shown| shown.summary(now)));
        summaries
    }

    /// When the next summary is due; `None` if nothing is held back.
    pub fn next_due(&self) -> Option<Instant> {
        let held_back = self.shown.values().filter(|shown| shown.held_back > 0);
        held_back.map(|shown| shown.at + self.window).min()
    }
}

impl Shown {
    fn summary(self, now: Instant) -> Option<Summary> {
        let Self { at, level, text, held_back: times } = self;
        let within = now.saturating_duration_since(at);
        (times > 0).then_some(Summary { level, text, times, within })
    }
}

/// The beginning of a text, at most so many bytes.
fn beginning(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A hash of what makes two lines the same: level and text, but for the end by which librdkafka's lines
/// about one failure differ (`after 3ms in state CONNECT, 17 identical error(s) suppressed`).
fn identity(level: Level, text: &str) -> u64 {
    let (text, rest) = without_suppressed(text);
    let mut hasher = DefaultHasher::new();
    level.hash(&mut hasher);
    let mut text = text;
    while let Some(start) = text.find(|letter: char| letter.is_ascii_digit()) {
        let (before, number) = text.split_at(start);
        let end = number.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(number.len());
        let (digits, after) = number.split_at(end);
        hasher.write(before.as_bytes());
        if !after.starts_with("ms in state") {
            hasher.write(digits.as_bytes());
        }
        text = after;
    }
    hasher.write(text.as_bytes());
    hasher.write(rest.as_bytes());
    hasher.finish()
}

/// What stands before and after `, 17 identical error(s) suppressed`, if it is there.
fn without_suppressed(text: &str) -> (&str, &str) {
    const SUPPRESSED: &str = " identical error(s) suppressed";
    let parts = text.split_once(SUPPRESSED).and_then(|(before, after)| {
        let (kept, number) = before.rsplit_once(", ")?;
        number.bytes().all(|byte| byte.is_ascii_digit()).then_some((kept, after))
    });
    parts.unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(30);

    fn refused(after_ms: u64, suppressed: u64) -> String {
        let suppressed = match suppressed {
            0 => String::new(),
            number => format!(", {number} identical error(s) suppressed"),
        };
        format!(
            "broker:9092/1: Connect to ipv4#10.0.0.1:9092 failed: Connection refused (after \
             {after_ms}ms in state CONNECT{suppressed})"
        )
    }

    #[test]
    fn of_56_identical_lines_one_is_shown_and_55_are_counted() {
        let start = Instant::now();
        let mut repeats = Repeats::new(WINDOW);
        let at = |number: u64| start + Duration::from_millis(number * 500);
        let shown = (0..56).filter(|n| repeats.admit(Level::ERROR, &refused(n % 3, *n), at(*n)));
        assert_eq!(shown.count(), 1);
        assert_eq!(repeats.next_due(), Some(start + WINDOW));
        assert_eq!(repeats.take_due(at(59)), []);
        let [summary] = &repeats.take_due(start + WINDOW)[..] else { panic!("one summary") };
        assert_eq!((summary.level, summary.times), (Level::ERROR, 55));
        assert_eq!((&summary.text, summary.within), (&refused(0, 0), WINDOW));
        assert_eq!(repeats.next_due(), None);
        assert!(repeats.admit(Level::ERROR, &refused(0, 0), at(60)), "a new window");
    }

    #[test]
    fn lines_that_differ_are_all_shown() {
        let now = Instant::now();
        let mut repeats = Repeats::new(WINDOW);
        for text in ["partition 1", "partition 2", "partition 12", "1 partition", "after 2ms"] {
            assert!(repeats.admit(Level::WARN, text, now), "{text}");
        }
        assert!(repeats.admit(Level::ERROR, "partition 1", now), "another level");
        assert!(repeats.admit(Level::WARN, &refused(1, 2).replace("9092", "9093"), now));
        assert!(repeats.admit(Level::WARN, &refused(1, 2), now), "another broker");
        assert!(!repeats.admit(Level::WARN, "partition 1", now));
    }

    #[test]
    fn a_line_shown_again_ends_its_window() {
        let start = Instant::now();
        let mut repeats = Repeats::new(WINDOW);
        for (after, shown) in [(0, true), (10, false), (20, false), (31, true), (60, false)] {
            let now = start + Duration::from_secs(after);
            assert_eq!(repeats.admit(Level::WARN, "x", now), shown, "{after} s");
        }
        let now = start + Duration::from_secs(60);
        let times = |summaries: Vec<Summary>| -> Vec<u64> {
            summaries.into_iter().map(|summary| summary.times).collect()
        };
        assert_eq!(times(repeats.take_due(now)), [2]);
        assert_eq!(times(repeats.take_all(now)), [1], "at the end of the process");
        assert_eq!(repeats.take_all(now), []);
    }

    #[test]
    fn no_more_than_so_many_lines_are_remembered_and_none_is_lost() {
        let start = Instant::now();
        let mut repeats = Repeats::new(WINDOW);
        let text = |number: usize| format!("line {number} {}", "ä".repeat(1_000));
        for number in 0..MOST * 3 {
            assert!(repeats.admit(Level::WARN, &text(number), start));
        }
        assert_eq!(repeats.shown.len(), MOST);
        assert!(repeats.shown.values().all(|shown| shown.text.len() <= KEPT));
        assert!(!repeats.admit(Level::WARN, &text(0), start), "one of the remembered");
        assert!(repeats.admit(Level::WARN, &text(MOST), start), "one of the others");
        let later = start + WINDOW;
        assert!(repeats.admit(Level::WARN, &text(MOST), later));
        assert!(!repeats.admit(Level::WARN, &text(MOST), later), "there is room again");
        assert_eq!(repeats.take_due(later).len(), 1);
    }

    proptest! {
        /// Every line is shown or counted in one summary.
        #[test]
        fn nothing_is_lost(lines in prop::collection::vec((0..5_u8, 0..20_u64, any::<bool>()), 0..200)) {
            let mut repeats = Repeats::new(WINDOW);
            let mut now = Instant::now();
            let (mut shown, mut counted) = (0, 0);
            let total = |summaries: Vec<Summary>| -> u64 {
                summaries.iter().map(|summary| summary.times).sum()
            };
            for (line, pause, take) in &lines {
                now += Duration::from_secs(*pause);
                shown += u64::from(repeats.admit(Level::INFO, &line.to_string(), now));
                if *take {
                    counted += total(repeats.take_due(now));
                }
            }
            counted += total(repeats.take_all(now));
            prop_assert_eq!(shown + counted, lines.len() as u64);
        }
    }
}
