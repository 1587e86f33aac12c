//! A lease that keeps a second run away: a row that names its holder and the time at which it expires,
//! by the server's clock.

use std::time::Duration;

use super::asked::ask;
use super::attempts::retried;
use crate::config::PostgresTable;
use crate::sink::postgres::columns::{literal, quoted_name};
use crate::sink::postgres::errors::PgError;
use crate::sink::postgres::pool::{Connections, within};
use crate::stop::Stop;

/// The table's name, in the schema of the target.
pub(super) const NAME: &str = "generic_consumer_transfer_leases";

/// The lease of a run, whether it has it or not.
#[derive(Clone)]
pub struct Lease {
    pub(super) connections: Connections,
    table: PostgresTable,
    /// What it is for. No two runs with the same name change anything at once.
    pub(super) name: String,
    /// This run's own.
    pub(super) holder: String,
    lasts: Duration,
}

/// What became of an attempt to take a lease.
#[derive(Debug)]
pub enum Acquired {
    Mine,
    /// Somebody else holds it: who, and the milliseconds until it expires unless it is renewed.
    Held {
        by: String,
        expires_in_ms: i64,
    },
}

/// The statement that creates the table.
pub(super) fn definition(table: &PostgresTable) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {} (name text PRIMARY KEY, holder text NOT NULL, \
         about text NOT NULL, expires_at timestamp with time zone NOT NULL, \
         staged bigint NOT NULL DEFAULT 0) WITH (fillfactor = 50)",
        quoted_name(table)
    )
}

impl Lease {
    pub(super) fn new(
        connections: Connections,
        table: PostgresTable,
        name: String,
        holder: &str,
        lasts: Duration,
    ) -> Self {
        Self { connections, table, name, holder: holder.to_owned(), lasts }
    }

    /// Takes the lease, if nobody else has it. `about` says for people who this is.
    pub async fn acquire(&self, about: &str) -> Result<Acquired, Stop> {
        let take = format!(
            "INSERT INTO {table} AS l (name, holder, about, expires_at) \
             VALUES ({name}, {holder}, {about}, {expires}) \
             ON CONFLICT (name) DO UPDATE SET holder = EXCLUDED.holder, about = EXCLUDED.about, \
             expires_at = EXCLUDED.expires_at, staged = 0 \
             WHERE l.expires_at < clock_timestamp() OR l.holder = EXCLUDED.holder",
            table = self.table(),
            name = literal(&self.name),
            holder = literal(&self.holder),
            about = literal(about),
            expires = self.expires(),
        );
        let who = format!(
            "SELECT about, (extract(epoch FROM expires_at - clock_timestamp()) * 1000)::bigint \
             FROM {} WHERE name = {}",
            self.table(),
            literal(&self.name)
        );
        loop {
            if self.changed("take the lease", &take).await? {
                return Ok(Acquired::Mine);
            }
            let found = retried("read the lease", || async {
                let connection = self.connections.get().await?;
                let found = ask(&connection, "read the lease", &who).await?;
                connection.give_back();
                Ok(found)
            });
            let found = found.await?;
            // It may have been given back in between.
            if let Some(row) = found.rows.first() {
                let by = row.first().cloned().flatten().unwrap_or_default();
                let expires_in_ms = found.number(0, 1).unwrap_or(0);
                return Ok(Acquired::Held { by, expires_in_ms });
            }
        }
    }

    /// Holds the lease for its time again. Returns whether this run still had it.
    pub async fn renew(&self) -> Result<bool, Stop> {
        let renew = format!(
            "UPDATE {} SET expires_at = {} WHERE {}",
            self.table(),
            self.expires(),
            self.is_mine()
        );
        self.changed("renew the lease", &renew).await
    }

    /// Gives the lease back, if this run still has it.
    pub async fn release(self) -> Result<(), Stop> {
        let release = format!("DELETE FROM {} WHERE {}", self.table(), self.is_mine());
        self.changed("give the lease back", &release).await.map(drop)
    }

    pub(super) fn table(&self) -> String {
        quoted_name(&self.table)
    }

    /// True of the lease's row where this run has it.
    pub(super) fn is_mine(&self) -> String {
        format!("name = {} AND holder = {}", literal(&self.name), literal(&self.holder))
    }

    fn expires(&self) -> String {
        format!("clock_timestamp() + INTERVAL '{} milliseconds'", self.lasts.as_millis())
    }

    /// Runs a statement, and returns whether it has changed a row.
    async fn changed(&self, operation: &'static str, statement: &str) -> Result<bool, Stop> {
        retried(operation, || async {
            let changed = within(operation, async {
                let connection = self.connections.get().await?;
                let answer = ask(&connection, operation, statement).await?;
                connection.give_back();
                Ok::<_, PgError>(answer.affected > 0)
            });
            changed.await
        })
        .await
    }
}
