//! What a transaction is made of: statements without parameters, and COPY.

use std::pin::pin;

use bytes::Bytes;
use futures_util::SinkExt;

use super::copy::CopyInto;
use super::errors::PgError;
use super::pool::{Connection, within};

/// Begins a transaction whose constraints are all checked at once, so that a row that breaks one
/// fails its COPY and not the commit.
pub(super) async fn begin(connection: &Connection) -> Result<(), PgError> {
    execute(connection, "begin a transaction", "BEGIN; SET CONSTRAINTS ALL IMMEDIATE").await
}

/// Runs statements that have no parameters.
pub(super) async fn execute(
    connection: &Connection,
    operation: &'static str,
    statements: &str,
) -> Result<(), PgError> {
    let executed =
        async { connection.batch_execute(statements).await.map_err(PgError::of(operation)) };
    within(operation, executed).await
}

/// Copies rows into a table, within the connection's transaction.
pub(super) async fn copy(
    connection: &Connection,
    into: &CopyInto,
    rows: Bytes,
) -> Result<(), PgError> {
    let operation = "copy rows";
    let copied = async {
        let statement = connection.prepare_cached(&into.statement).await?;
        let mut sink = pin!(connection.copy_in::<_, Bytes>(&statement).await?);
        sink.send(rows).await?;
        sink.finish().await
    };
    within(operation, async { copied.await.map(drop).map_err(PgError::of(operation)) }).await
}
