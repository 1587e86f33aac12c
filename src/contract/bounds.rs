//! Rules of a JSON Schema that a value is quickly seen to keep. Nearly every value of an event does,
//! and the full validator, which costs ten times as much, is asked about the others alone.

use serde_json::{Map, Value};

/// What a place asks for beyond its type. A rule that is not kept for certain is not broken yet:
/// the validator decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounds {
    /// `enum`, `const`: the strings as JSON text, with their quotes.
    pub texts: Option<Vec<String>>,
    /// `minLength`, `maxLength`, in characters.
    pub length: Range,
    /// `minimum`, `maximum` and the exclusive ones, as far as they are whole numbers.
    pub number: Range,
    /// `minItems`, `maxItems`.
    pub items: Range,
}

/// Both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub least: i64,
    pub most: i64,
}

impl Default for Range {
    fn default() -> Self {
        Self { least: i64::MIN, most: i64::MAX }
    }
}

impl Range {
    pub fn holds(self, value: i64) -> bool {
        self.least <= value && value <= self.most
    }

    fn narrow(&mut self, least: Option<i64>, most: Option<i64>) {
        self.least = self.least.max(least.unwrap_or(i64::MIN));
        self.most = self.most.min(most.unwrap_or(i64::MAX));
    }
}

impl Bounds {
    /// What the keywords say at a place of this one JSON type, and which of them are told by it.
    pub fn of<'s>(schema: &'s Map<String, Value>, kind: &str) -> (Option<Self>, Vec<&'s str>) {
        let mut bounds = Self::default();
        let told: Vec<&str> = schema
            .iter()
            .filter(|(keyword, value)| bounds.tells(kind, keyword, value))
            .map(|(keyword, _)| keyword.as_str())
            .collect();
        ((!told.is_empty()).then_some(bounds), told)
    }

    /// Takes a keyword in, if it can.
    fn tells(&mut self, kind: &str, keyword: &str, value: &Value) -> bool {
        // Up to here FLOAT64 holds every whole number, so that fractions compare with them exactly.
        let whole = value.as_i64().filter(|limit| limit.unsigned_abs() <= 1 << 53);
        match (kind, keyword) {
            ("string", "enum") => value.as_array().is_some_and(|all| self.one_of(all)),
            ("string", "const") => self.one_of(std::slice::from_ref(value)),
            ("string", "minLength") => told(whole, |least| self.length.narrow(least, None)),
            ("string", "maxLength") => told(whole, |most| self.length.narrow(None, most)),
            ("array", "minItems") => told(whole, |least| self.items.narrow(least, None)),
            ("array", "maxItems") => told(whole, |most| self.items.narrow(None, most)),
            ("integer" | "number", "minimum") => {
                told(whole, |least| self.number.narrow(least, None))
            }
            ("integer" | "number", "maximum") => told(whole, |most| self.number.narrow(None, most)),
            // A fraction between the limit and the next whole number is in doubt.
            ("integer" | "number", "exclusiveMinimum") => {
                told(whole.and_then(|n| n.checked_add(1)), |n| self.number.narrow(n, None))
            }
            ("integer" | "number", "exclusiveMaximum") => {
                told(whole.and_then(|n| n.checked_sub(1)), |n| self.number.narrow(None, n))
            }
            _ => false,
        }
    }

    /// `enum` beside `const` is rare enough to be left to the validator.
    fn one_of(&mut self, values: &[Value]) -> bool {
        if self.texts.is_some() || !values.iter().all(|value| value.is_string() || value.is_null())
        {
            return false;
        }
        let texts = values.iter().filter(|value| value.is_string()).map(Value::to_string);
        self.texts = Some(texts.collect());
        true
    }
}

fn told(limit: Option<i64>, narrow: impl FnOnce(Option<i64>)) -> bool {
    if limit.is_some() {
        narrow(limit);
    }
    limit.is_some()
}
