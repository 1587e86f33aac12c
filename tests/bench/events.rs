//! Random events of a contract, with a fixed seed: the same in every run.

use generic_consumer::contract::Contract;
use generic_consumer::contract::sample::Samples;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::Value;

/// 6 November 2026; the events' times are in the day before it.
const AROUND_MS: i64 = 1_794_000_000_000;

const SEED: u64 = 20_261_121;

/// Which events are drawn.
#[derive(Debug, Clone, Copy)]
pub struct Drawn<'a> {
    /// The event type that consumers ignore, and its share of the events.
    pub ignored: (&'a str, f64),
    /// Share of the contract's optional fields that an event has.
    pub optional: f64,
    /// A text field, and the least bytes of an event: the field is padded until it has them.
    pub padded: Option<(&'a str, usize)>,
}

/// Whether consumers ignore the event, and its value.
pub type Event = (bool, Vec<u8>);

impl<'a> Drawn<'a> {
    /// Events as producers write them: with most optional fields, and with ids that are longer than
    /// a contract's examples. An event of the delivery contract then has about 440 bytes.
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
