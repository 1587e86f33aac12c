//! Rows that jobs write, delete and count, within the transaction of the job.

use rusqlite::params;

use super::database::quoted;
use super::error::StoreError;
use super::resources::Resources;
use super::rows::{RowPlace, count_rows, insert, inserted_rows, inside, sql_name, visible};
use crate::clock::Clock;
use crate::local::bigquery::decode::Cells;
use crate::local::bigquery::field_schema::FieldSchema;
use crate::local::bigquery::partition::{Partition, ingestion_hour};

/// The stream of rows that no write stream appended.
const NO_STREAM: &str = "_default";

/// The rows that a copy job takes from one table.
pub struct CopiedRows<'a> {
    /// The id of the table.
    pub from: &'a str,
    pub partition: Option<&'a Partition>,
    /// Whether the copies keep the hour at which the rows were ingested.
    pub keeps_ingestion: bool,
}

impl Resources<'_> {
    /// How many visible rows a table or one of its partitions has.
    pub fn count_rows(&self, id: &str, partition: Option<&Partition>) -> Result<u64, StoreError> {
        count_rows(self.connection, id, partition)
    }

    /// The place after the table's last row, by which rows that exist now are told from later ones.
    pub fn end_of_rows(&self, id: &str) -> Result<u64, StoreError> {
        inserted_rows(self.connection, id)
    }

    /// Inserts visible rows. They count as ingested at `ingested`, or now.
    pub fn insert_rows(
        &self,
        id: &str,
        columns: &[FieldSchema],
        ingested: Option<&str>,
        rows: &[Cells],
    ) -> Result<(), StoreError> {
        let first = self.end_of_rows(id)?;
        let to = RowPlace { stream: NO_STREAM, first, visible: true, ingested };
        insert(self.connection, id, columns, to, rows)
    }

    /// Copies visible rows into the table `to`, whose `columns` include those of the source. Returns
    /// their number. Copies that do not keep their hour of ingestion count as ingested at `ingested`,
    /// or now.
    pub fn copy_rows(
        &self,
        rows: &CopiedRows<'_>,
        to: &str,
        columns: &[FieldSchema],
        ingested: Option<&str>,
    ) -> Result<u64, StoreError> {
        let names: String =
            columns.iter().map(|column| format!(", {}", quoted(&sql_name(column)))).collect();
        let hour = if rows.keeps_ingestion { "__ingested" } else { "?2" };
        let sql = format!(
            "INSERT INTO {} (__stream, __row, __visible, __ingested{names})
             SELECT '{NO_STREAM}', ?1 + row_number() OVER (ORDER BY rowid) - 1, 1,
                    ifnull({hour}, ?2){names}
             FROM {} WHERE {} ORDER BY rowid",
            quoted(to),
            quoted(rows.from),
            visible(rows.partition),
        );
        let now = ingestion_hour(Clock::System.now_micros());
        let first = self.end_of_rows(to)? as i64;
        let copied = self.connection.execute(&sql, params![first, ingested.unwrap_or(&now)])?;
        Ok(copied as u64)
    }

    /// Deletes the visible rows of a table, or of one of its partitions, that were written before the
    /// place `end`.
    pub fn delete_rows(
        &self,
        id: &str,
        partition: Option<&Partition>,
        end: u64,
    ) -> Result<(), StoreError> {
        let sql =
            format!("DELETE FROM {} WHERE rowid <= ?1 AND {}", quoted(id), visible(partition));
        self.connection.execute(&sql, [end as i64])?;
        Ok(())
    }

    /// Whether a row that was written after the place `end` is outside a partition.
    pub fn is_any_outside(
        &self,
        id: &str,
        partition: &Partition,
        end: u64,
    ) -> Result<bool, StoreError> {
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM {} WHERE rowid > ?1 AND NOT ({}))",
            quoted(id),
            inside(partition)
        );
        Ok(self.connection.query_row(&sql, [end as i64], |row| row.get(0))?)
    }
}
