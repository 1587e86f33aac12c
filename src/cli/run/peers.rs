//! Where a run reads and writes: real peers, or the embedded ones started for it.

use crate::cli::{Exit, Failure};
use crate::config::{Broker, Endpoint, Settings, TableId, WriteSettings};
use crate::contract::Contract;

/// Addresses of a run's peers; the embedded ones live as long as this.
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
    pub async fn of(settings: &Settings, contract: &Contract) -> Result<Self, Failure> {
        use crate::local::bigquery::{Faults, Options, start};
        use crate::local::broker::{EmbeddedBroker, PARTITIONS};

        let failed = |error: crate::local::broker::BrokerError| {
            Failure::new(Exit::Stopped, "start the embedded broker").source(error)
        };
        let (bootstrap, broker) = match &settings.consume.broker {
            Broker::Servers(servers) => (servers.clone(), None),
            Broker::Embedded => {
                let broker = EmbeddedBroker::start(&contract.topic, PARTITIONS).map_err(failed)?;
                let now_ms = crate::clock::Clock::System.now_micros() / 1_000;
                let events = broker.fill(contract, SEED, now_ms).await.map_err(failed)?;
                tracing::info!(
                    events,
                    topic = contract.topic,
                    "embedded broker filled with samples"
                );
                (broker.bootstrap_servers(), Some(broker))
            }
        };
        let mut write = settings.write.clone();
        let mut bigquery = None;
        if write.endpoint == Endpoint::Embedded {
            let loopback = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
            let options = Options {
                rest: loopback,
                grpc: loopback,
                store: crate::cli::args::LOCAL_STORE.into(),
                faults: Faults::default(),
                fresh: true,
            };
            let running = start(options).await.map_err(|error| {
                Failure::new(Exit::Stopped, "start the embedded BigQuery").source(error)
            })?;
            let (rest, storage) = running.urls();
            write.endpoint = Endpoint::Custom { rest, storage };
            bigquery = Some(running);
        }
        Ok(Self { bootstrap, write, _broker: broker, bigquery })
    }

    /// How to look at the rows, where we know.
    pub fn look_at(&self, table: &TableId) -> String {
        if self.bigquery.is_none() {
            return String::new();
        }
        let store = crate::cli::args::LOCAL_STORE;
        format!(" ({store})\nlook at them   generic-consumer local rows {}", table.table)
    }
}

/// Every first run shows the same events, at today's times.
#[cfg(feature = "local")]
const SEED: u64 = 1;

#[cfg(not(feature = "local"))]
impl Peers {
    pub async fn of(settings: &Settings, _: &Contract) -> Result<Self, Failure> {
        let absent = || {
            let hint = "build with the feature `local`, or name another environment";
            Failure::new(Exit::Configuration, "this program has no embedded peers").hint(hint)
        };
        match (&settings.consume.broker, &settings.write.endpoint) {
            (Broker::Servers(servers), Endpoint::Google | Endpoint::Custom { .. }) => {
                Ok(Self { bootstrap: servers.clone(), write: settings.write.clone() })
            }
            (Broker::Embedded, _) | (_, Endpoint::Embedded) => Err(absent()),
        }
    }

    pub fn look_at(&self, _: &TableId) -> String {
        String::new()
    }
}
