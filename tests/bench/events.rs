//! Events of a contract: made up, seeded, the same in every run.

use generic_consumer::contract::Contract;
use generic_consumer::contract::sample::Samples;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::Value;

/// November 2026.
const AROUND_MS: i64 = 1_794_000_000_000;

const SEED: u64 = 20_261_121;

/// What events are drawn.
#[derive(Debug, Clone, Copy)]
pub struct Drawn<'a> {
    /// Event type that consumers leave out, and its share.
    pub ignored: (&'a str, f64),
    /// Share of the contract's optional fields that come.
    pub optional: f64,
    /// Bytes of an event at least: this field is made longer until it has them.
    pub padded: Option<(&'a str, usize)>,
}

/// Whether it is to be ignored, and its value.
pub type Event = (bool, Vec<u8>);

impl<'a> Drawn<'a> {
    /// Producers write most of what they could, and their ids are longer than a contract's
    /// examples: events of the delivery contract have about 440 bytes then.
    pub fn plain(ignored: (&'a str, f64)) -> Self {
        Self { ignored, optional: 0.95, padded: Some(("delivery_id", 400)) }
    }

    pub fn from(&self, contract: &Contract, count: usize) -> Vec<Event> {
        let (type_left_out, share) = self.ignored;
        let (ignored, others): (Vec<_>, Vec<_>) =
            contract.events.iter().partition(|event| event.name == type_left_out);
        let mut dice = StdRng::seed_from_u64(SEED);
        let mut samples = Samples::new(contract, SEED, AROUND_MS).with_optional(self.optional);
        let draw = |_| {
            let left_out = !ignored.is_empty() && dice.random_bool(share);
            let from = if left_out { &ignored } else { &others };
            let event = from.choose(&mut dice).expect("the contract has such events");
            (left_out, padded(samples.event_of(event).value, self.padded))
        };
        (0..count).map(draw).collect()
    }
}

fn padded(value: Vec<u8>, wanted: Option<(&str, usize)>) -> Vec<u8> {
    let Some((field, bytes)) = wanted.filter(|(_, bytes)| *bytes > value.len()) else {
        return value;
    };
    let mut event: Value = serde_json::from_slice(&value).expect("samples are JSON");
    let text = event[field].as_str().unwrap_or_default();
    event[field] = format!("{text}{}", "x".repeat(bytes - value.len())).into();
    event.to_string().into_bytes()
}
