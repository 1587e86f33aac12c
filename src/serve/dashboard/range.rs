//! The range of a request: from, to, and the buckets in it.

use std::collections::HashMap;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The lengths that the server chooses from, where a request names none.
const LENGTHS: &[i64] = &[
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    7 * DAY,
    28 * DAY,
    364 * DAY,
];

/// How many buckets the server's own choice has at most, roughly: a chart has so many pixels.
const CHOSEN_BUCKETS: i64 = 200;
const MOST_BUCKETS: i64 = 2_000;
const SHORTEST_BUCKET: i64 = SECOND;
const LONGEST_BUCKET: i64 = 366 * DAY;
const DEFAULT_SPAN: i64 = 15 * MINUTE;
/// The end of the year 9999, which every store can express.
const LATEST: i64 = 253_402_300_799_999;

/// A range of time in milliseconds since 1970, and the length of its buckets. Buckets begin at
/// multiples of their length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub from: i64,
    /// The first millisecond after it.
    pub to: i64,
    pub bucket: i64,
}

impl Range {
    /// Reads the parameters of a request. An error says what is wrong, and what would be right.
    pub fn of(parameters: &HashMap<String, String>, now: i64) -> Result<Self, String> {
        let to = time(parameters, "to")?.unwrap_or(now);
        let from = time(parameters, "from")?.unwrap_or_else(|| (to - DEFAULT_SPAN).max(0));
        if from >= to {
            return Err("`to` must be later than `from`".to_owned());
        }
        let bucket = match parameters.contains_key("bucket") {
            true => bucket(parameters)?,
            false => chosen(to - from),
        };
        let range = Self { from, to, bucket };
        match range.count() {
            count if count > MOST_BUCKETS => Err(format!(
                "the range has {count} buckets of {bucket} ms, and {MOST_BUCKETS} are the most: \
                 choose a longer `bucket` or a shorter range"
            )),
            _ => Ok(range),
        }
    }

    /// The last buckets before now, whole ones and the one that has begun.
    pub fn latest(bucket: i64, count: i64, now: i64) -> Self {
        let begun = now.div_euclid(bucket) * bucket;
        Self { from: (begun - (count - 1) * bucket).max(0), to: now + 1, bucket }
    }

    /// Where the first bucket begins.
    pub fn first(&self) -> i64 {
        self.from.div_euclid(self.bucket) * self.bucket
    }

    /// Where the last bucket ends.
    pub fn end(&self) -> i64 {
        self.first() + self.count() * self.bucket
    }

    pub fn count(&self) -> i64 {
        (self.to - 1 - self.first()).div_euclid(self.bucket) + 1
    }

    /// Where each bucket begins.
    pub fn times(&self) -> Vec<i64> {
        (0..self.count()).map(|index| self.first() + index * self.bucket).collect()
    }

    /// The number of the bucket that begins at a time; `None` if none does.
    pub fn index(&self, at: i64) -> Option<usize> {
        let since = at - self.first();
        let aligned = since >= 0 && since % self.bucket == 0 && since / self.bucket < self.count();
        aligned.then(|| usize::try_from(since / self.bucket).ok()).flatten()
    }
}

/// The length of buckets in a request for live updates.
pub(super) fn bucket(parameters: &HashMap<String, String>) -> Result<i64, String> {
    let accepted = || {
        format!("`bucket` is a number of milliseconds from {SHORTEST_BUCKET} to {LONGEST_BUCKET}")
    };
    let text = parameters.get("bucket").ok_or_else(accepted)?;
    let bucket: i64 = text.parse().map_err(|_| accepted())?;
    (SHORTEST_BUCKET..=LONGEST_BUCKET).contains(&bucket).then_some(bucket).ok_or_else(accepted)
}

/// The shortest of [`LENGTHS`] with which a span has few enough buckets.
fn chosen(span: i64) -> i64 {
    let enough = |length: &&i64| **length * CHOSEN_BUCKETS >= span;
    LENGTHS.iter().find(enough).copied().unwrap_or(LONGEST_BUCKET)
}

fn time(parameters: &HashMap<String, String>, name: &str) -> Result<Option<i64>, String> {
    let Some(text) = parameters.get(name) else { return Ok(None) };
    match text.parse() {
        Ok(time) if (0..=LATEST).contains(&time) => Ok(Some(time)),
        _ => Err(format!("`{name}` is a number of milliseconds since 1970, before the year 10000")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_795_255_200_123;

    fn range(text: &str) -> Result<Range, String> {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        Range::of(&pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(), NOW)
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let quarter = Range { from: NOW - 900_000, to: NOW, bucket: 5_000 };
        assert_eq!(range(""), Ok(quarter));
        assert_eq!(range("to=5000").map(|it| it.from), Ok(0));
        for (span, bucket) in [
            (10_000, 1_000),
            (300_000, 2_000),
            (3_600_000, 30_000),
            (6 * HOUR, 2 * MINUTE),
            (7 * DAY, HOUR),
            (365 * DAY, 7 * DAY),
            (NOW, 364 * DAY),
        ] {
            let range = range(&format!("from={}&to={NOW}", NOW - span)).expect("valid");
            assert_eq!(range.bucket, bucket, "{span}");
            assert!(range.count() <= 202, "{range:?}");
        }
    }

    #[test]
    fn a_range_that_cannot_be_answered_is_refused() {
        for (text, why) in [
            ("from=2000&to=1000", "later than `from`"),
            ("from=1000&to=1000", "later than `from`"),
            ("from=x", "`from` is a number"),
            ("to=-1", "`to` is a number"),
            ("to=253402300800000", "before the year 10000"),
            ("bucket=999", "from 1000 to"),
            ("bucket=1.5e3", "from 1000 to"),
            ("bucket=99999999999", "from 1000 to"),
            ("from=0&to=2001000&bucket=1000", "has 2001 buckets of 1000 ms"),
        ] {
            let error = range(text).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(range("from=0&to=2000000&bucket=1000").is_ok());
    }

    #[test]
    fn the_latest_buckets_end_with_the_one_that_has_begun() {
        let latest = Range::latest(1_000, 3, NOW);
        let expected = [1_795_255_198_000, 1_795_255_199_000, 1_795_255_200_000];
        assert_eq!(latest.times(), expected);
        assert_eq!(Range::latest(1_000, 3, 5_000).times(), [3_000, 4_000, 5_000]);
    }

    proptest! {
        /// Each moment of a range is in exactly one of its buckets, which all overlap the range.
        #[test]
        fn buckets_cover_the_range(from in 0..LATEST, span in 1..4 * DAY, bucket in 1_000..DAY) {
            let range = Range { from, to: from + span, bucket };
            let times = range.times();
            prop_assert_eq!(times.len() as i64, range.count());
            prop_assert!(times.iter().all(|at| at % bucket == 0));
            prop_assert!(times.windows(2).all(|pair| pair[1] - pair[0] == bucket));
            prop_assert!(times[0] <= from && from < times[0] + bucket);
            let last = times[times.len() - 1];
            prop_assert!(last < range.to && range.to <= last + bucket);
            prop_assert_eq!(range.end(), last + bucket);
            for (index, at) in times.iter().enumerate() {
                prop_assert_eq!(range.index(*at), Some(index));
                prop_assert_eq!(range.index(at + 1), None);
            }
            prop_assert_eq!(range.index(range.end()), None);
            prop_assert_eq!(range.index(times[0] - bucket), None);
        }
    }
}
