//! Which rows are in the streaming buffer, whose rows UPDATE, DELETE and MERGE must not change.
//!
//! Modelled after BigQuery's page about DML: rows that `insertAll` or the Storage Write API streamed
//! cannot be changed for about 30 minutes. Here these are the rows of `insertAll`, the default
//! stream, and COMMITTED and BUFFERED streams, for exactly the window from their append; the rows of
//! PENDING streams are not among them. BigQuery refuses a statement whose WHERE could reach such
//! rows, this store only one that does reach them. Newer editions of the page name only `insertAll`.

use std::time::Duration;

use rusqlite::{Connection, params};

use super::error::StoreError;
use super::resources::Resources;
use crate::clock::Clock;

impl Resources<'_> {
    /// Whether one of the rows, given by their numbers in SQLite, is in the streaming buffer.
    pub fn are_streamed(
        &self,
        table: &str,
        rows: impl Iterator<Item = i64>,
    ) -> Result<bool, StoreError> {
        let sql =
            "SELECT first, last FROM __streamed WHERE table_id = ?1 AND at > ?2 ORDER BY first";
        let mut statement = self.connection().prepare_cached(sql)?;
        let since = since(self.streaming_window());
        let ranges =
            statement.query_map(params![table, since], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let ranges: Vec<(i64, i64)> = ranges.collect::<Result<_, _>>()?;
        let is_streamed = |row: i64| {
            // The ranges of a table do not overlap, so only the last that begins before can have it.
            let after = ranges.partition_point(|(first, _)| *first <= row);
            after > 0 && ranges[after - 1].1 >= row
        };
        Ok(rows.into_iter().any(is_streamed))
    }
}

/// Notes that the rows from number `first` to `last` were streamed, and forgets those that left.
pub(super) fn streamed(
    connection: &Connection,
    window: Duration,
    table: &str,
    rows: (i64, i64),
) -> Result<(), StoreError> {
    let now = Clock::System.now_micros();
    let mut forget = connection.prepare_cached("DELETE FROM __streamed WHERE at <= ?1")?;
    forget.execute([since(window)])?;
    let sql = "INSERT INTO __streamed (table_id, first, last, at) VALUES (?1, ?2, ?3, ?4)";
    connection.prepare_cached(sql)?.execute(params![table, rows.0, rows.1, now])?;
    Ok(())
}

/// The time after which rows are still in the buffer.
fn since(window: Duration) -> i64 {
    let window = i64::try_from(window.as_micros()).unwrap_or(i64::MAX);
    Clock::System.now_micros().saturating_sub(window)
}
