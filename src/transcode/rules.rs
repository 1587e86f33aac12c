//! What a contract asks for beyond types and required fields: the `jsonschema` crate, compiled
//! once an event type, over a tree of the value. Only event types that need it pay for it, and where
//! their rules are all such as `contract::Bounds` tells, only values that do not plainly keep them.

use jsonschema::Validator;
use serde_json::Value;

use super::fault::{Fault, Walked};
use super::plan::{Kind, Node, Object};
use crate::record::Reason;

#[derive(Debug)]
pub(super) struct Rules {
    validator: Validator,
    /// They hold wherever the walk saw every bound kept.
    pub(super) only_in_doubt: bool,
}

impl Rules {
    /// Formats stay annotations: the walk asserts those that a column is converted by.
    pub(super) fn compile(schema: &Value, only_in_doubt: bool) -> Result<Self, String> {
        jsonschema::options()
            .should_validate_formats(false)
            .build(schema)
            .map(|validator| Self { validator, only_in_doubt })
            .map_err(|error| error.to_string())
    }

    /// Checks a text that has passed the walk.
    pub(super) fn check(&self, text: &[u8], root: &Node, objects: &[Object]) -> Walked<()> {
        let mut value: Value = serde_json::from_slice(text)
            .map_err(|error| Fault::new(Reason::InvalidJson, error.to_string()))?;
        if self.validator.is_valid(&value) {
            return Ok(());
        }
        forget_nulls(&mut value, root, objects);
        self.validator.validate(&value).map_err(|error| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { "the value".to_owned() } else { place };
            Fault::new(Reason::ContractViolation, format!("{place}: {}", error.masked()))
        })
    }
}

/// An optional field that is null counts as absent, for the validator too where it minds.
fn forget_nulls(value: &mut Value, node: &Node, objects: &[Object]) {
    match (&node.kind, value) {
        (Kind::Object(object), Value::Object(members)) => {
            let object = &objects[*object];
            for (index, field) in object.fields.iter().enumerate() {
                let name = object.names.name(index);
                match members.get_mut(name) {
                    Some(Value::Null) if !object.required.has(index) => {
                        members.remove(name);
                    }
                    Some(member) => forget_nulls(member, &field.node, objects),
                    None => {}
                }
            }
        }
        (Kind::Array(items), Value::Array(values)) => {
            for value in values {
                forget_nulls(value, items, objects);
            }
        }
        (Kind::Text(inner), value) => forget_nulls(value, inner, objects),
        (
            Kind::Any
            | Kind::Boolean
            | Kind::Number { .. }
            | Kind::String
            | Kind::Converted(_)
            | Kind::Object(_)
            | Kind::Array(_),
            _,
        ) => {}
    }
}
