//! The answers of the event API, described.

use serde_json::{Map, Value, json};

/// Schemas of the answers' bodies.
pub(super) fn schemas() -> Map<String, Value> {
    let event = json!({
        "type": "object",
        "description": "What became of one event.",
        "required": ["index", "status"],
        "properties": {
            "index": { "type": "integer", "minimum": 0 },
            "status": { "enum": [202, 422, 500, 503],
                "description": "As if the event had been sent alone." },
            "partition": { "type": "integer", "minimum": 0 },
            "offset": { "type": "integer", "minimum": 0 },
            "ignored": { "type": "boolean",
                "description": "The domain's consumer leaves it out: it was not checked further." },
            "reason": { "type": "string",
                "description": "`unknown`: it may be on the topic. `not_published`: it is not." },
            "detail": { "type": "string" },
            "event_type": { "type": "string" },
        },
    });
    let events =
        json!({ "type": "array", "items": { "$ref": "#/components/schemas/EventAnswer" } });
    let published = json!({
        "type": "object",
        "required": ["topic", "published", "events"],
        "properties": {
            "topic": { "type": "string" },
            "published": { "type": "integer", "minimum": 0 },
            "events": events,
        },
    });
    let problem = json!({
        "type": "object",
        "description": "RFC 9457",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "events": events,
        },
    });
    let named = [("EventAnswer", event), ("Published", published), ("Problem", problem)];
    named.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

/// An answer that is no success.
pub(super) fn problem(description: &str) -> Value {
    json!({ "description": description, "content": { "application/problem+json": {
        "schema": { "$ref": "#/components/schemas/Problem" } } } })
}

/// The answers to `POST /v1/events`.
pub(super) fn responses() -> Value {
    let published = |description: &str| {
        json!({ "description": description, "content": { "application/json": {
            "schema": { "$ref": "#/components/schemas/Published" } } } })
    };
    let later = |description: &str| {
        let mut answer = problem(description);
        let schema = json!({ "schema": { "type": "integer", "minimum": 0 } });
        answer["headers"] = json!({ "Retry-After": schema });
        answer
    };
    json!({
        "202": published("All events are published"),
        "207": published("The good events are published (`partial`); `events` says which are bad"),
        "400": problem("The body or the query cannot be read"),
        "408": problem("The body did not arrive in time"),
        "413": problem("The body is too large, or has too many events"),
        "415": problem("The body is of a type that is not accepted"),
        "422": problem("The contract refuses events, all of which are named; none is published"),
        "429": later("Too many bytes wait for the broker"),
        "500": problem("The broker refuses events"),
        "503": later("The broker has not acknowledged all events in time; `events` says which are \
            on the topic, which are not, and of which nobody knows"),
    })
}
