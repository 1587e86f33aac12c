//! Random events that fit a contract, for the first run, the tests and the benchmarks. The same
//! seed gives the same events.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value, json};

use super::schema::{Contract, Discriminator, EventSchema, SchemaKind};
use crate::record::Reason;

/// One random event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    pub event_type: String,
    pub value: Vec<u8>,
    /// The header with the event type, if the contract expects it in a header.
    pub header: Option<(String, String)>,
}

/// How many references a sample follows into each other. Where a contract is recursive, samples
/// end here.
const DEEPEST: usize = 12;

/// Generates events of a contract, all event types equally often.
pub struct Samples<'a> {
    contract: &'a Contract,
    rng: StdRng,
    /// Milliseconds since the epoch; all times lie in the day before it.
    around_ms: i64,
    /// Share of the optional fields that an event has.
    optional: f64,
}

impl<'a> Samples<'a> {
    pub fn new(contract: &'a Contract, seed: u64, around_ms: i64) -> Self {
        Self { contract, rng: StdRng::seed_from_u64(seed), around_ms, optional: 0.7 }
    }

    /// Events have this share of the optional fields; without this call it is 0.7.
    pub fn with_optional(self, share: f64) -> Self {
        Self { optional: share, ..self }
    }

    /// A valid event of a random type; `None` if the contract has no event types.
    pub fn event(&mut self) -> Option<Sample> {
        let event = self.contract.events.choose(&mut self.rng)?;
        Some(self.event_of(event))
    }

    /// A valid event of this type.
    pub fn event_of(&mut self, event: &EventSchema) -> Sample {
        let root = &event.json_schema;
        let mut value = self.value("", root, root, 0);
        let mut header = None;
        match &self.contract.discriminator {
            Discriminator::Payload(keys) => put(&mut value, keys, json!(event.name)),
            Discriminator::Header(name) => header = Some((name.clone(), event.name.clone())),
        }
        Sample { event_type: event.name.clone(), value: value.to_string().into_bytes(), header }
    }

    /// Events that are rejected, and the reason of each.
    pub fn bad_events(&mut self) -> Vec<(Reason, Sample)> {
        let Some(event) = self.contract.events.last().cloned() else { return Vec::new() };
        let good = self.event_of(&event);
        let with = |value: Vec<u8>| Sample { value, ..good.clone() };
        let text = String::from_utf8_lossy(&good.value).into_owned();
        let mut bad = vec![
            (Reason::Empty, with(Vec::new())),
            (Reason::InvalidJson, with(good.value[..good.value.len() / 2].to_vec())),
            (Reason::InvalidJson, with(text.replacen('{', "{\"nan\":NaN,", 1).into_bytes())),
            (Reason::NotUtf8, with([b"{\"a\":\"", &[0xff][..], b"\"}"].concat())),
            (Reason::RegistryFramed, with([&[0, 0, 0, 0, 7][..], &good.value].concat())),
        ];
        if let (Discriminator::Payload(keys), Ok(value)) =
            (&self.contract.discriminator, serde_json::from_slice::<Value>(&good.value))
        {
            let mut unknown = value.clone();
            put(&mut unknown, keys, json!("NobodyKnowsThisEvent"));
            bad.push((Reason::UnknownEventType, with(unknown.to_string().into_bytes())));
            let required = required_fields(&event);
            let own = required.iter().find(|name| !keys.contains(name));
            if let (Some(name), Value::Object(mut object)) = (own, value) {
                object.remove(name);
                bad.push((
                    Reason::MissingField,
                    with(Value::Object(object).to_string().into_bytes()),
                ));
            }
        }
        bad
    }

    /// A value for the field `name`, valid by `schema`. References are resolved in `root`.
    fn value(&mut self, name: &str, schema: &Value, root: &Value, depth: usize) -> Value {
        if let Some(reference) = schema["$ref"].as_str() {
            let target = root.pointer(reference.trim_start_matches('#')).cloned();
            if depth < DEEPEST {
                return self.value(name, &target.unwrap_or_default(), root, depth + 1);
            }
            return Value::Null;
        }
        for choice in ["enum", "examples"] {
            if let Some(chosen) =
                schema[choice].as_array().and_then(|all| all.choose(&mut self.rng))
            {
                return if choice == "examples" { self.vary(chosen) } else { chosen.clone() };
            }
        }
        if let Some(fixed) = schema.get("const") {
            return fixed.clone();
        }
        if let Some(parts) = schema["allOf"].as_array() {
            let mut merged = self.typed(name, schema, root, depth);
            for part in parts {
                match (self.value(name, part, root, depth + 1), merged.as_object_mut()) {
                    (Value::Object(part), Some(merged)) => merged.extend(part),
                    (Value::Object(_), None) => {}
                    (part, _) => merged = part,
                }
            }
            return merged;
        }
        for keyword in ["oneOf", "anyOf"] {
            if let Some(part) = schema[keyword].as_array().and_then(|parts| parts.first()) {
                return self.value(name, part, root, depth + 1);
            }
        }
        self.typed(name, schema, root, depth)
    }

    /// A value of the schema's `type`.
    fn typed(&mut self, name: &str, schema: &Value, root: &Value, depth: usize) -> Value {
        let nullable =
            schema["type"].as_array().is_some_and(|types| types.contains(&json!("null")));
        if nullable && self.rng.random_bool(0.3) {
            return Value::Null;
        }
        let kind = match &schema["type"] {
            Value::String(one) => one.as_str(),
            Value::Array(several) => several
                .iter()
                .filter_map(Value::as_str)
                .find(|one| *one != "null")
                .unwrap_or("null"),
            _ => "object",
        };
        match kind {
            "object" => self.object(schema, root, depth),
            "array" => {
                let least = schema["minItems"].as_u64().unwrap_or(0).max(1);
                let count = self.rng.random_range(least..=least + 1);
                (0..count).map(|_| self.value(name, &schema["items"], root, depth + 1)).collect()
            }
            "string" => self.text(name, schema),
            "boolean" => json!(self.rng.random_bool(0.8)),
            "integer" => json!(self.between(schema, 1, 100)),
            "number" if schema["format"] == "decimal" => {
                json!(f64::from(self.rng.random_range(0..100_000)) / 100.0)
            }
            "number" => {
                let whole = self.between(schema, 0, 90) as f64;
                json!(whole + f64::from(self.rng.random_range(0..10_000)) / 10_000.0)
            }
            _ => Value::Null,
        }
    }

    fn object(&mut self, schema: &Value, root: &Value, depth: usize) -> Value {
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut object = Map::new();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let wanted = required.contains(&name.as_str());
            if wanted || (depth < DEEPEST && self.rng.random_bool(self.optional)) {
                object.insert(name.clone(), self.value(name, property, root, depth + 1));
            }
        }
        Value::Object(object)
    }

    fn text(&mut self, name: &str, schema: &Value) -> Value {
        let at = self.around_ms - self.rng.random_range(0..86_400_000);
        let time = jiff::Timestamp::from_millisecond(at).unwrap_or_default();
        if schema["contentEncoding"] == "base64" {
            use base64::Engine;
            let bytes: [u8; 12] = self.rng.random();
            return json!(base64::engine::general_purpose::STANDARD.encode(bytes));
        }
        match schema["format"].as_str() {
            Some("date-time") => json!(format!("{time:.3}")),
            Some("date") => json!(time.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()),
            Some("decimal") => json!(format!(
                "{}.{:02}",
                self.rng.random_range(0..500),
                self.rng.random_range(0..100)
            )),
            Some("uuid") => {
                let n: u128 = self.rng.random();
                let hex = format!("{n:032x}");
                json!(format!(
                    "{}-{}-4{}-8{}-{}",
                    &hex[..8],
                    &hex[8..12],
                    &hex[13..16],
                    &hex[17..20],
                    &hex[20..]
                ))
            }
            _ => json!(format!("{name}-{}", self.rng.random_range(1..1000))),
        }
    }

    /// The example with another number at its end, if it ends in one, so that keys differ.
    fn vary(&mut self, example: &Value) -> Value {
        let Some(text) = example.as_str() else { return example.clone() };
        let digits = text.len() - text.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        if !(3..=9).contains(&digits) {
            return example.clone();
        }
        let number = self.rng.random_range(0..10u64.pow(digits as u32));
        json!(format!("{}{number:0digits$}", &text[..text.len() - digits]))
    }

    fn between(&mut self, schema: &Value, low: i64, high: i64) -> i64 {
        let low = schema["minimum"].as_i64().unwrap_or(low);
        let high = schema["maximum"].as_i64().unwrap_or(high).max(low);
        self.rng.random_range(low..=high)
    }
}

/// Names of the fields that every event of this type has.
fn required_fields(event: &EventSchema) -> Vec<String> {
    match &event.schema.kind {
        SchemaKind::Object(fields) => {
            fields.iter().filter(|field| field.required).map(|field| field.name.clone()).collect()
        }
        _ => Vec::new(),
    }
}

/// Sets the value that the keys lead to; what is not an object on the way becomes one.
fn put(value: &mut Value, keys: &[String], what: Value) {
    let mut place = value;
    for key in keys {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[key.as_str()];
    }
    *place = what;
}
