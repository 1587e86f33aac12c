//! One transaction: rows, dead letters and the partition's next offset.

use bytes::Bytes;
use tokio_postgres::error::SqlState;

use super::errors::PgError;
use super::offsets::Owned;
use super::statement::{begin, copy, execute};
use super::target::{Letters, Target};
use crate::sink::StoredOffset;

/// What one transaction stores.
pub(super) struct Parts {
    /// As the message of a COPY; `None` where there are no rows.
    pub rows: Option<Bytes>,
    pub letters: Option<Bytes>,
    pub next: StoredOffset,
}

/// Where a transaction failed.
pub(super) enum Failed {
    /// Before the offset was moved: nothing is stored.
    Rows(PgError),
    Letters(PgError),
    /// The offset is not where this writer left it, or the answer is lost: it may be stored.
    Commit(PgError),
}

impl Failed {
    pub fn error(&self) -> &PgError {
        match self {
            Self::Rows(error) | Self::Letters(error) | Self::Commit(error) => error,
        }
    }

    /// Whether the offset was moved by somebody else: the statement that moves it found no row, and
    /// divided by zero to abort the transaction.
    pub fn is_moved(&self) -> bool {
        let code = |error: &PgError| error.db().map(|db| db.code() == &SqlState::DIVISION_BY_ZERO);
        matches!(self, Self::Commit(error) if code(error) == Some(true))
    }
}

/// Stores the parts. On success the connection goes back to the pool.
pub(super) async fn store(target: &Target, owned: &Owned, parts: &Parts) -> Result<(), Failed> {
    let connection = target.connections.get().await.map_err(Failed::Rows)?;
    begin(&connection).await.map_err(Failed::Rows)?;
    if let Some(rows) = &parts.rows {
        copy(&connection, &target.rows, rows.clone()).await.map_err(Failed::Rows)?;
    }
    if let (Some(letters), Letters::Table { rows, .. }) = (&parts.letters, &target.letters) {
        copy(&connection, rows, letters.clone()).await.map_err(Failed::Letters)?;
    }
    let commit = target.offsets.commit(owned, &parts.next);
    execute(&connection, "commit rows and offset", &commit).await.map_err(Failed::Commit)?;
    connection.give_back();
    Ok(())
}
