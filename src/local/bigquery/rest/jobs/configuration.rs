//! Reads the configurations of jobs: table references, and properties that are not supported.

use serde_json::Value;

use crate::local::bigquery::rest::api::ApiError;
use crate::local::bigquery::rest::paths::TablePath;

/// Refuses the properties of a configuration that are not `known`. One that is null, false or empty
/// says the same as one that is absent.
pub fn refuse_unknown(configuration: &Value, known: &[&str], path: &str) -> Result<(), ApiError> {
    let is_set = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(properties) => !properties.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    };
    let properties = configuration.as_object().into_iter().flatten();
    let mut unknown =
        properties.filter(|(name, value)| is_set(value) && !known.contains(&name.as_str()));
    match unknown.next() {
        Some((name, _)) => Err(ApiError::unimplemented(format!(
            "The embedded BigQuery does not support {path}.{name} of jobs."
        ))),
        None => Ok(()),
    }
}

/// The table that a reference names, with its decorator; the project may be left out.
pub fn table_reference(
    project: &str,
    reference: &Value,
    name: &str,
) -> Result<TablePath, ApiError> {
    let part = |part: &str| {
        let text = reference[part].as_str().filter(|text| !text.is_empty());
        text.map(str::to_owned)
    };
    match (part("datasetId"), part("tableId")) {
        (Some(dataset), Some(table)) => {
            let project = part("projectId").unwrap_or_else(|| project.to_owned());
            Ok(TablePath { project, dataset, table })
        }
        _ => Err(ApiError::new(400, "required", format!("Required parameter is missing: {name}"))),
    }
}

/// One of the values that a property may have; the first is the default.
pub fn choice(
    configuration: &Value,
    name: &str,
    choices: &[&'static str],
) -> Result<&'static str, ApiError> {
    let given = match &configuration[name] {
        Value::Null => return Ok(choices[0]),
        given => given.as_str().unwrap_or_default(),
    };
    choices.iter().find(|choice| **choice == given).copied().ok_or_else(|| {
        ApiError::invalid(format!("Invalid value for {name}: {given} is not a valid value"))
    })
}

/// A number that may be text, as Google's REST APIs write 64-bit numbers; zero if it is absent.
pub fn count(configuration: &Value, name: &str) -> Result<u64, ApiError> {
    let number = match &configuration[name] {
        Value::Null => Some(0),
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    let invalid =
        || ApiError::invalid(format!("Invalid value for {name}: {}", configuration[name]));
    number.ok_or_else(invalid)
}

/// A flag, which is false if it is absent.
pub fn flag(configuration: &Value, name: &str) -> Result<bool, ApiError> {
    match &configuration[name] {
        Value::Null => Ok(false),
        Value::Bool(flag) => Ok(*flag),
        Value::String(text) if text == "true" || text == "false" => Ok(text == "true"),
        other => Err(ApiError::invalid(format!("Invalid value for {name}: {other}"))),
    }
}
