//! A bundled JSON Schema as a tree: what stands at each place of a payload.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::bounds::Bounds;
use super::{Property, Schema, SchemaKind, Validation};

/// A place in a payload, with what the columns need to know of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub nullable: bool,
    pub kind: Kind,
    /// `format`, or `base64` for `contentEncoding: base64`.
    pub format: Option<String>,
    /// `x-bigquery-type`.
    pub column_type: Option<String>,
    /// What is asked for beyond the type and quickly seen.
    bounds: Option<Bounds>,
    /// A keyword here asks for more than that.
    more: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Any,
    Boolean,
    Integer,
    Number,
    String,
    /// In the order of the document.
    Object(Vec<(String, bool, Node)>),
    Array(Box<Node>),
}

/// Keywords that the transcoder honours itself, or that say nothing about validity.
const COVERED: &[&str] = &[
    "type",
    "properties",
    "required",
    "items",
    "allOf",
    "anyOf",
    "oneOf",
    "$ref",
    "$defs",
    "title",
    "description",
    "examples",
    "example",
    "default",
    "deprecated",
    "readOnly",
    "writeOnly",
    "format",
    "contentEncoding",
    "contentMediaType",
    "externalDocs",
    "discriminator",
    "xml",
];

/// More places than any table has columns for; references that double at every level end here.
const MOST_NODES: usize = 100_000;

/// Places nested deeper than this, references included, are a circle.
const DEEPEST: usize = 400;

impl Node {
    /// Reads a bundle. Recursive references become [`Kind::Any`].
    pub fn of(bundle: &Value) -> Result<Self, String> {
        let empty = Map::new();
        let definitions = bundle["$defs"].as_object().unwrap_or(&empty);
        let recursive = recursive(definitions);
        let mut reader = Reader { definitions, recursive, nodes: 0, depth: 0 };
        reader.read(bundle, true)
    }

    pub fn is_object(&self) -> bool {
        matches!(self.kind, Kind::Object(_))
    }

    /// When the whole JSON Schema has to be asked too.
    pub fn validation(&self) -> Validation {
        if self.any(&|node| node.more) {
            Validation::Always
        } else if self.any(&|node| node.bounds.is_some()) {
            Validation::InDoubt
        } else {
            Validation::Never
        }
    }

    /// Whether it is so here or somewhere within.
    fn any(&self, so: &dyn Fn(&Self) -> bool) -> bool {
        so(self)
            || match &self.kind {
                Kind::Object(fields) => fields.iter().any(|(_, _, node)| node.any(so)),
                Kind::Array(items) => items.any(so),
                Kind::Any | Kind::Boolean | Kind::Integer | Kind::Number | Kind::String => false,
            }
    }

    /// What the transcoder checks by itself.
    pub fn schema(&self) -> Schema {
        let kind = match &self.kind {
            Kind::Any => SchemaKind::Any,
            Kind::Boolean => SchemaKind::Boolean,
            Kind::Integer => SchemaKind::Integer,
            Kind::Number => SchemaKind::Number,
            Kind::String => SchemaKind::String,
            Kind::Object(fields) => SchemaKind::Object(
                fields
                    .iter()
                    .map(|(name, required, node)| Property {
                        name: name.clone(),
                        required: *required,
                        schema: node.schema(),
                    })
                    .collect(),
            ),
            Kind::Array(items) => SchemaKind::Array(Box::new(items.schema())),
        };
        Schema { nullable: self.nullable, kind, bounds: self.bounds.clone() }
    }

    fn anything(more: bool) -> Self {
        let (format, column_type, bounds) = (None, None, None);
        Self { nullable: true, kind: Kind::Any, format, column_type, bounds, more }
    }

    /// Both hold (`allOf`, or keywords beside a `$ref`).
    fn and(self, other: Self) -> Self {
        if self.is_open() {
            return Self {
                more: self.more || other.more,
                column_type: other.column_type.or(self.column_type),
                ..other
            };
        }
        if other.is_open() {
            return Self {
                more: self.more || other.more,
                column_type: self.column_type.or(other.column_type),
                ..self
            };
        }
        let (kind, agreed) = match (self.kind, other.kind) {
            (Kind::Object(mut mine), Kind::Object(theirs)) => {
                for (name, required, node) in theirs {
                    match mine.iter_mut().find(|(known, ..)| *known == name) {
                        Some(known) => {
                            known.1 |= required;
                            known.2 = known.2.clone().and(node);
                        }
                        None => mine.push((name, required, node)),
                    }
                }
                (Kind::Object(mine), true)
            }
            (Kind::Array(mine), Kind::Array(theirs)) => {
                (Kind::Array(Box::new(mine.and(*theirs))), true)
            }
            (Kind::Integer, Kind::Number) | (Kind::Number, Kind::Integer) => (Kind::Integer, true),
            (mine, theirs) if mine == theirs => (mine, true),
            _ => (Kind::Any, false),
        };
        // Two that differ are more than one look tells.
        let one = self.bounds.is_none() || other.bounds.is_none() || self.bounds == other.bounds;
        Self {
            nullable: self.nullable && other.nullable,
            kind,
            format: self.format.or(other.format),
            column_type: self.column_type.or(other.column_type),
            bounds: self.bounds.or(other.bounds),
            more: self.more || other.more || !agreed || !one,
        }
    }

    /// One or the other holds (`anyOf`, `oneOf`): the fields of both, none of them required.
    fn or(self, other: Self) -> Self {
        let nullable = self.nullable || other.nullable;
        let kind = match (self.kind, other.kind) {
            (Kind::Object(mine), Kind::Object(theirs)) => {
                let mut fields: Vec<(String, bool, Node)> =
                    mine.into_iter().map(|(name, _, node)| (name, false, node)).collect();
                for (name, _, node) in theirs {
                    match fields.iter_mut().find(|(known, ..)| *known == name) {
                        Some(known) => known.2 = known.2.clone().or(node),
                        None => fields.push((name, false, node)),
                    }
                }
                Kind::Object(fields)
            }
            (Kind::Array(mine), Kind::Array(theirs)) => Kind::Array(Box::new(mine.or(*theirs))),
            (mine, theirs) if mine == theirs => mine,
            _ => Kind::Any,
        };
        let format = if self.format == other.format { self.format } else { None };
        let column_type =
            if self.column_type == other.column_type { self.column_type } else { None };
        Self { nullable, kind, format, column_type, bounds: None, more: true }
    }

    /// Says nothing about the type, so the other side of an `allOf` decides.
    fn is_open(&self) -> bool {
        self.kind == Kind::Any && self.nullable
    }
}

struct Reader<'a> {
    definitions: &'a Map<String, Value>,
    recursive: BTreeSet<&'a str>,
    nodes: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    /// `root`: still the payload itself, which may be recursive; what lies in it is cut there.
    fn read(&mut self, schema: &'a Value, root: bool) -> Result<Node, String> {
        if self.depth > DEEPEST {
            return Err("references lead in a circle, or deeper than any payload goes".to_owned());
        }
        self.depth += 1;
        let node = self.read_here(schema, root);
        self.depth -= 1;
        node
    }

    fn read_here(&mut self, schema: &'a Value, root: bool) -> Result<Node, String> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return Err(format!(
                "the payload has more than {MOST_NODES} places; a table takes 10,000 columns"
            ));
        }
        let Some(schema) = schema.as_object() else {
            return Ok(Node::anything(schema == &Value::Bool(false)));
        };
        let mut node = self.own(schema)?;
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let name = reference.trim_start_matches("#/$defs/");
            let target = if self.recursive.contains(name) && !root {
                Node::anything(true)
            } else {
                match self.definitions.get(name) {
                    Some(target) => self.read(target, root)?,
                    None => return Err(format!("$ref {reference} leads nowhere")),
                }
            };
            node = node.and(target);
        }
        for part in list(schema, "allOf") {
            let part = self.read(part, root)?;
            node = node.and(part);
        }
        for keyword in ["anyOf", "oneOf"] {
            let parts = list(schema, keyword)
                .map(|part| self.read(part, root))
                .collect::<Result<Vec<_>, _>>()?;
            // `null` as an alternative makes the others nullable, whatever their type.
            let null = |node: &Node| node.kind == Kind::Any && node.format.as_deref() == Some(NULL);
            let nullable = parts.iter().any(null);
            let chosen = parts.into_iter().filter(|part| !null(part)).reduce(Node::or);
            if let Some(mut chosen) = chosen {
                chosen.nullable |= nullable;
                chosen.more = true;
                node = node.and(chosen);
            }
        }
        Ok(node)
    }

    /// What the schema's own keywords say, combinators aside.
    fn own(&mut self, schema: &'a Map<String, Value>) -> Result<Node, String> {
        let types: Vec<&str> = match schema.get("type") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => vec![],
        };
        let nullable = types.is_empty() || types.contains(&"null");
        let kinds: Vec<&str> = types.iter().copied().filter(|one| *one != "null").collect();
        let (bounds, told) = match kinds.as_slice() {
            [kind] => Bounds::of(schema, kind),
            _ => (None, Vec::new()),
        };
        let more = schema.iter().any(|(keyword, value)| {
            let keyword = keyword.as_str();
            let says_nothing = keyword == "additionalProperties" && *value == Value::Bool(true);
            let known = COVERED.contains(&keyword) || told.contains(&keyword) || says_nothing;
            !known && !keyword.starts_with("x-")
        });
        let format = match schema.get("contentEncoding").and_then(Value::as_str) {
            Some("base64") => Some("base64".to_owned()),
            _ => schema.get("format").and_then(Value::as_str).map(str::to_owned),
        };
        let column_type = schema.get("x-bigquery-type").and_then(Value::as_str).map(str::to_owned);
        let mut node = Node { nullable, kind: Kind::Any, format, column_type, bounds, more };
        node.kind = match kinds.as_slice() {
            [] if types == ["null"] => {
                node.format = Some(NULL.to_owned());
                Kind::Any
            }
            [] => Kind::Any,
            ["boolean"] => Kind::Boolean,
            ["integer"] => Kind::Integer,
            ["number"] | ["integer", "number"] | ["number", "integer"] => Kind::Number,
            ["string"] => Kind::String,
            ["object"] => Kind::Object(self.fields(schema)?),
            ["array"] => match schema.get("items") {
                Some(items) => Kind::Array(Box::new(self.read(items, false)?)),
                None => Kind::Array(Box::new(Node::anything(false))),
            },
            _ => {
                node.more = true;
                // A value of several types, none of them null, must not pass as null.
                Kind::Any
            }
        };
        Ok(node)
    }

    fn fields(
        &mut self,
        schema: &'a Map<String, Value>,
    ) -> Result<Vec<(String, bool, Node)>, String> {
        let required: BTreeSet<&str> = list(schema, "required").filter_map(Value::as_str).collect();
        let mut fields = Vec::new();
        for (name, property) in
            schema.get("properties").and_then(Value::as_object).into_iter().flatten()
        {
            fields.push((
                name.clone(),
                required.contains(name.as_str()),
                self.read(property, false)?,
            ));
        }
        // A field that is required without being declared may be anything, but has to come.
        for name in required {
            if !fields.iter().any(|(known, ..)| known == name) {
                fields.push((name.to_owned(), true, Node::anything(false)));
            }
        }
        Ok(fields)
    }
}

/// Marks the node of `{"type": "null"}` until its union is made.
const NULL: &str = "\0null";

fn list<'a>(schema: &'a Map<String, Value>, key: &str) -> impl Iterator<Item = &'a Value> {
    schema.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// The definitions that can be reached from themselves.
fn recursive(definitions: &Map<String, Value>) -> BTreeSet<&str> {
    let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, schema) in definitions {
        let mut targets = BTreeSet::new();
        references(schema, &mut targets);
        edges.insert(name, targets);
    }
    let reaches_itself = |start: &str| {
        let mut seen = BTreeSet::new();
        let mut waiting: Vec<&str> = edges.get(start).into_iter().flatten().copied().collect();
        while let Some(name) = waiting.pop() {
            if name == start {
                return true;
            }
            if seen.insert(name) {
                waiting.extend(edges.get(name).into_iter().flatten());
            }
        }
        false
    };
    edges.keys().copied().filter(|name| reaches_itself(name)).collect()
}

fn references<'a>(schema: &'a Value, targets: &mut BTreeSet<&'a str>) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), value) {
                    ("$ref", Value::String(reference)) => {
                        targets.insert(reference.trim_start_matches("#/$defs/"));
                    }
                    _ => references(value, targets),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, targets)),
        _ => {}
    }
}
