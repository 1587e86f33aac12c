//! Signals end a command in good order.

use std::time::Duration;

use super::failure::{Exit, Failure};
use crate::shutdown::Shutdown;

/// The request to shut down, which SIGTERM and SIGINT set. Has to be called inside a tokio runtime.
pub fn shutdown() -> Result<Shutdown, Failure> {
    Shutdown::on_signals()
        .map_err(|error| Failure::new(Exit::Stopped, "listen for signals").source(error))
}

/// Does work that only reads, which a signal may drop wherever it is.
///
/// # Errors
///
/// A signal came first.
pub async fn unless_stopped<T>(
    work: impl Future<Output = T>,
    shutdown: &Shutdown,
) -> Result<T, Failure> {
    tokio::select! {
        done = work => Ok(done),
        () = shutdown.wait() => Err(Failure::new(Exit::Interrupted, "stopped by a signal")),
    }
}

/// How long work may take to end after a signal. Kubernetes kills it after 30 s.
const ENDS_WITHIN: Duration = Duration::from_secs(15);

/// Does the work of a batch, which ends by itself after a signal once it is done with what it is doing,
/// unless that is waiting for a service.
pub async fn until_stopped<T>(
    work: impl Future<Output = Result<T, Failure>>,
    shutdown: &Shutdown,
) -> Result<T, Failure> {
    tokio::pin!(work);
    tokio::select! {
        ended = &mut work => return ended,
        () = shutdown.wait() => {}
    }
    let stopped = tokio::time::timeout(ENDS_WITHIN, work).await;
    stopped.unwrap_or_else(|_| {
        Err(Failure::new(Exit::Interrupted, "stopped by a signal")
            .hint("the target is as it was, or as it should be; run it again, which says which"))
    })
}
