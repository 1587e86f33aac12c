//! What all REST handlers share.

use std::sync::Arc;

use super::insert_ids::InsertIds;
use crate::local::bigquery::new_tables::NewTables;
use crate::local::bigquery::store::Store;

#[derive(Clone)]
pub struct RestState {
    pub store: Arc<Store>,
    pub new_tables: Arc<NewTables>,
    pub insert_ids: Arc<InsertIds>,
}
