//! Expiration times of tables: the checks when they are set, and the default of a dataset.

use serde_json::{Value, json};

use super::api::ApiError;
use crate::clock::Clock;

/// The shortest `defaultTableExpirationMs`: one hour.
const SHORTEST_DEFAULT: i64 = 3_600_000;

/// Checks a table's `expirationTime` if it is not the one that the live table has, and stores it as
/// text, as Google's REST APIs write 64-bit numbers.
pub fn check_expiration(table: &mut Value, live: &Value) -> Result<(), ApiError> {
    let Some(time) = millis(table, "expirationTime")? else { return Ok(()) };
    table["expirationTime"] = json!(time.to_string());
    if table["expirationTime"] != live["expirationTime"] && time < now() + 1_000 {
        let message = "Expiration time must be at least 1 seconds in the future";
        return Err(ApiError::invalid(message));
    }
    Ok(())
}

/// Gives a new table the expiration time that is the default in its dataset, unless it has one.
pub fn default_expiration(table: &mut Value, dataset: &Value) -> Result<(), ApiError> {
    if table["expirationTime"].is_null()
        && let Some(lifetime) = millis(dataset, "defaultTableExpirationMs")?
    {
        table["expirationTime"] = json!(now().saturating_add(lifetime).to_string());
    }
    Ok(())
}

/// Checks a dataset's `defaultTableExpirationMs`.
pub fn check_default(dataset: &Value) -> Result<(), ApiError> {
    match millis(dataset, "defaultTableExpirationMs")? {
        Some(lifetime) if lifetime < SHORTEST_DEFAULT => Err(ApiError::invalid(format!(
            "Invalid value for defaultTableExpirationMs: {lifetime}. It must be at least \
             {SHORTEST_DEFAULT} milliseconds."
        ))),
        _ => Ok(()),
    }
}

/// A property in milliseconds, which may be text or a number.
fn millis(resource: &Value, name: &str) -> Result<Option<i64>, ApiError> {
    let number = match &resource[name] {
        Value::Null => return Ok(None),
        Value::String(text) => text.parse().ok(),
        other => other.as_i64(),
    };
    let invalid = || ApiError::invalid(format!("Invalid value for {name}: {}", resource[name]));
    number.map(Some).ok_or_else(invalid)
}

fn now() -> i64 {
    Clock::System.now_micros() / 1_000
}
