//! Finding the rows that the database refuses: by bisection, in a transaction that is rolled back.

use super::copy::{CopyInto, Unfit};
use super::errors::{PgError, Verdict};
use super::pool::{Connection, Connections};
use super::statement::{begin, copy, execute};
use crate::row::RowBuffer;

/// A row that the database refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// Index in the batch.
    pub index: usize,
    /// Names the column and the rule, and no value.
    pub detail: String,
}

/// The rows of the batch that the database refuses. An empty list: it refuses none of them now.
pub(super) async fn find(
    connections: &Connections,
    into: &CopyInto,
    rows: &RowBuffer,
) -> Result<Vec<Refused>, PgError> {
    let connection = connections.get().await?;
    begin(&connection).await?;
    let mut refused = Vec::new();
    // Ranges still to be tried, the next one last.
    let mut ranges: Vec<_> = std::iter::once(0..rows.len()).collect();
    while let Some(range) = ranges.pop() {
        if range.is_empty() {
            continue;
        }
        let Some(error) = try_rows(&connection, into, rows, range.clone()).await? else {
            continue;
        };
        if range.len() == 1 {
            refused.push(Refused { index: range.start, detail: detail(&error) });
        } else {
            let middle = range.start + range.len() / 2;
            ranges.push(middle..range.end);
            ranges.push(range.start..middle);
        }
    }
    execute(&connection, "roll back", "ROLLBACK").await?;
    connection.give_back();
    Ok(refused)
}

/// The rows that do not fit their columns, and so are refused before they are sent.
pub(super) fn unfit(rows: Vec<(usize, Unfit)>) -> Vec<Refused> {
    let refused = rows.into_iter().map(|(index, unfit)| Refused {
        index,
        detail: format!("the row does not fit the table: {}: {}", unfit, unfit.source),
    });
    refused.collect()
}

/// Copies a range of rows. Returns the error if the database refuses one of them; then the rows
/// before the range are still there.
async fn try_rows(
    connection: &Connection,
    into: &CopyInto,
    rows: &RowBuffer,
    range: std::ops::Range<usize>,
) -> Result<Option<PgError>, PgError> {
    execute(connection, "set a savepoint", "SAVEPOINT tried").await?;
    let (message, _) = into.message(rows, range);
    match copy(connection, into, message.freeze()).await {
        Ok(()) => {
            execute(connection, "release a savepoint", "RELEASE SAVEPOINT tried").await?;
            Ok(None)
        }
        Err(error) if error.verdict() == Verdict::Refused => {
            let back = "ROLLBACK TO SAVEPOINT tried; RELEASE SAVEPOINT tried";
            execute(connection, "go back to a savepoint", back).await?;
            Ok(Some(error))
        }
        Err(error) => Err(error),
    }
}

/// What a dead letter says: the server's messages may contain values, so only the names in them are
/// kept.
fn detail(error: &PgError) -> String {
    let Some(db) = error.db() else { return "PostgreSQL refuses the row".to_owned() };
    let condition = condition(db.code().code());
    let column = db.column().or_else(|| db.where_().and_then(column_in));
    let column = column.map(|name| format!(", column {name}")).unwrap_or_default();
    let rule = db.constraint().map(|name| format!(", constraint {name}")).unwrap_or_default();
    format!("PostgreSQL refuses the row: {condition} ({}){column}{rule}", db.code().code())
}

/// The column in the context of a COPY: `COPY t, line 2, column amount: "…"`.
fn column_in(context: &str) -> Option<&str> {
    let line = context.lines().find(|line| line.starts_with("COPY "))?;
    let (_, rest) = line.split_once(", column ")?;
    Some(rest.split(':').next().unwrap_or(rest))
}

/// The condition's name, for the codes that a row can cause.
fn condition(code: &str) -> &'static str {
    match code {
        "22001" => "a text is too long",
        "22003" => "a number is out of range",
        "22007" | "22008" => "a date or time is out of range",
        "22021" => "a text contains U+0000, which PostgreSQL cannot store",
        "22P05" => "a JSON text contains \\u0000, which PostgreSQL cannot store",
        "22P02" => "a value is not of its column's type",
        "23502" => "a column that is NOT NULL has no value",
        "23503" => "a foreign key has no match",
        "23505" => "a unique key is there already",
        "23514" => "a check fails",
        "23P01" => "an exclusion constraint fails",
        "54000" => "the row is too large",
        "P0001" => "a trigger raised an error",
        _ => "an error of data",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_column_of_a_copy_is_named_and_its_value_is_not() {
        assert_eq!(
            column_in("COPY high, line 2, column amount: \"secret, column x\""),
            Some("amount")
        );
        assert_eq!(column_in("JSON data, line 1: …\nCOPY high, line 2, column a"), Some("a"));
        assert_eq!(column_in("COPY high, line 2"), None);
        assert_eq!(column_in("PL/pgSQL function f() line 1, column x: 1"), None);
    }
}
