//! Staging through load jobs: rows go into objects of a bucket as JSON, an object on each line, and one
//! load job reads them into the staging table.
//!
//! The objects are in a folder of the run, so that the next run finds what an interrupted one has left.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::config::TableId;
use crate::config::location::{InBucket, Remote};
use crate::remote::{FetchError, Fetcher};
use crate::row::{Cell, FieldError, Fields, RowBuffer, TableSchema, json as rows_as_json};
use crate::sink::bigquery::BigQuery;
use crate::sink::bigquery::batch::{Job, JobError};
use crate::stop::Stop;

/// Bytes of an object. BigQuery reads 10,000 objects with one job.
const OBJECT_BYTES: usize = 32 << 20;

/// The largest integer that every reader of JSON takes as a number.
const LARGEST: u64 = (1 << 53) - 1;

/// A folder of a bucket of Google Cloud Storage.
#[derive(Clone)]
pub struct ObjectFolder {
    fetcher: Arc<Fetcher>,
    folder: InBucket,
}

/// Rows on their way into a staging table.
pub struct Loading {
    pub bigquery: BigQuery,
    pub table: TableId,
    pub location: Option<String>,
    pub columns: TableSchema,
    objects: ObjectFolder,
    /// The folder of this staging table.
    folder: String,
    lines: Vec<u8>,
    uris: Vec<String>,
}

impl ObjectFolder {
    pub fn new(fetcher: Fetcher, folder: InBucket) -> Self {
        Self { fetcher: Arc::new(fetcher), folder }
    }

    /// Begins to fill a staging table: `prefix` is that of the transfer's and date's tables.
    pub fn load(
        &self,
        bigquery: BigQuery,
        table: &TableId,
        prefix: &str,
        location: Option<&str>,
        columns: TableSchema,
    ) -> Loading {
        let attempt = table.table.strip_prefix(prefix).unwrap_or(&table.table);
        Loading {
            bigquery,
            table: table.clone(),
            location: location.map(str::to_owned),
            columns,
            objects: self.clone(),
            folder: format!("{prefix}/{attempt}"),
            lines: Vec::new(),
            uris: Vec::new(),
        }
    }

    /// Removes the objects of all runs of a transfer and date.
    pub async fn clear(&self, prefix: &str) -> Result<usize, Stop> {
        let removed = self.fetcher.remove_folder(&Remote::Gs(self.at(prefix))).await;
        removed.map_err(|error| failed("remove objects of a staging table", error))
    }

    fn at(&self, name: &str) -> InBucket {
        let InBucket { bucket, key } = &self.folder;
        let key = if key.is_empty() { name.to_owned() } else { format!("{key}/{name}") };
        InBucket { bucket: bucket.clone(), key }
    }
}

impl Loading {
    pub async fn append(&mut self, rows: &RowBuffer) -> Result<(), Stop> {
        for (_, row) in rows.rows() {
            line(&self.columns, row, &mut self.lines).map_err(|error| {
                Stop::new("write a row as JSON", "please report this with the log around it", error)
            })?;
            if self.lines.len() >= OBJECT_BYTES {
                self.put().await?;
            }
        }
        Ok(())
    }

    /// Loads the rows into the table, and returns their number.
    pub async fn commit(mut self) -> Result<u64, Stop> {
        if !self.lines.is_empty() {
            self.put().await?;
        }
        if self.uris.is_empty() {
            return Ok(0);
        }
        let TableId { project, dataset, table } = &self.table;
        let job = Job {
            what: format!("load rows into {}", self.table),
            project,
            location: self.location.as_deref(),
            id: format!("generic_consumer_{table}_load"),
            configuration: json!({ "load": {
                "destinationTable": { "projectId": project, "datasetId": dataset, "tableId": table },
                "sourceUris": self.uris,
                "sourceFormat": "NEWLINE_DELIMITED_JSON",
                "createDisposition": "CREATE_NEVER",
                // Not twice, whatever becomes of the answer.
                "writeDisposition": "WRITE_EMPTY",
            } }),
        };
        let done = self.bigquery.run_job(&job).await.map_err(JobError::of_loading)?;
        Ok(done.number("/load/outputRows"))
    }

    async fn put(&mut self) -> Result<(), Stop> {
        let name = format!("{}/{:06}.ndjson", self.folder, self.uris.len());
        let at = Remote::Gs(self.objects.at(&name));
        let lines = Bytes::from(std::mem::take(&mut self.lines));
        let put = self.objects.fetcher.put(&at, lines).await;
        put.map_err(|error| failed("write an object with rows", error))?;
        self.uris.push(at.to_string());
        Ok(())
    }
}

impl JobError {
    fn of_loading(self) -> Stop {
        self.stop(
            "the target is as it was. A row that BigQuery does not take ends the run; without \
             `staging` it becomes a dead letter. The dataset and the bucket have to be in one place",
        )
    }
}

fn failed(what: &str, error: FetchError) -> Stop {
    let hint = "`staging` of the transfer names a folder of a bucket in which this identity may create, \
                list and delete objects";
    Stop::new(what, hint, error)
}

/// Writes a row as a line. BigQuery takes the value of a JSON column as it stands.
fn line(columns: &TableSchema, row: &[u8], into: &mut Vec<u8>) -> Result<(), FieldError> {
    let mut values = Vec::with_capacity(columns.columns.len());
    Fields::new(&columns.columns, row).read(&mut values)?;
    let object = rows_as_json::members_of(&columns.columns, &values)?;
    into.extend_from_slice(exact(object).on_one_line().as_bytes());
    into.push(b'\n');
    Ok(())
}

/// The same with large integers as texts.
fn exact(cell: Cell) -> Cell {
    match cell {
        Cell::Scalar(Value::Number(number)) => match number.as_i64() {
            Some(integer) if integer.unsigned_abs() > LARGEST => Cell::from(integer.to_string()),
            _ => Cell::Scalar(Value::Number(number)),
        },
        Cell::Array(items) => Cell::Array(items.into_iter().map(exact).collect()),
        Cell::Record(fields) => {
            Cell::Record(fields.into_iter().map(|(name, cell)| (name, exact(cell))).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{Column, ColumnType};

    #[test]
    fn a_line_has_what_the_row_has() {
        let column = Column::nullable;
        let columns = TableSchema {
            columns: vec![
                column("n", ColumnType::Int64),
                column("m", ColumnType::Int64),
                column("j", ColumnType::Json),
                column("missing", ColumnType::String),
            ],
        };
        let mut row = Vec::new();
        for (field, number) in [(1_u64, 9_007_199_254_740_993_u64), (2, 7)] {
            prost::encoding::encode_varint(field << 3, &mut row);
            prost::encoding::encode_varint(number, &mut row);
        }
        let json = br#"{"a": "x y", "n": 12345678901234567890}"#;
        prost::encoding::encode_varint(3 << 3 | 2, &mut row);
        prost::encoding::encode_varint(json.len() as u64, &mut row);
        row.extend_from_slice(json);
        let mut text = Vec::new();
        line(&columns, &row, &mut text).expect("a row");
        let expected = r#"{"n":"9007199254740993","m":7,"j":{"a":"x y","n":12345678901234567890}}"#;
        assert_eq!(String::from_utf8(text).expect("UTF-8"), format!("{expected}\n"));
    }
}
