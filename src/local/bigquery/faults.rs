//! Faults on demand: failed and lost answers, delays, closed connections, late requests. Seeded,
//! so that a run can be repeated.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
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
    AppendLate,
    Close,
    Create,
    CreateLost,
    Flush,
    FlushLost,
    FlushAgain,
    FlushFinalized,
    Finalize,
    FinalizeLost,
    Commit,
    CommitLost,
    SchemaDelay,
    Rest,
    RestLost,
}

/// Name, fault, what it does.
const GRAMMAR: &[(&str, Fault, &str)] = &[
    ("append", Fault::Append, "the append fails, nothing is written, the connection breaks"),
    ("append_lost", Fault::AppendLost, "the append is written, then the connection breaks"),
    ("append_delay", Fault::AppendDelay, "the append is answered so much later"),
    (
        "append_late",
        Fault::AppendLate,
        "the connection breaks; what was on its way is written so much later",
    ),
    ("close", Fault::Close, "the connection breaks with UNAVAILABLE before the append"),
    ("create", Fault::Create, "CreateWriteStream fails"),
    ("create_lost", Fault::CreateLost, "the stream is created, the answer is lost"),
    ("flush", Fault::Flush, "FlushRows fails"),
    ("flush_lost", Fault::FlushLost, "the rows are flushed, the answer is lost"),
    ("flush_again", Fault::FlushAgain, "flushing what is flushed answers ALREADY_EXISTS, not OK"),
    (
        "flush_finalized",
        Fault::FlushFinalized,
        "flushing a finalized stream answers INVALID_ARGUMENT, not OK",
    ),
    ("finalize", Fault::Finalize, "FinalizeWriteStream fails"),
    ("finalize_lost", Fault::FinalizeLost, "the stream is finalized, the answer is lost"),
    ("commit", Fault::Commit, "BatchCommitWriteStreams fails"),
    ("commit_lost", Fault::CommitLost, "the streams are committed, the answer is lost"),
    ("schema_delay", Fault::SchemaDelay, "appends see an altered table so much later"),
    ("rest", Fault::Rest, "a REST call answers 503, without effect"),
    ("rest_lost", Fault::RestLost, "a REST call answers 503, after its effect"),
];

/// A delay where the fault has one and none is given.
const USUAL_DELAY: Duration = Duration::from_millis(200);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "fault {found:?}: give NAME=PROBABILITY or NAME=PROBABILITY:MILLISECONDS; names are {names}"
)]
pub struct FaultsError {
    found: String,
    names: String,
}

/// The faults of one server.
#[derive(Debug, Default)]
pub struct Faults {
    odds: Vec<Odds>,
}

/// Each fault rolls its own dice: how often another is asked about does not change its course.
#[derive(Debug)]
struct Odds {
    fault: Fault,
    chance: f64,
    delay: Duration,
    dice: Mutex<StdRng>,
}

impl Clone for Faults {
    /// The same course from where this one stands.
    fn clone(&self) -> Self {
        let copied =
            |odds: &Odds| Odds { dice: Mutex::new(odds.dice(|dice| dice.clone())), ..*odds };
        Self { odds: self.odds.iter().map(copied).collect() }
    }
}

impl FromStr for Faults {
    type Err = FaultsError;

    fn from_str(text: &str) -> Result<Self, FaultsError> {
        let mut odds = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let wrong = || FaultsError {
                found: part.to_owned(),
                names: GRAMMAR.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", "),
            };
            let (name, value) = part.split_once('=').ok_or_else(wrong)?;
            let (_, fault, _) =
                GRAMMAR.iter().find(|(known, ..)| *known == name).ok_or_else(wrong)?;
            let (chance, delay) = match value.split_once(':') {
                Some((chance, delay)) => {
                    let millis = delay.strip_suffix("ms").unwrap_or(delay);
                    let millis: u64 = millis.parse().map_err(|_| wrong())?;
                    (chance, Duration::from_millis(millis))
                }
                None => (value, USUAL_DELAY),
            };
            let chance: f64 = chance.parse().map_err(|_| wrong())?;
            if !(0.0..=1.0).contains(&chance) {
                return Err(wrong());
            }
            odds.push(Odds { fault: *fault, chance, delay, dice: dice_of(0, *fault) });
        }
        Ok(Self { odds })
    }
}

impl Faults {
    /// The grammar, a fault a line.
    pub fn grammar() -> String {
        let line = |(name, _, what): &(&str, Fault, &str)| format!("  {name:<16} {what}\n");
        GRAMMAR.iter().map(line).collect()
    }

    pub fn seeded(mut self, seed: u64) -> Self {
        for odds in &mut self.odds {
            odds.dice = dice_of(seed, odds.fault);
        }
        self
    }

    pub fn is_empty(&self) -> bool {
        self.odds.is_empty()
    }

    /// Rolls for one fault; where it strikes, answers with its delay.
    pub fn strikes(&self, fault: Fault) -> Option<Duration> {
        let odds = self.odds.iter().find(|odds| odds.fault == fault)?;
        odds.dice(|dice| dice.random_bool(odds.chance)).then_some(odds.delay)
    }

    /// Rolls for a fault that is answered with one of the passing errors that BigQuery documents.
    pub fn fails(&self, fault: Fault) -> Result<(), Status> {
        match self.strikes(fault) {
            Some(_) => Err(self.status(fault)),
            None => Ok(()),
        }
    }

    pub fn status(&self, fault: Fault) -> Status {
        const CODES: &[Code] = &[
            Code::Unavailable,
            Code::Aborted,
            Code::Internal,
            Code::DeadlineExceeded,
            Code::Cancelled,
            Code::Unknown,
            Code::ResourceExhausted,
        ];
        let odds = self.odds.iter().find(|odds| odds.fault == fault);
        let drawn = odds.map_or(0, |odds| odds.dice(|dice| dice.random_range(0..CODES.len())));
        Status::new(CODES[drawn], "injected fault")
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, odds) in self.odds.iter().enumerate() {
            let name = GRAMMAR.iter().find(|(_, fault, _)| *fault == odds.fault);
            let comma = if index == 0 { "" } else { "," };
            let name = name.map_or("", |(name, ..)| name);
            write!(f, "{comma}{name}={}:{}ms", odds.chance, odds.delay.as_millis())?;
        }
        Ok(())
    }
}

impl Odds {
    fn dice<T>(&self, roll: impl FnOnce(&mut StdRng) -> T) -> T {
        roll(&mut self.dice.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn dice_of(seed: u64, fault: Fault) -> Mutex<StdRng> {
    let place = GRAMMAR.iter().position(|(_, known, _)| *known == fault).unwrap_or_default();
    // An odd multiplier keeps the streams of neighbouring faults apart.
    let own = seed.wrapping_add((place as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    Mutex::new(StdRng::seed_from_u64(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rolls(faults: &Faults, fault: Fault) -> Vec<bool> {
        (0..64).map(|_| faults.strikes(fault).is_some()).collect()
    }

    fn faults(seed: u64) -> Faults {
        "append=0.5,flush=0.1:20ms".parse::<Faults>().expect("parses").seeded(seed)
    }

    #[test]
    fn the_same_seed_rolls_the_same() {
        assert_eq!(rolls(&faults(7), Fault::Append), rolls(&faults(7), Fault::Append));
        assert_ne!(rolls(&faults(7), Fault::Append), rolls(&faults(8), Fault::Append));
    }

    #[test]
    fn one_fault_does_not_disturb_another() {
        let (quiet, busy) = (faults(7), faults(7));
        rolls(&busy, Fault::Flush);
        assert_eq!(rolls(&quiet, Fault::Append), rolls(&busy, Fault::Append));
        assert_eq!(quiet.strikes(Fault::Rest), None, "what is not asked for never strikes");
    }

    #[test]
    fn what_is_no_fault_is_told_with_the_names() {
        for wrong in ["apend=0.1", "append", "append=2", "append=-1", "append=0.1:soon"] {
            let error = wrong.parse::<Faults>().expect_err("refused").to_string();
            assert!(error.contains("append_lost") && error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn faults_print_as_they_parse() {
        let text = "append=0.05:200ms,append_late=1:30ms";
        assert_eq!(text.parse::<Faults>().expect("parses").to_string(), text);
        assert!(GRAMMAR.iter().all(|(name, ..)| Faults::grammar().contains(name)));
    }
}
