//! What all REST handlers share.

use std::sync::Arc;

use super::insert_ids::InsertIds;
use super::jobs::{Objects, Uploads};
use crate::local::bigquery::faults::Faults;
use crate::local::bigquery::new_tables::NewTables;
use crate::local::bigquery::store::Store;

#[derive(Clone)]
pub struct RestState {
    pub store: Arc<Store>,
    pub new_tables: Arc<NewTables>,
    pub insert_ids: Arc<InsertIds>,
    pub faults: Arc<Faults>,
    /// The resumable uploads that have begun.
    pub uploads: Arc<Uploads>,
    /// The buckets from which load jobs read.
    pub objects: Arc<Objects>,
}
