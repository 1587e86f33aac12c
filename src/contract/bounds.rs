//! Rules of a JSON Schema that the transcoder can check cheaply.
//!
//! Nearly every value is clearly within them. The JSON Schema validator, which costs ten times as
//! much, runs only for the others.

use serde_json::{Map, Value};

/// What a schema demands of a value beyond its type. The transcoder does not reject a value that is
/// not clearly within its bounds; the validator decides about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounds {
    /// `enum` or `const` of a string: the allowed values as JSON text, with their quotes.
    pub texts: Option<Vec<String>>,
    /// `minLength` and `maxLength`, in characters.
    pub length: Range,
    /// `minimum`, `maximum` and the exclusive ones, where they are whole numbers.
    pub number: Range,
    /// `minItems` and `maxItems`.
    pub items: Range,
}

/// A range of integers, with both ends.
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
    /// The bounds of a schema with this one JSON type, and the keywords that they cover.
    pub(super) fn of<'s>(
        schema: &'s Map<String, Value>,
        json_type: &str,
    ) -> (Option<Self>, Vec<&'s str>) {
        let mut bounds = Self::default();
        let covered: Vec<&str> = schema
            .iter()
            .filter(|(keyword, value)| bounds.cover(json_type, keyword, value))
            .map(|(keyword, _)| keyword.as_str())
            .collect();
        ((!covered.is_empty()).then_some(bounds), covered)
    }

    /// Adds a keyword to the bounds; false if they cannot express it.
    fn cover(&mut self, json_type: &str, keyword: &str, value: &Value) -> bool {
        match (json_type, keyword, value) {
            ("string", "enum", Value::Array(values)) => return self.one_of(values),
            ("string", "const", value) => return self.one_of(std::slice::from_ref(value)),
            _ => {}
        }
        // FLOAT64 holds every whole number up to this one, so numbers with a fraction can be
        // compared with the limit exactly.
        let whole = value.as_i64().filter(|limit| limit.unsigned_abs() <= 1 << 53);
        let Some(limit) = whole else { return false };
        match (json_type, keyword) {
            ("string", "minLength") => self.length.at_least(limit),
            ("string", "maxLength") => self.length.at_most(limit),
            ("array", "minItems") => self.items.at_least(limit),
            ("array", "maxItems") => self.items.at_most(limit),
            ("integer" | "number", "minimum") => self.number.at_least(limit),
            ("integer" | "number", "maximum") => self.number.at_most(limit),
            // A fraction between the limit and the next whole number is left to the validator.
            ("integer" | "number", "exclusiveMinimum") => self.number.at_least(limit + 1),
            ("integer" | "number", "exclusiveMaximum") => self.number.at_most(limit - 1),
            _ => return false,
        }
        true
    }

    /// A schema with both `enum` and `const` is rare; the second one is left to the validator.
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
