//! Waits for a condition, with a deadline.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// The pause between two polls: short compared with what is waited for, and long enough to leave
/// the cores to the processes under test.
const PAUSE: Duration = Duration::from_millis(50);

/// Polls until there is a result, and returns it; panics with `what` at the deadline.
pub fn until<T>(what: &str, patience: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < patience, "{what}: not within {} s", patience.as_secs());
        sleep(PAUSE);
    }
}

/// Polls until the result is true; panics with `what` at the deadline.
pub fn until_true(what: &str, patience: Duration, mut ask: impl FnMut() -> bool) {
    until(what, patience, || ask().then_some(()));
}
