//! From a bundled JSON Schema to the tree of its places.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::bounds::Bounds;
use super::chosen::Chosen;
use super::cycles::{Edges, on_cycles};
use super::json_types::JsonTypes;
use super::keywords::{COLUMN_NAME, COLUMN_TYPE, PLACE, is_annotation};
use super::node::{Node, NodeField, joined};

/// Keywords that a [`Node`] expresses, besides annotations. A schema with any other keyword needs
/// the JSON Schema validator.
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
    "$schema",
];

/// The most places of one contract. A table has at most 10,000 columns, so a contract with more
/// places repeats most of them in many event types.
pub(super) const MOST_PLACES: usize = 200_000;

/// How deep places may nest, references included.
const DEEPEST: usize = 400;

/// Why a bundle has no tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TreeError {
    #[error("the schemas nest deeper than {DEEPEST}, references included")]
    TooDeep,
    #[error(
        "the contract has more than {MOST_PLACES} fields and items, counted in each message and \
         each reference; split it into several domains"
    )]
    TooLarge,
    #[error("$ref {0} leads nowhere")]
    Dangling(String),
}

/// The tree of a bundle. Inside it, a schema that refers to itself allows any value, and the
/// validator checks it. `places` is how many more places the contract may have.
pub(super) fn tree(bundle: &Value, places: &mut usize) -> Result<Node, TreeError> {
    let empty = Map::new();
    let definitions = bundle["$defs"].as_object().unwrap_or(&empty);
    let recursive = recursive(definitions);
    let mut builder = TreeBuilder { definitions, recursive, places, depth: 0 };
    builder.node(bundle, true)
}

struct TreeBuilder<'a, 'p> {
    definitions: &'a Map<String, Value>,
    /// Names of the definitions that refer to themselves, directly or by others.
    recursive: BTreeSet<&'a str>,
    places: &'p mut usize,
    depth: usize,
}

impl<'a> TreeBuilder<'a, '_> {
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
        *self.places = self.places.checked_sub(1).ok_or(TreeError::TooLarge)?;
        let Some(schema) = schema.as_object() else {
            return Ok(match schema {
                Value::Bool(false) => Node { more: true, ..Node::of_types(JsonTypes::NONE) },
                _ => Node::anything(false),
            });
        };
        let mut node = self.own(schema)?;
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            node = node.and(self.referred(reference, root)?);
        }
        let parts = list(schema, "allOf")
            .map(|part| self.node(part, root))
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(all) = joined(parts, Node::and) {
            node = node.and(all);
        }
        for keyword in ["anyOf", "oneOf"] {
            let parts = list(schema, keyword)
                .map(|part| self.node(part, root))
                .collect::<Result<Vec<_>, _>>()?;
            if !parts.is_empty() {
                node = node.and(alternatives(parts, keyword == "oneOf"));
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
        let names: Option<Vec<&str>> = match schema.get("type") {
            Some(Value::String(one)) => Some(vec![one]),
            Some(Value::Array(several)) => Some(several.iter().filter_map(Value::as_str).collect()),
            _ => None,
        };
        let types = names.as_ref().map_or(JsonTypes::ALL, |names| {
            names.iter().fold(JsonTypes::NONE, |all, name| all.or(JsonTypes::named(name)))
        });
        let is_tuple =
            schema.contains_key("prefixItems") || schema.get("items").is_some_and(Value::is_array);
        let described = match names {
            Some(_) => types,
            None if schema.contains_key("properties") => JsonTypes::OBJECT,
            None if is_tuple || schema.contains_key("items") => JsonTypes::ARRAY,
            None => JsonTypes::ALL,
        };
        let others: Vec<&str> =
            names.into_iter().flatten().filter(|name| *name != "null").collect();
        let (bounds, covered) = match others.as_slice() {
            [one] => Bounds::of(schema, one),
            _ => (None, Vec::new()),
        };
        let more = schema.iter().any(|(keyword, value)| {
            let keyword = keyword.as_str();
            let allows_all = keyword == "additionalProperties" && *value == Value::Bool(true);
            let known = EXPRESSED.contains(&keyword) || covered.contains(&keyword) || allows_all;
            !known && !is_annotation(keyword)
        });
        let text = |keyword: &str| schema.get(keyword).and_then(Value::as_str).map(str::to_owned);
        let chosen = |keyword: &str| {
            let place = text(PLACE).unwrap_or_default();
            text(keyword).map(|value| Chosen::new(&value, format!("{place}/{keyword}")))
        };
        Ok(Node {
            types,
            described,
            fields: self.fields(schema)?,
            items: match schema.get("items") {
                Some(items) if !is_tuple => Some(Box::new(self.node(items, false)?)),
                _ => None,
            },
            is_tuple,
            format: text("contentEncoding")
                .filter(|encoding| encoding == "base64")
                .or_else(|| text("format")),
            column_type: chosen(COLUMN_TYPE),
            column_name: chosen(COLUMN_NAME),
            bounds,
            more,
        })
    }

    fn fields(&mut self, schema: &'a Map<String, Value>) -> Result<Vec<NodeField>, TreeError> {
        let required: BTreeSet<&str> = list(schema, "required").filter_map(Value::as_str).collect();
        let properties = schema.get("properties").and_then(Value::as_object);
        let mut fields = Vec::new();
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
            if properties.is_none_or(|properties| !properties.contains_key(name)) {
                let node = Node::anything(false);
                fields.push(NodeField { name: name.to_owned(), required: true, node });
            }
        }
        Ok(fields)
    }
}

/// What `anyOf`, or `oneOf` if `exactly_one`, allows. The alternative `null` makes the others
/// nullable and does not change their type.
fn alternatives(parts: Vec<Node>, exactly_one: bool) -> Node {
    let (null, others): (Vec<Node>, Vec<Node>) = parts.into_iter().partition(Node::is_only_null);
    let only = others.len() == 1;
    let overlap = exactly_one
        && (null.len() > 1 || others.iter().any(|part| part.types.meets(JsonTypes::NULL)));
    let Some(mut chosen) = joined(others, Node::or) else {
        return Node { more: null.len() > 1, ..Node::of_types(JsonTypes::NULL) };
    };
    if !null.is_empty() {
        chosen.types = chosen.types.or(JsonTypes::NULL);
        chosen.described = chosen.described.or(JsonTypes::NULL);
    }
    // One schema or null is all that a node needs to say; of several schemas it forgets which
    // fields belong together.
    chosen.more |= !only || (overlap && !null.is_empty());
    chosen
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
    let mut edges = Edges::new();
    for (name, schema) in definitions {
        let mut targets = BTreeSet::new();
        references(schema, &mut targets);
        edges.insert(name, targets);
    }
    on_cycles(&edges)
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
