//! Reads a document's text, JSON or YAML.
//!
//! Nothing is dropped on the way: a key that occurs twice in one object is a mistake, with both
//! places, and YAML's merge key (`<<`) is resolved.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::pointer;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    Json,
    Yaml,
}

/// What is wrong with a text, and the JSON pointer of the object in question; empty for the text as
/// a whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ParseError {
    pub(super) pointer: String,
    pub(super) what: String,
}

/// Both parsers give up at this depth.
const DEEPEST: usize = 127;

/// Reads a document. A byte order mark at its beginning is skipped.
pub(super) fn parse(text: &str, syntax: Syntax) -> Result<Value, ParseError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let reader = DocumentReader::new(syntax, None);
    match reader.read(text) {
        Ok(value) => Ok(value),
        Err(failure) => Err(match reader.repeated.into_inner() {
            None => ParseError { pointer: String::new(), what: readable(&failure.what) },
            Some(key) => {
                // The first pass stops at the second occurrence. Another one finds the first.
                let first = DocumentReader::new(syntax, Some(key.clone())).read(text).err();
                let line = |failure: Option<Failure>| failure.and_then(|failure| failure.line);
                let lines = match (line(first), failure.line) {
                    (Some(first), Some(second)) => format!(" in line {first} and in line {second}"),
                    _ => String::new(),
                };
                let what = format!("the key {:?} is repeated{lines}", key.name);
                ParseError { pointer: key.object, what }
            }
        }),
    }
}

/// The parsers' message about their depth limit in plain words.
fn readable(message: &str) -> String {
    if message.contains("recursion limit exceeded") {
        return format!("{message}: a document may be nested {DEEPEST} levels deep");
    }
    if message.contains("repetition limit exceeded") {
        return format!("{message}: aliases repeat too much of the document");
    }
    message.to_owned()
}

/// A key, and the JSON pointer of the object that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    object: String,
    name: String,
}

struct Failure {
    what: String,
    line: Option<usize>,
}

struct DocumentReader {
    syntax: Syntax,
    /// Reading stops at the first occurrence of this key.
    stop_at: Option<Key>,
    /// The key that occurred a second time.
    repeated: RefCell<Option<Key>>,
    /// The JSON pointer of the value that is being read.
    pointer: RefCell<String>,
}

impl DocumentReader {
    fn new(syntax: Syntax, stop_at: Option<Key>) -> Self {
        Self { syntax, stop_at, repeated: RefCell::default(), pointer: RefCell::default() }
    }

    fn read(&self, text: &str) -> Result<Value, Failure> {
        match self.syntax {
            Syntax::Json => {
                let mut json = serde_json::Deserializer::from_str(text);
                let read = AnyValue(self).deserialize(&mut json);
                read.and_then(|value| json.end().map(|()| value))
                    .map_err(|error| Failure { line: Some(error.line()), what: error.to_string() })
            }
            Syntax::Yaml => {
                let yaml = serde_norway::Deserializer::from_str(text);
                AnyValue(self).deserialize(yaml).map_err(|error| Failure {
                    line: error.location().map(|location| location.line()),
                    what: error.to_string(),
                })
            }
        }
    }

    /// Reads a value below the current one.
    fn inside<T>(&self, key: &str, read: impl FnOnce() -> T) -> T {
        let length = self.pointer.borrow().len();
        self.pointer.borrow_mut().extend(["/", pointer::escaped(key).as_str()]);
        let result = read();
        self.pointer.borrow_mut().truncate(length);
        result
    }
}

/// Reads one value.
struct AnyValue<'r>(&'r DocumentReader);

impl<'de> DeserializeSeed<'de> for AnyValue<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyValue<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Value, E> {
        self.visit_f64(value as f64)
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Value, E> {
        self.visit_f64(value as f64)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).map(Value::Number);
        number.ok_or_else(|| E::custom(format!("{value} is not a number of JSON")))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        let mut next = || {
            let index = items.len().to_string();
            let item = self.0.inside(&index, || from.next_element_seed(AnyValue(self.0)))?;
            let more = item.is_some();
            items.extend(item);
            Ok::<bool, A::Error>(more)
        };
        while next()? {}
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        let mut merged = None;
        let mut seen = HashSet::new();
        while let Some(key) = from.next_key_seed(NextKey { reader: self.0, seen: &seen })? {
            let value = self.0.inside(&key, || from.next_value_seed(AnyValue(self.0)))?;
            seen.insert(key.clone());
            if self.0.syntax == Syntax::Yaml && key == "<<" {
                merged = Some(value);
            } else {
                members.insert(key, value);
            }
        }
        match merged {
            None => {}
            Some(Value::Array(several)) => {
                several.into_iter().try_for_each(|one| merge(&mut members, one))?;
            }
            Some(one) => merge(&mut members, one)?,
        }
        Ok(Value::Object(members))
    }
}

/// Adds the members that the object does not have itself, as YAML's merge key demands.
fn merge<E: Error>(members: &mut Map<String, Value>, from: Value) -> Result<(), E> {
    let Value::Object(from) = from else {
        return Err(E::custom("the merge key `<<` takes a mapping or a list of mappings"));
    };
    for (key, value) in from {
        members.entry(key).or_insert(value);
    }
    Ok(())
}

/// Reads a key, and fails at one that its object already has: a parser's error has the place of what
/// it was reading.
struct NextKey<'r> {
    reader: &'r DocumentReader,
    seen: &'r HashSet<String>,
}

impl<'de> DeserializeSeed<'de> for NextKey<'_> {
    type Value = String;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<String, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for NextKey<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<String, E> {
        let is_stop =
            self.reader.stop_at.as_ref().is_some_and(|stop| {
                stop.name == name && stop.object == *self.reader.pointer.borrow()
            });
        if is_stop || self.seen.contains(name) {
            let object = self.reader.pointer.borrow().clone();
            *self.reader.repeated.borrow_mut() = Some(Key { object, name: name.to_owned() });
            return Err(E::custom("a repeated key"));
        }
        Ok(name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn yaml(text: &str) -> Result<Value, ParseError> {
        parse(text, Syntax::Yaml)
    }

    #[test]
    fn both_places_of_a_repeated_key_are_reported() {
        let yaml = yaml("a: 1\nv:\n  x: {type: string}\n  y: 2\n  x: {type: integer}\n");
        let error = yaml.expect_err("refused");
        assert_eq!(error.pointer, "/v");
        assert_eq!(error.what, r#"the key "x" is repeated in line 3 and in line 5"#);
        let json = parse("{\"v\": [\n{\"a\": 1,\n\"b\": 2,\n\"a\": 3}]}", Syntax::Json);
        let error = json.expect_err("refused");
        assert_eq!(error.pointer, "/v/0");
        assert_eq!(error.what, r#"the key "a" is repeated in line 2 and in line 4"#);
    }

    #[test]
    fn a_merge_key_adds_what_the_mapping_does_not_have_itself() {
        let text = "base: &base {type: string, maxLength: 3}\nother: &other {maxLength: 5, title: x}\n\
                    v: {<<: *base, maxLength: 4}\nw: {<<: [*base, *other]}\nx: {<<: {<<: *base, a: 1}}\n";
        let value = yaml(text).expect("a document");
        assert_eq!(value["v"], json!({"type": "string", "maxLength": 4}));
        assert_eq!(value["w"], json!({"type": "string", "maxLength": 3, "title": "x"}));
        assert_eq!(value["x"], json!({"type": "string", "maxLength": 3, "a": 1}));
        let error = yaml("v: {<<: 3}").expect_err("refused");
        assert!(error.what.contains("takes a mapping"), "{error:?}");
        assert_eq!(parse(r#"{"<<": 3}"#, Syntax::Json).expect("plain JSON"), json!({"<<": 3}));
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert_eq!(yaml("\u{feff}a: 1").expect("a document"), json!({"a": 1}));
        assert_eq!(parse("\u{feff}{}", Syntax::Json).expect("a document"), json!({}));
    }

    #[test]
    fn keys_and_numbers_of_yaml_become_those_of_json() {
        let value = yaml("1: a\ntrue: b\nbig: 123456789012345678901234\n").expect("a document");
        assert_eq!(value, json!({"1": "a", "true": "b", "big": 1.2345678901234568e23}));
        assert!(yaml("a: .nan").is_err());
    }

    #[test]
    fn deep_and_exploding_documents_are_refused_with_a_reason() {
        let deep = "[".repeat(200) + &"]".repeat(200);
        for syntax in [Syntax::Json, Syntax::Yaml] {
            let error = parse(&deep, syntax).expect_err("refused");
            assert!(error.what.contains("127 levels"), "{error:?}");
        }
        let mut bomb = "a0: &a0 x\n".to_owned();
        for level in 1..40 {
            let before = level - 1;
            bomb += &format!("a{level}: &a{level} [*a{before}, *a{before}, *a{before}]\n");
        }
        let error = yaml(&bomb).expect_err("refused");
        assert!(error.what.contains("aliases"), "{error:?}");
    }
}
