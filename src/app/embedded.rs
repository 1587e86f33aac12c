//! The embedded BigQuery of a command that runs no consumer.

use super::error::AppError;
use crate::config::Endpoint;

/// Lives as long as what uses it.
#[derive(Default)]
pub struct EmbeddedPeer {
    #[cfg(feature = "local")]
    bigquery: Option<crate::local::bigquery::Running>,
}

#[cfg(feature = "local")]
impl EmbeddedPeer {
    /// Starts the BigQuery, if the endpoint is the embedded one, and gives the endpoint its address.
    pub async fn bigquery(&mut self, endpoint: &mut Endpoint) -> Result<(), AppError> {
        if *endpoint == Endpoint::Embedded {
            let started = super::peers::embedded_bigquery(&[]).await?;
            let (rest, storage) = started.urls();
            *endpoint = Endpoint::Custom { rest, storage, trusted: false };
            self.bigquery = Some(started);
        }
        Ok(())
    }
}

/// The settings name nothing that is embedded in a program without it.
#[cfg(not(feature = "local"))]
impl EmbeddedPeer {
    pub async fn bigquery(&mut self, _: &mut Endpoint) -> Result<(), AppError> {
        Ok(())
    }
}
