//! The rows of a query of PostgreSQL, in one snapshot.
//!
//! PostgreSQL copies a JSON object for each row: numbers keep their digits, and times have a zone, as the
//! contract wants them. A column without a value is left out.

use bytes::Bytes;
use futures_util::TryStreamExt;
use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio_postgres::{CopyOutStream, SimpleQueryMessage};

use crate::record::{Event, NoHeaders, Position};
use crate::shutdown::Shutdown;
use crate::sink::postgres::{Connection, Connections, PgError};
use crate::stop::Stop;
use crate::transfer::days::Days;
use crate::transfer::intake::{HandOn, Intake};

/// Reading may take hours, and nothing else may change what is read.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
                     SET LOCAL statement_timeout = 0; SET LOCAL TimeZone = 'UTC'";

/// A query, and where it is asked. Reading blocks the thread, which is none of the runtime's.
pub struct QuerySource {
    connections: Connections,
    sql: String,
    /// The server's estimate.
    rows: u64,
    runtime: Handle,
    shutdown: Shutdown,
}

#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error(transparent)]
    Connect(#[from] Stop),
    #[error(transparent)]
    Postgres(#[from] PgError),
    #[error("the query has several columns with the name {0}")]
    Repeated(String),
    #[error("stopped by a signal")]
    Stopped,
}

impl QuerySource {
    /// Has the server plan the query. Has to be called inside the tokio runtime.
    pub async fn open(
        connections: Connections,
        sql: &str,
        days: &Days,
        shutdown: Shutdown,
    ) -> Result<Self, QueryError> {
        let (sql, runtime) = (filled(sql, days), Handle::current());
        let mut source = Self { connections, sql, rows: 0, runtime, shutdown };
        let connection = source.connections.get().await?;
        let asked = format!("SELECT * FROM {}", source.rows_of());
        let plan = format!("EXPLAIN (FORMAT JSON) SELECT * FROM {}", source.rows_of());
        let begin = PgError::of("begin a transaction");
        connection.batch_execute(BEGIN).await.map_err(begin)?;
        let asked = connection.prepare(&asked).await.map_err(PgError::of("plan the query"))?;
        let mut names: Vec<&str> = asked.columns().iter().map(|column| column.name()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(QueryError::Repeated(pair[0].to_owned()));
        }
        let answer = connection.simple_query(&plan).await.map_err(PgError::of("plan the query"))?;
        let plan = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        let plan: serde_json::Value =
            plan.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        source.rows = plan[0]["Plan"]["Plan Rows"].as_f64().unwrap_or(0.0) as u64;
        Ok(source)
    }

    /// The query as a table. It may end in a comment.
    fn rows_of(&self) -> String {
        format!("(\n{}\n) AS _row", self.sql)
    }

    /// How many rows the server expects.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Reads all rows. The position of a row is its number in the answer.
    pub fn read(&self, intake: &mut Intake, hand_on: HandOn<'_>) -> Result<(), QueryError> {
        // Chunks are handed on outside of the runtime, because that may block.
        let (_connection, rows) = self.runtime.block_on(self.copy())?;
        let mut rows = Box::pin(rows);
        let (mut number, mut rest) = (0, Vec::new());
        loop {
            let bytes = self.runtime.block_on(async {
                tokio::select! {
                    bytes = rows.try_next() => Some(bytes),
                    () = self.shutdown.wait() => None,
                }
            });
            let Some(bytes) = bytes else { return Err(QueryError::Stopped) };
            let Some(bytes) = bytes.map_err(PgError::of("copy the rows"))? else { break };
            take(&bytes, &mut rest, &mut number, intake);
            if self.shutdown.requested() {
                return Err(QueryError::Stopped);
            }
            if intake.is_full() && hand_on(intake.chunk()).is_break() {
                return Ok(());
            }
        }
        let _ = hand_on(intake.chunk());
        Ok(())
    }

    /// Begins to copy the rows, on a connection that has to live as long.
    async fn copy(&self) -> Result<(Connection, CopyOutStream), QueryError> {
        let connection = self.connections.get().await?;
        // Known from PostgreSQL 14 on: the query ends where nobody waits for it any more.
        let _ = connection.batch_execute("SET client_connection_check_interval = '5s'").await;
        let begin = PgError::of("begin a transaction");
        connection.batch_execute(BEGIN).await.map_err(begin)?;
        // JSON has neither of these characters, and line breaks only where a space does as well, so each
        // row is a line as it is.
        let copy = format!(
            "COPY (SELECT translate((SELECT json_object_agg(key, value) FROM \
             json_each(row_to_json(_row)) WHERE json_typeof(value) <> 'null')::text, E'\\n\\r', '  ') \
             FROM {}) TO STDOUT \
             (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02', NULL '{{}}')",
            self.rows_of()
        );
        let rows = connection.copy_out(&copy).await.map_err(PgError::of("copy the rows"))?;
        Ok((connection, rows))
    }
}

/// Takes the lines that are whole; `rest` is the beginning of the next one.
fn take(bytes: &Bytes, rest: &mut Vec<u8>, number: &mut i64, intake: &mut Intake) {
    let mut bytes = bytes.as_ref();
    while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
        let (line, after) = bytes.split_at(end);
        bytes = after.get(1..).unwrap_or_default();
        rest.extend_from_slice(line);
        let event = Event {
            at: Position::new(0, *number),
            timestamp_ms: None,
            key: None,
            value: Some(rest),
            headers: &NoHeaders,
        };
        intake.take_row(&event);
        *number += 1;
        rest.clear();
    }
    rest.extend_from_slice(bytes);
}

/// The query with the days in it: `{start}` and `{end}` are the times, of which the end is not in the
/// days any more, `{first_day}` and `{last_day}` the dates.
fn filled(sql: &str, days: &Days) -> String {
    let (start, end) = days.micros();
    let time = |micros: i64| {
        let at = Timestamp::from_microsecond(micros).unwrap_or_default();
        format!("TIMESTAMPTZ '{}'", at.strftime("%Y-%m-%d %H:%M:%S.%6f+00"))
    };
    let date = |day: jiff::civil::Date| format!("DATE '{day}'");
    // A semicolon at its end would end the statement around it.
    let sql = sql.trim().trim_end_matches(';');
    sql.replace("{start}", &time(start))
        .replace("{end}", &time(end))
        .replace("{first_day}", &date(days.first()))
        .replace("{last_day}", &date(days.last()))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::transfer::days::execution_date;

    #[test]
    fn a_query_gets_the_times_of_its_days() {
        let date = |text| execution_date(text).expect("a date");
        let zone = TimeZone::get("Europe/Berlin").expect("a zone");
        let days = Days::new(date("20261024"), date("20261025"), zone, Timestamp::MAX);
        let sql = "SELECT * FROM t WHERE at >= {start} AND at < {end} AND d BETWEEN {first_day} AND {last_day};\n";
        assert_eq!(
            filled(sql, &days.expect("days")),
            "SELECT * FROM t WHERE at >= TIMESTAMPTZ '2026-10-23 22:00:00.000000+00' AND at < \
             TIMESTAMPTZ '2026-10-25 23:00:00.000000+00' AND d BETWEEN DATE '2026-10-24' AND DATE \
             '2026-10-25'"
        );
    }
}
