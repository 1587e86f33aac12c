//! A store on loopback: a table of answers by path, and a record of the requests.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;

use crate::serve::loopback::{Server, header, read};

/// An answer: status, headers, body.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

#[derive(Debug, Clone)]
pub struct Asked {
    pub path: String,
    /// The headers that the tests look at; empty where there is none.
    pub authorization: String,
    pub token: String,
    /// Of the URL, and of a form.
    pub query: String,
}

#[derive(Default)]
struct Shared {
    /// The last answer of a path is repeated.
    answers: HashMap<String, VecDeque<Answer>>,
    asked: Vec<Asked>,
}

pub struct Store {
    shared: Arc<Mutex<Shared>>,
    server: Server,
}

impl Answer {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// A document with an ETag, which buckets always send.
    pub fn document(body: &str, etag: &str) -> Self {
        let modified = "Sat, 28 Nov 2026 12:00:00 GMT";
        Self::new(200, body).with("etag", etag).with("last-modified", modified)
    }

    /// An error in the form of S3.
    pub fn error(status: u16, code: &str) -> Self {
        let message = format!("<Message>about {code}</Message>");
        let secret = "<AWSAccessKeyId>the-key</AWSAccessKeyId>";
        Self::new(status, format!("<Error><Code>{code}</Code>{message}{secret}</Error>"))
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl Store {
    pub async fn start() -> Self {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let router = axum::Router::new().fallback(respond).with_state(shared.clone());
        Self { shared, server: Server::start(router).await }
    }

    pub fn url(&self, path: &str) -> String {
        self.server.url(path)
    }

    /// Adds an answer for a path; paths without one are answered with 404.
    pub fn answer(&self, path: &str, answer: Answer) -> &Self {
        let mut shared = self.shared.lock().expect("no panic elsewhere");
        shared.answers.entry(path.to_owned()).or_default().push_back(answer);
        self
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.shared.lock().expect("no panic elsewhere").asked.clone()
    }

    /// The paths of the requests.
    pub fn paths(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.path).collect()
    }
}

async fn respond(State(shared): State<Arc<Mutex<Shared>>>, request: Request) -> Response {
    let (head, body) = read(request).await;
    // Google's client escapes the slashes of a name.
    let path: reqwest::Url = format!("http://h/?{}", head.uri.path()).parse().expect("a URL");
    let path = path.query_pairs().next().map(|(path, _)| path.into_owned()).unwrap_or_default();
    let unless = header(&head, "if-none-match");
    let mut shared = shared.lock().expect("no panic elsewhere");
    shared.asked.push(Asked {
        path: path.clone(),
        authorization: header(&head, "authorization"),
        token: header(&head, "x-amz-security-token"),
        query: format!(
            "{}{}",
            head.uri.query().unwrap_or_default(),
            String::from_utf8_lossy(&body)
        ),
    });
    let answer = match shared.answers.get_mut(&path) {
        Some(answers) if answers.len() > 1 => answers.pop_front(),
        Some(answers) => answers.front().cloned(),
        None => None,
    };
    let mut answer = answer.unwrap_or_else(|| Answer::error(404, "NoSuchKey"));
    let etag = answer.headers.iter().find(|(name, _)| *name == "etag");
    if etag.is_some_and(|(_, etag)| *etag == unless) {
        (answer.status, answer.body) = (304, Vec::new());
    }
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(answer.body)).expect("a response")
}
