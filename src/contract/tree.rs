//! From a bundled JSON Schema to the tree of its places.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::bounds::Bounds;
use super::node::{Node, NodeField, NodeKind};

/// Keywords that a [`Node`] expresses, and keywords that say nothing about which values are valid.
const EXPRESSED: &[&str] = &[
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

/// The most places of one payload. A schema whose references double at every level reaches it.
const MOST_PLACES: usize = 100_000;

/// How deep places may nest, references included. A schema that refers to itself reaches it.
const DEEPEST: usize = 400;

/// Why a bundle has no tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TreeError {
    #[error("the references form a circle, or the schemas nest deeper than {DEEPEST}")]
    TooDeep,
    #[error("the payload has more than {MOST_PLACES} places; no table has as many columns")]
    TooLarge,
    #[error("$ref {0} leads nowhere")]
    Dangling(String),
}

/// The tree of a bundle. Inside it, a schema that refers to itself becomes [`NodeKind::Any`].
pub(super) fn tree(bundle: &Value) -> Result<Node, TreeError> {
    let empty = Map::new();
    let definitions = bundle["$defs"].as_object().unwrap_or(&empty);
    let recursive = recursive(definitions);
    let mut builder = TreeBuilder { definitions, recursive, places: 0, depth: 0 };
    builder.node(bundle, true)
}

struct TreeBuilder<'a> {
    definitions: &'a Map<String, Value>,
    /// Names of the definitions that refer to themselves, directly or by others.
    recursive: BTreeSet<&'a str>,
    places: usize,
    depth: usize,
}

impl<'a> TreeBuilder<'a> {
    /// `root`: the schema is that of the payload itself. It may be recursive; the recursion is cut
    /// off one level further in.
    fn node(&mut self, schema: &'a Value, root: bool) -> Result<Node, TreeError> {
        if self.depth > DEEPEST {
            return Err(TreeError::TooDeep);
        }
        self.depth += 1;
        let node = self.combined(schema, root);
        self.depth -= 1;
        node
    }

    /// The schema's own keywords together with those of `$ref`, `allOf`, `anyOf` and `oneOf`.
    fn combined(&mut self, schema: &'a Value, root: bool) -> Result<Node, TreeError> {
        self.places += 1;
        if self.places > MOST_PLACES {
            return Err(TreeError::TooLarge);
        }
        let Some(schema) = schema.as_object() else {
            return Ok(Node::anything(schema == &Value::Bool(false)));
        };
        let mut node = self.own(schema)?;
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            node = node.and(self.referred(reference, root)?);
        }
        for part in list(schema, "allOf") {
            node = node.and(self.node(part, root)?);
        }
        for keyword in ["anyOf", "oneOf"] {
            let parts = list(schema, keyword)
                .map(|part| self.node(part, root))
                .collect::<Result<Vec<_>, _>>()?;
            // The alternative `null` makes the others nullable and does not change their type.
            let nullable = parts.iter().any(|part| part.only_null);
            let chosen = parts.into_iter().filter(|part| !part.only_null).reduce(Node::or);
            if let Some(mut chosen) = chosen {
                chosen.nullable |= nullable;
                chosen.more = true;
                node = node.and(chosen);
            }
        }
        Ok(node)
    }

    fn referred(&mut self, reference: &str, root: bool) -> Result<Node, TreeError> {
        let name = definition(reference);
        if self.recursive.contains(name) && !root {
            return Ok(Node::anything(true));
        }
        match self.definitions.get(name) {
            Some(target) => self.node(target, root),
            None => Err(TreeError::Dangling(reference.to_owned())),
        }
    }

    /// What the schema's own keywords say, without `$ref` and the combining keywords.
    fn own(&mut self, schema: &'a Map<String, Value>) -> Result<Node, TreeError> {
        let types: Vec<&str> = match schema.get("type") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => vec![],
        };
        let others: Vec<&str> = types.iter().copied().filter(|one| *one != "null").collect();
        let (bounds, covered) = match others.as_slice() {
            [one] => Bounds::of(schema, one),
            _ => (None, Vec::new()),
        };
        let mut more = schema.iter().any(|(keyword, value)| {
            let keyword = keyword.as_str();
            let allows_all = keyword == "additionalProperties" && *value == Value::Bool(true);
            let known = EXPRESSED.contains(&keyword) || covered.contains(&keyword) || allows_all;
            !known && !keyword.starts_with("x-")
        });
        let kind = match others.as_slice() {
            [] => NodeKind::Any,
            ["boolean"] => NodeKind::Boolean,
            ["integer"] => NodeKind::Integer,
            ["number"] | ["integer", "number"] | ["number", "integer"] => NodeKind::Number,
            ["string"] => NodeKind::String,
            ["object"] => NodeKind::Object(self.fields(schema)?),
            ["array"] => NodeKind::Array(Box::new(match schema.get("items") {
                Some(items) => self.node(items, false)?,
                None => Node::anything(false),
            })),
            _ => {
                // `Any` does not say which types are allowed; the validator does.
                more = true;
                NodeKind::Any
            }
        };
        let text = |keyword: &str| schema.get(keyword).and_then(Value::as_str).map(str::to_owned);
        Ok(Node {
            nullable: types.is_empty() || types.contains(&"null"),
            only_null: types == ["null"],
            kind,
            format: text("contentEncoding")
                .filter(|encoding| encoding == "base64")
                .or_else(|| text("format")),
            column_type: text("x-bigquery-type"),
            bounds,
            more,
        })
    }

    fn fields(&mut self, schema: &'a Map<String, Value>) -> Result<Vec<NodeField>, TreeError> {
        let required: BTreeSet<&str> = list(schema, "required").filter_map(Value::as_str).collect();
        let mut fields = Vec::new();
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            let node = self.node(property, false)?;
            fields.push(NodeField {
                name: name.clone(),
                required: required.contains(name.as_str()),
                node,
            });
        }
        // A field that is required but not declared may have any value.
        for name in required {
            if !fields.iter().any(|field| field.name == name) {
                let node = Node::anything(false);
                fields.push(NodeField { name: name.to_owned(), required: true, node });
            }
        }
        Ok(fields)
    }
}

/// The name under `$defs` that a reference of a bundle leads to.
fn definition(reference: &str) -> &str {
    reference.trim_start_matches("#/$defs/")
}

fn list<'a>(schema: &'a Map<String, Value>, key: &str) -> impl Iterator<Item = &'a Value> {
    schema.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// The names of the definitions that refer to themselves, directly or by others.
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

/// Collects the definitions that a schema refers to.
fn references<'a>(schema: &'a Value, targets: &mut BTreeSet<&'a str>) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), value) {
                    ("$ref", Value::String(reference)) => {
                        targets.insert(definition(reference));
                    }
                    _ => references(value, targets),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, targets)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
