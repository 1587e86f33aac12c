//! Our keywords in AsyncAPI documents as JSON Schema, for editors. It says nothing about the rest of a
//! document, which AsyncAPI's own schema describes.

use serde_json::{Value, json};

use super::asyncapi::ONLY;
use super::columns::TYPES;
use super::keywords::{COLUMN_NAME, COLUMN_TYPE};

/// A document with our keywords.
pub fn schema() -> Value {
    let nested = json!({ "$ref": "#/$defs/schema" });
    let each = json!({ "type": "object", "additionalProperties": nested });
    let all = json!({ "type": "array", "items": nested });
    let mut schema = json!({
        "properties": each,
        "patternProperties": each,
        "$defs": each,
        "definitions": each,
        "dependentSchemas": each,
        "allOf": all,
        "anyOf": all,
        "oneOf": all,
        "prefixItems": all,
        "items": { "if": { "type": "array" }, "then": all, "else": nested },
        COLUMN_NAME: {
            "description": "The name of the field's column",
            "type": "string",
            "minLength": 1,
            "maxLength": 300,
        },
        COLUMN_TYPE: {
            "description": "The type of the field's column",
            "enum": TYPES.map(|(name, _)| name),
        },
    });
    for keyword in
        ["additionalProperties", "contains", "contentSchema", "if", "then", "else", "not"]
    {
        schema[keyword] = nested.clone();
    }
    let payload = json!({
        "if": { "required": ["schemaFormat", "schema"] },
        "then": { "properties": { "schema": nested } },
        "else": nested,
    });
    let messages = json!({
        "type": "object",
        "additionalProperties": { "type": "object", "properties": { "payload": payload } },
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What generic-consumer adds to AsyncAPI 3",
        "description": "Keywords beginning with x-, docs/reference/contracts.md",
        "type": "object",
        "properties": {
            "channels": { "type": "object", "additionalProperties": {
                "type": "object",
                "properties": {
                    "x-event-type": {
                        "description": "Where an event's type is found: a place in the message, or \
                                        `only` where the channel has one message",
                        "anyOf": [
                            { "const": ONLY },
                            { "type": "string", "pattern": "^\\$message\\.payload#/" },
                            { "type": "string", "pattern": "^\\$message\\.header#/" },
                        ],
                    },
                    "messages": messages,
                },
            } },
            "components": { "type": "object", "properties": {
                "messages": messages,
                "schemas": each,
            } },
        },
        "$defs": { "schema": {
            "if": { "type": "object" },
            "then": { "properties": schema },
        } },
    })
}
