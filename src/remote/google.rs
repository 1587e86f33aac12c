//! Google's tokens for Google Cloud Storage: those of BigQuery's client, with another scope.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use object_store::client::CredentialProvider;
use object_store::gcp::GcpCredential;

use crate::error_chain::chain;
use crate::retry::Backoff;
use crate::sink::bigquery::Identity;

const STORE: &str = "GCS";

/// An identity as `object_store` asks for it.
pub struct GoogleCredentials {
    identity: Identity,
    /// How long a token service that does not answer is asked again.
    retry_for: Duration,
}

impl GoogleCredentials {
    pub fn new(identity: Identity, retry_for: Duration) -> Self {
        Self { identity, retry_for }
    }
}

impl fmt::Debug for GoogleCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GoogleCredentials")
    }
}

#[async_trait]
impl CredentialProvider for GoogleCredentials {
    type Credential = GcpCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<GcpCredential>> {
        let began = Instant::now();
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(8));
        loop {
            match self.identity.token().await {
                Ok(token) => {
                    return Ok(Arc::new(GcpCredential { bearer: token.unwrap_or_default() }));
                }
                Err(error) if error.is_transient() && began.elapsed() < self.retry_for => {
                    let (why, hint) = (chain(&error), error.hint().unwrap_or_default());
                    tracing::info!(why, hint, "no token for google cloud storage, trying again");
                    tokio::time::sleep(backoff.pause()).await;
                }
                Err(error) => {
                    let source = Box::new(error);
                    return Err(object_store::Error::Generic { store: STORE, source });
                }
            }
        }
    }
}
