//! A part of a whole.

use std::fmt;
use std::str::FromStr;

/// From nothing to less than all, in millionths: a number with a point between would call 29 of 100
/// more than 29 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share(u32);

const ALL: f64 = 1_000_000.0;

impl Share {
    /// Whether so many of all are more than this share.
    pub fn is_exceeded(self, part: usize, all: usize) -> bool {
        part as u128 * 1_000_000 > u128::from(self.0) * all as u128
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", f64::from(self.0) / 10_000.0)
    }
}

/// The text is no share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoShare;

impl FromStr for Share {
    type Err = NoShare;

    /// Reads `50%` or `0.5`.
    fn from_str(text: &str) -> Result<Self, NoShare> {
        let (number, unit) = match text.strip_suffix('%') {
            Some(number) => (number.trim_end(), 100.0),
            None => (text, 1.0),
        };
        let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let share = number.parse::<f64>().map_err(|_| NoShare)? / unit;
        let millionths = (share * ALL).round();
        match plain && (0.0..ALL).contains(&millionths) {
            true => Ok(Self(millionths as u32)),
            false => Err(NoShare),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn exactly_the_share_is_not_more_than_it(percent in 0..100_usize, times in 1..1_000_usize) {
            for text in [format!("{percent}%"), format!("0.{percent:02}")] {
                let share: Share = text.parse().expect("a share");
                prop_assert!(!share.is_exceeded(percent * times, 100 * times), "{text}");
                prop_assert!(share.is_exceeded(percent * times + 1, 100 * times), "{text}");
                prop_assert_eq!(share.to_string(), format!("{percent}%"));
            }
        }
    }

    #[test]
    fn all_or_more_is_no_share() {
        for text in ["1", "100%", "50", "-1%", "-0.1", "", "%", "inf", "NaN%", "1e-1", "0,5"] {
            assert_eq!(text.parse::<Share>(), Err(NoShare), "{text}");
        }
        assert_eq!("12.5 %".parse::<Share>().map(|share| share.to_string()), Ok("12.5%".into()));
    }
}
