//! Where a record's event type is read, and whether the messages of a contract declare that place.

use std::collections::HashSet;
use std::fmt;

use serde_json::{Value, json};

use super::keywords::is_annotation;
use super::pointer;
use super::problem::Problem;
use super::schema::{Contract, Discriminator, EventSchema, Schema, SchemaKind};

impl fmt::Display for Discriminator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Payload(keys) => write!(f, "the payload's field {}", pointer::of(keys)),
            Self::Header(name) => write!(f, "the header {name}"),
            Self::Only(name) => write!(f, "the contract, whose only event type is {name}"),
        }
    }
}

impl Contract {
    /// Finds messages whose payload does not declare the field with the event type, which is taken for
    /// a mistake of the contract, or declares it so that it cannot hold the message's name. Messages
    /// of ignored types are not checked.
    pub fn type_place_problems(&self, ignored: &[String]) -> Vec<Problem> {
        let Discriminator::Payload(keys) = &self.discriminator else { return Vec::new() };
        self.not_ignored(ignored).filter_map(|event| problem(event, keys)).collect()
    }
}

fn problem(event: &EventSchema, keys: &[String]) -> Option<Problem> {
    let pointer = pointer::of(keys);
    let is_encoded = event.encoded.iter().any(|field| keys.starts_with(&field.path));
    let what = match declaration(&event.schema, keys) {
        _ if is_encoded => format!(
            "the field {pointer} is the event type and stands in a text that is decoded; which fields \
             are decoded depends on the event type"
        ),
        None => format!(
            "the payload declares no field {pointer}, where the event type is read; declare it, or \
             say with `x-event-type` of the channel where the type is"
        ),
        Some(SchemaKind::String | SchemaKind::Any) => {
            let why = refusal(event, keys)?;
            format!(
                "the field {pointer} is the event type and does not accept the message's name ({why}), \
                 so no event of this type is accepted; `name` of the message says what its type is"
            )
        }
        Some(
            SchemaKind::Boolean
            | SchemaKind::Integer
            | SchemaKind::Number
            | SchemaKind::Object(_)
            | SchemaKind::Array(_),
        ) => format!("the field {pointer} is the event type and has to be a string"),
    };
    let path: Vec<&str> = keys.iter().map(String::as_str).collect();
    Some(Problem::new(event.place(&path), format!("event type {}: {what}", event.name)))
}

/// Why the schemas of the field at the end of the keys refuse the message's name.
fn refusal(event: &EventSchema, keys: &[String]) -> Option<String> {
    let bundle = &*event.json_schema;
    let field = keys.iter().fold(vec![bundle], |around, key| {
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        around
            .into_iter()
            .for_each(|schema| properties(bundle, schema, key, &mut seen, &mut found));
        found
    });
    let says_more = |schema: &&Value| {
        let is_silent = |keyword: &str, value: &Value| {
            is_annotation(keyword) || (keyword == "type" && *value == "string")
        };
        let mut keywords = schema.as_object().into_iter().flatten();
        !keywords.all(|(keyword, value)| is_silent(keyword, value))
    };
    // Nearly always the field is a string and nothing else.
    if !field.iter().any(says_more) {
        return None;
    }
    let schema = json!({"$schema": bundle["$schema"], "$defs": bundle["$defs"], "allOf": field});
    // A schema that does not compile is reported with the plan.
    let validator = jsonschema::options().should_validate_formats(false).build(&schema).ok()?;
    validator.validate(&json!(event.name)).err().map(|error| error.to_string())
}

/// Collects the schemas of a property that hold for every value of the schema.
fn properties<'s>(
    bundle: &'s Value,
    schema: &'s Value,
    name: &str,
    seen: &mut HashSet<*const Value>,
    found: &mut Vec<&'s Value>,
) {
    if !seen.insert(std::ptr::from_ref(schema)) {
        return;
    }
    found.extend(schema["properties"].get(name));
    let reference = schema["$ref"].as_str().map(|reference| reference.trim_start_matches('#'));
    let referred = reference.and_then(|pointer| bundle.pointer(pointer));
    for part in schema["allOf"].as_array().into_iter().flatten().chain(referred) {
        properties(bundle, part, name, seen, found);
    }
}

/// What the schema declares at the end of the keys.
fn declaration<'s>(schema: &'s Schema, keys: &[String]) -> Option<&'s SchemaKind> {
    keys.iter().try_fold(&schema.kind, |kind, key| match kind {
        SchemaKind::Object(fields) => {
            fields.iter().find(|field| field.name == *key).map(|field| &field.schema.kind)
        }
        SchemaKind::Any
        | SchemaKind::Boolean
        | SchemaKind::Integer
        | SchemaKind::Number
        | SchemaKind::String
        | SchemaKind::Array(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::asyncapi::load;

    /// The problems of a channel with these keywords, whose message `M` has this payload.
    fn problems(channel: &str, payload: &str, ignored: &[&str]) -> Vec<String> {
        let dir = tempfile::tempdir().expect("a folder");
        let document = format!(
            r#"{{"asyncapi":"3.0.0","channels":{{"C":{{"address":"t",{channel}
                "messages":{{"M":{{"payload":{payload}}}}}}}}}}}"#
        );
        std::fs::write(dir.path().join("c.json"), document).expect("written");
        let contract = load(dir.path(), "contracts.c", "C", &[]).expect("loads");
        let ignored: Vec<String> = ignored.iter().map(|name| (*name).to_owned()).collect();
        contract.type_place_problems(&ignored).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_declared_type_is_no_problem() {
        for payload in [
            r#"{"type":"object","properties":{"event_type":{"type":"string"}}}"#,
            r#"{"type":"object","properties":{"event_type":{}}}"#,
            r#"{"type":"object","properties":{"event_type":{"enum":["M",1]}}}"#,
            r#"{"type":"object","properties":{"event_type":{"anyOf":[{"const":"M"},{"const":"N"}]}}}"#,
            r#"{"type":"object","properties":{"event_type":{"type":"string","enum":["M","N"]}}}"#,
            r#"{"allOf":[{"type":"object","properties":{"event_type":{"type":"string","const":"M"}}},{"type":"object"}]}"#,
        ] {
            assert_eq!(problems("", payload, &[]), [""; 0], "{payload}");
        }
        let nested = r#"{"type":"object","properties":{"meta":{"type":"object","properties":{"t~/":{"type":"string"}}}}}"#;
        let channel = r#""x-event-type":"$message.payload#/meta/t~0~1","#;
        assert_eq!(problems(channel, nested, &[]), [""; 0]);
        let header = r#""x-event-type":"$message.header#/type","#;
        assert_eq!(problems(header, r#"{"type":"object"}"#, &[]), [""; 0]);
    }

    #[test]
    fn a_type_that_no_event_can_have_is_a_problem() {
        for (payload, expected) in [
            (r#"{"type":"object"}"#, "declares no field /event_type"),
            (r#"{"type":"object","properties":{"type":{"type":"string"}}}"#, "declares no field"),
            (
                r#"{"type":"object","properties":{"event_type":{"type":"integer"}}}"#,
                "has to be a string",
            ),
            (
                r#"{"type":"object","properties":{"event_type":{"type":"string","const":"order.paid"}}}"#,
                "\"order.paid\" was expected",
            ),
            (
                r#"{"type":"object","properties":{"event_type":{"const":"order.paid"}}}"#,
                "\"order.paid\" was expected",
            ),
            (
                r#"{"type":"object","properties":{"event_type":{"type":"string","maxLength":0}}}"#,
                "longer than 0",
            ),
            (
                r#"{"allOf":[{"properties":{"event_type":{"type":"string"}}},{"properties":{"event_type":{"not":{"pattern":"^M"}}}}],"type":"object"}"#,
                "is not allowed",
            ),
            (
                r#"{"type":"object","properties":{"event_type":{"type":["integer","boolean"]}}}"#,
                "is not of types",
            ),
        ] {
            let found = problems("", payload, &[]);
            assert_eq!(found.len(), 1, "{payload}: {found:?}");
            assert!(found[0].starts_with("c.json#/channels/C/messages/M/payload"), "{found:?}");
            assert!(found[0].contains(": event type M: "), "{found:?}");
            assert!(found[0].contains(expected), "{found:?}");
            assert_eq!(problems("", payload, &["M"]), [""; 0], "an ignored type is not checked");
        }
    }
}
