//! Looks at a bucket or database, and writes nothing: a run asks the same by a write without points.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;

use super::client::Client;
use super::errors::Verdict;
use super::http;
use super::layout::field_types;
use crate::clock::Clock;
use crate::config::{InfluxApi, InfluxServer, InfluxSettings};
use crate::row::TableSchema;
use crate::stop::Stop;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(8);

/// Bytes of an answer that are read: more than the names of many thousand fields.
const LARGEST: usize = 8 << 20;

/// A measurement as a run would find it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InfluxLook {
    /// Fields whose points the server would refuse: it keeps another type for them. `None`: it does not
    /// say which types it keeps.
    pub conflicts: Option<Vec<String>>,
    /// Whether the measurement has points already; a run creates it otherwise.
    pub is_there: bool,
}

/// The body of `/query`.
#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    results: Vec<QueryResult>,
}

#[derive(Debug, Deserialize)]
struct QueryResult {
    #[serde(default)]
    series: Vec<Series>,
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Series {
    #[serde(default)]
    values: Vec<(String, String)>,
}

/// Looks at the place and the measurement. The error says why nothing was seen, or may not be written.
pub async fn look(settings: &InfluxSettings, columns: &TableSchema) -> Result<InfluxLook, Stop> {
    let client = Client::new(&settings.server, Clock::System)?;
    if let Err(error) = client.write(&[]).await {
        match error.verdict() {
            // Some servers refuse a request without lines.
            Verdict::Refused | Verdict::TooLarge | Verdict::Unexpected => {}
            Verdict::Retry | Verdict::Stop(_) => {
                return Err(error.stop(format!("look at {}", settings.target())));
            }
        }
    }
    let Some(kept) = field_keys(&settings.server, &settings.measurement).await else {
        return Ok(InfluxLook::default());
    };
    let wanted = field_types(columns, &settings.point);
    let conflicts = wanted.iter().filter_map(|(name, wanted)| {
        // Shards may keep several types; the last one that was read is as good as any.
        let kept = kept.get(name).filter(|kept| kept != wanted)?;
        Some(format!("{name} is {kept}, the contract needs {wanted}"))
    });
    Ok(InfluxLook { conflicts: Some(conflicts.collect()), is_there: !kept.is_empty() })
}

/// The types of the measurement's fields by InfluxQL, where the server answers it and lets us read.
async fn field_keys(server: &InfluxServer, measurement: &str) -> Option<BTreeMap<String, String>> {
    let (database, policy) = match &server.api {
        InfluxApi::V1 { database, retention_policy, .. } => {
            (database.as_str(), retention_policy.as_deref())
        }
        InfluxApi::V2 { bucket, .. } => match bucket.split_once('/') {
            Some((database, policy)) => (database, Some(policy)),
            None => (bucket.as_str(), None),
        },
    };
    let name = measurement.replace('\\', "\\\\").replace('"', "\\\"");
    let statement = format!("SHOW FIELD KEYS FROM \"{name}\"");
    let parameters = [("db", database), ("q", statement.as_str())];
    let parameters = parameters.into_iter().chain(policy.map(|policy| ("rp", policy)));
    let url = Url::parse_with_params(&format!("{}/query", server.url), parameters).ok()?;
    // Of a GET the server carries out nothing that writes.
    let answer = http::client(server, ANSWER).ok()?.get(url).send().await.ok()?;
    if !answer.status().is_success() {
        return None;
    }
    let body = answer.bytes().await.ok().filter(|body| body.len() <= LARGEST)?;
    types(&body)
}

fn types(body: &[u8]) -> Option<BTreeMap<String, String>> {
    let answer: Answer = serde_json::from_slice(body).ok()?;
    if answer.results.is_empty() || answer.results.iter().any(|result| result.error.is_some()) {
        return None;
    }
    let series = answer.results.into_iter().flat_map(|result| result.series);
    Some(series.flat_map(|series| series.values).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_of_fields_are_read_where_the_server_says_them() {
        let said = br#"{"results":[{"statement_id":0,"series":[{"name":"m","columns":
            ["fieldKey","fieldType"],"values":[["amount","float"],["n","integer"]]}]}]}"#;
        let types_of = types(said).expect("types");
        assert_eq!((types_of["amount"].as_str(), types_of["n"].as_str()), ("float", "integer"));
        assert_eq!(types(br#"{"results":[{"statement_id":0}]}"#), Some(BTreeMap::new()));
        assert_eq!(types(br#"{"results":[{"statement_id":0,"error":"not authorized"}]}"#), None);
        assert_eq!(types(br#"{"error":"x"}"#), None);
        assert_eq!(types(b"<html>"), None);
    }
}
