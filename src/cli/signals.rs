//! Signals end a command in good order.

use super::failure::{Exit, Failure};
use crate::shutdown::Shutdown;

/// The request to shut down, which SIGTERM and SIGINT set. Has to be called inside a tokio runtime.
pub fn shutdown() -> Result<Shutdown, Failure> {
    Shutdown::on_signals()
        .map_err(|error| Failure::new(Exit::Stopped, "listen for signals").source(error))
}
