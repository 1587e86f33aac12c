//! A domain's dead letters, made ready to be read.

use rdkafka::config::ClientConfig;

use super::database::{connect, find_rows, has_letters};
use super::embedded::EmbeddedPeer;
use super::error::AppError;
use crate::config::{Broker, DeadLetterTarget, Settings, SinkSettings};
use crate::letters::{LetterTopic, Store, Table};
use crate::shutdown::Shutdown;
use crate::source::client;
use crate::stop::Stop;
use crate::transfer::Database;
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
    /// The database that the letters are in, or that gets their rows.
    pub database: Option<(Database, EmbeddedPeer)>,
}

/// Connects to where the domain's dead letters are.
pub async fn open_letters(settings: &Settings, how: HowLetters) -> Result<OpenedLetters, AppError> {
    let (mut database, most_bytes) = (None, how.most_bytes);
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
        (DeadLetterTarget::Table, SinkSettings::BigQuery(_) | SinkSettings::Postgres(_)) => {
            database = connect(&settings.write.sink).await?;
            match &database {
                Some((database, _)) => table(database, most_bytes).await?,
                None => return Err(none(&settings.write.sink.target()).into()),
            }
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
    Ok(OpenedLetters { store, place, most_bytes, database })
}

/// The table that would get the rows, if there is one that can be asked for them.
pub async fn letter_rows(
    settings: &Settings,
    opened: &mut OpenedLetters,
) -> Result<Option<Rows>, AppError> {
    if opened.database.is_none() {
        opened.database = connect(&settings.write.sink).await?;
    }
    match &opened.database {
        Some((database, _)) => find_rows(database, opened.most_bytes).await,
        None => Ok(None),
    }
}

/// The table of dead letters in a database.
async fn table(database: &Database, most_bytes: Option<u64>) -> Result<Store, AppError> {
    let missing = || none(&database.dead_letters());
    let has_rows = find_rows(database, most_bytes).await?.is_some();
    Ok(match database {
        Database::BigQuery { bigquery, table } => {
            let letters = table.dead_letters();
            let live = bigquery.find_table(&letters).await?.ok_or_else(missing)?;
            let location = live.location().map(str::to_owned);
            let rows = has_rows.then(|| table.clone());
            let (bigquery, table) = (bigquery.clone(), Table { letters, rows });
            Store::BigQuery { bigquery, table, location, most_bytes }
        }
        Database::Postgres { connections, settings } => {
            if !has_letters(database).await? {
                return Err(missing().into());
            }
            let letters = settings.table.dead_letters();
            let rows = has_rows.then(|| settings.table.clone());
            Store::Postgres { connections: connections.clone(), table: Table { letters, rows } }
        }
    })
}

/// Whether the domain's sink cannot be asked which rows it has, so that letters are redriven through it.
pub fn is_through_sink(settings: &Settings) -> bool {
    match settings.write.sink {
        SinkSettings::Kafka(_) | SinkSettings::Influx(_) => true,
        SinkSettings::BigQuery(_) | SinkSettings::Postgres(_) => false,
    }
}

/// Whether letters are written in the transactions of the rows.
pub(super) fn is_beside_rows_of_kafka(settings: &Settings) -> bool {
    matches!(
        (&settings.dead_letter, &settings.write.sink),
        (DeadLetterTarget::Table, SinkSettings::Kafka(_))
    )
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
        has_marks: is_beside_rows_of_kafka(settings),
        until: None,
        rows: None,
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
