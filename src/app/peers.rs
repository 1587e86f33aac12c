//! Where a run reads and writes: real peers, or the embedded ones started for it.

use super::domain::Domain;
use super::error::AppError;
use crate::config::{Broker, Endpoint, Settings, TableId, WriteSettings};

/// Where the embedded BigQuery keeps its rows unless configured otherwise.
pub const LOCAL_STORE: &str = ".local/bigquery.sqlite";

/// Addresses of a run's peers. The embedded ones live as long as this.
pub struct Peers {
    /// `bootstrap.servers`.
    pub bootstrap: String,
    /// With an endpoint that can be reached.
    pub write: WriteSettings,
    #[cfg(feature = "local")]
    _broker: Option<crate::local::broker::EmbeddedBroker>,
    #[cfg(feature = "local")]
    bigquery: Option<crate::local::bigquery::Running>,
}

#[cfg(feature = "local")]
impl Peers {
    /// Starts the embedded peers that the settings name. The embedded broker is filled with sample
    /// events; the embedded BigQuery's store is emptied.
    pub async fn start(settings: &Settings, domain: &Domain) -> Result<Self, AppError> {
        let (bootstrap, broker) = match &settings.consume.broker {
            Broker::Servers(servers) => (servers.clone(), None),
            Broker::Embedded => {
                let broker = embedded_broker(domain).await?;
                (broker.bootstrap_servers(), Some(broker))
            }
        };
        let mut write = settings.write.clone();
        let mut bigquery = None;
        if write.endpoint == Endpoint::Embedded {
            let running = embedded_bigquery().await?;
            let (rest, storage) = running.urls();
            write.endpoint = Endpoint::Custom { rest, storage };
            bigquery = Some(running);
        }
        Ok(Self { bootstrap, write, _broker: broker, bigquery })
    }

    /// How to see the rows, where they are on this machine.
    pub fn how_to_see_rows(&self, table: &TableId) -> String {
        if self.bigquery.is_none() {
            return String::new();
        }
        format!(" ({LOCAL_STORE})\nlook at them   generic-consumer local rows {}", table.table)
    }
}

#[cfg(feature = "local")]
async fn embedded_broker(
    domain: &Domain,
) -> Result<crate::local::broker::EmbeddedBroker, crate::stop::Stop> {
    use crate::clock::Clock;
    use crate::local::broker::{BrokerError, EmbeddedBroker, PARTITIONS};

    /// Every first run shows the same events, dated today.
    const SEED: u64 = 1;

    let failed = |error: BrokerError| {
        let hint = "it listens on loopback; see the cause";
        crate::stop::Stop::new("start the embedded broker", hint, error)
    };
    let contract = &domain.contract;
    let broker = EmbeddedBroker::start(&contract.topic, PARTITIONS).map_err(failed)?;
    let now_ms = Clock::System.now_micros() / 1_000;
    let events = broker.fill(contract, SEED, now_ms).await.map_err(failed)?;
    tracing::info!(events, topic = contract.topic, "embedded broker filled with samples");
    Ok(broker)
}

#[cfg(feature = "local")]
async fn embedded_bigquery() -> Result<crate::local::bigquery::Running, crate::stop::Stop> {
    use crate::local::bigquery::{Faults, Options, start};

    let loopback = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let options = Options {
        rest: loopback,
        grpc: loopback,
        store: LOCAL_STORE.into(),
        faults: Faults::default(),
        stream_expiry: None,
        fresh: true,
    };
    let hint = format!("{LOCAL_STORE} is its store; another process may have it open");
    start(options)
        .await
        .map_err(|error| crate::stop::Stop::new("start the embedded BigQuery", hint, error))
}

#[cfg(not(feature = "local"))]
impl Peers {
    pub async fn start(settings: &Settings, _: &Domain) -> Result<Self, AppError> {
        match (&settings.consume.broker, &settings.write.endpoint) {
            (Broker::Servers(servers), Endpoint::Google | Endpoint::Custom { .. }) => {
                Ok(Self { bootstrap: servers.clone(), write: settings.write.clone() })
            }
            (Broker::Embedded, _) | (_, Endpoint::Embedded) => Err(AppError::Configuration {
                what: "this program has no embedded peers".to_owned(),
                hint: Some(
                    "build with the feature `local`, or name another environment".to_owned(),
                ),
                source: None,
            }),
        }
    }

    pub fn how_to_see_rows(&self, _: &TableId) -> String {
        String::new()
    }
}
