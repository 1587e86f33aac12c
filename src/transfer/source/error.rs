//! Why files cannot be read.

use std::io;

use parquet::errors::ParquetError;

use crate::config::location::Location;
use crate::remote::FetchError;

#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    #[error("there is no file {pattern}")]
    Missing { pattern: String },
    #[error("fetch a file")]
    Fetch(#[source] Box<FetchError>),
    #[error("{pattern} is no pattern: {problem}")]
    Pattern { pattern: String, problem: String },
    #[error("read {at}")]
    Read { at: String, source: io::Error },
    #[error("{at} was written or replaced while it was read")]
    Changed { at: String },
    #[error("{at}: {problem}")]
    Header { at: String, problem: String },
    #[error("read the footers of files")]
    Thread(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("read {at} as Parquet")]
    Parquet { at: String, source: Box<ParquetError> },
}

impl FilesError {
    /// Why a Parquet file cannot be read.
    pub fn parquet(at: &Location, error: ParquetError) -> Self {
        let at = at.to_string();
        let error = match error {
            ParquetError::External(error) => error,
            error => return Self::Parquet { at, source: Box::new(error) },
        };
        // What the storage said, without the reader in between.
        match error.downcast::<FetchError>() {
            Ok(error) => Self::Fetch(error),
            Err(error) => match error.downcast::<io::Error>() {
                Ok(source) => Self::Read { at, source: *source },
                Err(other) => Self::Parquet { at, source: ParquetError::External(other).into() },
            },
        }
    }
}
