//! A domain's dead letters, made ready to be read.

use rdkafka::config::ClientConfig;

use super::domain::Domain;
use super::embedded::EmbeddedPeer;
use super::error::AppError;
use crate::clock::Clock;
use crate::config::{Broker, DeadLetterTarget, Settings, SinkSettings};
use crate::letters::{self, LetterTopic, Selection, Store, Table, Trial, With};
use crate::shutdown::Shutdown;
use crate::sink::postgres::Connections;
use crate::sink::postgres::batch::exists;
use crate::source::client;
use crate::stop::Stop;
use crate::verify::Table as Rows;

/// How letters are read.
pub struct HowLetters {
    /// Bytes that a query on BigQuery may be billed for.
    pub most_bytes: Option<u64>,
    /// Also letters in a topic that are dealt with.
    pub all: bool,
    pub shutdown: Shutdown,
}

/// Dead letters. An embedded BigQuery lives as long as this.
pub struct OpenedLetters {
    pub store: Store,
    /// The table or topic, for people.
    pub place: String,
    most_bytes: Option<u64>,
    kept: EmbeddedPeer,
}

/// Connects to where the domain's dead letters are.
pub async fn open_letters(settings: &Settings, how: HowLetters) -> Result<OpenedLetters, AppError> {
    let (mut kept, most_bytes) = (EmbeddedPeer::default(), how.most_bytes);
    let store = match (&settings.dead_letter, &settings.write.sink) {
        (DeadLetterTarget::Kafka(name), _) => {
            let Broker::Servers(bootstrap) = &settings.consume.broker else {
                return Err(AppError::Configuration {
                    what: "the dead letters were in a topic of the embedded broker, which is gone"
                        .to_owned(),
                    hint: Some("CONSUME_ENV names an environment with servers".to_owned()),
                    source: None,
                });
            };
            topic(client::consumer_config(&settings.consume, bootstrap), name, settings, how)
        }
        (DeadLetterTarget::Table, SinkSettings::BigQuery(write)) => {
            let bigquery = kept.connect(write).await?;
            let letters = write.table.dead_letters();
            let Some(live) = bigquery.find_table(&letters).await? else {
                return Err(none(&letters.to_string()).into());
            };
            let location = live.location().map(str::to_owned);
            let rows = bigquery.find_table(&write.table).await?.map(|_| write.table.clone());
            Store::BigQuery { bigquery, table: Table { letters, rows }, location, most_bytes }
        }
        (DeadLetterTarget::Table, SinkSettings::Postgres(write)) => {
            let connections = Connections::new(&write.server, None)?;
            let letters = write.table.dead_letters();
            if !exists(&connections, &letters).await? {
                return Err(none(&letters.to_string()).into());
            }
            let rows = exists(&connections, &write.table).await?.then(|| write.table.clone());
            Store::Postgres { connections, table: Table { letters, rows } }
        }
        (DeadLetterTarget::Table, SinkSettings::Kafka(write)) => {
            let config = client::reader_config(&write.server, &settings.consume.group_id);
            topic(config, &write.dead_letters(), settings, how)
        }
        (DeadLetterTarget::Table, SinkSettings::Influx(write)) => {
            return Err(AppError::Configuration {
                what: format!("`dlq` does not read the measurement {}", write.dead_letters()),
                hint: Some(
                    "it reads tables of BigQuery and PostgreSQL, and topics of Kafka: look at the \
                     measurement with InfluxDB's own client, or send dead letters to a topic \
                     (DEAD_LETTER=kafka:<topic>)"
                        .to_owned(),
                ),
                source: None,
            });
        }
    };
    let place = match &store {
        Store::BigQuery { table, .. } => table.letters.to_string(),
        Store::Postgres { table, .. } => table.letters.to_string(),
        Store::Topic(topic) => format!("topic {}", topic.topic),
    };
    Ok(OpenedLetters { store, place, most_bytes, kept })
}

/// What would become of letters that are put through the domain's contract now. Nothing is written.
pub async fn try_letters(
    settings: &Settings,
    domain: &Domain,
    opened: &mut OpenedLetters,
    selection: Selection,
) -> Result<Trial, AppError> {
    if domain.reports.is_some() {
        return Err(AppError::Configuration {
            what: "letters of a domain with RULES are not tried".to_owned(),
            hint: Some("its rows are reports, which objects elsewhere are needed for".to_owned()),
            source: None,
        });
    }
    let rows = rows(settings, opened).await?;
    let mut plan = domain.plan(&domain.columns)?;
    let with = With {
        plan: &mut plan,
        topic: &domain.contract.topic,
        rows: rows.as_ref(),
        now_micros: Clock::System.now_micros(),
    };
    let letters = opened.store.letters(Selection { values: true, ..selection });
    Ok(letters::try_letters(letters, with).await?)
}

/// The table that would get the rows, if there is one that can be asked for them.
async fn rows(settings: &Settings, opened: &mut OpenedLetters) -> Result<Option<Rows>, AppError> {
    let rows = match (&opened.store, &settings.write.sink) {
        (Store::BigQuery { bigquery, table, location, most_bytes }, _) => {
            let (bigquery, location) = (bigquery.clone(), location.clone());
            let most_bytes = *most_bytes;
            let rows = table.rows.clone();
            rows.map(|table| Rows::BigQuery { bigquery, table, location, most_bytes })
        }
        (Store::Postgres { connections, table }, _) => {
            let connections = connections.clone();
            table.rows.clone().map(|table| Rows::Postgres { connections, table })
        }
        (Store::Topic(_), SinkSettings::BigQuery(write)) => {
            let bigquery = opened.kept.connect(write).await?;
            let (table, most_bytes) = (write.table.clone(), opened.most_bytes);
            let live = bigquery.find_table(&table).await?;
            live.map(|live| {
                let location = live.location().map(str::to_owned);
                Rows::BigQuery { bigquery, table, location, most_bytes }
            })
        }
        (Store::Topic(_), SinkSettings::Postgres(write)) => {
            let connections = Connections::new(&write.server, None)?;
            let table = write.table.clone();
            exists(&connections, &table).await?.then_some(Rows::Postgres { connections, table })
        }
        (Store::Topic(_), SinkSettings::Influx(_) | SinkSettings::Kafka(_)) => None,
    };
    Ok(rows)
}

/// The group that reads the domain's dead letters where they are in a topic. Only it may commit there:
/// its lag is the backlog.
pub fn letters_group(settings: &Settings) -> String {
    format!("{}-dead-letters", settings.consume.group_id)
}

fn topic(mut config: ClientConfig, name: &str, settings: &Settings, how: HowLetters) -> Store {
    let group = letters_group(settings);
    config.set("group.id", &group);
    Store::Topic(LetterTopic {
        config,
        topic: name.to_owned(),
        group,
        all: how.all,
        shutdown: how.shutdown,
    })
}

fn none(table: &str) -> Stop {
    Stop {
        what: format!("read the dead letters of {table}: there is no such table"),
        hint: "an instance creates it when it starts: run the domain first".to_owned(),
        source: None,
    }
}
