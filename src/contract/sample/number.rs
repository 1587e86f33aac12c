//! Numbers within a schema's limits.

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Number, Value, json};

/// An integer; without limits from 1 to 100.
pub fn integer(schema: &Value, rng: &mut StdRng) -> Value {
    if let Some(step) = step(schema) {
        return multiple(schema, step, (1.0, 100.0), rng);
    }
    let (low, high) = limits(schema, 1.0, (1.0, 100.0));
    let (low, high) = (low.ceil() as i64, high.floor() as i64);
    json!(rng.random_range(low..=high.max(low)))
}

/// Events in which a wave rises and falls once.
const PERIOD: f64 = 1_500.0;

/// A number; without limits from 0 to 91. In event number `wave` of a live source it is where a wave
/// is between the limits, give or take a little; without limits between 0 and 10.
pub fn number(schema: &Value, wave: Option<u64>, rng: &mut StdRng) -> Value {
    if let Some(number) = wave.filter(|_| schema.get("multipleOf").is_none()) {
        let noise = rng.random_range(-0.2..0.2);
        let level = 0.5 + 0.29 * (number as f64 / PERIOD * std::f64::consts::TAU).sin() + noise;
        let (low, high) = limits(schema, 0.0, (0.0, 10.0));
        let value = low + (high - low) * level;
        let rounded = (value * 100.0).round() / 100.0;
        return json!(if low < rounded && rounded < high { rounded } else { value });
    }
    if let Some(step) = step(schema) {
        return multiple(schema, step, (0.0, 90.0), rng);
    }
    let limited = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"];
    let limited = limited.iter().any(|keyword| schema.get(*keyword).is_some());
    if schema["format"] == "decimal" && !limited {
        return json!(f64::from(rng.random_range(0..100_000)) / 100.0);
    }
    let (low, high) = limits(schema, 0.0, (0.0, 90.0));
    let (first, last) = (low.ceil() as i64, high.floor() as i64);
    let whole = rng.random_range(first..=last.max(first)) as f64;
    // The closest number to the decimal: 37 + 0.8948 is 37.894800000000004.
    let value = (whole * 10_000.0 + f64::from(rng.random_range(0..10_000))) / 10_000.0;
    if !limited || (low..=high).contains(&value) && value < high {
        return json!(value);
    }
    // The middle half is strictly between the limits, if they leave anything between them.
    let share = 0.25 + f64::from(rng.random_range(0..10_000)) / 20_000.0;
    let value = low + (high - low) * share;
    let rounded = (value * 10_000.0).round() / 10_000.0;
    json!(if low < rounded && rounded < high { rounded } else { value })
}

/// A multiple of `step` within the limits.
fn multiple(schema: &Value, step: Step, usual: (f64, f64), rng: &mut StdRng) -> Value {
    let size = step.value();
    let usual = (usual.0, usual.1.max(size * 100.0));
    let (low, high) = limits(schema, 0.0, usual);
    let (mut first, mut last) = ((low / size).ceil() as i64, (high / size).floor() as i64);
    let excluded = |keyword: &str, times: i64| {
        schema[keyword].as_f64().is_some_and(|limit| limit == step.times(times))
    };
    first += i64::from(excluded("exclusiveMinimum", first));
    last -= i64::from(excluded("exclusiveMaximum", last));
    let value = step.times(rng.random_range(first..=last.max(first)));
    // A whole number is written as one, so that it is an integer as well.
    if value.fract() == 0.0 && value.abs() < 9e15 {
        return json!(value as i64);
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// The lowest and the highest value. For an exclusive limit it is `beyond` away from the limit.
/// Where one limit is missing, the usual range is kept or moved next to the other limit.
fn limits(schema: &Value, beyond: f64, (low, high): (f64, f64)) -> (f64, f64) {
    let limit = |keyword: &str| schema[keyword].as_f64();
    let least = [limit("minimum"), limit("exclusiveMinimum").map(|limit| limit + beyond)];
    let most = [limit("maximum"), limit("exclusiveMaximum").map(|limit| limit - beyond)];
    let least = least.into_iter().flatten().reduce(f64::max);
    let most = most.into_iter().flatten().reduce(f64::min);
    match (least, most) {
        (Some(least), Some(most)) => (least, most.max(least)),
        (Some(least), None) => (least, if high > least { high } else { least + (high - low) }),
        (None, Some(most)) => (if low < most { low } else { most - (high - low) }, most),
        (None, None) => (low, high),
    }
}

/// `multipleOf`: `digits` / 10^`places`.
#[derive(Debug, Clone, Copy)]
struct Step {
    digits: i64,
    places: i32,
}

impl Step {
    fn value(self) -> f64 {
        self.times(1)
    }

    /// The closest number to the decimal: 3 × 0.1 is 0.3.
    fn times(self, times: i64) -> f64 {
        let digits = i128::from(self.digits) * i128::from(times);
        format!("{digits}e-{}", self.places).parse().unwrap_or(f64::MAX)
    }
}

fn step(schema: &Value) -> Option<Step> {
    let text = schema.get("multipleOf")?.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let digits: i64 = format!("{whole}{fraction}").parse().ok()?;
    let places = i32::try_from(fraction.len()).ok()?;
    (digits > 0).then_some(Step { digits, places })
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn numbers_keep_their_limits() {
        let mut rng = StdRng::seed_from_u64(5);
        for schema in [
            json!({ "type": "integer", "minimum": 3, "maximum": 3 }),
            json!({ "type": "integer", "maximum": 0 }),
            json!({ "type": "integer", "minimum": 1_000 }),
            json!({ "type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 2 }),
            json!({ "type": "integer", "minimum": 0.5, "maximum": 1.5 }),
            json!({ "type": "integer", "multipleOf": 25, "minimum": 100 }),
            json!({ "type": "integer", "multipleOf": 7, "exclusiveMinimum": 7, "maximum": 20 }),
            json!({ "type": "number", "minimum": 0, "maximum": 1 }),
            json!({ "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.5 }),
            json!({ "type": "number", "minimum": -90, "maximum": 90 }),
            json!({ "type": "number", "maximum": -1 }),
            json!({ "type": "number", "multipleOf": 0.25, "exclusiveMinimum": 0 }),
            json!({ "type": "number", "multipleOf": 0.1, "minimum": 0.25, "maximum": 0.35 }),
            json!({ "type": "number", "multipleOf": 0.5, "minimum": 1_000 }),
        ] {
            let validator = jsonschema::validator_for(&schema).expect("compiles");
            for round in 0..300_u64 {
                let value = match schema["type"].as_str() {
                    Some("integer") => integer(&schema, &mut rng),
                    _ => number(&schema, round.checked_sub(150), &mut rng),
                };
                assert!(validator.is_valid(&value), "{value} for {schema}");
            }
        }
    }
}
