//! In which form a request has its events: by its content type and its `ce-…` headers.

use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};

/// What the body of a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One event, or an array of events.
    Json,
    /// An event a line.
    Lines,
    /// The data of one CloudEvent, whose attributes are in `ce-…` headers.
    CloudEventData,
    /// One CloudEvent as a JSON object.
    CloudEvent,
    /// An array of those.
    CloudEvents,
}

/// The content types that are accepted, for people.
pub(super) const ACCEPTED: &str = "application/json, application/x-ndjson, \
     application/cloudevents+json, application/cloudevents-batch+json";

impl Form {
    /// The form of a request; an error says why it is none of them.
    pub fn of(headers: &HeaderMap) -> Result<Self, String> {
        if let Some(encoding) = headers.get(CONTENT_ENCODING)
            && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
        {
            return Err("the body is encoded (Content-Encoding): send it as it is".to_owned());
        }
        let sent = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let Some(sent) = sent else {
            return Err(format!("there is no Content-Type; accepted are {ACCEPTED}"));
        };
        let mut parts = sent.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let charset = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
        });
        if let Some(charset) = charset
            && !["utf-8", "utf8", "us-ascii"].iter().any(|it| it.eq_ignore_ascii_case(charset))
        {
            return Err("the charset is not UTF-8".to_owned());
        }
        match media.as_str() {
            "application/cloudevents+json" => Ok(Self::CloudEvent),
            "application/cloudevents-batch+json" => Ok(Self::CloudEvents),
            _ if headers.contains_key("ce-specversion") && is_json(&media) => {
                Ok(Self::CloudEventData)
            }
            "application/json" => Ok(Self::Json),
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines" => Ok(Self::Lines),
            _ => Err(format!("this Content-Type is not accepted; accepted are {ACCEPTED}")),
        }
    }
}

fn is_json(media: &str) -> bool {
    media == "application/json" || media.starts_with("application/") && media.ends_with("+json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(headers: &[(&'static str, &'static str)]) -> Result<Form, String> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")));
        Form::of(&headers.collect())
    }

    #[test]
    fn the_content_type_says_what_a_body_is() {
        for (sent, expected) in [
            ("application/json", Form::Json),
            ("Application/JSON; charset=\"UTF-8\"", Form::Json),
            ("application/x-ndjson", Form::Lines),
            ("application/cloudevents+json; charset=utf-8", Form::CloudEvent),
            ("application/cloudevents-batch+json", Form::CloudEvents),
        ] {
            assert_eq!(form(&[("content-type", sent)]), Ok(expected), "{sent}");
        }
        let binary = [("content-type", "application/vnd.shop+json"), ("ce-specversion", "1.0")];
        assert_eq!(form(&binary), Ok(Form::CloudEventData));
        for refused in [
            &[][..],
            &[("content-type", "application/x-www-form-urlencoded")],
            &[("content-type", "application/vnd.shop+json")],
            &[("content-type", "text/plain"), ("ce-specversion", "1.0")],
            &[("content-type", "application/json; charset=latin1")],
            &[("content-type", "application/json"), ("content-encoding", "gzip")],
        ] {
            assert!(form(refused).is_err(), "{refused:?}");
        }
    }
}
