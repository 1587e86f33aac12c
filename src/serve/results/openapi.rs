//! The OpenAPI 3.1 document of the API.

use serde_json::{Value, json};

use super::caller::{Access, IDENTITY};
use super::paging::{MOST, USUAL};
use super::routes::{AFFECTED, CLUSTERS, OPENAPI, REPORT};

/// Describes the API, with how its callers say who they are.
pub(super) fn document(access: &Access) -> Value {
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Latest reports",
            "version": "1",
            "description": "The latest report for each organization and cluster, as the topic of the \
                reports has it.",
        },
        "paths": {
            (REPORT): { "get": operation(
                "report", "The latest report of a cluster", "Report",
                vec![path("id", "The cluster"), organization()],
                json!({
                    "404": problem("No organization that the caller may read has a report of it"),
                    "409": problem("Several organizations have such a cluster: `organization` says \
                        which one is meant"),
                }),
            ) },
            (CLUSTERS): { "get": operation(
                "clusters", "The clusters of an organization that have a report, by id", "Clusters",
                [vec![path("org", "The organization")], paging()].concat(), json!({}),
            ) },
            (AFFECTED): { "get": operation(
                "affected", "The clusters in whose latest report a rule has findings, by organization \
                    and id", "Affected",
                [vec![path("id", "The rule"), organization()], paging()].concat(), json!({}),
            ) },
            (OPENAPI): { "get": {
                "operationId": "describe",
                "summary": "This document",
                "responses": { "200": { "description": "OpenAPI 3.1", "content": {
                    "application/json": { "schema": { "type": "object" } } } } },
            } },
        },
        "components": { "schemas": schemas() },
    });
    let mut schemes = json!({});
    let mut security = Vec::new();
    if access.tokens.is_some() {
        schemes["token"] = json!({ "type": "http", "scheme": "bearer",
            "description": "Reads all organizations." });
        security.push(json!({ "token": [] }));
    }
    if access.identity {
        schemes["identity"] = json!({ "type": "apiKey", "in": "header", "name": IDENTITY,
            "description": "Set by the gateway: base64 of JSON with `identity.org_id`. Reads this \
                organization." });
        security.push(json!({ "identity": [] }));
    }
    if !security.is_empty() {
        document["components"]["securitySchemes"] = schemes;
        document["security"] = Value::Array(security);
        for route in [REPORT, CLUSTERS, AFFECTED, OPENAPI] {
            let responses = &mut document["paths"][route]["get"]["responses"];
            responses["401"] = problem("The token or the identity is missing or not accepted");
            if access.identity && route != OPENAPI {
                responses["403"] = problem("Another organization than the identity's");
            }
        }
    }
    document
}

fn operation(id: &str, summary: &str, schema: &str, parameters: Vec<Value>, more: Value) -> Value {
    let mut responses = json!({
        "200": { "description": summary, "content": { "application/json": {
            "schema": { "$ref": format!("#/components/schemas/{schema}") } } } },
        "400": problem("The query cannot be read"),
        "500": problem("The store cannot be read"),
        "503": problem("The topic is being read from its beginning, or too many ask at once"),
    });
    responses["503"]["headers"] =
        json!({ "Retry-After": { "schema": { "type": "integer", "minimum": 0 } } });
    if let (Value::Object(responses), Value::Object(more)) = (&mut responses, more) {
        responses.extend(more);
    }
    json!({ "operationId": id, "summary": summary, "parameters": parameters,
        "responses": responses })
}

fn path(name: &str, description: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "description": description,
        "schema": { "type": "string", "minLength": 1 } })
}

fn organization() -> Value {
    json!({ "name": "organization", "in": "query", "required": false,
        "description": "Of this organization only", "schema": { "type": "string" } })
}

fn paging() -> Vec<Value> {
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL });
    vec![
        json!({ "name": "limit", "in": "query", "required": false, "schema": limit,
            "description": "Entries of a page" }),
        json!({ "name": "after", "in": "query", "required": false, "schema": { "type": "string" },
            "description": "The `next` of the page before" }),
    ]
}

fn problem(description: &str) -> Value {
    json!({ "description": description, "content": { "application/problem+json": {
        "schema": { "$ref": "#/components/schemas/Problem" } } } })
}

fn schemas() -> Value {
    let text = json!({ "type": "string" });
    let count = json!({ "type": "integer", "minimum": 0 });
    let source = json!({ "$ref": "#/components/schemas/Source" });
    let next = json!({ "type": ["string", "null"],
        "description": "`after` of the next page; null on the last one" });
    let object = |properties: Value| {
        let names: Vec<String> = match &properties {
            Value::Object(members) => members.keys().cloned().collect(),
            _ => Vec::new(),
        };
        json!({ "type": "object", "required": names, "properties": properties })
    };
    let list = |entry: Value| json!({ "type": "array", "items": object(entry) });
    json!({
        "Source": object(json!({
            "partition": count,
            "offset": count,
            "timestamp": { "type": ["string", "null"], "format": "date-time" },
        })),
        "Report": object(json!({
            "organization": text, "cluster": text, "source": source,
            "report": { "type": "object", "description": "The report as it is on the topic" },
        })),
        "Clusters": object(json!({
            "organization": text,
            "clusters": list(json!({ "cluster": text, "findings": count, "source": source })),
            "next": next,
        })),
        "Affected": object(json!({
            "rule": text,
            "clusters": list(json!({
                "organization": text, "cluster": text, "findings": count, "source": source })),
            "next": next,
        })),
        "Problem": {
            "type": "object",
            "description": "RFC 9457",
            "required": ["type", "title", "status", "detail"],
            "properties": { "type": text, "title": text, "status": { "type": "integer" },
                "detail": text },
        },
    })
}
