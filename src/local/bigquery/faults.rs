//! Injected faults: failed calls, lost responses, delays, closed connections, late requests, a
//! used-up quota. Their random choices are seeded, so that a run can be repeated.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tonic::{Code, Status};

/// The kinds of faults. `…Lost`: the call takes effect, but its response does not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InjectedFault {
    Append,
    AppendLost,
    AppendDelay,
    AppendLate,
    Quota,
    Close,
    Create,
    CreateLost,
    Flush,
    FlushLost,
    FlushAgain,
    Finalize,
    FinalizeLost,
    Commit,
    CommitLost,
    SchemaDelay,
    TableDelay,
    JobDelay,
    Rest,
    RestLost,
}

/// The faults by their names in the grammar, each with its description.
const GRAMMAR: &[(&str, InjectedFault, &str)] = {
    use InjectedFault as F;
    &[
        ("append", F::Append, "the append fails, nothing is written, the connection breaks"),
        ("append_lost", F::AppendLost, "the append is written, then the connection breaks"),
        ("append_delay", F::AppendDelay, "the append is delayed"),
        (
            "append_late",
            F::AppendLate,
            "the connection breaks; the appends in transit are written later",
        ),
        (
            "quota",
            F::Quota,
            "every append returns RESOURCE_EXHAUSTED for this long, and none for as long after that",
        ),
        ("close", F::Close, "the connection breaks with UNAVAILABLE before the append"),
        ("create", F::Create, "CreateWriteStream fails"),
        ("create_lost", F::CreateLost, "the stream is created, the response is lost"),
        ("flush", F::Flush, "FlushRows fails"),
        ("flush_lost", F::FlushLost, "the rows are flushed, the response is lost"),
        ("flush_again", F::FlushAgain, "a repeated flush returns ALREADY_EXISTS, not OK"),
        ("finalize", F::Finalize, "FinalizeWriteStream fails"),
        ("finalize_lost", F::FinalizeLost, "the stream is finalized, the response is lost"),
        ("commit", F::Commit, "BatchCommitWriteStreams fails"),
        ("commit_lost", F::CommitLost, "the streams are committed, the response is lost"),
        ("schema_delay", F::SchemaDelay, "appends see a changed table with a delay"),
        (
            "table_delay",
            F::TableDelay,
            "the Storage Write API returns NOT_FOUND for a while after a table is created or recreated",
        ),
        (
            "job_delay",
            F::JobDelay,
            "a job stays RUNNING for this long, and has no effect before it ends",
        ),
        ("rest", F::Rest, "a REST call returns 503 and has no effect"),
        ("rest_lost", F::RestLost, "a REST call takes effect and returns 503"),
    ]
};

/// The delay of a fault whose delay is not given.
const DEFAULT_DELAY: Duration = Duration::from_millis(200);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "fault {found:?} is not NAME=PROBABILITY or NAME=PROBABILITY:MILLISECONDS; the names are {names}"
)]
pub struct FaultsError {
    found: String,
    names: String,
}

/// The faults that a server injects.
#[derive(Debug, Default)]
pub struct Faults {
    odds: Vec<Odds>,
}

/// One fault with its probability. It has a random generator of its own, so that its sequence does
/// not depend on how often other faults are drawn.
#[derive(Debug)]
struct Odds {
    fault: InjectedFault,
    /// From 0 to 1.
    probability: f64,
    delay: Duration,
    random: Mutex<StdRng>,
}

impl Clone for Faults {
    /// The clone continues with the same sequences of random choices.
    fn clone(&self) -> Self {
        let copied = |odds: &Odds| Odds {
            random: Mutex::new(odds.with_random(|random| random.clone())),
            ..*odds
        };
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
            let (probability, delay) = match value.split_once(':') {
                Some((probability, delay)) => {
                    let millis = delay.strip_suffix("ms").unwrap_or(delay);
                    let millis: u64 = millis.parse().map_err(|_| wrong())?;
                    (probability, Duration::from_millis(millis))
                }
                None => (value, DEFAULT_DELAY),
            };
            let probability: f64 = probability.parse().map_err(|_| wrong())?;
            if !(0.0..=1.0).contains(&probability) {
                return Err(wrong());
            }
            odds.push(Odds { fault: *fault, probability, delay, random: seeded_random(0, *fault) });
        }
        Ok(Self { odds })
    }
}

impl Faults {
    /// The names and descriptions of the faults, one per line.
    pub fn grammar() -> String {
        let line = |(name, _, description): &(&str, InjectedFault, &str)| {
            format!("  {name:<16} {description}\n")
        };
        GRAMMAR.iter().map(line).collect()
    }

    /// The same faults with the random choices of a seed.
    pub fn seeded(mut self, seed: u64) -> Self {
        for odds in &mut self.odds {
            odds.random = seeded_random(seed, odds.fault);
        }
        self
    }

    /// Draws whether a fault happens now. Returns its delay if it does.
    pub fn draw(&self, fault: InjectedFault) -> Option<Duration> {
        let odds = self.odds.iter().find(|odds| odds.fault == fault)?;
        odds.with_random(|random| random.random_bool(odds.probability)).then_some(odds.delay)
    }

    /// Draws whether a fault happens now. If it does, returns its [`status`](Self::status).
    pub fn inject(&self, fault: InjectedFault) -> Result<(), Status> {
        match self.draw(fault) {
            Some(_) => Err(self.status(fault)),
            None => Ok(()),
        }
    }

    /// A status with one of the transient codes that BigQuery documents, drawn at random.
    pub fn status(&self, fault: InjectedFault) -> Status {
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
        let drawn =
            odds.map_or(0, |odds| odds.with_random(|random| random.random_range(0..CODES.len())));
        Status::new(CODES[drawn], "injected fault")
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, odds) in self.odds.iter().enumerate() {
            let name = GRAMMAR.iter().find(|(_, fault, _)| *fault == odds.fault);
            let comma = if index == 0 { "" } else { "," };
            let name = name.map_or("", |(name, ..)| name);
            write!(f, "{comma}{name}={}:{}ms", odds.probability, odds.delay.as_millis())?;
        }
        Ok(())
    }
}

impl Odds {
    fn with_random<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut self.random.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn seeded_random(seed: u64, fault: InjectedFault) -> Mutex<StdRng> {
    let index = GRAMMAR.iter().position(|(_, known, _)| *known == fault).unwrap_or_default();
    // The odd multiplier gives each fault a seed of its own.
    let own = seed.wrapping_add((index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    Mutex::new(StdRng::seed_from_u64(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(faults: &Faults, fault: InjectedFault) -> Vec<bool> {
        (0..64).map(|_| faults.draw(fault).is_some()).collect()
    }

    fn faults(seed: u64) -> Faults {
        "append=0.5,flush=0.1:20ms".parse::<Faults>().expect("parses").seeded(seed)
    }

    #[test]
    fn the_same_seed_draws_the_same_faults() {
        assert_eq!(
            draws(&faults(7), InjectedFault::Append),
            draws(&faults(7), InjectedFault::Append)
        );
        assert_ne!(
            draws(&faults(7), InjectedFault::Append),
            draws(&faults(8), InjectedFault::Append)
        );
    }

    #[test]
    fn drawing_one_fault_does_not_change_the_sequence_of_another() {
        let (quiet, busy) = (faults(7), faults(7));
        draws(&busy, InjectedFault::Flush);
        assert_eq!(draws(&quiet, InjectedFault::Append), draws(&busy, InjectedFault::Append));
        assert_eq!(
            quiet.draw(InjectedFault::Rest),
            None,
            "a fault that is not configured never happens"
        );
    }

    #[test]
    fn the_error_for_an_unknown_fault_lists_the_names() {
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
