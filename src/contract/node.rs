//! One place of a payload as its schema describes it, and how two descriptions combine.

use super::bounds::Bounds;
use super::schema::{Property, Schema, SchemaKind, Validation};

/// What a schema says about one place of a payload and about all that lies in it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// `null` is allowed.
    pub(super) nullable: bool,
    /// Nothing but `null` is allowed; `kind` is then [`NodeKind::Any`].
    pub(super) only_null: bool,
    pub(super) kind: NodeKind,
    /// `format`, or `base64` for `contentEncoding: base64`.
    pub(super) format: Option<String>,
    /// `x-bigquery-type`.
    pub(super) column_type: Option<String>,
    pub(super) bounds: Option<Bounds>,
    /// The schema demands more than the type and the bounds.
    pub(super) more: bool,
}

/// The JSON type of a place.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum NodeKind {
    /// Any type, or one of several.
    Any,
    Boolean,
    Integer,
    Number,
    String,
    /// In the order of the document.
    Object(Vec<NodeField>),
    Array(Box<Node>),
}

/// A field of an object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NodeField {
    pub(super) name: String,
    pub(super) required: bool,
    pub(super) node: Node,
}

impl Node {
    /// Any value, `null` too.
    pub(super) fn anything(more: bool) -> Self {
        Self {
            nullable: true,
            only_null: false,
            kind: NodeKind::Any,
            format: None,
            column_type: None,
            bounds: None,
            more,
        }
    }

    pub(super) fn is_object(&self) -> bool {
        matches!(self.kind, NodeKind::Object(_))
    }

    /// For which values of this place the JSON Schema validator must run.
    pub(super) fn validation(&self) -> Validation {
        if self.any(&|node| node.more) {
            Validation::Always
        } else if self.any(&|node| node.bounds.is_some()) {
            Validation::OutsideBounds
        } else {
            Validation::Never
        }
    }

    /// Whether `condition` holds for this node or for one inside it.
    fn any(&self, condition: &dyn Fn(&Self) -> bool) -> bool {
        condition(self)
            || match &self.kind {
                NodeKind::Object(fields) => fields.iter().any(|field| field.node.any(condition)),
                NodeKind::Array(items) => items.any(condition),
                NodeKind::Any
                | NodeKind::Boolean
                | NodeKind::Integer
                | NodeKind::Number
                | NodeKind::String => false,
            }
    }

    /// What the transcoder checks at this place.
    pub(super) fn schema(&self) -> Schema {
        let kind = match &self.kind {
            NodeKind::Any => SchemaKind::Any,
            NodeKind::Boolean => SchemaKind::Boolean,
            NodeKind::Integer => SchemaKind::Integer,
            NodeKind::Number => SchemaKind::Number,
            NodeKind::String => SchemaKind::String,
            NodeKind::Object(fields) => {
                SchemaKind::Object(fields.iter().map(NodeField::property).collect())
            }
            NodeKind::Array(items) => SchemaKind::Array(Box::new(items.schema())),
        };
        Schema { nullable: self.nullable, kind, bounds: self.bounds.clone() }
    }

    /// Says nothing about the type, so in an `allOf` the other schema decides about it.
    fn is_open(&self) -> bool {
        self.kind == NodeKind::Any && self.nullable
    }

    /// What both schemas allow (`allOf`, or keywords next to a `$ref`).
    pub(super) fn and(self, other: Self) -> Self {
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
            (NodeKind::Object(mut mine), NodeKind::Object(theirs)) => {
                for field in theirs {
                    match mine.iter_mut().find(|known| known.name == field.name) {
                        Some(known) => {
                            known.required |= field.required;
                            known.node = known.node.clone().and(field.node);
                        }
                        None => mine.push(field),
                    }
                }
                (NodeKind::Object(mine), true)
            }
            (NodeKind::Array(mine), NodeKind::Array(theirs)) => {
                (NodeKind::Array(Box::new(mine.and(*theirs))), true)
            }
            (NodeKind::Integer, NodeKind::Number) | (NodeKind::Number, NodeKind::Integer) => {
                (NodeKind::Integer, true)
            }
            (mine, theirs) if mine == theirs => (mine, true),
            _ => (NodeKind::Any, false),
        };
        // Of two different bounds the first is kept, and the validator checks the second.
        let one = self.bounds.is_none() || other.bounds.is_none() || self.bounds == other.bounds;
        Self {
            nullable: self.nullable && other.nullable,
            only_null: self.only_null && other.only_null,
            kind,
            format: self.format.or(other.format),
            column_type: self.column_type.or(other.column_type),
            bounds: self.bounds.or(other.bounds),
            more: self.more || other.more || !agreed || !one,
        }
    }

    /// What one of the schemas allows (`anyOf`, `oneOf`): the fields of both, none of them required.
    pub(super) fn or(self, other: Self) -> Self {
        let kind = match (self.kind, other.kind) {
            (NodeKind::Object(mut mine), NodeKind::Object(theirs)) => {
                mine.iter_mut().for_each(|field| field.required = false);
                for field in theirs {
                    match mine.iter_mut().find(|known| known.name == field.name) {
                        Some(known) => known.node = known.node.clone().or(field.node),
                        None => mine.push(NodeField { required: false, ..field }),
                    }
                }
                NodeKind::Object(mine)
            }
            (NodeKind::Array(mine), NodeKind::Array(theirs)) => {
                NodeKind::Array(Box::new(mine.or(*theirs)))
            }
            (mine, theirs) if mine == theirs => mine,
            _ => NodeKind::Any,
        };
        Self {
            nullable: self.nullable || other.nullable,
            only_null: self.only_null && other.only_null,
            kind,
            format: if self.format == other.format { self.format } else { None },
            column_type: if self.column_type == other.column_type {
                self.column_type
            } else {
                None
            },
            bounds: None,
            more: true,
        }
    }
}

impl NodeField {
    fn property(&self) -> Property {
        Property { name: self.name.clone(), required: self.required, schema: self.node.schema() }
    }
}
