//! The lease of a run: taken before it begins, renewed as long as it lasts.

use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinHandle;

use super::error::TransferError;
use super::run::Transfer;
use crate::clock::Clock;
use crate::config::TableId;
use crate::error_chain::chain;
use crate::sink::bigquery::batch::{Acquired, Lease};

impl Transfer<'_> {
    pub(super) async fn acquire(&self, holder: &str) -> Result<Lease, TransferError> {
        let table = TableId {
            table: self.prefix().trim_end_matches('_').to_owned(),
            ..self.target.clone()
        };
        let now = Timestamp::from_microsecond(Clock::System.now_micros()).unwrap_or_default();
        let about = format!(
            "process {} of {}, begun at {}",
            std::process::id(),
            std::env::var("HOSTNAME").unwrap_or_else(|_| "this machine".to_owned()),
            now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        );
        let mut said = false;
        loop {
            match self.bigquery.lease(table.clone(), holder, &about, self.settings.lease).await? {
                Acquired::Mine(lease) => return Ok(lease),
                Acquired::Held { by, expires_in_ms } if !self.request.wait => {
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
                () = self.shutdown.wait() => return Err(TransferError::Interrupted),
            }
        }
    }

    /// Renews the lease until the task is aborted. One that is lost is found before the target is
    /// changed.
    pub(super) fn keep(&self, lease: Lease) -> JoinHandle<()> {
        let (bigquery, pause) = (self.bigquery.clone(), self.settings.lease / 3);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                match lease.renew(&bigquery).await {
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
