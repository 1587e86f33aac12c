//! Where a run reads and writes: real peers, or the embedded ones started for it.

use super::domain::Domain;
use super::error::AppError;
#[cfg(not(feature = "local"))]
use crate::config::BigQuerySettings;
use crate::config::{Broker, Endpoint, Settings, SinkSettings};
use crate::record::UnsentRecord;

/// Where the embedded BigQuery keeps its rows unless configured otherwise.
pub const LOCAL_STORE: &str = ".local/bigquery.sqlite";

/// Addresses of a run's peers. The embedded ones live as long as this.
pub struct Peers {
    /// `bootstrap.servers`.
    pub bootstrap: String,
    /// With an address that can be reached.
    pub sink: SinkSettings,
    #[cfg(feature = "local")]
    broker: Option<crate::local::broker::EmbeddedBroker>,
    #[cfg(feature = "local")]
    bigquery: Option<crate::local::bigquery::Running>,
}

#[cfg(feature = "local")]
impl Peers {
    /// Starts the embedded peers that the settings name. The embedded broker is filled with `events`,
    /// or with samples without them; for any other broker `events` are a mistake.
    ///
    /// The embedded BigQuery keeps the tables that its store has. Where the broker is embedded too,
    /// it begins empty, so the domain's own tables are deleted: its events would be in them again.
    pub async fn start(
        settings: &Settings,
        domain: &Domain,
        events: Option<Vec<UnsentRecord>>,
    ) -> Result<Self, AppError> {
        let (bootstrap, broker) = match &settings.consume.broker {
            Broker::Servers(servers) if events.is_none() => (servers.clone(), None),
            Broker::Servers(_) => return Err(not_embedded(&settings.consume.environment)),
            Broker::Embedded => {
                let broker = embedded_broker(domain, events).await?;
                (broker.bootstrap_servers().to_owned(), Some(broker))
            }
        };
        let mut sink = settings.write.sink.clone();
        let mut bigquery = None;
        if let SinkSettings::BigQuery(write) = &mut sink
            && write.endpoint == Endpoint::Embedded
        {
            let tables = [write.table.to_string(), write.table.dead_letters().to_string()];
            let emptied = if broker.is_some() { &tables[..] } else { &[] };
            let running = embedded_bigquery(emptied).await?;
            let (rest, storage) = running.urls();
            write.endpoint = Endpoint::Custom { rest, storage, trusted: false };
            bigquery = Some(running);
        }
        Ok(Self { bootstrap, sink, broker, bigquery })
    }

    /// Whether every run reads all events again, into a BigQuery that keeps the rows of earlier
    /// runs: the broker is embedded and the BigQuery is not.
    pub fn rows_are_doubled(&self) -> bool {
        self.broker.is_some() && self.bigquery.is_none()
    }

    /// How to see the rows, where they are on this machine.
    pub fn how_to_see_rows(&self) -> String {
        let Some(bigquery) = &self.bigquery else { return "\n".to_owned() };
        let table = self.sink.target();
        let name = bigquery.short_name(&table);
        format!(" ({LOCAL_STORE})\nlook at them   generic-consumer local rows {name}\n")
    }
}

/// The mistake of naming events for a broker that is not embedded.
fn not_embedded(environment: &str) -> AppError {
    AppError::Configuration {
        what: format!("--events fills the embedded broker, but {environment} is another one"),
        hint: Some(
            "publish events to another broker with `generic-consumer produce`, or set CONSUME_ENV \
             to an environment with bootstrap_servers = \"embedded\""
                .to_owned(),
        ),
        source: None,
    }
}

#[cfg(feature = "local")]
async fn embedded_broker(
    domain: &Domain,
    events: Option<Vec<UnsentRecord>>,
) -> Result<crate::local::broker::EmbeddedBroker, AppError> {
    use super::samples::sample_events;
    use crate::clock::Clock;
    use crate::local::broker::EmbeddedBroker;
    use crate::stop::Stop;

    /// Every first run shows the same events, dated today.
    const SEED: u64 = 1;

    let what = if events.is_some() { "events of the file" } else { "samples" };
    let records = match events {
        Some(records) => records,
        None => {
            let samples = sample_events(domain, SEED, Clock::System.now_micros() / 1_000)?;
            for (event_type, why) in &samples.missing {
                tracing::warn!(
                    event_type,
                    why,
                    "no sample of this type keeps the contract; --events FILE gives events of one's own"
                );
            }
            samples.records
        }
    };
    let topic = &domain.contract.topic;
    let broker = EmbeddedBroker::start(topic, &records).await.map_err(|error| {
        let hint = "the embedded broker is for trying out: a small file of events, or samples";
        Stop::new("start the embedded broker", hint, error)
    })?;
    tracing::info!(events = records.len(), topic, "embedded broker filled with {what}");
    Ok(broker)
}

#[cfg(feature = "local")]
pub(super) async fn embedded_bigquery(
    emptied: &[String],
) -> Result<crate::local::bigquery::Running, crate::stop::Stop> {
    use crate::local::bigquery::{Faults, Options, start};

    let loopback = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let options = Options {
        rest: loopback,
        grpc: loopback,
        store: LOCAL_STORE.into(),
        faults: Faults::default(),
        stream_expiry: None,
        emptied: emptied.to_vec(),
        variables: std::env::vars_os().collect(),
    };
    let hint = format!(
        "{LOCAL_STORE} is its store, and one process can have it open; domains that run at the same \
         time share `generic-consumer local bigquery` (docs/reference/bigquery.md)"
    );
    start(options)
        .await
        .map_err(|error| crate::stop::Stop::new("start the embedded BigQuery", hint, error))
}

#[cfg(not(feature = "local"))]
impl Peers {
    pub async fn start(
        settings: &Settings,
        _: &Domain,
        events: Option<Vec<UnsentRecord>>,
    ) -> Result<Self, AppError> {
        let sink = &settings.write.sink;
        let is_embedded = match sink {
            SinkSettings::BigQuery(BigQuerySettings { endpoint, .. }) => {
                *endpoint == Endpoint::Embedded
            }
            SinkSettings::Postgres(_) | SinkSettings::Influx(_) | SinkSettings::Kafka(_) => false,
        };
        match &settings.consume.broker {
            Broker::Servers(_) if events.is_some() => {
                Err(not_embedded(&settings.consume.environment))
            }
            Broker::Servers(servers) if !is_embedded => {
                Ok(Self { bootstrap: servers.clone(), sink: sink.clone() })
            }
            Broker::Embedded | Broker::Servers(_) => Err(AppError::Configuration {
                what: "this program has no embedded peers".to_owned(),
                hint: Some(
                    "build with the feature `local`, or name another environment".to_owned(),
                ),
                source: None,
            }),
        }
    }

    pub fn rows_are_doubled(&self) -> bool {
        false
    }

    pub fn how_to_see_rows(&self) -> String {
        "\n".to_owned()
    }
}
