//! Generated events that the domain accepts, and those that the embedded broker is filled with, of
//! which a few are bad.

#[cfg(any(test, feature = "local"))]
use std::collections::BTreeMap;

use super::domain::{Domain, DomainError};
use super::judge::{Judge, Verdict};
use crate::contract::EventSchema;
use crate::contract::sample::{Sample, Samples};
use crate::record::UnsentRecord;

/// Number of sample events of a first run.
#[cfg(any(test, feature = "local"))]
pub const SAMPLES: usize = 400;

#[cfg(any(test, feature = "local"))]
/// One of this many sample events is bad, as long as there are bad ones.
const BAD_EVERY: usize = 50;

/// How many events of a type are generated until one is accepted.
const ATTEMPTS: usize = 200;

#[cfg(any(test, feature = "local"))]
/// Generated events, and what could not be generated.
#[derive(Debug, Default)]
pub struct SampleEvents {
    pub records: Vec<UnsentRecord>,
    /// Event types without a sample, each with the reason why the last attempt was rejected.
    pub missing: BTreeMap<String, String>,
}

/// Generates events of all types of the contract, ignored ones too. The same seed gives the same
/// events. Times lie in the day before `now_ms`.
#[cfg(any(test, feature = "local"))]
pub fn sample_events(domain: &Domain, seed: u64, now_ms: i64) -> Result<SampleEvents, DomainError> {
    // What the filter makes of them is for the run to show.
    let unfiltered = domain.without_filter();
    let mut judge = SampleJudge::new(&unfiltered, now_ms * 1_000)?;
    let mut source = Samples::new(&domain.contract, seed, now_ms);
    let written = domain.contract.events.last();
    let bad: Vec<Sample> = written
        .map_or_else(Vec::new, |event| source.bad_events(event))
        .into_iter()
        .map(|(_, sample)| sample)
        .filter(|sample| judge.rejection(sample).is_some())
        .collect();
    let mut bad = bad.into_iter();
    let mut events = SampleEvents::default();
    let ignored = domain.ignored();
    let types = domain.contract.events.len() + ignored.len();
    while events.records.len() < SAMPLES && events.missing.len() < domain.contract.events.len() {
        let number = events.records.len();
        let bad_is_due = number % BAD_EVERY == BAD_EVERY / 2;
        let bad = bad_is_due.then(|| bad.next()).flatten();
        // The contract does not have the ignored types, so they are not among those drawn by lot.
        let sample = match (bad, ignored.get(number % types)) {
            (Some(bad), _) => bad,
            (None, Some(event_type)) => source.bare_event(event_type),
            (None, None) => {
                let Some(event) = source.event_type() else { break };
                if events.missing.contains_key(&event.name) {
                    continue;
                }
                match judge.accepted(&mut source, event) {
                    Ok(sample) => sample,
                    Err(why) => {
                        events.missing.insert(event.name.clone(), why);
                        continue;
                    }
                }
            }
        };
        events.records.push(record(sample, number));
    }
    Ok(events)
}

/// Decides about samples.
pub struct SampleJudge<'a> {
    judge: Judge<'a>,
}

impl<'a> SampleJudge<'a> {
    pub fn new(domain: &'a Domain, now_micros: i64) -> Result<Self, DomainError> {
        Ok(Self { judge: Judge::new(domain, now_micros)? })
    }

    /// An event of this type that is not rejected; without one, why the last was rejected.
    pub fn accepted(
        &mut self,
        source: &mut Samples<'_>,
        event: &EventSchema,
    ) -> Result<Sample, String> {
        let mut sample = source.event_of(event);
        let mut why = String::new();
        for _ in 0..ATTEMPTS {
            match self.rejection(&sample) {
                None => return Ok(sample),
                Some(rejection) => why = rejection,
            }
            sample = source.another(event);
        }
        Err(why)
    }

    /// Why the sample is rejected; `None` if it is not.
    fn rejection(&mut self, sample: &Sample) -> Option<String> {
        match self.judge.verdict(&plain(sample.clone()), 0) {
            Verdict::Row(_) | Verdict::Ignored(_) => None,
            Verdict::Rejected(why) => Some(why.to_string()),
        }
    }
}

/// The sample as a record without a key.
pub fn plain(sample: Sample) -> UnsentRecord {
    let event_type = sample.header.map(|(name, value)| (name, Some(value.into_bytes())));
    UnsentRecord { key: None, headers: event_type.into_iter().collect(), value: Some(sample.value) }
}

/// The sample as a record with one of 97 keys.
#[cfg(any(test, feature = "local"))]
fn record(sample: Sample, number: usize) -> UnsentRecord {
    let mut record = plain(sample);
    let source = ("source".to_owned(), Some(b"generic-consumer samples".to_vec()));
    record.headers.insert(0, source);
    record.key = Some(format!("sample-{:03}", number % 97).into_bytes());
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::RowOptions;
    use crate::contract;
    use crate::record::{Position, Transcoded};
    use crate::row::RowBuffer;
    use crate::transcode::Ingestion;

    const NOW_MS: i64 = 1_795_219_200_000;

    /// A domain whose message `Paid` has these properties besides its type, all required.
    fn domain(properties: &str) -> Domain {
        let dir = tempfile::tempdir().expect("a folder");
        let properties: serde_json::Value = serde_json::from_str(properties).expect("JSON");
        let mut all = serde_json::json!({ "event_type": { "type": "string" } });
        for (name, schema) in properties.as_object().expect("an object") {
            all[name] = schema.clone();
        }
        let required: Vec<&String> = all.as_object().expect("an object").keys().collect();
        let payload =
            serde_json::json!({ "type": "object", "required": required, "properties": all });
        let document = serde_json::json!({ "asyncapi": "3.0.0", "channels": { "C": {
            "address": "t", "messages": { "Paid": { "payload": payload } } } },
            "types": { "Money": { "type": "object", "required": ["amount"], "properties": {
                "amount": { "type": "string", "format": "decimal" },
                "currency": { "type": "string", "minLength": 3, "maxLength": 3 } } } } });
        std::fs::write(dir.path().join("c.json"), document.to_string()).expect("written");
        let contract = contract::load(dir.path(), "contracts.c", "C", &[]).expect("loads");
        Domain::new(contract, RowOptions::default()).expect("columns")
    }

    /// How many of the samples are rejected, and what has no sample.
    fn outcome(properties: &str) -> (usize, usize, BTreeMap<String, String>) {
        let domain = domain(properties);
        let events = sample_events(&domain, 1, NOW_MS).expect("a plan");
        let mut plan = domain.plan(&domain.columns).expect("a plan");
        let rejected = events.records.iter().filter(|record| {
            let event = record.at(Position::new(0, 0), NOW_MS);
            let mut rows = RowBuffer::default();
            matches!(
                plan.transcode(&event, Ingestion::at(NOW_MS * 1_000), &mut rows),
                Transcoded::Rejected(_)
            )
        });
        (events.records.len(), rejected.count(), events.missing)
    }

    #[test]
    fn samples_do_not_depend_on_the_filter() {
        let plain = domain(r#"{"amount":{"type":"number"}}"#);
        let filter = crate::config::FilterSettings {
            expression: "payload.amount > 1e300".to_owned(),
            on_error: crate::config::FilterOnError::DeadLetter,
        };
        let options = RowOptions { filter: Some(filter), ..RowOptions::default() };
        let filtered = Domain::new(plain.contract.clone(), options).expect("columns");
        let values = |domain: &Domain| -> Vec<_> {
            let events = sample_events(domain, 1, NOW_MS).expect("a plan");
            assert!(events.missing.is_empty());
            events.records.into_iter().map(|record| record.value).collect()
        };
        assert_eq!(values(&filtered), values(&plain));
    }

    /// Each schema was broken by samples that only kept types.
    #[test]
    fn only_the_deliberately_bad_samples_are_rejected() {
        for properties in [
            r#"{"id":{"type":"string","pattern":"^ord_[0-9A-Z]{8}$"}}"#,
            r#"{"id":{"type":"string","pattern":"^[a-z]+$","minLength":12,"maxLength":14}}"#,
            r#"{"country":{"type":"string","minLength":2,"maxLength":2}}"#,
            r#"{"note":{"type":"string","minLength":80}}"#,
            r#"{"amount":{"type":"integer","multipleOf":25,"minimum":100}}"#,
            r#"{"rate":{"type":"number","multipleOf":0.05,"maximum":1}}"#,
            r#"{"share":{"type":"number","exclusiveMinimum":0,"exclusiveMaximum":1}}"#,
            r#"{"codes":{"type":"array","items":{"type":"string","enum":["a","b","c"]},"uniqueItems":true,"maxItems":2}}"#,
            r#"{"none":{"type":"array","items":{"type":"string"},"maxItems":0}}"#,
            r##"{"price":{"allOf":[{"$ref":"#/types/Money"},{"type":"object","required":["currency"],"properties":{"currency":{"pattern":"^[A-Z]+$"}}}]}}"##,
            r##"{"price":{"$ref":"#/types/Money","required":["currency"]}}"##,
            r#"{"refined":{"allOf":[{"type":"string","maxLength":10},{"type":"string","minLength":9}]}}"#,
            r#"{"either":{"oneOf":[{"type":"object","required":["card"],"properties":{"card":{"type":"string","pattern":"^[0-9]{16}$"}}},{"type":"object","required":["iban"],"properties":{"iban":{"type":"string"}}}]}}"#,
            r#"{"pay":{"type":"object","properties":{"kind":{"type":"string","enum":["card","cash"]},"last4":{"type":"string","pattern":"^[0-9]{4}$"}},"required":["kind"],"if":{"properties":{"kind":{"const":"card"}}},"then":{"required":["last4"]}}}"#,
            r#"{"pay":{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"dependentRequired":{"a":["b"]}}}"#,
            r#"{"not_a":{"type":"string","enum":["a","b"],"not":{"const":"a"}}}"#,
            r#"{"closed":{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false,"minProperties":1}}"#,
            r#"{"at":{"type":"string","x-bigquery-type":"DATETIME"},"t":{"type":"string","x-bigquery-type":"TIME"},"n":{"type":"string","x-bigquery-type":"BIGNUMERIC"}}"#,
            r#"{"zip":{"type":"string","examples":["1100-061"],"pattern":"^1100-0[0-9]1$"}}"#,
        ] {
            let (records, rejected, missing) = outcome(properties);
            assert_eq!(missing, BTreeMap::new(), "{properties}");
            assert_eq!(records, SAMPLES, "{properties}");
            assert_eq!(rejected, 7, "{properties}");
        }
    }

    /// Bad events of an ignored type would not be rejected.
    #[test]
    fn bad_samples_are_of_a_type_that_is_written_and_some_samples_are_ignored() {
        let contracts = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts");
        let document = "contracts.delivery.delivery_events_v10";
        let load = |ignore: &[String]| {
            let object = "DeliveryEventsV10Topic";
            contract::load(&contracts, document, object, ignore).expect("loads")
        };
        let last = load(&[]).events.last().expect("an event type").name.clone();
        let ignore = vec![last.clone()];
        let contract = load(&ignore);
        let types = contract.events.len() + 1;
        let options = RowOptions { ignore, ..RowOptions::default() };
        let domain = Domain::new(contract, options).expect("columns");
        let samples = sample_events(&domain, 1, NOW_MS).expect("a plan").records;
        let mut judge = Judge::new(&domain, NOW_MS * 1_000).expect("a plan");
        let (mut rejected, mut ignored) = (0, 0_usize);
        for record in &samples {
            match judge.verdict(record, 0) {
                Verdict::Row(_) => {}
                Verdict::Ignored(_) => ignored += 1,
                Verdict::Rejected(_) => rejected += 1,
            }
        }
        assert_eq!(rejected, 7, "without {last}");
        assert!(ignored.abs_diff(SAMPLES / types) <= 7, "{ignored} of {last}");
    }

    #[test]
    fn what_cannot_be_generated_is_named_with_the_reason() {
        let (records, _, missing) =
            outcome(r#"{"odd":{"type":"string","pattern":"^(?=.*z)(?=.*q).{9}x$"}}"#);
        assert!(records < SAMPLES);
        assert_eq!(missing.len(), 1);
        assert!(missing["Paid"].contains("contract_violation: /odd"), "{missing:?}");
    }
}
