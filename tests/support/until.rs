//! Waiting: always for something, always with a deadline.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// Between two looks. Short against everything waited for here, long enough to leave the cores to
/// the processes under test.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks until there is an answer; panics with `what` at the deadline.
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

/// Asks until it is so.
pub fn until_true(what: &str, patience: Duration, mut ask: impl FnMut() -> bool) {
    until(what, patience, || ask().then_some(()));
}
