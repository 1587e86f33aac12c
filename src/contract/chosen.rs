//! What a contract chooses for a column: `x-bigquery-name` and `x-bigquery-type`.

use serde_json::Value;

use super::keywords::{COLUMN_NAME, COLUMN_TYPE, PLACE};

/// The value of one of our keywords, as all schemas of a place that have it say it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chosen {
    pub(super) value: String,
    /// Where it stands in the documents.
    pub(super) at: Vec<String>,
    /// Why it cannot be followed.
    pub(super) conflict: Option<String>,
}

impl Chosen {
    pub(super) fn new(value: &str, at: String) -> Box<Self> {
        Box::new(Self { value: value.to_owned(), at: vec![at], conflict: None })
    }

    /// What two schemas choose that both hold.
    pub(super) fn and(one: Option<Box<Self>>, other: Option<Box<Self>>) -> Option<Box<Self>> {
        match (one, other) {
            (Some(one), Some(other)) => Some(Self::both(one, *other)),
            (one, other) => one.or(other),
        }
    }

    /// What two alternatives choose. If `in_all`, one may not be silent: the column would have
    /// another type without its choice.
    pub(super) fn or(
        one: Option<Box<Self>>,
        other: Option<Box<Self>>,
        in_all: bool,
    ) -> Option<Box<Self>> {
        match (one, other) {
            (Some(one), Some(other)) => Some(Self::both(one, *other)),
            (Some(mut one), None) | (None, Some(mut one)) => {
                if in_all && one.conflict.is_none() {
                    let what = "stands in one alternative alone: write it next to the alternatives";
                    one.conflict = Some(what.to_owned());
                }
                Some(one)
            }
            (None, None) => None,
        }
    }

    fn both(mut one: Box<Self>, other: Self) -> Box<Self> {
        let differ = one.value != other.value;
        one.conflict = match (one.conflict.take(), other.conflict) {
            _ if differ => {
                let place = other.at.first().map_or("", String::as_str);
                Some(format!("is {:?} here and {:?} at {place}", one.value, other.value))
            }
            // One of them decides, whatever the alternatives in the other say.
            (None, _) | (_, None) => None,
            (mine, _) => mine,
        };
        one.at.extend(other.at);
        one
    }
}

/// Calls `found` with the place of each of our keywords in a bundle, and its name.
pub(super) fn each_in(schema: &Value, found: &mut impl FnMut(String, &str)) {
    match schema {
        Value::Object(keywords) => {
            if let Some(place) = keywords.get(PLACE).and_then(Value::as_str) {
                for keyword in [COLUMN_NAME, COLUMN_TYPE] {
                    if keywords.contains_key(keyword) {
                        found(format!("{place}/{keyword}"), keyword);
                    }
                }
            }
            keywords.values().for_each(|value| each_in(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| each_in(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
