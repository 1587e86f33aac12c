//! What a run is asked to do.

use std::fmt;
use std::str::FromStr;

use super::days::Days;

#[derive(Debug, Clone)]
pub struct Request {
    /// `None`: of a topic, the positions of the records say what is read.
    pub days: Option<Days>,
    pub mode: Mode,
    /// Waits for a run of the same transfer and date, which otherwise is an error.
    pub wait: bool,
    pub max_rejected: MaxRejected,
}

/// A file with a statement of the user's own.
#[derive(Debug, Clone)]
pub struct OwnSql {
    pub file: String,
    pub text: String,
}

/// How the rows become those of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They replace those of the day, or of the table.
    Truncate,
    /// Rows with the same key are updated, the others inserted.
    Delta,
    /// Rows whose key the target does not have are inserted, and nothing else is changed.
    Fill,
}

impl Mode {
    pub fn name(self) -> &'static str {
        match self {
            Self::Truncate => "truncate",
            Self::Delta => "delta",
            Self::Fill => "fill",
        }
    }
}

/// How many records may be rejected before the target is left alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MaxRejected {
    Records(u64),
    /// Of the records that were read.
    Percent(f64),
}

impl Default for MaxRejected {
    fn default() -> Self {
        Self::Records(0)
    }
}

impl MaxRejected {
    pub fn allows(self, rejected: u64, read: u64) -> bool {
        match self {
            Self::Records(most) => rejected <= most,
            Self::Percent(most) => rejected as f64 * 100.0 <= most * read as f64,
        }
    }
}

impl fmt::Display for MaxRejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Records(most) => most.fmt(f),
            Self::Percent(most) => write!(f, "{most}%"),
        }
    }
}

/// A number, or a percentage from 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a number of records, or a percentage from 0% to 100%: `25`, `0.5%`")]
pub struct NoMaxRejected;

impl FromStr for MaxRejected {
    type Err = NoMaxRejected;

    fn from_str(text: &str) -> Result<Self, NoMaxRejected> {
        match text.strip_suffix('%') {
            None => text.parse().map(Self::Records).map_err(|_| NoMaxRejected),
            Some(number) => match number.trim().parse::<f64>() {
                Ok(most) if (0.0..=100.0).contains(&most) => Ok(Self::Percent(most)),
                _ => Err(NoMaxRejected),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_or_a_percentage() {
        assert_eq!("25".parse(), Ok(MaxRejected::Records(25)));
        assert_eq!("0.5%".parse(), Ok(MaxRejected::Percent(0.5)));
        for text in ["", "-1", "101%", "%", "NaN%", "1.5"] {
            assert_eq!(text.parse::<MaxRejected>(), Err(NoMaxRejected), "{text}");
        }
    }

    #[test]
    fn nothing_may_be_rejected_unless_it_is_said() {
        assert!(MaxRejected::default().allows(0, 0) && !MaxRejected::default().allows(1, 1_000));
        assert!(MaxRejected::Percent(0.5).allows(5, 1_000));
        assert!(!MaxRejected::Percent(0.5).allows(6, 1_000));
        assert!(MaxRejected::Percent(0.0).allows(0, 0));
    }
}
