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

    fn at_least(&mut self, least: i64) {
        self.least = self.least.max(least);
    }

    fn at_most(&mut self, most: i64) {
        self.most = self.most.min(most);
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
        match (kind, keyword, value) {
            ("string", "enum", Value::Array(values)) => return self.one_of(values),
            ("string", "const", value) => return self.one_of(std::slice::from_ref(value)),
            _ => {}
        }
        // Up to here FLOAT64 holds every whole number, so that fractions compare with them exactly.
        let whole = value.as_i64().filter(|limit| limit.unsigned_abs() <= 1 << 53);
        let Some(limit) = whole else { return false };
        match (kind, keyword) {
            ("string", "minLength") => self.length.at_least(limit),
            ("string", "maxLength") => self.length.at_most(limit),
            ("array", "minItems") => self.items.at_least(limit),
            ("array", "maxItems") => self.items.at_most(limit),
            ("integer" | "number", "minimum") => self.number.at_least(limit),
            ("integer" | "number", "maximum") => self.number.at_most(limit),
            // A fraction between the limit and the next whole number is in doubt.
            ("integer" | "number", "exclusiveMinimum") => self.number.at_least(limit + 1),
            ("integer" | "number", "exclusiveMaximum") => self.number.at_most(limit - 1),
            _ => return false,
        }
        true
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
