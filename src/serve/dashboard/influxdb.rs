//! Series from InfluxDB, in InfluxQL: InfluxDB 1 has nothing else that is always there, and InfluxDB 2
//! answers it too, with a bucket in the place of the database.

use async_trait::async_trait;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde_json::Number;

use super::gate::ANSWER;
use super::range::Range;
use super::store::{Store, StoreError};
use crate::config::{InfluxApi, InfluxServer, SeriesSettings, SeriesSource};
use crate::error_chain::innermost;
use crate::sink::influxdb::http;
use crate::stop::Stop;

/// Bytes of an answer that are read. One with 2,000 buckets has 100 KB.
const LARGEST: usize = 4 << 20;

pub(super) struct InfluxStore {
    client: Client,
    server: InfluxServer,
}

/// The body of `/query`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    results: Option<Vec<QueryResult>>,
    error: Option<String>,
    /// InfluxDB 2 names some errors so.
    message: Option<String>,
}

/// Of one statement. It may have failed although the status is 200.
#[derive(Debug, Deserialize)]
struct QueryResult {
    #[serde(default)]
    series: Vec<Found>,
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Found {
    /// Milliseconds since 1970, and the aggregate.
    values: Vec<(i64, Option<Number>)>,
}

impl InfluxStore {
    /// Connects when it is asked.
    pub fn new(server: &InfluxServer) -> Result<Self, Stop> {
        // The gate gives up before.
        let client = http::client(server, 2 * ANSWER)?;
        Ok(Self { client, server: server.clone() })
    }

    fn request(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.server.url))
    }

    /// The database, and the retention policy where it is not the default one.
    fn place(&self) -> (&str, Option<&str>) {
        match &self.server.api {
            InfluxApi::V1 { database, retention_policy, .. } => {
                (database, retention_policy.as_deref())
            }
            InfluxApi::V2 { bucket, .. } => match bucket.split_once('/') {
                Some((database, policy)) => (database, Some(policy)),
                None => (bucket, None),
            },
        }
    }
}

#[async_trait]
impl Store for InfluxStore {
    fn name(&self) -> &'static str {
        "InfluxDB"
    }

    async fn values(
        &self,
        series: &SeriesSettings,
        range: &Range,
    ) -> Result<Vec<(i64, f64)>, StoreError> {
        let SeriesSource::Influx { measurement } = &series.source else { return Ok(Vec::new()) };
        let statement = statement(series, measurement, range);
        let (database, policy) = self.place();
        let mut parameters = vec![("db", database), ("epoch", "ms"), ("q", &statement)];
        parameters.extend(policy.map(|policy| ("rp", policy)));
        // Of a GET the server carries out nothing that writes.
        let request = self.request("/query").query(&parameters);
        let answer = request.send().await.map_err(|error| away(&error))?;
        let status = answer.status();
        let answer = parsed(&body(answer).await?, status)?;
        let found = answer.into_iter().flat_map(|result| result.series);
        let values = found.flat_map(|found| found.values);
        Ok(values.filter_map(|(at, value)| Some((at, value?.as_f64()?))).collect())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let answer = self.request("/ping").send().await.map_err(|error| away(&error))?;
        match answer.status() {
            status if status.is_server_error() => Err(StoreError::Away(status.to_string())),
            _ => Ok(()),
        }
    }
}

fn statement(series: &SeriesSettings, measurement: &str, range: &Range) -> String {
    format!(
        "SELECT {}({}) FROM {} WHERE time >= {}ms AND time < {}ms GROUP BY time({}ms) fill(none)",
        series.aggregate.name(),
        quoted(&series.value),
        quoted(measurement),
        range.first(),
        range.end(),
        range.bucket
    )
}

/// A name as InfluxQL takes it, whatever is in it.
fn quoted(name: &str) -> String {
    let name = name.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
    format!("\"{name}\"")
}

async fn body(mut answer: Response) -> Result<Vec<u8>, StoreError> {
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(|error| away(&error))? {
        if body.len() + part.len() > LARGEST {
            return Err(StoreError::Refused(format!("an answer of more than {LARGEST} bytes")));
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

/// The answer, unless it is an error: by its status, by itself or by one of its results.
fn parsed(body: &[u8], status: StatusCode) -> Result<Vec<QueryResult>, StoreError> {
    let answer: Option<Answer> = serde_json::from_slice(body).ok();
    let told = |answer: &Answer| {
        let mut results = answer.results.iter().flatten();
        let of_results = results.find_map(|result| result.error.clone());
        answer.error.clone().or(of_results).or_else(|| answer.message.clone())
    };
    let why = answer.as_ref().and_then(told);
    let with_status = |why: Option<String>| match why {
        Some(why) => format!("{why} ({status})"),
        None => status.to_string(),
    };
    match (answer.and_then(|answer| answer.results), why) {
        (_, why) if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            Err(StoreError::Away(with_status(why)))
        }
        (_, why) if !status.is_success() => Err(StoreError::Refused(with_status(why))),
        (_, Some(why)) => Err(StoreError::Refused(plain(why))),
        (Some(results), None) => Ok(results),
        (None, None) => Err(StoreError::Refused("the answer is not that of InfluxDB".to_owned())),
    }
}

/// What the server calls by the name of a type in its own code.
fn plain(why: String) -> String {
    match why.starts_with("unsupported ") && why.contains(" iterator type: ") {
        true => "the field is no number: only count can be made of it".to_owned(),
        false => why,
    }
}

/// The innermost reason, without the URL.
fn away(error: &reqwest::Error) -> StoreError {
    StoreError::Away(innermost(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(body: &str, status: StatusCode) -> StoreError {
        parsed(body.as_bytes(), status).expect_err("an error")
    }

    #[test]
    fn names_are_quoted() {
        assert_eq!(quoted(r#"a"; DROP \ "#), r#""a\"; DROP \\ ""#);
        assert_eq!(quoted("a\nb"), r#""a\nb""#);
    }

    #[test]
    fn an_error_may_be_in_a_successful_answer() {
        let refused = |text: &str| StoreError::Refused(text.to_owned());
        let body = r#"{"results":[{"statement_id":0,"error":"unsupported mean iterator type: *query.stringInterruptIterator"}]}"#;
        let expected = refused("the field is no number: only count can be made of it");
        assert_eq!(error(body, StatusCode::OK), expected);
        let body = r#"{"results":[{"statement_id":0,"error":"database not found: x"}]}"#;
        assert_eq!(error(body, StatusCode::OK), refused("database not found: x"));
        let body = r#"{"error":"authorization failed"}"#;
        let expected = refused("authorization failed (401 Unauthorized)");
        assert_eq!(error(body, StatusCode::UNAUTHORIZED), expected);
        let body = r#"{"code":"unauthorized","message":"unauthorized access"}"#;
        let expected = refused("unauthorized access (401 Unauthorized)");
        assert_eq!(error(body, StatusCode::UNAUTHORIZED), expected);
        let expected = StoreError::Away("503 Service Unavailable".to_owned());
        assert_eq!(error("<html>", StatusCode::SERVICE_UNAVAILABLE), expected);
        assert_eq!(error("{}", StatusCode::OK), refused("the answer is not that of InfluxDB"));
    }

    #[test]
    fn an_answer_has_times_and_numbers() {
        let body = r#"{"results":[{"statement_id":0,"series":[{"name":"low","columns":["time","mean"],
            "values":[[1000,2.5],[2000,null],[3000,7]]}]}]}"#;
        let answer = parsed(body.as_bytes(), StatusCode::OK).expect("an answer");
        let values = &answer[0].series[0].values;
        let number = |value: &Option<Number>| value.as_ref().and_then(Number::as_f64);
        let numbers: Vec<_> = values.iter().map(|(at, value)| (*at, number(value))).collect();
        assert_eq!(numbers, [(1_000, Some(2.5)), (2_000, None), (3_000, Some(7.0))]);
        let empty = parsed(br#"{"results":[{"statement_id":0}]}"#, StatusCode::OK).expect("empty");
        assert!(empty[0].series.is_empty());
    }
}
