//! An endless stream of events that the domain's contract accepts.

use std::collections::BTreeMap;

use super::domain::{Domain, DomainError};
use super::samples::{SampleJudge, plain};
use crate::clock::Clock;
use crate::contract::sample::Samples;
use crate::record::UnsentRecord;
use crate::serve::api::event_key;

/// Makes events.
pub struct Generator<'d> {
    domain: &'d Domain,
    source: Samples<'d>,
    judge: SampleJudge<'d>,
    key: Option<&'d [String]>,
    clock: Clock,
    /// Event types of which no event could be made, each with the reason.
    pub missing: BTreeMap<String, String>,
}

impl<'d> Generator<'d> {
    /// The same seed gives the same events, apart from times. `key` leads to the field whose value
    /// becomes the record's key.
    pub fn new(
        domain: &'d Domain,
        seed: u64,
        key: Option<&'d [String]>,
        clock: Clock,
    ) -> Result<Self, DomainError> {
        let now = clock.now_micros();
        Ok(Self {
            domain,
            source: Samples::new(&domain.contract, seed, now / 1_000).live(),
            judge: SampleJudge::new(domain, now)?,
            key,
            clock,
            missing: BTreeMap::new(),
        })
    }

    /// The next event; `None` if none can be made of any event type.
    pub fn event(&mut self) -> Option<UnsentRecord> {
        self.source.now(self.clock.now_micros() / 1_000);
        loop {
            let possible = |name: &String| !self.missing.contains_key(name);
            if !self.domain.contract.events.iter().any(|event| possible(&event.name)) {
                return None;
            }
            let event = self.source.event_type()?;
            if self.missing.contains_key(&event.name) {
                continue;
            }
            match self.judge.accepted(&mut self.source, event) {
                Ok(sample) => {
                    let mut record = plain(sample);
                    let value = record.value.as_deref().unwrap_or_default();
                    record.key = self
                        .key
                        .and_then(|path| event_key::field(value, path))
                        .map(std::borrow::Cow::into_owned);
                    return Some(record);
                }
                Err(why) => {
                    self.missing.insert(event.name.clone(), why);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::RowOptions;
    use crate::contract;

    const NOW: i64 = 1_795_219_200_000_000;

    fn amounts(seed: u64) -> Vec<f64> {
        let folder = tempfile::tempdir().expect("a folder");
        let document = r#"{"asyncapi":"3.0.0","channels":{"C":{"address":"t",
            "x-event-type":"$message.header#/type","messages":{"amount":{"payload":
            {"type":"object","required":["amount"],"properties":{"amount":{"type":"number"}}}}}}}}"#;
        std::fs::write(folder.path().join("c.json"), document).expect("written");
        let contract = contract::load(folder.path(), "c", "C", &[]).expect("loads");
        let domain = Domain::new(contract, RowOptions::default()).expect("columns");
        let mut generator = Generator::new(&domain, seed, None, Clock::Fixed(NOW)).expect("a plan");
        let mut events = std::iter::from_fn(|| generator.event());
        let amount = |record: UnsentRecord| -> f64 {
            let value: serde_json::Value =
                serde_json::from_slice(&record.value.expect("a value")).expect("JSON");
            value["amount"].as_f64().expect("a number")
        };
        events.by_ref().take(3_000).map(amount).collect()
    }

    #[test]
    fn amounts_go_up_and_down_around_a_threshold_and_repeat_with_the_seed() {
        let first = amounts(1);
        assert!(first.iter().all(|amount| (0.0..=10.0).contains(amount)));
        let high = |amounts: &[f64]| amounts.iter().filter(|amount| **amount > 5.0).count();
        assert!((1_000..2_000).contains(&high(&first)), "{}", high(&first));
        assert!(high(&first[200..500]) > 250 && high(&first[950..1_250]) < 50, "a wave");
        assert_eq!(first, amounts(1));
        assert_ne!(first, amounts(2));
    }
}
