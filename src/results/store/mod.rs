//! The SQLite file: the last record of each key, the offsets up to which they were read, and which
//! of them are shown.

mod database;
mod error;
mod queries;
#[cfg(test)]
mod tests;
mod writer;

pub use error::StoreError;
pub use queries::{AffectedCluster, ClusterReport, Held, Page, Reports};
pub use writer::{Batch, Kept, StoreWriter};

use std::path::Path;

/// Opens the store, or creates it, for one process. `topic` and `contract` say what it is to hold; a
/// store of something else is emptied when reading begins.
pub fn open(
    path: &Path,
    topic: &str,
    contract: &str,
) -> Result<(StoreWriter, Reports), StoreError> {
    let database = database::Database::open(path)?;
    let reports = Reports::new(path);
    Ok((StoreWriter::new(database, topic, contract), reports))
}
