//! Statements without parameters, and what they answer.

use tokio_postgres::SimpleQueryMessage;

use crate::sink::postgres::errors::PgError;
use crate::sink::postgres::pool::Connection;

/// Begins a transaction that may take its time: it reads or changes as many rows as there are. Times are
/// those of UTC, whatever a connection pooler has done to the session.
pub(super) const BEGIN_LONG: &str = "BEGIN; SET LOCAL statement_timeout = 0; \
                                     SET LOCAL TimeZone = 'UTC'; SET CONSTRAINTS ALL IMMEDIATE";

/// What a statement has done.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// The rows, each value as text.
    pub rows: Vec<Vec<Option<String>>>,
    /// The rows that the last statement has returned or changed.
    pub affected: u64,
}

impl Answer {
    /// The number in a row's column; 0 where there is none.
    pub fn number(&self, row: usize, column: usize) -> Option<i64> {
        self.rows.get(row)?.get(column)?.as_ref()?.parse().ok()
    }
}

/// Runs statements, however long they take.
pub(super) async fn ask(
    connection: &Connection,
    operation: &'static str,
    statements: &str,
) -> Result<Answer, PgError> {
    let messages = connection.simple_query(statements).await.map_err(PgError::of(operation))?;
    let mut answer = Answer::default();
    for message in messages {
        match message {
            SimpleQueryMessage::Row(row) => {
                let values = (0..row.len()).map(|index| row.get(index).map(str::to_owned));
                answer.rows.push(values.collect());
            }
            SimpleQueryMessage::CommandComplete(rows) => answer.affected = rows,
            _ => {}
        }
    }
    Ok(answer)
}
