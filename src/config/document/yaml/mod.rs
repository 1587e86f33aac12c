//! YAML: read twice, first for its shape and then, guided by it, for the scalars as they are
//! written (`0123` and `1.50` stay what they are). Lines come from a scan of our own, because the
//! parser keeps none.

mod shape;

use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_norway::Deserializer as Yaml;

use self::shape::Shape;
use super::{Item, Node, Syntax};

pub fn parse(text: &str) -> (Vec<Item>, Vec<Syntax>) {
    match read(text) {
        Ok(items) => (items, Vec::new()),
        Err(syntax) => (Vec::new(), vec![syntax]),
    }
}

fn read(text: &str) -> Result<Vec<Item>, Syntax> {
    let shape = match serde_norway::from_str(text).map_err(syntax)? {
        Shape::Null => return Ok(Vec::new()),
        shape @ Shape::Table(_) => shape,
        Shape::Scalar | Shape::List(_) | Shape::Tagged => {
            return Err(Syntax { line: Some(1), message: "no table of keys".to_owned() });
        }
    };
    let lines = lines_of(text);
    let guide = Guide { shape: &shape, path: "", lines: &lines };
    match guide.deserialize(Yaml::from_str(text)).map_err(syntax)? {
        Node::Table(items) => Ok(items),
        Node::Text(_) | Node::List(_) | Node::Other(_) => Ok(Vec::new()),
    }
}

/// The parser's words and ours name keys, never a value: no type is asked for that the text might
/// not have, so no value is repeated as the wrong one.
fn syntax(error: serde_norway::Error) -> Syntax {
    let line = error.location().map(|location| location.line());
    let message = error.to_string();
    let what = message.split(" at line ").next().unwrap_or_default();
    Syntax { line, message: format!("no YAML: {what}") }
}

/// Reads one value whose shape is known.
struct Guide<'a> {
    shape: &'a Shape,
    path: &'a str,
    lines: &'a HashMap<String, usize>,
}

impl<'de> DeserializeSeed<'de> for Guide<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        match self.shape {
            Shape::Table(_) => deserializer.deserialize_map(self),
            Shape::List(_) => deserializer.deserialize_seq(self),
            Shape::Scalar => deserializer.deserialize_str(self),
            Shape::Null => {
                deserializer.deserialize_ignored_any(IgnoredAny)?;
                Ok(Node::Text(String::new()))
            }
            Shape::Tagged => {
                deserializer.deserialize_ignored_any(IgnoredAny)?;
                Ok(Node::Other("a value with a tag"))
            }
        }
    }
}

impl<'de> Visitor<'de> for Guide<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a list of texts or a table")
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut texts = Some(Vec::new());
        for shape in self.shape.inner() {
            match (access.next_element_seed(Guide { shape, ..self })?, &mut texts) {
                (Some(Node::Text(text)), Some(texts)) => texts.push(text),
                _ => texts = None,
            }
        }
        Ok(texts.map_or(Node::Other("a list of more than texts"), Node::List))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut items: Vec<Item> = Vec::new();
        let mut shapes = self.shape.inner().iter();
        while let Some(key) = access.next_key::<String>()? {
            if items.iter().any(|item| item.key == key) {
                return Err(A::Error::custom(format_args!("the key `{key}` a second time")));
            }
            let shape = shapes.next().unwrap_or(&Shape::Null);
            let path =
                if self.path.is_empty() { key.clone() } else { format!("{}\n{key}", self.path) };
            let node = access.next_value_seed(Guide { shape, path: &path, lines: self.lines })?;
            items.push(Item { key, line: self.lines.get(&path).copied(), node });
        }
        Ok(Node::Table(items))
    }
}

/// Lines of block-style keys by path, its keys joined by line breaks. Keys in `{…}` are not found:
/// a place without a line is better than a wrong one.
fn lines_of(text: &str) -> HashMap<String, usize> {
    let mut lines = HashMap::new();
    let mut open: Vec<(usize, String)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let content = line.trim_start();
        let indent = line.len() - content.len();
        let Some(key) = key_of(content) else { continue };
        while open.last().is_some_and(|(outer, _)| *outer >= indent) {
            open.pop();
        }
        let path = match open.last() {
            Some((_, outer)) => format!("{outer}\n{key}"),
            None => key.to_owned(),
        };
        lines.entry(path.clone()).or_insert(index + 1);
        open.push((indent, path));
    }
    lines
}

/// `key` of `key: …`, `"key": …`, `'key': …`.
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
