//! The columns that appends see: the table's current ones, or, under the fault `schema_delay`, the
//! previous ones for a while after REST changed the table.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::table_field_schema::{
    Mode as StorageMode, Type as StorageType,
};
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::{TableFieldSchema, TableSchema};

use super::super::faults::{Faults, InjectedFault};
use super::super::field_schema::{FieldMode, FieldSchema, FieldType};
use super::super::refusal::Refusal;
use super::super::store::{Store, no_table};

type Columns = Arc<Vec<FieldSchema>>;

/// The columns of each table that was appended to, as appends see them.
#[derive(Default)]
pub struct AppendSchemas {
    tables: Mutex<HashMap<String, AppendSchema>>,
}

struct AppendSchema {
    columns: Columns,
    /// Newer columns, and when appends begin to see them.
    upcoming: Option<(Columns, Instant)>,
}

impl AppendSchemas {
    /// The columns of the table `id`; `path` is the table's name in the error if it does not exist.
    pub fn columns(
        &self,
        store: &Store,
        faults: &Faults,
        id: &str,
        path: &str,
    ) -> Result<Columns, Refusal> {
        let live = store.columns(id)?.ok_or_else(|| no_table(path))?;
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(schema) = tables.get_mut(id) else {
            tables.insert(id.to_owned(), AppendSchema { columns: live.clone(), upcoming: None });
            return Ok(live);
        };
        if Arc::ptr_eq(&schema.columns, &live) || schema.columns == live {
            return Ok(live);
        }
        let known = schema.upcoming.as_ref().filter(|(upcoming, _)| *upcoming == live);
        let from = match known {
            Some((_, from)) => Some(*from),
            None => faults.draw(InjectedFault::SchemaDelay).map(|delay| Instant::now() + delay),
        };
        match from.filter(|from| Instant::now() < *from) {
            Some(from) => {
                schema.upcoming = Some((live, from));
                Ok(schema.columns.clone())
            }
            None => {
                *schema = AppendSchema { columns: live.clone(), upcoming: None };
                Ok(live)
            }
        }
    }
}

/// The columns in the Storage API's form.
pub fn table_schema(columns: &[FieldSchema]) -> TableSchema {
    TableSchema { fields: columns.iter().map(field).collect() }
}

fn field(column: &FieldSchema) -> TableFieldSchema {
    let kind = match column.kind {
        FieldType::String => StorageType::String,
        FieldType::Bytes => StorageType::Bytes,
        FieldType::Integer => StorageType::Int64,
        FieldType::Float => StorageType::Double,
        FieldType::Boolean => StorageType::Bool,
        FieldType::Timestamp => StorageType::Timestamp,
        FieldType::Date => StorageType::Date,
        FieldType::Datetime => StorageType::Datetime,
        FieldType::Time => StorageType::Time,
        FieldType::Numeric => StorageType::Numeric,
        FieldType::BigNumeric => StorageType::Bignumeric,
        FieldType::Json => StorageType::Json,
        FieldType::Geography => StorageType::Geography,
        FieldType::Record => StorageType::Struct,
    };
    let mode = match column.mode {
        FieldMode::Nullable => StorageMode::Nullable,
        FieldMode::Required => StorageMode::Required,
        FieldMode::Repeated => StorageMode::Repeated,
    };
    TableFieldSchema {
        name: column.name.clone(),
        r#type: kind as i32,
        mode: mode as i32,
        fields: table_schema(&column.fields).fields,
        ..TableFieldSchema::default()
    }
}
