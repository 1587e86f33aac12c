//! An independent reader of line protocol, after InfluxDB's documentation.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// A point as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub measurement: String,
    pub tags: BTreeMap<String, String>,
    pub fields: BTreeMap<String, Field>,
    pub time: i64,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    Text(String),
    Integer(i64),
    Float(f64),
    Flag(bool),
}

/// Reads all lines; panics where they are no line protocol.
pub fn read(text: &str) -> Vec<Point> {
    let mut chars = text.chars().peekable();
    let mut points = Vec::new();
    while chars.peek().is_some() {
        points.push(point(&mut chars));
    }
    points
}

fn point(chars: &mut Peekable<Chars<'_>>) -> Point {
    assert_ne!(chars.peek(), Some(&'#'), "a comment");
    let measurement = name(chars, &[',', ' ']);
    assert!(!measurement.is_empty(), "no measurement");
    let (mut tags, mut fields) = (BTreeMap::new(), BTreeMap::new());
    while chars.next_if_eq(&',').is_some() {
        let key = name(chars, &['=', ',', ' ']);
        assert_eq!(chars.next(), Some('='), "a tag without value: {key}");
        let value = name(chars, &[',', '=', ' ']);
        assert!(!key.is_empty() && !value.is_empty(), "an empty tag {key}");
        assert_eq!(tags.insert(key, value), None, "a tag twice");
    }
    assert_eq!(chars.next(), Some(' '), "no fields");
    loop {
        let key = name(chars, &['=', ',', ' ']);
        assert!(!key.is_empty(), "a field without key");
        assert_eq!(chars.next(), Some('='), "a field without value: {key}");
        assert_eq!(fields.insert(key, field(chars)), None, "a field twice");
        match chars.next() {
            Some(',') => {}
            Some(' ') => break,
            other => panic!("{other:?} after a field"),
        }
    }
    let mut time = String::new();
    for c in chars.by_ref() {
        if c == '\n' {
            let time = time.parse().expect("a time");
            return Point { measurement, tags, fields, time };
        }
        time.push(c);
    }
    panic!("no line break at the end");
}

/// Reads up to one of `stops`. A backslash makes a comma, an equals sign or a space a plain character,
/// and is a plain character before any other.
fn name(chars: &mut Peekable<Chars<'_>>, stops: &[char]) -> String {
    let mut text = String::new();
    while let Some(c) = chars.next_if(|c| !stops.contains(c)) {
        assert_ne!(c, '\n', "a line break in a name");
        let escaped = (c == '\\').then(|| chars.next_if(|next| [',', '=', ' '].contains(next)));
        text.push(escaped.flatten().unwrap_or(c));
    }
    text
}

fn field(chars: &mut Peekable<Chars<'_>>) -> Field {
    if chars.next_if_eq(&'"').is_some() {
        let mut text = String::new();
        loop {
            match chars.next().expect("a closing quote") {
                '"' => return Field::Text(text),
                '\\' => text.push(chars.next_if(|c| ['"', '\\'].contains(c)).unwrap_or('\\')),
                c => text.push(c),
            }
        }
    }
    let mut text = String::new();
    while let Some(c) = chars.next_if(|c| ![',', ' ', '\n'].contains(c)) {
        text.push(c);
    }
    match (text.as_str(), text.strip_suffix('i')) {
        ("true", _) => Field::Flag(true),
        ("false", _) => Field::Flag(false),
        (_, Some(digits)) => Field::Integer(digits.parse().expect("an integer")),
        (text, None) => Field::Float(text.parse().expect("a float")),
    }
}
