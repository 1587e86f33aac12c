//! The embedded BigQuery of a command that runs no consumer.

use prometheus_client::registry::Registry;

use super::error::AppError;
use crate::clock::Clock;
use crate::config::{BigQuerySettings, Endpoint};
use crate::sink::bigquery::BigQuery;
use crate::telemetry::Metrics;

/// Lives as long as what uses it.
#[derive(Default)]
pub struct EmbeddedPeer {
    #[cfg(feature = "local")]
    bigquery: Option<crate::local::bigquery::Running>,
}

impl EmbeddedPeer {
    /// Connects to the BigQuery of the settings, which is started if it is the embedded one.
    pub async fn connect(&mut self, settings: &BigQuerySettings) -> Result<BigQuery, AppError> {
        let mut settings = settings.clone();
        self.bigquery(&mut settings.endpoint).await?;
        let metrics = Metrics::register(&mut Registry::default());
        Ok(BigQuery::connect(&settings, metrics, Clock::System).await?)
    }
}

#[cfg(feature = "local")]
impl EmbeddedPeer {
    /// Starts the BigQuery, if the endpoint is the embedded one, and gives the endpoint its address.
    async fn bigquery(&mut self, endpoint: &mut Endpoint) -> Result<(), AppError> {
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
    async fn bigquery(&mut self, _: &mut Endpoint) -> Result<(), AppError> {
        Ok(())
    }
}
