//! The database of a domain's rows, for commands that are no consumer.

use super::embedded::EmbeddedPeer;
use super::error::AppError;
use crate::config::SinkSettings;
use crate::sink::postgres::Connections;
use crate::transfer::Database;

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
