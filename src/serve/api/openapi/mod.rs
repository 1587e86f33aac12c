//! The OpenAPI 3.1 document of an event API, made of the contract.

mod answers;
mod schemas;

use serde_json::{Map, Value, json};

use self::schemas::Schemas;
use super::request::MOST_EVENTS;
use super::routes::{EVENTS, OPENAPI};
use crate::contract::{Contract, Discriminator};

/// Describes the API for a contract. `ignored` are the event types that the domain leaves out, and
/// `tokens` says whether requests need one.
pub(super) fn document(contract: &Contract, ignored: &[String], tokens: bool) -> Value {
    let schemas = Schemas::of(contract, ignored);
    let mut components = answers::schemas();
    components.extend(schemas.components);
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": format!("Events of {}", contract.topic),
            "version": contract.id.rsplit_once('@').map_or("1", |(_, version)| version),
            "description": format!(
                "Publishes events to the Kafka topic `{}`, checked by the contract `{}`. Accepted \
                 events are on all replicas in sync when the answer comes.",
                contract.topic, contract.id
            ),
        },
        "paths": {
            (EVENTS): { "post": post(contract, schemas.needs_type_header) },
            (OPENAPI): { "get": {
                "operationId": "describe",
                "summary": "This document",
                "responses": {
                    "200": { "description": "OpenAPI 3.1", "content": {
                        "application/json": { "schema": { "type": "object" } } } },
                    "503": answers::problem("The API is switched off"),
                },
            } },
        },
        "components": { "schemas": Value::Object(components) },
    });
    if tokens {
        document["components"]["securitySchemes"] =
            json!({ "token": { "type": "http", "scheme": "bearer" } });
        document["security"] = json!([{ "token": [] }]);
        for (path, method) in [(EVENTS, "post"), (OPENAPI, "get")] {
            document["paths"][path][method]["responses"]["401"] =
                answers::problem("The token is missing or not known");
        }
    }
    document
}

fn post(contract: &Contract, needs_type_header: bool) -> Value {
    let event = schemas::reference("Event");
    let array = |items: &Value| json!({ "type": "array", "items": items, "minItems": 1 });
    let cloud_event = schemas::reference("CloudEvent");
    json!({
        "operationId": "publish",
        "summary": "Publish events",
        "description": format!(
            "Takes one event, an array, an event a line, and CloudEvents 1.0 in structured, batch \
             and binary mode (the attributes as `ce-…` headers); at most {MOST_EVENTS} events. \
             Without `partial` nothing is published if an event is bad. An optional field that is \
             null counts as missing."
        ),
        "parameters": parameters(contract, needs_type_header),
        "requestBody": { "required": true, "content": {
            "application/json": { "schema": { "oneOf": [event, array(&event)] } },
            "application/x-ndjson": { "schema": {
                "type": "string", "description": "An event a line." } },
            "application/cloudevents+json": { "schema": cloud_event },
            "application/cloudevents-batch+json": { "schema": array(&cloud_event) },
        } },
        "responses": answers::responses(),
    })
}

fn parameters(contract: &Contract, needs_type_header: bool) -> Value {
    let mut parameters = vec![json!({
        "name": "partial", "in": "query", "required": false,
        "schema": { "type": "boolean", "default": false },
        "description": "Publish the good events although others are bad.",
    })];
    if let Discriminator::Header(name) = &contract.discriminator {
        let types: Map<String, Value> =
            [("enum".to_owned(), schemas::types(contract))].into_iter().collect();
        parameters.push(json!({
            "name": name, "in": "header", "required": needs_type_header, "schema": types,
            "description": "The event type of all events of the request that are no CloudEvents; \
                for a CloudEvent its attribute `type` counts.",
        }));
    }
    Value::Array(parameters)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::contract;

    fn of(document: &str, object: &str) -> (Contract, Value) {
        let contracts = Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts");
        let contract = contract::load(&contracts, document, object, &[]).expect("loads");
        let described = super::document(&contract, &[], true);
        (contract, described)
    }

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_to_a_schema() {
        for (document, object) in [
            ("contracts.delivery.delivery_events_v10", "DeliveryEventsV10Topic"),
            ("contracts.orders.order_events_v1", "OrderEventsV1Topic"),
        ] {
            let (contract, described) = of(document, object);
            let mut found = Vec::new();
            references(&described, &mut found);
            assert!(found.len() > contract.events.len());
            for reference in found {
                let pointer = reference.strip_prefix('#').expect("in this document");
                assert!(described.pointer(pointer).is_some(), "{reference}");
            }
            let text = described.to_string();
            for internal in ["x-contract-", "\"$schema\""] {
                assert!(!text.contains(internal), "{internal}");
            }
        }
    }

    #[test]
    fn a_type_in_the_payload_is_a_constant_and_one_in_a_header_a_parameter() {
        let (_, described) = of("contracts.orders.order_events_v1", "OrderEventsV1Topic");
        let parameter = &described["paths"]["/v1/events"]["post"]["parameters"][1];
        assert_eq!(
            (&parameter["name"], &parameter["required"]),
            (&json!("event-type"), &json!(true))
        );
        let (contract, described) =
            of("contracts.delivery.delivery_events_v10", "DeliveryEventsV10Topic");
        let types = described["components"]["schemas"]["Event"]["anyOf"].as_array();
        let types = types.expect("alternatives").iter();
        let constants: Vec<&str> = types
            .filter_map(|it| it["allOf"][1]["properties"]["event_type"]["const"].as_str())
            .collect();
        let names: Vec<&str> = contract.events.iter().map(|event| event.name.as_str()).collect();
        assert_eq!(constants, names);
    }
}
