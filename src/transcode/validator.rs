//! Validates a value against the whole JSON Schema of its event type, with the `jsonschema` crate.
//!
//! The walk itself checks types, required fields and nulls. Event types with further rules
//! (`pattern`, `oneOf`, …) have a validator, which needs the value as a tree and is slow. If all
//! further rules are such as `bounds` can check, the validator is used only for values for which
//! that check is not sure.

use jsonschema::Validator;
use serde_json::Value;

use super::expected::{Expected, ObjectPlan, ValuePlan};
use super::fault::{Fault, Result};
use crate::record::Reason;

#[derive(Debug)]
pub(super) struct SchemaValidator {
    validator: Validator,
    /// The quick check of `bounds` covers all rules, so a value that passes it needs no validation.
    pub(super) only_if_unsure: bool,
}

impl SchemaValidator {
    /// `format` is not validated: the conversion to a column's type checks the formats that matter.
    pub(super) fn compile(
        schema: &Value,
        only_if_unsure: bool,
    ) -> std::result::Result<Self, String> {
        jsonschema::options()
            .should_validate_formats(false)
            .build(schema)
            .map(|validator| Self { validator, only_if_unsure })
            .map_err(|error| error.to_string())
    }

    /// Validates a text that has been read without a fault. `root` is its plan.
    pub(super) fn check(
        &self,
        text: &[u8],
        root: &ValuePlan,
        objects: &[ObjectPlan],
    ) -> Result<()> {
        let mut value: Value = serde_json::from_slice(text)
            .map_err(|error| Fault::new(Reason::InvalidJson, error.to_string()))?;
        if self.validator.is_valid(&value) {
            return Ok(());
        }
        remove_nulls(&mut value, root, objects);
        self.validator.validate(&value).map_err(|error| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { "the value".to_owned() } else { place };
            // `masked` leaves the payload's value out of the message.
            Fault::new(Reason::ContractViolation, format!("{place}: {}", error.masked()))
        })
    }
}

/// Removes optional fields that are null: null means absent, but a rule such as `enum` may not
/// allow it.
fn remove_nulls(value: &mut Value, plan: &ValuePlan, objects: &[ObjectPlan]) {
    match (&plan.expected, value) {
        (Expected::Object(object), Value::Object(members)) => {
            let object = &objects[*object];
            for (index, field) in object.fields.iter().enumerate() {
                let name = object.names.name(index);
                match members.get_mut(name) {
                    Some(Value::Null) if !object.required.has(index) => {
                        members.remove(name);
                    }
                    Some(member) => remove_nulls(member, &field.value, objects),
                    None => {}
                }
            }
        }
        (Expected::Array(items), Value::Array(values)) => {
            for value in values {
                remove_nulls(value, items, objects);
            }
        }
        (Expected::JsonText(inner), value) => remove_nulls(value, inner, objects),
        (
            Expected::Any
            | Expected::Boolean
            | Expected::Number { .. }
            | Expected::String
            | Expected::ConvertedString(_)
            | Expected::Object(_)
            | Expected::Array(_),
            _,
        ) => {}
    }
}
