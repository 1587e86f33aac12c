//! The body of an answer that is no success: `application/problem+json` (RFC 9457).

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{Response, StatusCode};
use serde::Serialize;

use super::event_answer::EventAnswer;

/// What is wrong with a request, or with answering it.
#[derive(Debug)]
pub(in crate::serve) struct Problem {
    pub status: StatusCode,
    /// A name of this kind of problem.
    pub kind: &'static str,
    pub title: &'static str,
    pub detail: String,
    /// What became of each event, where that differs.
    pub(super) events: Vec<EventAnswer>,
    pub advice: Advice,
}

/// What a header tells the client to do.
#[derive(Debug, Clone, Copy)]
pub(in crate::serve) enum Advice {
    None,
    /// Try again, a second later.
    Retry,
    /// Authenticate with a bearer token.
    Authenticate,
    /// Use one of these methods.
    Allow(&'static str),
}

#[derive(Serialize)]
struct Text<'p> {
    r#type: String,
    title: &'p str,
    status: u16,
    detail: &'p str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    events: &'p [EventAnswer],
}

/// The beginning of every problem's type.
const TYPE: &str = "urn:generic-consumer:problem:";

/// When a client may try again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

impl Problem {
    /// There is no such path. `detail` says which there are.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "there is no such path", detail)
    }

    /// The path takes these methods alone.
    pub fn method_not_allowed(methods: &'static str) -> Self {
        let (status, title) = (StatusCode::METHOD_NOT_ALLOWED, "the path has no such method");
        Self::new(status, "method-not-allowed", title, format!("accepted: {methods}"))
            .advice(Advice::Allow(methods))
    }

    pub fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            status,
            kind,
            title,
            detail: detail.into(),
            events: Vec::new(),
            advice: Advice::None,
        }
    }

    /// A request without a token, or with an unknown one.
    pub fn no_token() -> Self {
        let title = "a token is needed";
        let detail = "send a known token as `Authorization: Bearer TOKEN`";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", title, detail)
            .advice(Advice::Authenticate)
    }

    pub(super) fn events(self, events: Vec<EventAnswer>) -> Self {
        Self { events, ..self }
    }

    pub fn advice(self, advice: Advice) -> Self {
        Self { advice, ..self }
    }

    pub fn response(&self) -> Response<Body> {
        let text = Text {
            r#type: format!("{TYPE}{}", self.kind),
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            events: &self.events,
        };
        // Maps with other keys than texts are what serde_json cannot write; there are none.
        let text = serde_json::to_vec(&text).unwrap_or_default();
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self.advice {
            Advice::None => {}
            Advice::Retry => {
                headers.insert(RETRY_AFTER, HeaderValue::from(AGAIN_AFTER.as_secs()));
            }
            Advice::Authenticate => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Advice::Allow(methods) => {
                headers.insert(ALLOW, HeaderValue::from_static(methods));
            }
        }
        response
    }
}
