//! The connections of the event API and of the dashboard: bounded in number, with limits for a
//! request's head, and ended one by one when the process is asked to stop.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::unread::give_up_on_unread_answers;
use crate::shutdown::Shutdown;

/// How long a client may take to send the head of a request, and how long a connection may idle.
const HEAD_WITHIN: Duration = Duration::from_secs(30);

/// Bytes of a request's head. Longer ones are answered with 431.
const LARGEST_HEAD: usize = 64 << 10;

/// Connections at the same time. Others wait until one ends.
const MOST: usize = 1_024;

/// How long the server waits after a connection could not be accepted, as without descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until a shutdown is requested. Then no connection is accepted any more, and each that is
/// open ends after the answer that it waits for. Returns whether all have ended within `drain`.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: Shutdown,
    drain: Duration,
) -> bool {
    let places = Arc::new(Semaphore::new(MOST));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            // The semaphore is never closed.
            let place = places.clone().acquire_owned().await.ok();
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = shutdown.wait() => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                let (router, shutdown) = (router.clone(), shutdown.clone());
                connections.spawn(async move {
                    connection(stream, router, shutdown).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    tokio::time::timeout(drain, ended).await.is_ok()
}

async fn connection(stream: TcpStream, router: Router, shutdown: Shutdown) {
    give_up_on_unread_answers(&stream);
    // Without it the last part of an answer waits for the client's acknowledgement.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    tokio::select! {
        // An error is the client's: it went away, was too slow or sent no HTTP.
        _ = connection.as_mut() => return,
        () = shutdown.wait() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
