//! A contract in memory.

use std::sync::Arc;

use serde_json::Value;

use super::bounds::Bounds;
use super::encoded::EncodedField;
use super::json_types::JsonTypes;
use super::node::{Node, NodeField, NodeKind};
use super::places::Places;

/// What one topic carries.
#[derive(Debug, Clone)]
pub struct Contract {
    /// Import path, channel and version, as `_contract` has it in every row:
    /// `contracts.delivery.delivery_events_v10#DeliveryEventsV10Topic@10.0.0`.
    pub id: String,
    /// The channel's `address`.
    pub topic: String,
    pub discriminator: Discriminator,
    pub events: Vec<EventSchema>,
}

impl Contract {
    /// The event types that are not ignored.
    pub fn not_ignored(&self, ignored: &[String]) -> impl Iterator<Item = &EventSchema> {
        self.events.iter().filter(|event| !ignored.contains(&event.name))
    }
}

/// Where a record names its event type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Discriminator {
    /// In the payload: the keys that lead to it from the root.
    Payload(Vec<String>),
    /// In the header of this name.
    Header(String),
    /// Nowhere: all records are of this type, the channel's only one.
    Only(String),
}

/// One event type.
#[derive(Debug, Clone)]
pub struct EventSchema {
    pub name: String,
    /// The part of the JSON Schema that the transcoder checks by itself.
    pub schema: Schema,
    /// The whole JSON Schema of the payload, self-contained: what it refers to stands under
    /// `$defs`, and `$schema` names its dialect.
    pub json_schema: Arc<Value>,
    pub validation: Validation,
    /// The fields that are decoded before the event is read. The schemas describe what they are then.
    pub encoded: Vec<EncodedField>,
    /// What the columns are derived from.
    pub(super) node: Node,
    pub(super) places: Places,
}

impl EventSchema {
    /// The place of a field in the documents, for problems; that of the payload, if it declares no
    /// such field.
    pub fn place(&self, path: &[&str]) -> String {
        let field = self.places.field(&self.json_schema, path);
        field.as_ref().unwrap_or(self.places.root()).to_string()
    }
}

/// For which values a JSON Schema validator must run, because [`Schema`] does not say everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validation {
    Never,
    /// For values that are not clearly within their [`Bounds`].
    OutsideBounds,
    Always,
}

/// What the transcoder checks at one place of a payload. A schema that contains itself is cut off
/// with [`SchemaKind::Any`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// `null` is allowed.
    pub nullable: bool,
    /// Values of other types than `kind` are allowed too. They do not fit a column that is made for
    /// `kind`, but JSON text may contain them.
    pub open: bool,
    pub kind: SchemaKind,
    pub bounds: Option<Bounds>,
}

/// The JSON type that a place's schema describes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaKind {
    /// Any type, one of several, or an array whose items differ by their index.
    Any,
    Boolean,
    /// A number without a fraction; `1.0` has none.
    Integer,
    Number,
    String,
    /// The declared properties. Undeclared ones are allowed and go to `_extra`.
    Object(Vec<Property>),
    Array(Box<Schema>),
}

/// A declared property of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    pub name: String,
    pub required: bool,
    pub schema: Schema,
}

impl Schema {
    /// What the transcoder checks at this place.
    pub(super) fn of(node: &Node) -> Self {
        let kind = match node.kind() {
            NodeKind::Any => SchemaKind::Any,
            NodeKind::Boolean => SchemaKind::Boolean,
            NodeKind::Integer => SchemaKind::Integer,
            NodeKind::Number => SchemaKind::Number,
            NodeKind::String => SchemaKind::String,
            NodeKind::Object(fields) => {
                SchemaKind::Object(fields.iter().map(Property::of).collect())
            }
            NodeKind::Array(items) => {
                let items = items.map_or_else(|| Self::of(&Node::anything(false)), Self::of);
                SchemaKind::Array(Box::new(items))
            }
        };
        let nullable = node.types.meets(JsonTypes::NULL);
        Self { nullable, open: node.is_open(), kind, bounds: node.bounds.clone() }
    }
}

impl Property {
    fn of(field: &NodeField) -> Self {
        let NodeField { name, required, node } = field;
        Self { name: name.clone(), required: *required, schema: Schema::of(node) }
    }
}

impl Validation {
    /// For which values of this place the JSON Schema validator must run.
    pub(super) fn of(node: &Node) -> Self {
        if node.any(&needs_validator) {
            Self::Always
        } else if node.any(&|node| node.bounds.is_some()) {
            Self::OutsideBounds
        } else {
            Self::Never
        }
    }
}

/// Whether the schema says more about a place than [`Schema`] does. (About what lies in it, the
/// nodes of the fields and items say that.)
fn needs_validator(node: &Node) -> bool {
    if node.more || node.is_tuple || node.is_open() {
        return true;
    }
    // At a place of kind `Any` the transcoder takes every value.
    let takes_all = node.types.without_null() == JsonTypes::ALL.without_null();
    node.kind() == NodeKind::Any && (!takes_all || !node.fields.is_empty() || node.items.is_some())
}
