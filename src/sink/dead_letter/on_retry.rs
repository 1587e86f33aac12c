//! How a delivery says that it waits for its peer.

/// Called whenever a delivery is retried.
pub type OnRetry = dyn Fn() + Send + Sync;
