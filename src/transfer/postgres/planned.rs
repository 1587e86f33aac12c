//! What a run would do to a table of PostgreSQL.

use super::method::Method;
use crate::config::PostgresTable;
use crate::row::TableSchema;
use crate::sink::postgres::Connections;
use crate::sink::postgres::batch::{count, exists};
use crate::stop::Stop;
use crate::transfer::planned::{Planned, Replaced};
use crate::transfer::target::Change;

/// Reads the table as it is, and counts the rows that are replaced.
pub async fn planned(
    connections: &Connections,
    target: &PostgresTable,
    columns: &TableSchema,
    change: &Change<'_>,
) -> Result<Planned, Stop> {
    if !exists(connections, target).await? {
        return Ok(Planned::of_no_table());
    }
    let method = Method::choose(change, target, columns)?;
    let rows = count(connections, target, method.range()).await?;
    let replaced = Replaced::Counted { rows, bytes_billed: 0 };
    Ok(Planned { method: Some(method.describe(target, change.days)), replaced })
}
