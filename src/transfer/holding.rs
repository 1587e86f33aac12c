//! The lease of a run: taken before it begins, renewed as long as it lasts.

use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinHandle;

use super::error::TransferError;
use super::run::Run;
use super::target::{Acquired, Lease, Target};
use crate::clock::Clock;
use crate::error_chain::chain;

impl<T: Target> Run<'_, T> {
    pub(super) async fn acquire(&self) -> Result<T::Lease, TransferError> {
        let now = Timestamp::from_microsecond(Clock::System.now_micros()).unwrap_or_default();
        let about = format!(
            "process {} of {}, begun at {}",
            std::process::id(),
            std::env::var("HOSTNAME").unwrap_or_else(|_| "this machine".to_owned()),
            now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        );
        let mut said = false;
        loop {
            match self.target.lease(&about).await? {
                Acquired::Mine(lease) => return Ok(lease),
                Acquired::Held { by, expires_in_ms } if !self.transfer.request.wait => {
                    return Err(TransferError::Held { by, expires_in_ms });
                }
                Acquired::Held { by, expires_in_ms } => {
                    if !std::mem::replace(&mut said, true) {
                        tracing::info!(by, expires_in_ms, "waiting for another run");
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
                () = self.transfer.shutdown.wait() => return Err(TransferError::Interrupted),
            }
        }
    }

    /// Renews the lease until the task is aborted. One that is lost is found before the target is
    /// changed.
    pub(super) fn keep(&self, lease: T::Lease) -> JoinHandle<()> {
        let pause = self.transfer.settings.lease / 3;
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                match lease.renew().await {
                    Ok(true) => {}
                    Ok(false) => return tracing::warn!("another run holds the lease now"),
                    Err(error) => {
                        tracing::warn!(error = chain(&error), "the lease is not renewed");
                    }
                }
            }
        })
    }
}
