//! Where a record's event type is read, and whether the messages of a contract declare that place.

use std::fmt;

use super::problem::Problem;
use super::schema::{Contract, Discriminator, EventSchema, Schema, SchemaKind};

impl fmt::Display for Discriminator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Payload(keys) => write!(f, "the payload's field {}", pointer(keys)),
            Self::Header(name) => write!(f, "the header {name}"),
        }
    }
}

impl Contract {
    /// Finds messages whose payload does not declare the field with the event type, which is taken for
    /// a mistake of the contract, or declares it so that it cannot hold the message's name. Messages
    /// of ignored types are not checked.
    pub fn type_place_problems(&self, ignored: &[String]) -> Vec<Problem> {
        let Discriminator::Payload(keys) = &self.discriminator else { return Vec::new() };
        let events = self.events.iter().filter(|event| !ignored.contains(&event.name));
        events.filter_map(|event| problem(event, keys)).collect()
    }
}

fn problem(event: &EventSchema, keys: &[String]) -> Option<Problem> {
    let pointer = pointer(keys);
    let what = match declaration(&event.schema, keys) {
        None => format!(
            "the payload declares no field {pointer}, where the event type is read; declare it, or \
             say with `x-event-type` of the channel where the type is"
        ),
        Some(field) => {
            let allowed = field.bounds.as_ref().and_then(|bounds| bounds.texts.as_ref());
            match (&field.kind, allowed) {
                (SchemaKind::String | SchemaKind::Any, None) => return None,
                (SchemaKind::String | SchemaKind::Any, Some(texts)) => {
                    let name = serde_json::Value::from(event.name.as_str()).to_string();
                    if texts.contains(&name) {
                        return None;
                    }
                    format!(
                        "the field {pointer} is the event type and allows only {}, so no event of \
                         this type is accepted; `name` of the message says what its type is",
                        texts.join(", ")
                    )
                }
                (
                    SchemaKind::Boolean
                    | SchemaKind::Integer
                    | SchemaKind::Number
                    | SchemaKind::Object(_)
                    | SchemaKind::Array(_),
                    _,
                ) => format!("the field {pointer} is the event type and has to be a string"),
            }
        }
    };
    Some(Problem::new(format!("event type {}", event.name), what))
}

/// What the schema declares at the end of the keys.
fn declaration<'s>(schema: &'s Schema, keys: &[String]) -> Option<&'s Schema> {
    keys.iter().try_fold(schema, |schema, key| match &schema.kind {
        SchemaKind::Object(fields) => {
            fields.iter().find(|field| field.name == *key).map(|field| &field.schema)
        }
        SchemaKind::Any
        | SchemaKind::Boolean
        | SchemaKind::Integer
        | SchemaKind::Number
        | SchemaKind::String
        | SchemaKind::Array(_) => None,
    })
}

/// The keys as a JSON pointer.
fn pointer(keys: &[String]) -> String {
    keys.iter().map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1"))).collect()
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
        let contract = load(dir.path(), "contracts.c", "C").expect("loads");
        let ignored: Vec<String> = ignored.iter().map(|name| (*name).to_owned()).collect();
        contract.type_place_problems(&ignored).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_declared_type_is_no_problem() {
        for payload in [
            r#"{"type":"object","properties":{"event_type":{"type":"string"}}}"#,
            r#"{"type":"object","properties":{"event_type":{}}}"#,
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
                "allows only \"order.paid\"",
            ),
        ] {
            let found = problems("", payload, &[]);
            assert_eq!(found.len(), 1, "{payload}: {found:?}");
            assert!(found[0].starts_with("event type M: "), "{found:?}");
            assert!(found[0].contains(expected), "{found:?}");
            assert_eq!(problems("", payload, &["M"]), [""; 0], "an ignored type is not checked");
        }
    }
}
