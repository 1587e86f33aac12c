//! The contracts of `cases.yaml` with their events, in both layouts.

use serde_json::{Map, Value, json};

use super::support::{COLUMN_RULES, NOW, plain_plan};
use crate::config::RowLayout;
use crate::contract::{self, Contract, ContractError};
use crate::record::{Event, NoHeaders, Position, Transcoded};
use crate::row::{FieldValue, Fields, RowBuffer, TableSchema};
use crate::transcode::{Ingestion, Plan};

/// The document of a case, with the channel `C` and the message `e`.
fn document(case: &Value) -> String {
    if let Some(text) = case["document"].as_str() {
        return text.to_owned();
    }
    let payload = match case.get("payload") {
        Some(payload) => payload.clone(),
        None => {
            let mut properties = Map::from_iter([
                ("type".to_owned(), json!({"type": "string"})),
                ("v".to_owned(), case["v"].clone()),
            ]);
            properties.extend(case["also"].as_object().cloned().unwrap_or_default());
            let mut payload = json!({"type": "object", "properties": properties});
            if let Some(required) = case.get("required") {
                payload["required"] = required.clone();
            }
            payload
        }
    };
    let payload = match case["dialect"].as_str() {
        None => payload,
        Some(version) => {
            let format = format!("application/schema+json;version={version}");
            json!({"schemaFormat": format, "schema": payload})
        }
    };
    let schemas = case.get("schemas").cloned().unwrap_or_else(|| json!({}));
    super::schemas::document(&payload, &schemas).to_string()
}

fn load(case: &Value) -> Result<Contract, ContractError> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("c.yaml"), document(case)).unwrap();
    let contract = contract::load(folder.path(), "c", "C", &[])?;
    let mut problems = contract.type_place_problems(&[]);
    if let Err(error) = contract.table_schema(RowLayout::Columns, &[], &COLUMN_RULES) {
        problems.extend(error.problems);
    }
    if problems.is_empty() { Ok(contract) } else { Err(ContractError { problems }) }
}

fn plan(contract: &Contract, layout: RowLayout) -> (Plan, TableSchema) {
    let table = contract.table_schema(layout, &[], &COLUMN_RULES).unwrap();
    (plain_plan(contract, &table, layout), table)
}

/// The JSON text or the number in a column; `None` if it has no value. The path's dots separate the
/// fields of records.
fn shown(fields: Fields<'_>, path: &str) -> Option<String> {
    let (name, inner) =
        path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let index = fields.columns().iter().position(|column| column.name == name);
    let index = index.unwrap_or_else(|| panic!("no column {name}"));
    let mut values = Vec::new();
    fields.read(&mut values).unwrap();
    match (values[index], inner) {
        (FieldValue::Record(fields), Some(inner)) => shown(fields, inner),
        (FieldValue::Json(text) | FieldValue::String(text), None) => Some(text.to_owned()),
        (FieldValue::Int64(number), None) => Some(number.to_string()),
        (FieldValue::Null, _) => None,
        (other, _) => panic!("{path} is {other:?}"),
    }
}

fn check(name: &str, event: &Value, layout: RowLayout, plan: &mut Plan, table: &TableSchema) {
    let value = match event["text"].as_str() {
        Some(text) => text.to_owned(),
        None => {
            let mut value = json!({"type": "e"});
            let members = event["event"].as_object().expect("an event").clone();
            value.as_object_mut().expect("an object").extend(members);
            value.to_string()
        }
    };
    let what = format!("{name}: {value} in {layout:?}");
    let record = Event {
        at: Position::new(0, 41),
        timestamp_ms: None,
        key: None,
        value: Some(value.as_bytes()),
        headers: &NoHeaders,
    };
    let mut rows = RowBuffer::default();
    let outcome = match plan.transcode(&record, Ingestion::at(NOW), &mut rows) {
        Transcoded::Row => "row".to_owned(),
        Transcoded::Ignored(_) => "ignored".to_owned(),
        Transcoded::Rejected(rejection) => {
            assert_eq!(rejection.reason.code(), event["outcome"], "{what}: {}", rejection.detail);
            rejection.reason.code().to_owned()
        }
    };
    assert_eq!(event["outcome"], outcome, "{what}");
    let Some((_, row)) = rows.rows().next() else { return };
    let fields = Fields::new(&table.columns, row);
    if layout == RowLayout::Envelope {
        assert_eq!(shown(fields, "payload"), Some(value), "{what}");
        return;
    }
    let mut expected = event["columns"].as_object().cloned().unwrap_or_default();
    expected.extend(event.get("v").map(|text| ("v".to_owned(), text.clone())));
    expected.extend(event.get("extra").map(|text| ("_extra".to_owned(), text.clone())));
    for (path, value) in expected {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        assert_eq!(shown(fields, &path), Some(value), "{what}: {path}");
    }
}

#[test]
fn contracts_and_their_events_have_the_outcomes_of_the_cases() {
    let cases: Vec<Value> = serde_norway::from_str(include_str!("cases.yaml")).unwrap();
    assert!(cases.len() > 30, "{} cases", cases.len());
    for case in &cases {
        let name = case["name"].as_str().expect("a name");
        let loaded = load(case);
        if let Some(parts) = case["mistake"].as_array() {
            let report = loaded.expect_err(name).to_string();
            for part in parts {
                assert!(report.contains(part.as_str().unwrap()), "{name}: {part} in\n{report}");
            }
            continue;
        }
        let contract = loaded.unwrap_or_else(|error| panic!("{name}: {error}"));
        for (layout, layout_name) in
            [(RowLayout::Columns, "columns"), (RowLayout::Envelope, "envelope")]
        {
            let (mut plan, table) = plan(&contract, layout);
            for event in case["events"].as_array().unwrap_or_else(|| panic!("{name}: no events")) {
                if event["layout"].as_str().is_none_or(|only| only == layout_name) {
                    check(name, event, layout, &mut plan, &table);
                }
            }
        }
    }
}
