//! The answer to a request whose good events were handed to the broker.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{Response, StatusCode};
use serde::Serialize;

use super::event_answer::EventAnswer;
use super::problem::{Advice, Problem};

#[derive(Serialize)]
struct Published<'a> {
    topic: &'a str,
    published: usize,
    events: &'a [EventAnswer],
}

/// Says what became of all events, in their order.
pub(super) fn response(topic: &str, events: Vec<EventAnswer>) -> Response<Body> {
    let count = |status: u16| events.iter().filter(|event| event.status == status).count();
    let (published, refused) = (count(202), count(422));
    let (unavailable, failed) = (count(503), count(500));
    if unavailable + failed > 0 {
        return not_acknowledged(events, published, failed).response();
    }
    let status = if refused == 0 { StatusCode::ACCEPTED } else { StatusCode::MULTI_STATUS };
    let text = serde_json::to_vec(&Published { topic, published, events: &events });
    // Maps with other keys than texts are what serde_json cannot write; there are none.
    let mut response = Response::new(Body::from(text.unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Not all good events were published.
fn not_acknowledged(events: Vec<EventAnswer>, published: usize, failed: usize) -> Problem {
    let unknown = events.iter().filter(|event| event.is_unknown()).count();
    let total = events.len();
    let detail = format!(
        "{published} of {total} events are on the topic, {unknown} may be, and the others are not: \
         `events` says which"
    );
    let problem = if failed > 0 {
        let title = "the broker refuses events";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "refused-by-broker", title, detail)
    } else {
        let title = "the broker has not acknowledged all events in time";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-acknowledged", title, detail)
            .advice(Advice::Retry)
    };
    problem.events(events)
}
