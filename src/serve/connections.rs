//! The connections of the HTTP server. Whoever reaches the port can open them, so they are bounded:
//! a request's head has a deadline, and a new connection closes the oldest one beyond a limit. So
//! requests that are never finished take neither file descriptors from Kafka and BigQuery nor the
//! probes' turn.

use std::collections::VecDeque;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::unread::give_up_on_unread_answers;

/// How long a client may take to send the head of a request.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// More than the probes of a node and all that scrape it need at once.
const MOST: usize = 64;

/// How long the server waits after a connection could not be accepted, as without descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections for ever.
pub(super) async fn serve(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    let mut oldest_first: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection for health and metrics was not accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        oldest_first.retain(|connection| !connection.is_finished());
        if oldest_first.len() >= MOST
            && let Some(oldest) = oldest_first.pop_front()
        {
            oldest.abort();
        }
        oldest_first.push_back(connections.spawn(connection(stream, router.clone())));
    }
}

async fn connection(stream: TcpStream, router: Router) {
    give_up_on_unread_answers(&stream);
    // An error is the client's: it went away, was too slow or sent no HTTP.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await;
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn server() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let router = Router::new().route("/livez", get(|| async { "alive" }));
        tokio::spawn(serve(listener, router));
        address
    }

    async fn half_sent(address: SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.expect("accepted");
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: ").await.expect("sent");
        stream
    }

    async fn livez(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.expect("accepted");
        let request = b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        answer
    }

    #[tokio::test]
    async fn requests_that_are_never_finished_do_not_keep_a_probe_waiting() {
        let address = server().await;
        let mut open = Vec::new();
        // Fewer at once than a process may have descriptors: each is two here.
        for _ in 0..10 {
            for _ in 0..100 {
                open.push(half_sent(address).await);
            }
            let answer = tokio::time::timeout(Duration::from_secs(1), livez(address)).await;
            assert!(answer.expect("in time").ends_with("alive"));
            open.drain(..open.len().saturating_sub(200));
        }
    }

    #[tokio::test]
    async fn a_slow_head_ends_the_connection() {
        let address = server().await;
        let mut stream = half_sent(address).await;
        let mut answer = Vec::new();
        let ended = stream.read_to_end(&mut answer);
        let within = HEAD_WITHIN + Duration::from_secs(5);
        let ended = tokio::time::timeout(within, ended).await;
        ended.expect("it ends by itself").expect("closed");
    }
}
