//! A server of tests on loopback.

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::request::Parts;
use tokio::task::JoinHandle;

/// It ends with the handle.
pub struct Server {
    base: String,
    task: JoinHandle<()>,
}

impl Server {
    pub async fn start(router: axum::Router) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let base = format!("http://{}", listener.local_addr().expect("address"));
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("serves");
        });
        Self { base, task }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Returns once nothing listens any more.
    pub async fn stop(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A request's head and its whole body.
pub async fn read(request: Request) -> (Parts, Bytes) {
    let (head, body) = request.into_parts();
    (head, axum::body::to_bytes(body, 1 << 20).await.expect("a body"))
}

/// A header's text; empty without one.
pub fn header(head: &Parts, name: &str) -> String {
    let value = head.headers.get(name).map(|value| value.to_str().expect("ASCII"));
    value.unwrap_or_default().to_owned()
}
