//! A fake token service on loopback: it grants a token for every request, and records the requests.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::serve::loopback::{Server, header, read};

#[derive(Debug, Clone)]
pub struct RecordedRequest {
    pub path: String,
    pub authorization: String,
    /// The header `Metadata-Flavor`; empty without one, as is `authorization`.
    pub flavor: String,
    pub body: String,
}

#[derive(Default)]
struct Shared {
    requests: Vec<RecordedRequest>,
    /// Responses to the next requests, in place of tokens.
    queued: VecDeque<(u16, Value)>,
    expires_in: u64,
}

pub struct TokenService {
    shared: Arc<Mutex<Shared>>,
    server: Server,
}

impl TokenService {
    /// Its tokens are `token-1`, `token-2` … by the number of the request, and valid for
    /// `expires_in` seconds.
    pub async fn start(expires_in: u64) -> Self {
        let shared = Arc::new(Mutex::new(Shared { expires_in, ..Shared::default() }));
        let router = axum::Router::new().fallback(respond).with_state(shared.clone());
        Self { shared, server: Server::start(router).await }
    }

    pub fn url(&self, path: &str) -> String {
        self.server.url(path)
    }

    /// Queues a response for the next request that has none yet. A string is sent as plain text,
    /// or as the address of a redirect, other values as JSON.
    pub fn respond(&self, status: u16, body: Value) {
        self.shared.lock().expect("no panic elsewhere").queued.push_back((status, body));
    }

    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.lock().expect("no panic elsewhere").requests.clone()
    }

    pub async fn stop(self) {
        self.server.stop().await;
    }
}

async fn respond(State(shared): State<Arc<Mutex<Shared>>>, request: Request) -> Response {
    let (head, body) = read(request).await;
    let mut shared = shared.lock().expect("no panic elsewhere");
    shared.requests.push(RecordedRequest {
        path: head.uri.path().to_owned(),
        authorization: header(&head, "authorization"),
        flavor: header(&head, "metadata-flavor"),
        body: String::from_utf8(body.to_vec()).expect("text"),
    });
    let token = format!("token-{}", shared.requests.len());
    let (status, body) = shared.queued.pop_front().unwrap_or_else(|| {
        let granted = json!({
            "access_token": token,
            "expires_in": shared.expires_in,
            "token_type": "Bearer",
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        });
        (200, granted)
    });
    let status = StatusCode::from_u16(status).expect("a status");
    match body {
        Value::String(url) if status.is_redirection() => {
            (status, [(LOCATION, url)]).into_response()
        }
        Value::String(text) => (status, text).into_response(),
        body => (status, Json(body)).into_response(),
    }
}

/// Parses a form-encoded body.
pub fn form(body: &str) -> HashMap<String, String> {
    let url = reqwest::Url::parse(&format!("http://localhost/?{body}")).expect("a form");
    url.query_pairs().into_owned().collect()
}
