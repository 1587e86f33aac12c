//! The database of a domain's rows, for commands that are no consumer.

use super::embedded::EmbeddedPeer;
use super::error::AppError;
use crate::config::SinkSettings;
use crate::sink::postgres::Connections;
use crate::sink::postgres::batch::exists;
use crate::transfer::Database;
use crate::verify::Table;

/// The connections that are needed at once: a transfer's lease is renewed while a transaction is under way.
const LEAST_CONNECTIONS: usize = 3;

/// Connects to the database. A BigQuery is started if it is the embedded one, and lives as long as what is
/// returned next to it. `None`: the sink keeps its rows in no table of SQL.
pub async fn connect(sink: &SinkSettings) -> Result<Option<(Database, EmbeddedPeer)>, AppError> {
    let mut kept = EmbeddedPeer::default();
    let database = match sink {
        SinkSettings::BigQuery(target) => {
            let bigquery = kept.connect(target).await?;
            Database::BigQuery { bigquery, table: target.table.clone() }
        }
        SinkSettings::Postgres(target) => {
            let mut settings = target.clone();
            settings.server.connections = settings.server.connections.max(LEAST_CONNECTIONS);
            let connections = Connections::new(&settings.server, None)?;
            Database::Postgres { connections, settings }
        }
        SinkSettings::Influx(_) | SinkSettings::Kafka(_) => return Ok(None),
    };
    Ok(Some((database, kept)))
}

/// The table of the rows, if it is there. `most_bytes`: what a query on BigQuery may be billed for.
pub async fn find_rows(
    database: &Database,
    most_bytes: Option<u64>,
) -> Result<Option<Table>, AppError> {
    Ok(match database {
        Database::BigQuery { bigquery, table } => {
            bigquery.find_table(table).await?.map(|live| Table::BigQuery {
                bigquery: bigquery.clone(),
                table: table.clone(),
                location: live.location().map(str::to_owned),
                most_bytes,
            })
        }
        Database::Postgres { connections, settings } => {
            let (connections, table) = (connections.clone(), settings.table.clone());
            exists(&connections, &table).await?.then_some(Table::Postgres { connections, table })
        }
    })
}

/// Whether the table of dead letters beside the rows is there.
pub async fn has_letters(database: &Database) -> Result<bool, AppError> {
    Ok(match database {
        Database::BigQuery { bigquery, table } => {
            bigquery.find_table(&table.dead_letters()).await?.is_some()
        }
        Database::Postgres { connections, settings } => {
            exists(connections, &settings.table.dead_letters()).await?
        }
    })
}
