//! Errors of the store.

use std::path::PathBuf;

use rusqlite::ErrorCode;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("create the store {}, or make it readable by its owner alone", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("another process uses the store {}", .0.display())]
    InUse(PathBuf),
    #[error("{} is a file of another program", .0.display())]
    Foreign(PathBuf),
    #[error("open the store {}", path.display())]
    Open { path: PathBuf, source: rusqlite::Error },
    #[error("read or write the store")]
    Sqlite(#[from] rusqlite::Error),
}

impl StoreError {
    /// Whether trying again can help: a full disk or a lock, and not a broken file.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Sqlite(error) => !matches!(
                error.sqlite_error_code(),
                Some(
                    ErrorCode::DatabaseCorrupt
                        | ErrorCode::NotADatabase
                        | ErrorCode::ReadOnly
                        | ErrorCode::PermissionDenied
                        | ErrorCode::ConstraintViolation
                        | ErrorCode::SchemaChanged
                )
            ),
            Self::File { .. } | Self::InUse(_) | Self::Foreign(_) | Self::Open { .. } => false,
        }
    }

    /// What a person can do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::File { .. } => "RESULTS_STORE names a file in a folder that may be written to",
            Self::InUse(_) => {
                "stop the other one, or give this one a file of its own with RESULTS_STORE"
            }
            Self::Foreign(_) => "RESULTS_STORE names a file of its own, which need not exist",
            Self::Open { .. } | Self::Sqlite(_) => {
                "RESULTS_STORE names the file; it may be deleted: the reports are read again from \
                 the topic"
            }
        }
    }
}
