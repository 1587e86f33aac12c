//! Random events that fit a contract, for the first run, the tests and the benchmarks. The same
//! seed gives the same events.
//!
//! Types, required fields, ranges, lengths, multiples, patterns and what `allOf` or a `$ref` adds
//! are kept. Rules such as `not` or `dependentSchemas` are not looked at, so an event may break
//! one: whoever needs a valid event checks it and asks for another with [`Samples::another`].

mod combine;
mod number;
mod pattern;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value, json};

use super::columns::type_named;
use super::encoded;
use super::keywords::COLUMN_TYPE;
use super::schema::{Contract, Discriminator, EventSchema, SchemaKind};
use crate::record::Reason;
use crate::row::ColumnType;

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

/// How many values an event has, with those inside others. Where they are used up, optional fields
/// are left out, arrays end and other values are null, so that the event may not be valid.
const MOST_VALUES: usize = 5_000;

/// Generates events of a contract, all event types equally often.
pub struct Samples<'a> {
    contract: &'a Contract,
    rng: StdRng,
    /// Milliseconds since the epoch; all times lie in the `spread_ms` before it.
    around_ms: i64,
    spread_ms: i64,
    /// The number of the next event, if numbers follow a wave.
    wave: Option<u64>,
    /// Share of the optional fields that an event has.
    optional: f64,
    /// How many more values the event may have.
    values_left: usize,
    /// Whether an event before this one was not valid, so that this one should be different.
    varied: bool,
}

impl<'a> Samples<'a> {
    pub fn new(contract: &'a Contract, seed: u64, around_ms: i64) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        let (optional, values_left, varied) = (0.7, MOST_VALUES, false);
        let (spread_ms, wave) = (86_400_000, None);
        Self { contract, rng, around_ms, spread_ms, wave, optional, values_left, varied }
    }

    /// Events as a live source sends them: times are those of [`Self::now`], and numbers follow a
    /// wave from event to event.
    pub fn live(self) -> Self {
        Self { spread_ms: 1, wave: Some(0), ..self }
    }

    /// Sets the time of the next events: milliseconds since the epoch.
    pub fn now(&mut self, now_ms: i64) {
        self.around_ms = now_ms;
    }

    /// Events have this share of the optional fields; without this call it is 0.7.
    pub fn with_optional(self, share: f64) -> Self {
        Self { optional: share, ..self }
    }

    /// An event of a random type; `None` if the contract has no event types.
    pub fn event(&mut self) -> Option<Sample> {
        let event = self.event_type()?;
        Some(self.event_of(event))
    }

    /// A random event type; `None` if the contract has none.
    pub fn event_type(&mut self) -> Option<&'a EventSchema> {
        self.contract.events.choose(&mut self.rng)
    }

    /// An event of this type that differs from [`Self::event_of`] in its choices: in which
    /// alternatives are taken, which optional fields it has, and whether examples are used.
    pub fn another(&mut self, event: &EventSchema) -> Sample {
        let usual = self.optional;
        self.varied = true;
        self.optional = [0.0, usual, 1.0].choose(&mut self.rng).copied().unwrap_or(usual);
        let sample = self.event_of(event);
        (self.varied, self.optional) = (false, usual);
        sample
    }

    /// An event of this type, valid by the rules that this module knows.
    pub fn event_of(&mut self, event: &EventSchema) -> Sample {
        let root = &*event.json_schema;
        self.values_left = MOST_VALUES;
        self.wave = self.wave.map(|number| number + 1);
        let mut value = self.value("", root, root, 0);
        encoded::encode(&event.encoded, &mut value);
        self.named(&event.name, value)
    }

    /// An event of this type that says nothing else: of a type that is left out, the schema is not
    /// known.
    pub fn bare_event(&self, event_type: &str) -> Sample {
        self.named(event_type, json!({}))
    }

    fn named(&self, event_type: &str, mut value: Value) -> Sample {
        let mut header = None;
        match &self.contract.discriminator {
            Discriminator::Payload(keys) => put(&mut value, keys, json!(event_type)),
            Discriminator::Header(name) => header = Some((name.clone(), event_type.to_owned())),
            Discriminator::Only(_) => {}
        }
        let value = value.to_string().into_bytes();
        Sample { event_type: event_type.to_owned(), value, header }
    }

    /// Events made of this type that are rejected, and the reason of each.
    pub fn bad_events(&mut self, event: &EventSchema) -> Vec<(Reason, Sample)> {
        let good = self.event_of(event);
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
            let required = required_fields(event);
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
        if self.values_left == 0 || schema.get("$ref").is_some() && depth >= DEEPEST {
            return Value::Null;
        }
        self.values_left -= 1;
        let schema = Value::Object(self.combined(schema, root, depth));
        // Examples may break a rule, and a varied one is not an example any more.
        let choices = if self.varied && self.rng.random_bool(0.5) {
            &["enum"][..]
        } else {
            &["enum", "examples"]
        };
        for choice in choices {
            if let Some(chosen) =
                schema[*choice].as_array().and_then(|all| all.choose(&mut self.rng))
            {
                let vary = *choice == "examples" && !(self.varied && self.rng.random_bool(0.5));
                return if vary { self.vary(chosen) } else { chosen.clone() };
            }
        }
        if let Some(fixed) = schema.get("const") {
            return fixed.clone();
        }
        self.typed(name, &schema, root, depth)
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
            _ => implied_type(schema),
        };
        match kind {
            "object" => self.object(schema, root, depth),
            "array" => self.array(name, schema, root, depth),
            "string" => self.text(name, schema),
            "boolean" => json!(self.rng.random_bool(0.8)),
            "integer" => number::integer(schema, &mut self.rng),
            "number" => number::number(schema, self.wave, &mut self.rng),
            _ => Value::Null,
        }
    }

    fn object(&mut self, schema: &Value, root: &Value, depth: usize) -> Value {
        let required: Vec<&str> = texts(&schema["required"]).collect();
        let mut object = Map::new();
        let properties = schema["properties"].as_object();
        for (name, property) in properties.into_iter().flatten() {
            let wanted = required.contains(&name.as_str());
            let may_grow = depth < DEEPEST && self.values_left > 0;
            if wanted || (may_grow && self.rng.random_bool(self.optional)) {
                object.insert(name.clone(), self.value(name, property, root, depth + 1));
            }
        }
        // A required field need not be declared, and one field may require another.
        let mut missing: Vec<&str> = required;
        for (name, needed) in schema["dependentRequired"].as_object().into_iter().flatten() {
            if object.contains_key(name) {
                missing.extend(texts(needed));
            }
        }
        for name in missing {
            if !object.contains_key(name) {
                let declared = properties.and_then(|all| all.get(name));
                let any = json!({ "type": "string" });
                let other = Some(&schema["additionalProperties"]).filter(|one| one.is_object());
                let property = declared.or(other).unwrap_or(&any);
                object.insert(name.to_owned(), self.value(name, property, root, depth + 1));
            }
        }
        Value::Object(object)
    }

    fn array(&mut self, name: &str, schema: &Value, root: &Value, depth: usize) -> Value {
        /// How often an item is generated again because it is not unique.
        const TRIES: usize = 20;
        let most = schema["maxItems"].as_u64().unwrap_or(u64::MAX);
        let least = schema["minItems"].as_u64().unwrap_or(0).max(1).min(most);
        let count = self.rng.random_range(least..=least.saturating_add(1).min(most));
        let unique = schema["uniqueItems"] == true;
        // The first items have schemas of their own: `prefixItems`, or a list in `items`.
        let own = schema["prefixItems"].as_array().or(schema["items"].as_array());
        let others =
            if schema["items"].is_array() { &schema["additionalItems"] } else { &schema["items"] };
        let mut items = Vec::new();
        for index in 0..count.max(own.map_or(0, |own| own.len() as u64)).min(most) {
            if self.values_left == 0 {
                break;
            }
            let schema = own.and_then(|own| own.get(index as usize)).unwrap_or(others);
            let mut item = self.value(name, schema, root, depth + 1);
            for _ in 0..TRIES {
                if !unique || !items.contains(&item) {
                    break;
                }
                item = self.value(name, schema, root, depth + 1);
            }
            items.push(item);
        }
        if let (Some(contained), Some(first)) = (schema.get("contains"), items.first_mut()) {
            let both = json!({ "allOf": [others, contained] });
            *first = self.value(name, &both, root, depth + 1);
        }
        Value::Array(items)
    }

    fn text(&mut self, name: &str, schema: &Value) -> Value {
        let at = self.around_ms - self.rng.random_range(0..self.spread_ms);
        let time = jiff::Timestamp::from_millisecond(at).unwrap_or_default();
        let zoned = time.to_zoned(jiff::tz::TimeZone::UTC);
        if schema["contentEncoding"] == "base64" {
            use base64::Engine;
            let bytes: [u8; 12] = self.rng.random();
            return json!(base64::engine::general_purpose::STANDARD.encode(bytes));
        }
        // A column's type asks for texts of its form, as a format does.
        let format = match schema[COLUMN_TYPE].as_str().and_then(type_named) {
            Some(ColumnType::Timestamp) => Some("date-time"),
            Some(ColumnType::Date) => Some("date"),
            Some(ColumnType::Datetime) => return json!(zoned.datetime().to_string()),
            Some(ColumnType::Time) => return json!(format!("{:.3}", zoned.time())),
            // The text of a decimal with a fraction is no INT64.
            Some(ColumnType::Int64) => return json!(self.rng.random_range(1..1000).to_string()),
            Some(ColumnType::Numeric | ColumnType::BigNumeric | ColumnType::Float64) => {
                Some("decimal")
            }
            _ => schema["format"].as_str(),
        };
        let text = match format {
            Some("date-time") => format!("{time:.3}"),
            Some("date") => zoned.date().to_string(),
            Some("decimal") => {
                format!("{}.{:02}", self.rng.random_range(0..500), self.rng.random_range(0..100))
            }
            Some("uuid") => {
                let n: u128 = self.rng.random();
                let hex = format!("{n:032x}");
                format!(
                    "{}-{}-4{}-8{}-{}",
                    &hex[..8],
                    &hex[8..12],
                    &hex[13..16],
                    &hex[17..20],
                    &hex[20..]
                )
            }
            format => {
                let number: u32 = self.rng.random_range(1..1000);
                match format {
                    Some("email" | "idn-email") => format!("{name}-{number}@example.com"),
                    Some("uri" | "iri" | "url") => format!("https://example.com/{name}/{number}"),
                    Some("hostname") => format!("host-{number}.example.com"),
                    Some("ipv4") => format!("192.0.2.{}", number % 256),
                    Some("ipv6") => format!("2001:db8::{number:x}"),
                    Some("time") => format!("{:.0}Z", zoned.time()),
                    Some("duration") => format!("PT{number}S"),
                    _ => format!("{name}-{number}"),
                }
            }
        };
        let fits = |text: &str| {
            let length = text.chars().count() as u64;
            schema["minLength"].as_u64().is_none_or(|least| length >= least)
                && schema["maxLength"].as_u64().is_none_or(|most| length <= most)
        };
        match schema["pattern"].as_str() {
            Some(expression) => {
                json!(pattern::text(expression, &fits, &mut self.rng).unwrap_or(text))
            }
            None if fits(&text) => json!(text),
            None => json!(self.of_length(&text, schema)),
        }
    }

    /// The text cut or filled up to the schema's lengths.
    fn of_length(&mut self, text: &str, schema: &Value) -> String {
        /// No contract wants a longer sample.
        const LONGEST: u64 = 100_000;
        let least = schema["minLength"].as_u64().unwrap_or(0).min(LONGEST) as usize;
        let most = schema["maxLength"].as_u64().map_or(usize::MAX, |most| most as usize);
        let mut text: Vec<char> = text.chars().collect();
        // The end of the usual text is what differs between samples.
        text.drain(..text.len().saturating_sub(most));
        while text.len() < least {
            text.push(self.rng.random_range('a'..='z'));
        }
        text.into_iter().collect()
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

/// The type that a schema without `type` speaks about.
fn implied_type(schema: &Value) -> &'static str {
    let has = |keywords: &[&str]| keywords.iter().any(|keyword| schema.get(*keyword).is_some());
    if has(&["properties", "required"]) {
        "object"
    } else if has(&["items", "prefixItems", "minItems", "contains"]) {
        "array"
    } else if has(&["pattern", "minLength", "maxLength", "format", "contentEncoding"]) {
        "string"
    } else if has(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]) {
        "number"
    } else {
        "object"
    }
}

/// The texts of a list.
fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::super::asyncapi::load;
    use super::*;
    use crate::clock::computed;

    #[test]
    fn an_event_has_a_limited_number_of_values() {
        let document = r##"{"asyncapi":"3.0.0","channels":{"C":{"address":"t","messages":{
            "Long":{"payload":{"type":"object","properties":{"v":{"type":"array","minItems":1000000000}},"required":["v"]}},
            "Deep":{"payload":{"$ref":"#/s/Tree"}}}}},
            "s":{"Tree":{"type":"object","required":["a","b","c","d"],"properties":{
                "a":{"$ref":"#/s/Tree"},"b":{"$ref":"#/s/Tree"},"c":{"$ref":"#/s/Tree"},"d":{"$ref":"#/s/Tree"}}}}}"##;
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("c.json"), document).expect("written");
        let contract = load(dir.path(), "c", "C", &[]).expect("loads");
        let began = computed();
        let mut samples = Samples::new(&contract, 1, 0);
        for event in &contract.events {
            let sample = samples.event_of(event);
            assert!(sample.value.len() < 1_000_000, "{} bytes", sample.value.len());
        }
        let took = computed() - began;
        assert!(took.as_secs() < 20, "took {took:?}");
    }
}
