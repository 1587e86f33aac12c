//! Faults on demand: failed and lost answers, delays, closed connections, late requests. Seeded,
//! so that a run can be repeated.

use std::str::FromStr;
use std::sync::Mutex;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tonic::{Code, Status};

/// Where a fault may strike. `…Lost`: the call takes effect, its answer does not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Append,
    AppendLost,
    AppendDelay,
    /// The connection breaks, and the request is carried out a while later.
    AppendLate,
    Close,
    Flush,
    FlushLost,
    Create,
    CreateLost,
    Rest,
}

const NAMES: &[(&str, Fault)] = &[
    ("append", Fault::Append),
    ("append_lost", Fault::AppendLost),
    ("append_delay", Fault::AppendDelay),
    ("append_late", Fault::AppendLate),
    ("close", Fault::Close),
    ("flush", Fault::Flush),
    ("flush_lost", Fault::FlushLost),
    ("create", Fault::Create),
    ("create_lost", Fault::CreateLost),
    ("rest", Fault::Rest),
];

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "fault {found:?}: give name=probability or name=probability:milliseconds, names are {names}"
)]
pub struct FaultsError {
    found: String,
    names: String,
}

/// The faults of one server.
#[derive(Debug)]
pub struct Faults {
    odds: Vec<(Fault, f64, Duration)>,
    dice: Mutex<StdRng>,
}

impl Clone for Faults {
    /// The same faults from here on, but a different course of them.
    fn clone(&self) -> Self {
        let dice = self.dice.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        Self { odds: self.odds.clone(), dice: Mutex::new(dice) }
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self { odds: Vec::new(), dice: Mutex::new(StdRng::seed_from_u64(0)) }
    }
}

impl FromStr for Faults {
    type Err = FaultsError;

    fn from_str(text: &str) -> Result<Self, FaultsError> {
        let mut odds = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let wrong = || FaultsError {
                found: part.to_owned(),
                names: NAMES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
            };
            let (name, value) = part.split_once('=').ok_or_else(wrong)?;
            let (_, fault) = NAMES.iter().find(|(known, _)| *known == name).ok_or_else(wrong)?;
            let (chance, millis) = value.split_once(':').unwrap_or((value, "200"));
            let chance: f64 = chance.parse().map_err(|_| wrong())?;
            let millis: u64 = millis.trim_end_matches("ms").parse().map_err(|_| wrong())?;
            if !(0.0..=1.0).contains(&chance) {
                return Err(wrong());
            }
            odds.push((*fault, chance, Duration::from_millis(millis)));
        }
        Ok(Self { odds, ..Self::default() })
    }
}

impl Faults {
    pub fn seeded(mut self, seed: u64) -> Self {
        self.dice = Mutex::new(StdRng::seed_from_u64(seed));
        self
    }

    /// Rolls for one fault; where it strikes, answers with its delay.
    pub fn strikes(&self, fault: Fault) -> Option<Duration> {
        let (_, chance, delay) = self.odds.iter().find(|(known, ..)| *known == fault)?;
        let mut dice = self.dice.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        dice.random_bool(*chance).then_some(*delay)
    }

    /// One of the passing errors that BigQuery documents.
    pub fn status(&self) -> Status {
        const CODES: &[Code] = &[
            Code::Unavailable,
            Code::Aborted,
            Code::Internal,
            Code::DeadlineExceeded,
            Code::Cancelled,
            Code::Unknown,
        ];
        let mut dice = self.dice.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Status::new(CODES[dice.random_range(0..CODES.len())], "injected fault")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_rolls_the_same() {
        let roll = |seed| {
            let faults: Faults = "append=0.5,flush=0.1:20ms".parse().expect("parses");
            let faults = faults.seeded(seed);
            (0..64).map(|_| faults.strikes(Fault::Append).is_some()).collect::<Vec<_>>()
        };
        assert_eq!(roll(7), roll(7));
        assert_ne!(roll(7), roll(8));
    }

    #[test]
    fn what_is_no_fault_is_told_with_the_names() {
        for wrong in ["apend=0.1", "append", "append=2", "append=0.1:soon"] {
            let error = wrong.parse::<Faults>().expect_err("refused").to_string();
            assert!(error.contains("append_lost"), "{error}");
        }
    }
}
