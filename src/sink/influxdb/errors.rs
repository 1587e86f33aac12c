//! A failed request to InfluxDB, and the one match that decides what to do about it.

use std::time::Duration;

use reqwest::StatusCode;

use crate::error_chain::chain;
use crate::stop::Stop;

/// What to do after a failed write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The connection or the server was in the way: try again.
    Retry,
    /// The request is larger than the server takes: send its halves.
    TooLarge,
    /// Points are to blame; the others may have been written.
    Refused,
    /// An answer that says nothing about points and may pass: try again a few times.
    Unexpected,
    /// A person has to act; the text says how.
    Stop(&'static str),
}

/// A request failed, and why.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// No answer, or one that broke off.
    #[error("{}", chain(.0))]
    NoAnswer(reqwest::Error),
    #[error("{status}{}", described(.message))]
    Answer { status: StatusCode, message: String, retry_after: Option<Duration> },
}

/// Characters of a server's message that are shown.
const LONGEST_MESSAGE: usize = 300;

const LOGIN: &str = "check `token` (or `user` and `password` with `api = \"v1\"`) of the write \
                     environment's `influxdb` section";
const RIGHTS: &str = "give the token, or the user, the right to write to the bucket or database";
const PLACE: &str = "create the bucket or database (in InfluxDB 1 also its retention policy), or check \
                     `url`, `api`, `bucket`, `org`, `database` and `retention_policy` of the write \
                     environment's `influxdb` section";
const LIMITS: &str = "the server has as many series, or values of a tag, as its configuration allows: \
                      take a column with fewer values for INFLUX_TAGS, or raise the limit";
const TLS: &str = "check `url` of the write environment's `influxdb` section, and SSL_CERT_FILE, \
                   against the server's certificate";
const UNKNOWN: &str = "check `url` and `api` of the write environment's `influxdb` section, and the \
                       server (docs/reference/influxdb.md)";

impl WriteError {
    pub fn verdict(&self) -> Verdict {
        match self {
            // The text of rustls.
            Self::NoAnswer(error) if chain(error).contains("invalid peer certificate") => {
                Verdict::Stop(TLS)
            }
            Self::NoAnswer(_) => Verdict::Retry,
            Self::Answer { status, message, .. } => of_answer(status.as_u16(), message),
        }
    }

    /// How long the server asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Answer { retry_after, .. } => *retry_after,
            Self::NoAnswer(_) => None,
        }
    }

    /// Whether the server says that it has dropped as many points as were sent.
    pub fn dropped_all(&self, points: usize) -> bool {
        let Self::Answer { message, .. } = self else { return false };
        let count = message.trim_end().rsplit_once("dropped=").map(|(_, count)| count.parse());
        count == Some(Ok(points))
    }

    /// What a dead letter says: the server's reason, without the line that it may repeat.
    pub fn detail(&self) -> String {
        format!("InfluxDB refuses the point: {self}")
    }

    /// The error as what stops the instance.
    pub fn stop(self, what: impl Into<String>) -> Stop {
        let hint = match self.verdict() {
            Verdict::Stop(hint) => hint,
            Verdict::Retry | Verdict::TooLarge | Verdict::Refused | Verdict::Unexpected => UNKNOWN,
        };
        Stop::new(what, hint, self)
    }
}

fn of_answer(status: u16, message: &str) -> Verdict {
    match status {
        413 => Verdict::TooLarge,
        401 => Verdict::Stop(LOGIN),
        403 => Verdict::Stop(RIGHTS),
        404 => Verdict::Stop(PLACE),
        // 500: InfluxDB 1 answers so where a field's type conflicts in one of several shards.
        400 | 422 | 500 => of_message(message).unwrap_or(match status {
            500 => Verdict::Retry,
            _ => Verdict::Unexpected,
        }),
        408 | 425 | 429 | 501..=599 => Verdict::Retry,
        _ => Verdict::Unexpected,
    }
}

/// What a message says, where it is one of those that are known. It may contain a line with anything
/// in it, so only its beginning counts.
fn of_message(message: &str) -> Option<Verdict> {
    let (reason, partial) = reason(message);
    let begins = |beginnings: &[&str]| beginnings.iter().any(|text| reason.starts_with(text));
    if begins(&["max-series-per-database", "max-values-per-tag"]) {
        return Some(Verdict::Stop(LIMITS));
    }
    if begins(&["retention policy not found", "database not found"]) {
        return Some(Verdict::Stop(PLACE));
    }
    if reason.starts_with("shard ") && reason.contains("is pending deletion") {
        return Some(Verdict::Retry);
    }
    if begins(&["http: request body too large"]) {
        return Some(Verdict::TooLarge);
    }
    if partial || begins(&["unable to parse", "field type conflict", "points beyond retention"]) {
        return Some(Verdict::Refused);
    }
    // The body did not arrive whole.
    begins(&["unexpected EOF", "read tcp", "gzip: ", "timeout"]).then_some(Verdict::Retry)
}

/// The reason in a message, and whether it is that of a partial write.
fn reason(message: &str) -> (&str, bool) {
    let message = message.strip_prefix("failure writing points to database: ").unwrap_or(message);
    match message.strip_prefix("partial write: ") {
        Some(reason) => (reason, true),
        None => (message, message.starts_with("partial write")),
    }
}

/// A server's message for people, with what goes before it: on one line, not too long, and without
/// the line or the value that it may repeat.
fn described(message: &str) -> String {
    let (reason, partial) = reason(message);
    let reason = match reason.strip_prefix("unable to parse") {
        // What follows the line; of several lines the last.
        Some(rest) => match rest.rsplit_once("': ") {
            Some((_, why)) => format!("unable to parse: {why}"),
            None => "unable to parse".to_owned(),
        },
        None => {
            let end = ["unicode: \"", " value=\""].iter().find_map(|part| reason.find(part));
            reason[..end.unwrap_or(reason.len())].to_owned()
        }
    };
    let plain: String = reason
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST_MESSAGE)
        .collect();
    match (plain.trim(), partial) {
        ("", _) => String::new(),
        (text, true) => format!(": partial write: {text}"),
        (text, false) => format!(": {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, message: &str) -> WriteError {
        let status = StatusCode::from_u16(status).expect("a status");
        WriteError::Answer { status, message: message.to_owned(), retry_after: None }
    }

    /// The messages of InfluxDB 1.8 and 2.7.
    #[test]
    fn answers_have_verdicts() {
        let conflict = "field type conflict: input field \"v\" on measurement \"m\" is type float, \
                        already exists as type integer";
        let parse = "unable to parse 'm,t=timeout v=max-values-per-tag 1': invalid number";
        for (status, message, verdict) in [
            (400, format!("partial write: {conflict} dropped=1"), Verdict::Refused),
            (400, conflict.to_owned(), Verdict::Refused),
            (500, format!("partial write: {conflict} dropped=1"), Verdict::Refused),
            (
                422,
                format!("failure writing points to database: partial write: {conflict} dropped=1"),
                Verdict::Refused,
            ),
            (400, parse.to_owned(), Verdict::Refused),
            (400, format!("partial write: {parse} dropped=0"), Verdict::Refused),
            (
                400,
                "partial write: points beyond retention policy dropped=3".to_owned(),
                Verdict::Refused,
            ),
            (
                400,
                "partial write: shard 7 is pending deletion dropped=3".to_owned(),
                Verdict::Retry,
            ),
            (400, "unexpected EOF".to_owned(), Verdict::Retry),
            (400, "invalid precision \"x\"".to_owned(), Verdict::Unexpected),
            (500, "timeout".to_owned(), Verdict::Retry),
            (500, "engine: cache-max-memory-size exceeded: (1/1)".to_owned(), Verdict::Retry),
            (413, "Request Entity Too Large".to_owned(), Verdict::TooLarge),
            (429, String::new(), Verdict::Retry),
            (502, "<html>".to_owned(), Verdict::Retry),
            (503, String::new(), Verdict::Retry),
            (302, String::new(), Verdict::Unexpected),
            (200, String::new(), Verdict::Unexpected),
            (400, "partial write: unable to parse 'm t=xxxx".to_owned(), Verdict::Refused),
        ] {
            assert_eq!(answer(status, &message).verdict(), verdict, "{status} {message}");
        }
        for (status, message) in [
            (401, "authorization failed"),
            (403, "not authorized"),
            (404, "database not found: \"x\""),
            (500, "retention policy not found: x"),
            (400, "partial write: max-values-per-tag limit exceeded (1/1): tag=\"t\" dropped=1"),
        ] {
            let verdict = answer(status, message).verdict();
            assert!(matches!(verdict, Verdict::Stop(_)), "{status} {message}: {verdict:?}");
        }
    }

    #[test]
    fn values_are_not_shown() {
        for (message, shown) in [
            (
                "unable to parse 'm,t=secret v=\"it's secret': 1': invalid number",
                "400 Bad Request: unable to parse: invalid number",
            ),
            (
                "partial write: unable to parse 'm v=secret': invalid number\nunable to parse 'm \
                 v=secret': max key length exceeded: 70000 > 65535 dropped=0",
                "400 Bad Request: partial write: unable to parse: max key length exceeded: 70000 > \
                 65535 dropped=0",
            ),
            (
                "partial write: key contains invalid unicode: \"secret\" dropped=1",
                "400 Bad Request: partial write: key contains invalid",
            ),
            (
                "partial write: max-values-per-tag limit exceeded (1/1): measurement=\"m\" tag=\"t\" \
                 value=\"secret\" dropped=1",
                "400 Bad Request: partial write: max-values-per-tag limit exceeded (1/1): \
                 measurement=\"m\" tag=\"t\"",
            ),
            (
                "partial write: unable to parse 'm t=secret",
                "400 Bad Request: partial write: unable to parse",
            ),
            ("", "400 Bad Request"),
        ] {
            assert_eq!(answer(400, message).to_string(), shown);
        }
    }

    #[test]
    fn the_number_of_dropped_points_is_read() {
        let error = answer(400, "partial write: points beyond retention policy dropped=12");
        assert!(error.dropped_all(12) && !error.dropped_all(2) && !error.dropped_all(13));
        assert!(!answer(400, "dropped=x").dropped_all(1));
    }
}
