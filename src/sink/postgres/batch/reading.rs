//! Questions about a batch job's tables that change nothing.

use super::asked::{BEGIN_LONG, ask};
use super::attempts::retried;
use super::lease::NAME as LEASES;
use super::statements::{Range, count_statement};
use crate::config::PostgresTable;
use crate::sink::postgres::columns::{literal, quoted_name};
use crate::sink::postgres::pool::{Connection, Connections};
use crate::stop::Stop;

/// A lease that is held now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLease {
    /// What it is for.
    pub name: String,
    /// Who has it, for people.
    pub about: String,
    pub holder: String,
    /// Milliseconds since the epoch.
    pub expires_ms: i64,
}

/// A staging table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagingTable {
    pub name: String,
    /// The name of the lease that it was created under.
    pub lease: String,
}

/// The rows that a query answers with, each value as text, however long it takes.
pub async fn rows(
    connections: &Connections,
    operation: &'static str,
    query: &str,
) -> Result<Vec<Vec<Option<String>>>, Stop> {
    let query = format!("{BEGIN_LONG}; SET TRANSACTION READ ONLY; {query}; COMMIT");
    let answer = retried(operation, || async {
        let connection = connections.get().await?;
        let answer = ask(&connection, operation, &query).await?;
        connection.give_back();
        Ok(answer)
    });
    Ok(answer.await?.rows)
}

/// The rows of a query, some at a time. Its transaction lasts as long as this, and changes nothing.
pub struct Cursor {
    connection: Connection,
    operation: &'static str,
}

impl Cursor {
    pub async fn open(
        connections: &Connections,
        operation: &'static str,
        query: &str,
    ) -> Result<Self, Stop> {
        // Whoever takes the rows may take his time.
        let query = format!(
            "{BEGIN_LONG}; SET LOCAL idle_in_transaction_session_timeout = 0; \
             SET TRANSACTION READ ONLY; DECLARE rows_wanted NO SCROLL CURSOR FOR {query}"
        );
        let opened = retried(operation, || async {
            let connection = connections.get().await?;
            ask(&connection, operation, &query).await?;
            Ok(connection)
        });
        Ok(Self { connection: opened.await?, operation })
    }

    /// The next rows, each value as text; none after the last.
    pub async fn next(&self, most: usize) -> Result<Vec<Vec<Option<String>>>, Stop> {
        let fetch = format!("FETCH {most} FROM rows_wanted");
        let answer = ask(&self.connection, self.operation, &fetch).await;
        // A connection that is lost takes the transaction with it.
        let hint = "the message is PostgreSQL's; nothing was changed: run it again";
        Ok(answer.map_err(|error| error.stop(self.operation, hint))?.rows)
    }
}

/// Whether there is such a table.
pub async fn exists(connections: &Connections, table: &PostgresTable) -> Result<bool, Stop> {
    let name = literal(&quoted_name(table));
    let query = format!("SELECT 1 WHERE to_regclass({name}) IS NOT NULL");
    Ok(!rows(connections, "look for a table", &query).await?.is_empty())
}

/// Counts the rows of a table, or those of a range.
pub async fn count(
    connections: &Connections,
    table: &PostgresTable,
    range: Option<&Range>,
) -> Result<u64, Stop> {
    let query = count_statement(table, range);
    let rows = rows(connections, "count the rows of the target", &query).await?;
    let count = rows.first().and_then(|row| row.first()).and_then(Option::as_deref);
    Ok(count.and_then(|count| count.parse().ok()).unwrap_or(0))
}

/// The leases of jobs whose names begin so, next to the target.
pub async fn leases(
    connections: &Connections,
    target: &PostgresTable,
    prefix: &str,
) -> Result<Vec<HeldLease>, Stop> {
    let table = target.beside(LEASES);
    if !exists(connections, &table).await? {
        return Ok(Vec::new());
    }
    let query = format!(
        "SELECT name, about, holder, (extract(epoch FROM expires_at) * 1000)::bigint FROM {} \
         WHERE left(name, {}) = {} AND expires_at > clock_timestamp() ORDER BY name",
        quoted_name(&table),
        prefix.chars().count(),
        literal(prefix)
    );
    let found = rows(connections, "read the leases", &query).await?;
    let lease = |row: Vec<Option<String>>| {
        let mut cells = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || cells.next().unwrap_or_default();
        let (name, about, holder) = (next(), next(), next());
        HeldLease { name, about, holder, expires_ms: next().parse().unwrap_or(0) }
    };
    Ok(found.into_iter().map(lease).collect())
}

/// The staging tables of jobs whose names begin so.
pub async fn staging_tables(
    connections: &Connections,
    target: &PostgresTable,
    prefix: &str,
) -> Result<Vec<StagingTable>, Stop> {
    let begin = comment("");
    let begin = begin.split_once(',').map_or(begin.as_str(), |(begin, _)| begin);
    let query = format!(
        "SELECT c.relname, obj_description(c.oid, 'pg_class') FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = {} AND c.relkind = 'r' \
         AND c.relname LIKE 'generic\\_consumer\\_stage\\_%' \
         AND left(obj_description(c.oid, 'pg_class'), {}) = {} ORDER BY c.relname",
        literal(&target.schema),
        begin.chars().count() + prefix.chars().count(),
        literal(&format!("{begin}{prefix}")),
    );
    let found = rows(connections, "look for staging tables", &query).await?;
    let table = |row: Vec<Option<String>>| {
        let mut cells = row.into_iter().map(Option::unwrap_or_default);
        let (name, about) = (cells.next()?, cells.next()?);
        let lease = about.strip_prefix(begin)?.split_once(", by ")?.0.to_owned();
        Some(StagingTable { name, lease })
    };
    Ok(found.into_iter().filter_map(table).collect())
}

/// What a staging table says of itself.
pub(super) fn comment(lease: &str) -> String {
    format!("Rows on their way into {lease}, by generic-consumer.")
}
