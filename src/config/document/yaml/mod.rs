//! YAML files, with the spelling of each scalar (`0123` and `1.50` stay as they are).
//!
//! serde only returns a scalar's spelling if it is asked for a string, so the text is parsed twice:
//! first for its shape, then for the values, asking for a string wherever the shape has a scalar.
//! The parser does not report the lines of keys; a simple scan of the text finds them.

mod shape;

use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_norway::Deserializer as Yaml;

use self::shape::Shape;
use super::tree::{FileValue, KeyValue, SyntaxError};

pub fn parse(text: &str) -> (Vec<KeyValue>, Vec<SyntaxError>) {
    match read(text) {
        Ok(pairs) => (pairs, Vec::new()),
        Err(error) => (Vec::new(), vec![error]),
    }
}

fn read(text: &str) -> Result<Vec<KeyValue>, SyntaxError> {
    let shape = match serde_norway::from_str(text).map_err(syntax_error)? {
        Shape::Null => return Ok(Vec::new()),
        shape @ Shape::Table(_) => shape,
        Shape::Scalar | Shape::List(_) | Shape::Tagged => {
            return Err(SyntaxError {
                line: Some(1),
                message: "a document that is not a table of keys".to_owned(),
            });
        }
    };
    let lines = lines_of(text);
    let guide = Guide { shape: &shape, path: "", lines: &lines };
    match guide.deserialize(Yaml::from_str(text)).map_err(syntax_error)? {
        FileValue::Table(pairs) => Ok(pairs),
        FileValue::Text(_)
        | FileValue::List(_)
        | FileValue::Tables(_)
        | FileValue::Unsupported(_) => Ok(Vec::new()),
    }
}

/// Converts the parser's error. Its message may name keys but never contains a value: serde repeats
/// a value only if its type is not the expected one, and the shape makes every expectation fit.
fn syntax_error(error: serde_norway::Error) -> SyntaxError {
    let line = error.location().map(|location| location.line());
    let message = error.to_string();
    let what = message.split(" at line ").next().unwrap_or_default();
    SyntaxError { line, message: format!("invalid YAML: {what}") }
}

/// Reads one value whose shape is known from the first pass.
struct Guide<'a> {
    shape: &'a Shape,
    /// The keys that lead to the value, joined by line breaks.
    path: &'a str,
    lines: &'a HashMap<String, usize>,
}

impl<'de> DeserializeSeed<'de> for Guide<'_> {
    type Value = FileValue;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<FileValue, D::Error> {
        match self.shape {
            Shape::Table(_) => deserializer.deserialize_map(self),
            Shape::List(_) => deserializer.deserialize_seq(self),
            Shape::Scalar => deserializer.deserialize_str(self),
            Shape::Null => {
                deserializer.deserialize_ignored_any(IgnoredAny)?;
                Ok(FileValue::Text(String::new()))
            }
            Shape::Tagged => {
                deserializer.deserialize_ignored_any(IgnoredAny)?;
                Ok(FileValue::Unsupported("a value with a tag"))
            }
        }
    }
}

impl<'de> Visitor<'de> for Guide<'_> {
    type Value = FileValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a list of strings or a table")
    }

    fn visit_str<E>(self, text: &str) -> Result<FileValue, E> {
        Ok(FileValue::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<FileValue, A::Error> {
        let mut elements = Vec::new();
        for (index, shape) in self.shape.inner().iter().enumerate() {
            let path = element(self.path, index);
            elements.extend(access.next_element_seed(Guide { shape, path: &path, ..self })?);
        }
        Ok(FileValue::list(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<FileValue, A::Error> {
        let mut pairs: Vec<KeyValue> = Vec::new();
        let mut shapes = self.shape.inner().iter();
        while let Some(key) = access.next_key::<String>()? {
            if pairs.iter().any(|pair| pair.key == key) {
                return Err(A::Error::custom(format_args!("the key `{key}` appears twice")));
            }
            let shape = shapes.next().unwrap_or(&Shape::Null);
            let path =
                if self.path.is_empty() { key.clone() } else { format!("{}\n{key}", self.path) };
            let value = access.next_value_seed(Guide { shape, path: &path, lines: self.lines })?;
            pairs.push(KeyValue { key, line: self.lines.get(&path).copied(), value });
        }
        Ok(FileValue::Table(pairs))
    }
}

/// The path of an element of the list at a path.
fn element(list: &str, index: usize) -> String {
    format!("{list}\n{index}")
}

/// The lines of keys in block style by path, its keys joined by line breaks. Keys inside `{…}` are
/// not found: no line is better than a wrong one.
fn lines_of(text: &str) -> HashMap<String, usize> {
    let mut lines = HashMap::new();
    // How far what is open is indented, its path, and how many elements it has so far.
    let mut open: Vec<(usize, String, usize)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut content = line.trim_start();
        let mut indent = line.len() - content.len();
        // The elements of a list may stand below their key without being indented.
        while let Some(rest) =
            content.strip_prefix('-').filter(|it| it.is_empty() || it.starts_with(' '))
        {
            while open.last().is_some_and(|(outer, ..)| *outer > indent) {
                open.pop();
            }
            let Some((_, list, elements)) = open.last_mut() else { break };
            let path = element(list, *elements);
            *elements += 1;
            // Further in than its dash, which ends the element before, and less far than its keys.
            open.push((indent + 1, path, 0));
            content = rest.trim_start();
            indent = line.len() - content.len();
        }
        let Some(key) = key_of(content) else { continue };
        while open.last().is_some_and(|(outer, ..)| *outer >= indent) {
            open.pop();
        }
        let path = match open.last() {
            Some((_, outer, _)) => format!("{outer}\n{key}"),
            None => key.to_owned(),
        };
        lines.entry(path.clone()).or_insert(index + 1);
        open.push((indent, path, 0));
    }
    lines
}

/// The `key` of `key: …`, `"key": …` or `'key': …`.
fn key_of(content: &str) -> Option<&str> {
    if content.starts_with(['#', '-', '{', '[']) {
        return None;
    }
    let (key, rest) = match content.chars().next()? {
        quote @ ('"' | '\'') => content[1..].split_once(quote)?,
        _ => content.split_at(content.find(": ").or(content.strip_suffix(':').map(str::len))?),
    };
    rest.trim_start().starts_with(':').then(|| key.trim_end())
}
