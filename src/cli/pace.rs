//! How many events are due.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// Events in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    events: NonZeroU32,
    each: Duration,
}

/// A text that is no rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a rate is a number from 1 to 1000000 and a unit: `100/s`, `10/min`, `5/h`")]
pub struct InvalidRate;

impl FromStr for Rate {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Self, InvalidRate> {
        let (number, unit) = text.split_once('/').ok_or(InvalidRate)?;
        let seconds = match unit.trim() {
            "s" | "sec" => 1,
            "m" | "min" => 60,
            "h" => 3_600,
            _ => return Err(InvalidRate),
        };
        let number: NonZeroU32 = number.trim().replace('_', "").parse().map_err(|_| InvalidRate)?;
        if number.get() > 1_000_000 {
            return Err(InvalidRate);
        }
        Ok(Self { events: number, each: Duration::from_secs(seconds) })
    }
}

/// Events that are due while time passes, from the first one on.
#[derive(Debug)]
pub struct Pace {
    rate: Rate,
    began: Instant,
    /// Events that were due since `began`.
    taken: u64,
}

/// Who falls behind by more than this catches up no further.
const MOST_BEHIND: Duration = Duration::from_secs(1);

impl Pace {
    pub fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, began: now, taken: 0 }
    }

    /// How many events are due now, at most `most`; they count as made. The first is due at once.
    pub fn take(&mut self, now: Instant, most: u64) -> u64 {
        let due = self.due_at(now).saturating_sub(self.taken);
        let behind = now.saturating_duration_since(self.time_of(self.taken));
        if behind > MOST_BEHIND {
            // Begins anew, so that a pause is not followed by a burst.
            (self.began, self.taken) = (now, 0);
            return self.take(now, most);
        }
        let taken = due.min(most);
        self.taken += taken;
        taken
    }

    /// When the next event is due.
    pub fn next(&self) -> Instant {
        self.time_of(self.taken)
    }

    fn due_at(&self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.began).as_nanos();
        let due = passed * u128::from(self.rate.events.get()) / self.rate.each.as_nanos();
        u64::try_from(due).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// When the event of this number is due; the first has the number 0.
    fn time_of(&self, number: u64) -> Instant {
        let nanos = u128::from(number) * self.rate.each.as_nanos();
        let nanos = nanos.div_ceil(u128::from(self.rate.events.get()));
        self.began + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_has_a_number_and_a_unit() {
        let rate = |text: &str| text.parse::<Rate>().map(|it| (it.events.get(), it.each.as_secs()));
        assert_eq!(rate("100/s"), Ok((100, 1)));
        assert_eq!(rate("10/min"), Ok((10, 60)));
        assert_eq!(rate(" 5 / h "), Ok((5, 3_600)));
        for wrong in ["", "100", "0/s", "-1/s", "1.5/s", "1/day", "1000001/s", "/s"] {
            assert_eq!(rate(wrong), Err(InvalidRate), "{wrong}");
        }
    }

    #[test]
    fn events_are_due_at_their_time_and_never_in_a_burst() {
        let start = Instant::now();
        for (rate, ticks) in [("100/s", 7), ("3/s", 50), ("70000/s", 1), ("90/min", 100)] {
            let rate: Rate = rate.parse().expect("a rate");
            let mut pace = Pace::new(rate, start);
            let mut taken = 0;
            for tick in 0..=(10_000 / ticks) {
                taken += pace.take(start + Duration::from_millis(tick * ticks), u64::MAX);
            }
            let seconds = 10_000 / ticks * ticks;
            let expected = u64::from(rate.events.get()) * seconds / rate.each.as_millis() as u64;
            assert_eq!(taken, expected + 1, "{rate:?}");
            let pause = start + Duration::from_secs(100);
            assert_eq!(pace.take(pause, u64::MAX), 1, "after a pause");
            assert!(pace.next() > pause);
        }
        let mut pace = Pace::new("1000/s".parse().expect("a rate"), start);
        assert_eq!(pace.take(start + Duration::from_millis(500), 10), 10);
        assert_eq!(pace.take(start + Duration::from_millis(500), 1_000), 491);
    }
}
