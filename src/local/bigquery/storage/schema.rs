//! A table's columns as appends see them: at once, or, where asked for, a while after REST does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::table_field_schema::{
    Mode as StorageMode, Type as StorageType,
};
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::{TableFieldSchema, TableSchema};

use super::super::columns::{Column, Kind, Mode};
use super::super::faults::{Fault, Faults};
use super::super::refusal::Refusal;
use super::super::store::{Store, no_table};

type Columns = Arc<Vec<Column>>;

/// What appends have seen of each table.
#[derive(Default)]
pub struct Schemas {
    seen: Mutex<HashMap<String, Seen>>,
}

struct Seen {
    columns: Columns,
    /// Newer columns, and from when on they are seen.
    coming: Option<(Columns, Instant)>,
}

impl Schemas {
    /// Columns of the table `id`; `path` names it in the error where there is none.
    pub fn columns(
        &self,
        store: &Store,
        faults: &Faults,
        id: &str,
        path: &str,
    ) -> Result<Columns, Refusal> {
        let live = store.columns(id)?.ok_or_else(|| no_table(path))?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(seen) = seen.get_mut(id) else {
            seen.insert(id.to_owned(), Seen { columns: live.clone(), coming: None });
            return Ok(live);
        };
        if Arc::ptr_eq(&seen.columns, &live) || seen.columns == live {
            return Ok(live);
        }
        let known = seen.coming.as_ref().filter(|(coming, _)| *coming == live);
        let from = match known {
            Some((_, from)) => Some(*from),
            None => faults.strikes(Fault::SchemaDelay).map(|delay| Instant::now() + delay),
        };
        match from.filter(|from| Instant::now() < *from) {
            Some(from) => {
                seen.coming = Some((live, from));
                Ok(seen.columns.clone())
            }
            None => {
                *seen = Seen { columns: live.clone(), coming: None };
                Ok(live)
            }
        }
    }
}

/// The columns as the Storage API tells them.
pub fn described(columns: &[Column]) -> TableSchema {
    TableSchema { fields: columns.iter().map(field).collect() }
}

fn field(column: &Column) -> TableFieldSchema {
    let kind = match column.kind {
        Kind::String => StorageType::String,
        Kind::Bytes => StorageType::Bytes,
        Kind::Integer => StorageType::Int64,
        Kind::Float => StorageType::Double,
        Kind::Boolean => StorageType::Bool,
        Kind::Timestamp => StorageType::Timestamp,
        Kind::Date => StorageType::Date,
        Kind::Datetime => StorageType::Datetime,
        Kind::Time => StorageType::Time,
        Kind::Numeric => StorageType::Numeric,
        Kind::BigNumeric => StorageType::Bignumeric,
        Kind::Json => StorageType::Json,
        Kind::Geography => StorageType::Geography,
        Kind::Record => StorageType::Struct,
    };
    let mode = match column.mode {
        Mode::Nullable => StorageMode::Nullable,
        Mode::Required => StorageMode::Required,
        Mode::Repeated => StorageMode::Repeated,
    };
    TableFieldSchema {
        name: column.name.clone(),
        r#type: kind as i32,
        mode: mode as i32,
        fields: described(&column.fields).fields,
        ..TableFieldSchema::default()
    }
}
