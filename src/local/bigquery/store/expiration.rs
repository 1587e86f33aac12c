//! Expiration of tables: a table whose `expirationTime` has passed is deleted before the next call
//! that uses the store, so no call finds it.

use std::sync::atomic::Ordering;

use super::database::Store;
use super::error::StoreError;
use super::resources::Resources;
use crate::clock::Clock;

impl Store {
    /// Deletes the tables that have expired, with their rows and streams.
    pub(super) fn delete_expired_tables(&self) -> Result<(), StoreError> {
        let now = Clock::System.now_micros() / 1_000;
        if now < self.next_expiration.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut connection = self.lock_writer();
        let next: Option<i64> = self.change_on(&mut connection, |resources| {
            for id in resources.expired_tables(now)? {
                resources.delete_table(&id)?;
            }
            resources.next_expiration()
        })?;
        // Another process, `local rows`, may have deleted tables before.
        self.cached_columns().clear();
        // The connection is still held, so no table was stored meanwhile.
        self.next_expiration.store(next.unwrap_or(i64::MAX), Ordering::Relaxed);
        Ok(())
    }
}

impl Resources<'_> {
    /// The ids of the tables that have expired at `now`, in milliseconds since the epoch.
    fn expired_tables(&self, now: i64) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT id FROM __tables
                   WHERE CAST(json_extract(resource, '$.expirationTime') AS INTEGER) <= ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let ids = statement.query_map([now], |row| row.get(0))?;
        Ok(ids.collect::<Result<_, _>>()?)
    }

    /// The earliest expiration time of a table.
    fn next_expiration(&self) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT min(CAST(json_extract(resource, '$.expirationTime') AS INTEGER))
                   FROM __tables";
        Ok(self.connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
    }
}
