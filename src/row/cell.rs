//! A column's value as JSON: what the embedded BigQuery stores and what people read.

use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// One column's value. The text of a JSON column is kept as it came: parsing it would round its
/// numbers.
#[derive(Debug, Clone)]
pub enum Cell {
    /// `null`, a boolean, a number or text.
    Scalar(Value),
    /// The text of a JSON value.
    Json(Box<RawValue>),
    Array(Vec<Cell>),
    /// The fields that have a value.
    Record(Vec<(String, Cell)>),
}

impl Cell {
    pub const NULL: Self = Self::Scalar(Value::Null);

    /// Takes the text of a JSON value as it is, without whitespace around it.
    pub fn json(text: impl Into<String>) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text.into()).map(Self::Json)
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Scalar(value) => value.as_str(),
            Self::Json(_) | Self::Array(_) | Self::Record(_) => None,
        }
    }

    /// Whether it is neither NULL nor an array without items.
    pub fn has_value(&self) -> bool {
        match self {
            Self::Scalar(value) => !value.is_null(),
            Self::Json(text) => !matches!(text.get(), "null" | "[]"),
            Self::Array(items) => !items.is_empty(),
            Self::Record(_) => true,
        }
    }

    /// The value as JSON on one line: without whitespace outside of strings, and otherwise with
    /// every letter and digit that it has.
    pub fn on_one_line(&self) -> String {
        // Neither names nor values can fail to be written as JSON.
        let text = serde_json::to_string(self).unwrap_or_default();
        let (mut in_string, mut escaped) = (false, false);
        text.chars()
            .filter(|letter| {
                let kept = in_string || !letter.is_ascii_whitespace();
                in_string ^= *letter == '"' && !escaped;
                escaped = in_string && *letter == '\\' && !escaped;
                kept
            })
            .collect()
    }
}

impl<T: Into<Value>> From<T> for Cell {
    fn from(scalar: T) -> Self {
        Self::Scalar(scalar.into())
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Scalar(value) => value.serialize(serializer),
            Self::Json(text) => text.serialize(serializer),
            Self::Array(items) => items.serialize(serializer),
            Self::Record(fields) => {
                serializer.collect_map(fields.iter().map(|(name, value)| (name, value)))
            }
        }
    }
}

/// Rows of one table as people read them.
#[derive(Debug, Clone, Default)]
pub struct NamedRows {
    pub columns: Vec<String>,
    /// The values of each row, in the order of the columns.
    pub rows: Vec<Vec<Cell>>,
}

impl NamedRows {
    /// Each row as a JSON object on one line.
    pub fn json_lines(&self) -> impl Iterator<Item = String> {
        self.rows.iter().map(|row| {
            let named = self.columns.iter().zip(row);
            let members: Vec<String> = named
                .map(|(name, cell)| format!("{}:{}", json!(name), cell.on_one_line()))
                .collect();
            format!("{{{}}}", members.join(","))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_written_as_it_came_but_on_one_line() {
        let text = "{\n  \"n\": [12345678901234567890123, 1.10, 1e2],\t\"s\": \"a \\\" b\\\\\" , \"t\":\" \"}\n";
        let json = Cell::json(text).expect("JSON");
        let line = r#"{"n":[12345678901234567890123,1.10,1e2],"s":"a \" b\\","t":" "}"#;
        assert_eq!(json.on_one_line(), line);
        let inside = Cell::Array(vec![Cell::Record(vec![
            ("a b".to_owned(), json),
            ("c".to_owned(), 1.into()),
        ])]);
        assert_eq!(inside.on_one_line(), format!(r#"[{{"a b":{line},"c":1}}]"#));
        assert!(Cell::json("{a: 1}").is_err());
    }

    #[test]
    fn null_and_no_items_are_no_value() {
        for none in [Cell::NULL, Cell::Array(Vec::new()), Cell::json("[]").expect("JSON")] {
            assert!(!none.has_value(), "{none:?}");
        }
        for some in [Cell::from(""), Cell::from(0), Cell::json("{}").expect("JSON")] {
            assert!(some.has_value(), "{some:?}");
        }
    }
}
