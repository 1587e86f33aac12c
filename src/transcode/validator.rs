//! Validates a value against the whole JSON Schema of its event type, with the `jsonschema` crate.
//!
//! The walk itself checks types, required fields and nulls. Event types with further rules
//! (`pattern`, `oneOf`, …) have a validator, which needs the value as a tree and is slow. If all
//! further rules are such as `bounds` can check, the validator is used only for values for which
//! that check is not sure.

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::declared::Declarations;
use super::fault::{Fault, LONGEST_POINTER, Result};
use crate::contract::EventSchema;
use crate::json_tree;
use crate::record::{Reason, shortened};

#[derive(Debug)]
pub(super) struct SchemaValidator {
    validator: Validator,
    declarations: Declarations,
    /// The schema has rules that compare objects: `const`, `enum` or `uniqueItems`.
    compares_objects: bool,
    /// The quick check of `bounds` covers all rules, so a value that passes it needs no validation.
    pub(super) only_if_unsure: bool,
}

/// The `content…` keywords of draft 7 are annotations, as in later drafts.
const CONTENT_ENCODINGS: [&str; 1] = ["base64"];
const CONTENT_MEDIA_TYPES: [&str; 1] = ["application/json"];

impl SchemaValidator {
    /// `format` is not validated: the conversion to a column's type checks the formats that matter.
    pub(super) fn compile(
        event: &EventSchema,
        only_if_unsure: bool,
    ) -> std::result::Result<Self, String> {
        let mut options = jsonschema::options().should_validate_formats(false);
        for encoding in CONTENT_ENCODINGS {
            options = options.without_content_encoding_support(encoding);
        }
        for media_type in CONTENT_MEDIA_TYPES {
            options = options.without_content_media_type_support(media_type);
        }
        let validator = options.build(&event.json_schema).map_err(|error| error.to_string())?;
        Ok(Self {
            validator,
            declarations: Declarations::of(event.json_schema.clone()),
            compares_objects: compares_objects(&event.json_schema),
            only_if_unsure,
        })
    }

    /// Validates a text that has been read without a fault.
    pub(super) fn check(&self, text: &[u8]) -> Result<()> {
        let mut value = json_tree::read(text).map_err(|error| {
            // The error's own text may have a value of the payload.
            let detail = format!("the value cannot be read at its column {}", error.column());
            Fault::new(Reason::InvalidJson, detail)
        })?;
        if self.compares_objects {
            // The validator compares objects key by key, in order.
            value.sort_all_objects();
        }
        if self.validator.is_valid(&value) {
            return Ok(());
        }
        self.declarations.remove_nulls(&mut value, &self.declarations.root());
        self.validator.validate(&value).map_err(|error| {
            let place = self.declarations.masked(error.instance_path().as_str(), &value);
            let place = if place.is_empty() {
                "the value".to_owned()
            } else {
                shortened(place, LONGEST_POINTER)
            };
            Fault::new(reason(&error), format!("{place}: {}", detail(&error)))
        })
    }
}

/// What is wrong, without keys and values of the payload.
fn detail(error: &ValidationError<'_>) -> String {
    match error.kind() {
        ValidationErrorKind::PropertyNames { error } => {
            format!("the name of a property: {}", detail(error))
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            not_allowed("additional properties", unexpected.len())
        }
        ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            not_allowed("unevaluated properties", unexpected.len())
        }
        ValidationErrorKind::RegexEngineFailure { .. } => {
            "the pattern cannot be evaluated for value".to_owned()
        }
        // `masked` leaves the payload's value out of the message.
        _ => error.masked().to_string(),
    }
}

/// `found` is 1 where the validator stopped at the first one.
fn not_allowed(what: &str, found: usize) -> String {
    let count = if found > 1 { format!(" ({found} found)") } else { String::new() };
    format!("{what} are not allowed{count}")
}

/// The reason is the same whether the walk or the validator finds a missing field or a wrong type.
fn reason(error: &ValidationError<'_>) -> Reason {
    match error.kind() {
        ValidationErrorKind::Required { .. } => Reason::MissingField,
        ValidationErrorKind::Type { .. } => Reason::WrongType,
        _ => Reason::ContractViolation,
    }
}

/// Whether a rule of the schema compares objects with each other.
fn compares_objects(schema: &Value) -> bool {
    match schema {
        Value::Object(keywords) => keywords.iter().any(|(keyword, value)| match keyword.as_str() {
            "uniqueItems" => *value == Value::Bool(true) || compares_objects(value),
            "const" | "enum" => has_object(value),
            _ => compares_objects(value),
        }),
        Value::Array(list) => list.iter().any(compares_objects),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn has_object(value: &Value) -> bool {
    match value {
        Value::Object(_) => true,
        Value::Array(list) => list.iter().any(has_object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
