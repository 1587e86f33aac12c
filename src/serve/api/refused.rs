//! The answers to requests of which nothing is published.

use axum::http::StatusCode;

use super::event_answer::EventAnswer;
use super::problem::{Advice, Problem};
use super::read_body::BodyError;
use super::split::Unparsable;

pub(super) fn unsupported(why: String) -> Problem {
    let title = "the body is of a type that is not accepted";
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", title, why)
}

pub(super) fn unparsable(why: &Unparsable) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "unparsable", "the body cannot be read", why.to_string())
}

pub(super) fn too_large(detail: String) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "the request is too large", detail)
}

pub(super) fn full() -> Problem {
    let title = "too much waits for the broker";
    let detail = "the bytes of requests that are not yet answered have reached their limit";
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-bytes", title, detail)
        .advice(Advice::Retry)
}

pub(super) fn not_read(why: BodyError) -> Problem {
    match &why {
        BodyError::TooLarge(_) => too_large(why.to_string()),
        BodyError::Full => full(),
        BodyError::TooSlow(_) => {
            let title = "the body did not arrive in time";
            let status = StatusCode::REQUEST_TIMEOUT;
            Problem::new(status, "too-slow", title, why.to_string())
        }
        BodyError::Broken(_) => {
            let title = "the body cannot be read";
            Problem::new(StatusCode::BAD_REQUEST, "unparsable", title, why.to_string())
        }
    }
}

pub(super) fn bad_events(total: usize, bad: Vec<EventAnswer>) -> Problem {
    let count = bad.len();
    let title = "the contract refuses events";
    let detail =
        format!("{count} of {total} events are refused and none was published: `events` says why");
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    Problem::new(status, "bad-events", title, detail).events(bad)
}
