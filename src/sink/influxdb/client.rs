//! The HTTP client of one bucket or database.

use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use reqwest::{Client as Http, Response, StatusCode, Url};
use serde_json::Value;

use super::errors::WriteError;
use super::http;
use super::retry_after::retry_after;
use crate::clock::Clock;
use crate::config::{InfluxApi, InfluxServer};
use crate::stop::Stop;

/// How long a write may take, its answer included.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

const TEXT: &str = "text/plain; charset=utf-8";

/// Bytes that are read of an answer that refuses: it may repeat all that was sent.
const MOST_BYTES_OF_REFUSAL: usize = 64 << 10;

/// Bytes before the message in the JSON of an answer, and characters of a message that is cut off.
const FIRST_KEYS: usize = 200;
const BEGINNING: usize = 1_000;

/// Writes lines. Clones share the connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: Http,
    url: Url,
    gzip: bool,
    clock: Clock,
}

impl Client {
    pub fn new(server: &InfluxServer, clock: Clock) -> Result<Self, Stop> {
        let url = url(server)?;
        let http = http::client(server, WRITE_TIMEOUT)?;
        Ok(Self { http, url, gzip: server.gzip, clock })
    }

    /// Writes lines; all are durable once this returns. Without lines it asks whether the place is
    /// there and may be written to.
    pub async fn write(&self, lines: &[u8]) -> Result<(), WriteError> {
        let mut request = self.http.post(self.url.clone()).header(CONTENT_TYPE, TEXT);
        request = match self.gzip && !lines.is_empty() {
            true => request.header(CONTENT_ENCODING, "gzip").body(compressed(lines)),
            false => request.body(Bytes::copy_from_slice(lines)),
        };
        let response = request.send().await.map_err(WriteError::NoAnswer)?;
        let status = response.status();
        // What a server says that has stored the points. A proxy's page has 200.
        if status == StatusCode::NO_CONTENT {
            return Ok(());
        }
        let retry_after = retry_after(response.headers(), self.clock.now_micros());
        let message = message(response).await;
        Err(WriteError::Answer { status, message, retry_after })
    }
}

/// What the server says: the text of its JSON. Other bodies are those of something in between, which
/// may repeat what it got; they are left out.
async fn message(mut response: Response) -> String {
    let mut body = Vec::new();
    // The status alone is enough where the rest of an answer is lost.
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > MOST_BYTES_OF_REFUSAL {
            break;
        }
    }
    text_of(&body).unwrap_or_default()
}

/// The text of an answer's JSON. It repeats refused lines, so the JSON may be longer than what was
/// read: then the beginning of the text, which says what is wrong.
fn text_of(body: &[u8]) -> Option<String> {
    if let Ok(parsed) = serde_json::from_slice::<Value>(body) {
        return parsed["error"].as_str().or_else(|| parsed["message"].as_str()).map(str::to_owned);
    }
    let text = String::from_utf8_lossy(body);
    let rest = text.strip_prefix('{')?;
    let start = ["\"error\":\"", "\"message\":\""]
        .iter()
        .find_map(|name| rest.find(name).filter(|at| *at < FIRST_KEYS).map(|at| at + name.len()))?;
    Some(rest[start..].chars().take(BEGINNING).collect())
}

fn compressed(lines: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = GzEncoder::new(Vec::with_capacity(lines.len() / 4), Compression::fast());
    // Writing to memory does not fail.
    let _ = encoder.write_all(lines);
    encoder.finish().unwrap_or_default()
}

/// The URL that lines are posted to.
fn url(server: &InfluxServer) -> Result<Url, Stop> {
    let url = match &server.api {
        InfluxApi::V2 { org, bucket, .. } => {
            let path = format!("{}/api/v2/write", server.url);
            let org = org.iter().map(|org| ("org", org.as_str()));
            let parameters = [("bucket", bucket.as_str()), ("precision", "ns")];
            Url::parse_with_params(&path, org.chain(parameters))
        }
        InfluxApi::V1 { database, retention_policy, .. } => {
            let path = format!("{}/write", server.url);
            let policy = retention_policy.iter().map(|policy| ("rp", policy.as_str()));
            let parameters = [("db", database.as_str()), ("precision", "n")];
            Url::parse_with_params(&path, parameters.into_iter().chain(policy))
        }
    };
    url.map_err(|error| http::invalid(server, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_cut_off_has_its_beginning() {
        let whole = br#"{"error":"partial write: a \"b\""}"#;
        assert_eq!(text_of(whole).as_deref(), Some("partial write: a \"b\""));
        let line = "x".repeat(100_000);
        for name in ["\"error\"", "\"code\":\"invalid\",\"message\""] {
            let cut = format!("{{{name}:\"partial write: unable to parse 'm t={line}");
            let text = text_of(cut.as_bytes()).expect("a message");
            assert!(text.starts_with("partial write: unable to parse 'm t="), "{text}");
            assert_eq!(text.len(), BEGINNING);
        }
        assert_eq!(text_of(b"<html>partial write: secret</html>"), None);
        assert_eq!(text_of(b""), None);
    }
}
