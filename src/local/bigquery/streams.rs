//! Write streams: offsets, types and their visibility, flush, finalize, batch commit.

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::StorageError;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::storage_error::StorageErrorCode;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::write_stream::Type;
use gcp_bigquery_client::google::rpc;
use prost::Message;
use rusqlite::{Connection, OptionalExtension, params};
use tonic::{Code, Status};

use super::Row;
use super::columns::Column;
use super::store::{Store, StoreError, insert, quoted};

/// A stream as the store has it.
#[derive(Debug, Clone)]
pub struct Stream {
    pub table: String,
    pub kind: Type,
    pub finalized: bool,
    pub rows: u64,
    pub flushed: u64,
}

/// An answer that is no success: the status, with a `StorageError` where BigQuery gives one.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub code: Code,
    pub message: String,
    pub storage: Option<StorageErrorCode>,
    pub entity: String,
}

impl Refusal {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), storage: None, entity: String::new() }
    }

    pub fn with(mut self, storage: StorageErrorCode, entity: &str) -> Self {
        self.storage = Some(storage);
        entity.clone_into(&mut self.entity);
        self
    }

    /// `google.rpc.Status`, as it stands in band.
    pub fn rpc(&self) -> rpc::Status {
        let detail = self.storage.map(|code| StorageError {
            code: code as i32,
            entity: self.entity.clone(),
            error_message: self.message.clone(),
        });
        let details = detail.map(|error| prost_types::Any {
            type_url: "type.googleapis.com/google.cloud.bigquery.storage.v1.StorageError"
                .to_owned(),
            value: error.encode_to_vec(),
        });
        rpc::Status {
            code: self.code as i32,
            message: self.message.clone(),
            details: details.into_iter().collect(),
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let details = refusal.rpc().encode_to_vec();
        Status::with_details(refusal.code, refusal.message, details.into())
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Refusal::new(Code::Internal, format!("{error:?}"))
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Refusal::from(StoreError::from(error))
    }
}

/// `projects/P/datasets/D/tables/T` as the store names it: `P.D.T`.
pub fn table_id(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').collect();
    match parts[..] {
        ["projects", project, "datasets", dataset, "tables", table] => {
            Some(format!("{project}.{dataset}.{table}"))
        }
        _ => None,
    }
}

/// Table path and stream of a stream's name; `T/_default` is short for `T/streams/_default`.
pub fn split(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once("/streams/")
        .or_else(|| name.strip_suffix("/_default").map(|t| (t, "_default")))
}

fn no_stream(name: &str) -> Refusal {
    Refusal::new(Code::NotFound, format!("Requested entity was not found. Entity: {name}"))
        .with(StorageErrorCode::StreamNotFound, name)
}

impl Store {
    pub fn create_stream(&self, table: &str, name: &str, kind: Type) -> Result<(), Refusal> {
        let sql = "INSERT INTO __streams (name, table_id, type) VALUES (?1, ?2, ?3)";
        self.lock().execute(sql, params![name, table, kind as i32])?;
        Ok(())
    }

    pub fn stream(&self, name: &str) -> Result<Stream, Refusal> {
        load(&self.lock(), name)
    }

    /// Appends rows to a created stream; with an offset, only exactly there.
    pub fn append(
        &self,
        name: &str,
        columns: &[Column],
        offset: Option<i64>,
        rows: &[Row],
    ) -> Result<u64, Refusal> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let stream = load(&transaction, name)?;
        if stream.finalized {
            let message =
                format!("Stream has been finalized and cannot be appended. Entity: {name}");
            return Err(Refusal::new(Code::InvalidArgument, message)
                .with(StorageErrorCode::StreamFinalized, name));
        }
        let at = stream.rows;
        match offset {
            Some(offset) if (offset as u64) < at => {
                let message = format!(
                    "The offset is within stream, expected offset {at}, received {offset} Entity: {name}"
                );
                return Err(Refusal::new(Code::AlreadyExists, message)
                    .with(StorageErrorCode::OffsetAlreadyExists, name));
            }
            Some(offset) if offset as u64 > at => {
                let message = format!(
                    "The offset is beyond stream, expected offset {at}, received {offset} Entity: {name}"
                );
                return Err(Refusal::new(Code::OutOfRange, message)
                    .with(StorageErrorCode::OffsetOutOfRange, name));
            }
            _ => {}
        }
        let visible = stream.kind == Type::Committed;
        insert(&transaction, &stream.table, columns, name, at, visible, rows)?;
        let sql = "UPDATE __streams SET rows = ?2 WHERE name = ?1";
        transaction.execute(sql, params![name, (at + rows.len() as u64) as i64])?;
        transaction.commit()?;
        Ok(at)
    }

    /// Appends to a default stream: visible at once, no offsets.
    pub fn append_default(
        &self,
        table: &str,
        columns: &[Column],
        rows: &[Row],
    ) -> Result<(), Refusal> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        insert(&transaction, table, columns, "_default", 0, true, rows)?;
        transaction.commit()?;
        Ok(())
    }

    /// Makes rows up to and including `offset` visible; again is no change.
    pub fn flush(&self, name: &str, offset: i64) -> Result<i64, Refusal> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let stream = load(&transaction, name)?;
        if stream.kind != Type::Buffered {
            let message = format!("FlushRows is for BUFFERED streams only. Entity: {name}");
            return Err(Refusal::new(Code::InvalidArgument, message)
                .with(StorageErrorCode::InvalidStreamType, name));
        }
        if offset < 0 || offset as u64 >= stream.rows {
            let message = format!(
                "The flush offset {offset} is beyond the stream of {} rows. Entity: {name}",
                stream.rows
            );
            return Err(Refusal::new(Code::OutOfRange, message)
                .with(StorageErrorCode::OffsetOutOfRange, name));
        }
        let to = (offset as u64 + 1).max(stream.flushed);
        if to > stream.flushed {
            let sql = format!(
                "UPDATE {} SET __visible = 1 WHERE __stream = ?1 AND __row >= ?2 AND __row < ?3",
                quoted(&stream.table)
            );
            transaction.execute(&sql, params![name, stream.flushed as i64, to as i64])?;
            let sql = "UPDATE __streams SET flushed = ?2 WHERE name = ?1";
            transaction.execute(sql, params![name, to as i64])?;
        }
        transaction.commit()?;
        Ok(offset)
    }

    /// Takes no more rows; answers with how many there are.
    pub fn finalize(&self, name: &str) -> Result<u64, Refusal> {
        let connection = self.lock();
        let stream = load(&connection, name)?;
        connection.execute("UPDATE __streams SET finalized = 1 WHERE name = ?1", [name])?;
        Ok(stream.rows)
    }

    /// Makes the rows of finalized PENDING streams visible, all or none.
    pub fn batch_commit(&self, names: &[String]) -> Result<Vec<Refusal>, Refusal> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let mut refused = Vec::new();
        for name in names {
            let stream = match load(&transaction, name) {
                Ok(stream) => stream,
                Err(refusal) => {
                    refused.push(refusal);
                    continue;
                }
            };
            let committed: bool = transaction.query_row(
                "SELECT committed FROM __streams WHERE name = ?1",
                [name],
                |row| row.get(0),
            )?;
            let wrong = match stream {
                Stream { kind, .. } if kind != Type::Pending => Some((
                    StorageErrorCode::InvalidStreamType,
                    "Only PENDING streams are committed",
                )),
                Stream { finalized: false, .. } => {
                    Some((StorageErrorCode::InvalidStreamState, "The stream is not finalized"))
                }
                _ if committed => Some((
                    StorageErrorCode::StreamAlreadyCommitted,
                    "The stream is committed already",
                )),
                _ => None,
            };
            if let Some((code, message)) = wrong {
                refused.push(Refusal::new(Code::InvalidArgument, message).with(code, name));
                continue;
            }
            let sql =
                format!("UPDATE {} SET __visible = 1 WHERE __stream = ?1", quoted(&stream.table));
            transaction.execute(&sql, [name])?;
            transaction.execute("UPDATE __streams SET committed = 1 WHERE name = ?1", [name])?;
        }
        if refused.is_empty() {
            transaction.commit()?;
        }
        Ok(refused)
    }
}

fn load(connection: &Connection, name: &str) -> Result<Stream, Refusal> {
    let sql = "SELECT table_id, type, finalized, rows, flushed FROM __streams WHERE name = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let stream = statement.query_row([name], |row| {
        Ok(Stream {
            table: row.get(0)?,
            kind: Type::try_from(row.get::<_, i32>(1)?).unwrap_or(Type::Unspecified),
            finalized: row.get(2)?,
            rows: row.get::<_, i64>(3)? as u64,
            flushed: row.get::<_, i64>(4)? as u64,
        })
    });
    stream.optional()?.ok_or_else(|| no_stream(name))
}
