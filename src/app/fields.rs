//! Settings that name fields of events.

use super::domain::Domain;
use super::error::AppError;
use crate::config::StepSettings;
use crate::contract::{EventSchema, Property, SchemaKind, pointer};

/// Checks the pointers of the steps.
pub(super) fn check_steps(domain: &Domain, settings: &StepSettings) -> Result<(), AppError> {
    let fetch = settings.fetch.as_ref();
    let tracker = settings.tracker.as_ref();
    let pointers = [
        ("FETCH", fetch.map(|fetch| &fetch.url)),
        ("OBJECT_SIZE", fetch.and_then(|fetch| fetch.size.as_ref())),
        ("OBJECT_SHA256", fetch.and_then(|fetch| fetch.sha256.as_ref())),
        ("TRACKER_REQUEST", tracker.map(|tracker| &tracker.request)),
        ("TRACKER_ORG", tracker.and_then(|tracker| tracker.org.as_ref())),
        ("TRACKER_ACCOUNT", tracker.and_then(|tracker| tracker.account.as_ref())),
    ];
    for (key, path) in pointers {
        if let Some(path) = path {
            check(domain, key, path)?;
        }
    }
    Ok(())
}

/// Fails if no event type declares the field that a key names. Returns the event types that do not.
pub(super) fn check<'d>(
    domain: &'d Domain,
    key: &str,
    path: &[String],
) -> Result<Vec<&'d str>, AppError> {
    let events = domain.contract.not_ignored(domain.ignored());
    let (with, without): (Vec<&EventSchema>, Vec<&EventSchema>) =
        events.partition(|event| declares(&event.schema.kind, path));
    if with.is_empty() {
        let field = pointer::of(path);
        return Err(AppError::Configuration {
            what: format!("{key} is {field}, a field that no event type declares"),
            hint: Some(format!(
                "{key} is a JSON pointer to a field of the payload, through objects: `/order/id`"
            )),
            source: None,
        });
    }
    Ok(without.iter().map(|event| event.name.as_str()).collect())
}

fn declares(kind: &SchemaKind, path: &[String]) -> bool {
    let Some((first, rest)) = path.split_first() else { return true };
    match kind {
        SchemaKind::Object(fields) => {
            let field = fields.iter().find(|field| field.name == *first);
            field.is_some_and(|Property { schema, .. }| declares(&schema.kind, rest))
        }
        SchemaKind::Any => true,
        SchemaKind::Boolean
        | SchemaKind::Integer
        | SchemaKind::Number
        | SchemaKind::String
        | SchemaKind::Array(_) => false,
    }
}
