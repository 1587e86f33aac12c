//! How long a server asks its clients to wait.

use std::time::Duration;

use jiff::fmt::rfc2822;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The longest pause that a server is granted, so that a wrong clock does not stop an instance for a
/// day.
const LONGEST: Duration = Duration::from_secs(600);

/// The pause that `Retry-After` asks for, in seconds or as a date. `now`: microseconds since the
/// epoch.
pub fn retry_after(headers: &HeaderMap, now: i64) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = rfc2822::parse(text).ok()?.timestamp();
            Duration::from_micros(u64::try_from(at.as_microsecond().saturating_sub(now)).ok()?)
        }
    };
    Some(pause.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates() {
        // 2026-11-21 10:00:00 UTC
        let now = 1_795_255_200_000_000;
        let asked = |text: &str| {
            let headers = [(RETRY_AFTER, text.parse().expect("a value"))].into_iter().collect();
            retry_after(&headers, now).map(|pause| pause.as_secs())
        };
        for (text, seconds) in [
            ("0", Some(0)),
            ("120", Some(120)),
            ("99999999", Some(600)),
            ("Sat, 21 Nov 2026 10:01:30 GMT", Some(90)),
            ("Sat, 21 Nov 2026 09:00:00 GMT", None),
            ("Mon, 21 Nov 2033 10:00:00 GMT", Some(600)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(asked(text), seconds, "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
