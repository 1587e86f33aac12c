//! Which connection may append to each created stream: only the newest.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

/// Closed connections are removed once there are more owners than this.
const OWNERS_BEFORE_CLEANUP: usize = 1_000;

/// The newest connection of each created stream.
#[derive(Default)]
pub struct StreamOwners(Mutex<HashMap<String, oneshot::Sender<()>>>);

impl StreamOwners {
    /// Makes the caller the owner of the stream. The receiver resolves once a newer connection
    /// takes the stream over.
    pub fn take_over(&self, stream: &str) -> oneshot::Receiver<()> {
        let (owner, superseded) = oneshot::channel();
        let mut owners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if owners.len() > OWNERS_BEFORE_CLEANUP {
            owners.retain(|_, owner| !owner.is_closed());
        }
        // Dropping the previous sender resolves the previous owner's receiver.
        owners.insert(stream.to_owned(), owner);
        superseded
    }
}
