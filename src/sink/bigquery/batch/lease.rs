//! A lease that keeps a second run away: a table without rows that names its holder and expires by
//! itself. BigQuery creates a table once and removes an expired one, so the lease of a run that was
//! killed ends without anybody's help.

use std::time::Duration;

use serde_json::{Value, json};

use crate::config::TableId;
use crate::sink::bigquery::BigQuery;
use crate::sink::bigquery::rest::RestError;
use crate::stop::Stop;

/// The lease that this run holds.
#[derive(Debug, Clone)]
pub struct Lease {
    table: TableId,
    holder: String,
    lasts: Duration,
}

/// What became of an attempt to take a lease.
#[derive(Debug)]
pub enum Acquired {
    Mine(Lease),
    /// Somebody else holds it: who, and the milliseconds until it expires unless it is renewed.
    Held {
        by: String,
        expires_in_ms: i64,
    },
}

/// The label of a lease's table that names the holder.
pub(super) const HOLDER: &str = "holder";

impl BigQuery {
    /// Takes the lease that `table` stands for. `holder` is unique: lower-case letters, digits and
    /// hyphens; `about` says for people who that is.
    pub async fn lease(
        &self,
        table: TableId,
        holder: &str,
        about: &str,
        lasts: Duration,
    ) -> Result<Acquired, Stop> {
        let lease = Lease { table, holder: holder.to_owned(), lasts };
        let body = json!({
            "tableReference": {
                "projectId": lease.table.project,
                "datasetId": lease.table.dataset,
                "tableId": lease.table.table,
            },
            "schema": { "fields": [{ "name": "none", "type": "STRING" }] },
            "description": about,
            "labels": { HOLDER: holder },
            "expirationTime": lease.expiration(self),
        });
        loop {
            match self.rest().insert_table(&lease.table, &body).await {
                Ok(_) => return Ok(Acquired::Mine(lease)),
                Err(error) if error.status() == Some(409) => {}
                Err(error) => return Err(error.stop()),
            }
            match self.rest().table(&lease.table).await.map_err(RestError::stop)? {
                // It has expired in between.
                None => {}
                // The answer to the creation was lost.
                Some(live) if lease.is_mine(&live) => return Ok(Acquired::Mine(lease)),
                Some(live) => {
                    let expires = live["expirationTime"].as_str().and_then(|at| at.parse().ok());
                    let now = self.clock().now_micros() / 1_000;
                    return Ok(Acquired::Held {
                        by: live["description"].as_str().unwrap_or("another run").to_owned(),
                        expires_in_ms: expires.map_or(0, |at: i64| at - now),
                    });
                }
            }
        }
    }
}

impl Lease {
    /// Holds the lease for its time again. Returns whether this run still had it.
    pub async fn renew(&self, bigquery: &BigQuery) -> Result<bool, Stop> {
        loop {
            let live = bigquery.rest().table(&self.table).await.map_err(RestError::stop)?;
            let Some(mut live) = live.filter(|live| self.is_mine(live)) else { return Ok(false) };
            let etag = live["etag"].as_str().unwrap_or("*").to_owned();
            live["expirationTime"] = json!(self.expiration(bigquery));
            match bigquery.rest().update_table(&self.table, &live, &etag).await {
                Ok(_) => return Ok(true),
                // The answer to an earlier attempt was lost, or the table has expired.
                Err(error) if matches!(error.status(), Some(404 | 412)) => {}
                Err(error) => return Err(error.stop()),
            }
        }
    }

    /// Gives the lease back, if this run still has it.
    pub async fn release(self, bigquery: &BigQuery) -> Result<(), Stop> {
        let live = bigquery.rest().table(&self.table).await.map_err(RestError::stop)?;
        match live.filter(|live| self.is_mine(live)) {
            Some(_) => bigquery.rest().delete_table(&self.table).await.map_err(RestError::stop),
            None => Ok(()),
        }
    }

    fn is_mine(&self, live: &Value) -> bool {
        live["labels"][HOLDER].as_str() == Some(&self.holder)
    }

    /// Milliseconds since the epoch, as the REST API has them.
    fn expiration(&self, bigquery: &BigQuery) -> String {
        let now = bigquery.clock().now_micros() / 1_000;
        (now + i64::try_from(self.lasts.as_millis()).unwrap_or(i64::MAX / 2)).to_string()
    }
}
