//! Errors of the store.

use std::path::PathBuf;

use tonic::Code;

use crate::local::bigquery::refusal::Refusal;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("open the store {path}")]
    Open { path: String, source: rusqlite::Error },
    #[error("create the store {}, or make it readable by its owner alone", path.display())]
    Permissions { path: PathBuf, source: std::io::Error },
    #[error("there is no table {table}; the store has {known}")]
    NoTable { table: String, known: String },
    #[error("several tables are named {table}; say which: {known}")]
    Ambiguous { table: String, known: String },
    #[error("read or write the store")]
    Sqlite(#[from] rusqlite::Error),
    #[error("read JSON from the store")]
    Json(#[from] serde_json::Error),
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
