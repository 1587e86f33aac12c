//! Objects of web servers: signed URLs, which carry their own permission.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use futures_util::{StreamExt, TryStreamExt};
use http::HeaderMap;
use http::header::{CONTENT_TYPE, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};
use tokio::time::{Instant, timeout_at};

use super::fault::{Fault, refused};
use super::opened::Opened;
use super::resolver::{AddressRefused, Resolver};
use crate::clock::Clock;
use crate::config::AllowList;
use crate::error_chain::{chain, errors};
use crate::record::Reason;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes that are read of a refusal: its code is at its beginning.
const MOST_BYTES_OF_REFUSAL: usize = 16 << 10;

/// How long is waited for them: the status is known.
const TIME_FOR_REFUSAL: Duration = Duration::from_secs(2);

/// The HTTP client. It follows no redirect and uses no proxy: a proxy would resolve names by itself,
/// so that no address could be checked.
#[derive(Debug)]
pub struct Web {
    client: Client,
    resolver: Resolver,
    clock: Clock,
}

impl Web {
    /// `idle`: how long the server may send nothing.
    pub fn new(allowed: Arc<AllowList>, idle: Duration) -> Result<Self, reqwest::Error> {
        Self::with_resolver(Resolver::new(allowed), idle, Clock::System)
    }

    pub fn with_resolver(
        resolver: Resolver,
        idle: Duration,
        clock: Clock,
    ) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .dns_resolver(Arc::new(resolver.clone()))
            .tls_built_in_webpki_certs(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(idle)
            .user_agent(concat!("generic-consumer/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, resolver, clock })
    }

    /// Asks for an object, with these headers besides the usual ones.
    pub async fn open(&self, url: &Url, headers: &HeaderMap) -> Result<Opened, Fault> {
        self.resolver.check_literal(url).map_err(|error| refused(error.to_string()))?;
        let response = self.client.get(url.clone()).headers(headers.clone()).send().await;
        let response = response.map_err(|error| no_answer(error.without_url()))?;
        if response.status() != StatusCode::OK {
            return Err(self.refusal(url, response).await);
        }
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|text| text.to_str().ok());
        Ok(Opened {
            size: response.content_length(),
            content_type: content_type.map(str::to_owned),
            bytes: response.bytes_stream().map_err(|error| chain(&error.without_url())).boxed(),
        })
    }

    /// What a response means that has no object.
    async fn refusal(&self, url: &Url, response: Response) -> Fault {
        let status = response.status();
        let host = url.host_str().unwrap_or_default().to_owned();
        let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
        let to = to.and_then(|to| url.join(to).ok()).map(|to| to.origin().ascii_serialization());
        let body = beginning(response).await;
        let code = element(&body, "Code");
        let answer = match &code {
            Some(code) => format!("{host} answered {} {code}", status.as_u16()),
            None => format!("{host} answered {}", status.as_u16()),
        };
        let expired = has_expired(url, self.clock.now_micros())
            || code.as_deref() == Some("ExpiredToken")
            || body.contains("has expired");
        match status.as_u16() {
            300..=399 => refused(format!(
                "{answer}, a redirect to {}, and redirects are not followed",
                to.as_deref().unwrap_or("nowhere")
            )),
            404 => Fault::rejected(Reason::ObjectMissing, answer),
            410 => Fault::rejected(Reason::ObjectGone, answer),
            400 | 401 | 403 if expired => {
                Fault::rejected(Reason::ObjectExpired, format!("{answer}: the URL has expired"))
            }
            408 | 429 | 500..=599 => Fault::Away(answer),
            _ => Fault::rejected(Reason::ObjectDenied, answer),
        }
    }
}

/// Why a request has no response.
fn no_answer(error: reqwest::Error) -> Fault {
    match errors(&error).find_map(|error| error.downcast_ref::<AddressRefused>()) {
        Some(address) => refused(address.to_string()),
        // It is about the URL, so it is the same tomorrow.
        None if error.is_builder() => refused("no request can be made of the URL".to_owned()),
        None => Fault::Away(chain(&error)),
    }
}

async fn beginning(mut response: Response) -> String {
    let (mut body, until) = (Vec::new(), Instant::now() + TIME_FOR_REFUSAL);
    while let Ok(Ok(Some(chunk))) = timeout_at(until, response.chunk()).await {
        body.extend_from_slice(&chunk);
        if body.len() >= MOST_BYTES_OF_REFUSAL {
            body.truncate(MOST_BYTES_OF_REFUSAL);
            break;
        }
    }
    String::from_utf8_lossy(&body).into_owned()
}

/// The text of an element of an error in S3's form, which Google has too: a code, never a value.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once('<')?;
    let is_code =
        !text.is_empty() && text.len() <= 60 && text.bytes().all(|b| b.is_ascii_alphanumeric());
    is_code.then(|| text.to_owned())
}

/// Whether a signed URL of S3 or of Google Cloud Storage says that its time is over.
fn has_expired(url: &Url, now_micros: i64) -> bool {
    let parameter = |names: [&str; 2]| {
        let mut all = url.query_pairs();
        all.find(|(name, _)| names.contains(&name.as_ref())).map(|(_, value)| value.into_owned())
    };
    let end = || {
        if let Some(at) = parameter(["Expires", "expires"]) {
            return DateTime::from_timestamp(at.parse().ok()?, 0);
        }
        let begins = parameter(["X-Amz-Date", "X-Goog-Date"])?;
        let seconds = parameter(["X-Amz-Expires", "X-Goog-Expires"])?;
        let begins = NaiveDateTime::parse_from_str(&begins, "%Y%m%dT%H%M%SZ").ok()?.and_utc();
        begins.checked_add_signed(TimeDelta::try_seconds(seconds.parse().ok()?)?)
    };
    let now: Option<DateTime<Utc>> = DateTime::from_timestamp_micros(now_micros);
    end().zip(now).is_some_and(|(end, now)| end <= now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_url_says_when_it_expires() {
        let now = 1_579_800_000_000_000; // 2020-01-23T17:20:00Z
        for (query, expected) in [
            ("X-Amz-Date=20200123T161559Z&X-Amz-Expires=86400", false),
            ("X-Amz-Date=20200123T161559Z&X-Amz-Expires=60", true),
            ("X-Goog-Date=20200122T161559Z&X-Goog-Expires=60", true),
            ("Expires=1579799999&Signature=x", true),
            ("Expires=1579800001&Signature=x", false),
            ("X-Amz-Date=never&X-Amz-Expires=60", false),
            ("X-Amz-Date=20200123T161559Z&X-Amz-Expires=99999999999999999999", false),
            ("", false),
        ] {
            let url: Url = format!("https://a.example/x?{query}").parse().expect("a URL");
            assert_eq!(has_expired(&url, now), expected, "{query}");
        }
    }

    #[test]
    fn only_codes_are_taken_from_a_refusal() {
        assert_eq!(element("<Error><Code>NoSuchKey</Code>", "Code").as_deref(), Some("NoSuchKey"));
        assert_eq!(element("<Code>a secret: 12</Code>", "Code"), None);
        assert_eq!(element("<Code>", "Code"), None);
    }
}
