//! The table of dead letters of a batch job. Letters are stored before the target changes, and stay
//! whether it changes or not.

use std::collections::BTreeSet;

use super::attempts::{Attempts, retried};
use crate::clock::Clock;
use crate::config::PostgresTable;
use crate::record::DeadLetter;
use crate::row::RowBuffer;
use crate::sink::dead_letter::About;
use crate::sink::dead_letter::letter_row::{Kept, columns};
use crate::sink::postgres::copy::CopyInto;
use crate::sink::postgres::errors::{PgError, Verdict};
use crate::sink::postgres::pool::Connections;
use crate::sink::postgres::refused;
use crate::sink::postgres::statement::{begin, copy, execute};
use crate::sink::postgres::table::{self, Arranged, PrepareError};
use crate::stop::Stop;

/// `<target>_dead_letters`.
#[derive(Clone)]
pub struct LetterTable {
    connections: Connections,
    table: PostgresTable,
    rows: CopyInto,
    about: About,
}

impl LetterTable {
    /// Creates the table where it is missing, unless `manage` is off.
    pub async fn open(
        connections: Connections,
        table: PostgresTable,
        manage: bool,
        about: About,
    ) -> Result<Self, Stop> {
        let columns = columns();
        let prepared = retried("prepare the table of dead letters", || async {
            let connection = connections.get().await?;
            let prepared =
                table::prepare(&connection, &table, &columns, manage, Arranged::Freely).await;
            match prepared {
                Ok(rows) => {
                    connection.give_back();
                    Ok(Ok(rows))
                }
                Err(PrepareError::Refused(stop)) => Ok(Err(stop)),
                Err(PrepareError::Postgres(error)) => Err(error),
            }
        });
        let rows = prepared.await??;
        Ok(Self { connections, table, rows, about })
    }

    /// Writes letters, which are stored once this returns. Where an answer was lost they are written
    /// again.
    pub async fn send(&self, letters: &[DeadLetter]) -> Result<(), Stop> {
        let mut attempts = Attempts::of(format!("write dead letters to {}", self.table));
        // Those whose key, headers, value or event type the database does not take.
        let mut bare = BTreeSet::new();
        loop {
            let now = Clock::System.now_micros();
            let letters = letters.iter().enumerate().map(|(index, letter)| {
                (letter, if bare.contains(&index) { Kept::Position } else { Kept::MIB })
            });
            let rows = self.about.rows(self.rows.columns(), letters, now);
            let Err(error) = self.store(&rows).await else { return Ok(()) };
            let refused = match error.verdict() {
                Verdict::Refused => refused::find(&self.connections, &self.rows, &rows).await,
                Verdict::Retry | Verdict::Stop(_) => Ok(Vec::new()),
            };
            let refused = refused.unwrap_or_default();
            let before = bare.len();
            bare.extend(refused.into_iter().map(|one| one.index));
            if bare.len() == before {
                attempts.pause(error).await?;
            }
        }
    }

    async fn store(&self, rows: &RowBuffer) -> Result<(), PgError> {
        let connection = self.connections.get().await?;
        begin(&connection).await?;
        let (message, _) = self.rows.message(rows, 0..rows.len());
        copy(&connection, &self.rows, message.freeze()).await?;
        execute(&connection, "commit dead letters", "COMMIT").await?;
        connection.give_back();
        Ok(())
    }
}
