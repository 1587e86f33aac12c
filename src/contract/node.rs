//! One place of a payload as its schema describes it, and how two descriptions combine.
//!
//! A node never excludes a value that its schema allows. Where it allows more than the schema does,
//! [`Node::more`] is set, and the JSON Schema validator decides about every value.

use std::collections::{HashMap, HashSet};

use super::bounds::Bounds;
use super::chosen::Chosen;
use super::json_types::JsonTypes;

/// What a schema says about one place of a payload and about all that lies in it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// The JSON types that are allowed.
    pub(super) types: JsonTypes,
    /// The JSON types that the schema describes: those of `types`, except where the schema says
    /// something about objects or arrays and leaves other types open. `{properties: …}` without a
    /// type describes an object and allows any value; its column is a RECORD.
    pub(super) described: JsonTypes,
    /// What holds if the value is an object; in the order of the document.
    pub(super) fields: Vec<NodeField>,
    /// What holds for each item if the value is an array; `None`: nothing.
    pub(super) items: Option<Box<Node>>,
    /// Items have different schemas by their index (`prefixItems`, or a list in `items`).
    pub(super) is_tuple: bool,
    /// `format`, or `base64` for `contentEncoding: base64`.
    pub(super) format: Option<String>,
    /// `x-bigquery-type`.
    pub(super) column_type: Option<Box<Chosen>>,
    /// `x-bigquery-name`.
    pub(super) column_name: Option<Box<Chosen>>,
    pub(super) bounds: Option<Bounds>,
    /// The schema demands more than the other fields say.
    pub(super) more: bool,
}

/// A field of an object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NodeField {
    pub(super) name: String,
    pub(super) required: bool,
    pub(super) node: Node,
}

/// What a place's column is made for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum NodeKind<'n> {
    /// Any type, one of several, or an array whose items differ.
    Any,
    Boolean,
    Integer,
    Number,
    String,
    Object(&'n [NodeField]),
    /// `None`: items of any type.
    Array(Option<&'n Node>),
}

impl Node {
    /// A node that allows these types, and any value of them.
    pub(super) fn of_types(types: JsonTypes) -> Self {
        Self {
            types,
            described: types,
            fields: Vec::new(),
            items: None,
            is_tuple: false,
            format: None,
            column_type: None,
            column_name: None,
            bounds: None,
            more: false,
        }
    }

    /// Any value, `null` too.
    pub(super) fn anything(more: bool) -> Self {
        Self { more, ..Self::of_types(JsonTypes::ALL) }
    }

    pub(super) fn kind(&self) -> NodeKind<'_> {
        match self.described.without_null() {
            JsonTypes::BOOLEAN => NodeKind::Boolean,
            JsonTypes::INTEGER => NodeKind::Integer,
            JsonTypes::NUMBER => NodeKind::Number,
            JsonTypes::STRING => NodeKind::String,
            JsonTypes::OBJECT => NodeKind::Object(&self.fields),
            JsonTypes::ARRAY if !self.is_tuple => NodeKind::Array(self.items.as_deref()),
            _ => NodeKind::Any,
        }
    }

    /// Nothing but `null` is allowed.
    pub(super) fn is_only_null(&self) -> bool {
        self.types == JsonTypes::NULL && !self.more
    }

    /// Values are allowed that are not of the node's kind.
    pub(super) fn is_open(&self) -> bool {
        self.kind() != NodeKind::Any && self.types.without_null() != self.described.without_null()
    }

    /// Whether `condition` holds for this node or for one inside it.
    pub(super) fn any(&self, condition: &dyn Fn(&Self) -> bool) -> bool {
        condition(self)
            || self.fields.iter().any(|field| field.node.any(condition))
            || self.items.as_ref().is_some_and(|items| items.any(condition))
    }

    /// What both schemas allow (`allOf`, or keywords next to a `$ref`).
    pub(super) fn and(self, other: Self) -> Self {
        let types = self.types.and(other.types);
        let described = self.described.and(other.described).and(types);
        let items = match (self.items, other.items) {
            (Some(mine), Some(theirs)) => Some(Box::new(mine.and(*theirs))),
            (mine, theirs) => mine.or(theirs),
        };
        // Of two different bounds the first is kept, and the validator checks the second.
        let one = self.bounds.is_none() || other.bounds.is_none() || self.bounds == other.bounds;
        Self {
            types,
            described: if described == JsonTypes::NONE { types } else { described },
            fields: join(self.fields, other.fields, |mine, theirs| NodeField {
                required: mine.required || theirs.required,
                node: mine.node.and(theirs.node),
                name: mine.name,
            }),
            items,
            is_tuple: self.is_tuple || other.is_tuple,
            format: self.format.or(other.format),
            column_type: Chosen::and(self.column_type, other.column_type),
            column_name: Chosen::and(self.column_name, other.column_name),
            bounds: self.bounds.or(other.bounds),
            more: self.more || other.more || !one,
        }
    }

    /// What one of the schemas allows (`anyOf`, `oneOf`). A field that only one of them declares is
    /// still described, so that it becomes a column, but any value is allowed there.
    pub(super) fn or(self, other: Self) -> Self {
        let (mine, theirs) = (self.types, other.types);
        let both = |kind: JsonTypes| mine.meets(kind) && theirs.meets(kind);
        let items = match (self.items, other.items) {
            (Some(mine), Some(theirs)) if both(JsonTypes::ARRAY) => {
                Some(Box::new(mine.or(*theirs)))
            }
            (Some(items), None) | (None, Some(items)) if both(JsonTypes::ARRAY) => {
                Some(Box::new(items.opened()))
            }
            (items, _) if mine.meets(JsonTypes::ARRAY) => items,
            (_, items) => items,
        };
        Self {
            types: mine.or(theirs),
            described: self.described.or(other.described),
            fields: fields_of_either(
                if mine.meets(JsonTypes::OBJECT) { self.fields } else { Vec::new() },
                if theirs.meets(JsonTypes::OBJECT) { other.fields } else { Vec::new() },
                both(JsonTypes::OBJECT),
            ),
            items,
            is_tuple: self.is_tuple || other.is_tuple,
            format: if self.format == other.format { self.format } else { None },
            column_type: Chosen::or(self.column_type, other.column_type, true),
            column_name: Chosen::or(self.column_name, other.column_name, false),
            bounds: None,
            more: true,
        }
    }

    /// The same description, with every value allowed.
    fn opened(self) -> Self {
        Self {
            types: JsonTypes::ALL,
            fields: self.fields.into_iter().map(NodeField::opened).collect(),
            items: self.items.map(|items| Box::new(items.opened())),
            bounds: None,
            ..self
        }
    }
}

impl NodeField {
    fn opened(self) -> Self {
        Self { required: false, node: self.node.opened(), ..self }
    }
}

/// The fields of both lists in order; `both` joins two with the same name.
fn join(
    mut mine: Vec<NodeField>,
    theirs: Vec<NodeField>,
    both: impl Fn(NodeField, NodeField) -> NodeField,
) -> Vec<NodeField> {
    if mine.is_empty() {
        return theirs;
    }
    let known: HashMap<String, usize> =
        mine.iter().enumerate().map(|(index, field)| (field.name.clone(), index)).collect();
    for field in theirs {
        match known.get(&field.name) {
            Some(index) => {
                let empty =
                    NodeField { name: String::new(), required: false, node: Node::anything(false) };
                let first = std::mem::replace(&mut mine[*index], empty);
                mine[*index] = both(first, field);
            }
            None => mine.push(field),
        }
    }
    mine
}

/// Joins nodes in pairs, and the results in pairs again: joining one after the other would copy the
/// fields of the first ones as often as there are nodes. `None` if there are no nodes.
pub(super) fn joined(mut nodes: Vec<Node>, both: fn(Node, Node) -> Node) -> Option<Node> {
    while nodes.len() > 1 {
        let mut left = nodes.into_iter();
        nodes = Vec::with_capacity(left.len().div_ceil(2));
        while let Some(one) = left.next() {
            nodes.push(match left.next() {
                Some(other) => both(one, other),
                None => one,
            });
        }
    }
    nodes.pop()
}

/// The fields of two alternatives. `open`: both allow objects, so that a field which only one of
/// them has may have any value.
fn fields_of_either(mine: Vec<NodeField>, theirs: Vec<NodeField>, open: bool) -> Vec<NodeField> {
    if !open {
        return join(mine, theirs, |mine, _| mine);
    }
    let names = |fields: &[NodeField]| -> HashSet<String> {
        fields.iter().map(|field| field.name.clone()).collect()
    };
    let (in_mine, in_theirs) = (names(&mine), names(&theirs));
    let open_unless = |fields: Vec<NodeField>, other: &HashSet<String>| {
        fields
            .into_iter()
            .map(|field| if other.contains(&field.name) { field } else { field.opened() })
            .collect::<Vec<_>>()
    };
    let mine = open_unless(mine, &in_theirs);
    let theirs = open_unless(theirs, &in_mine);
    join(mine, theirs, |mine, theirs| NodeField {
        required: mine.required && theirs.required,
        node: mine.node.or(theirs.node),
        name: mine.name,
    })
}
