//! Tables that the Storage Write API does not find yet, under the fault `table_delay`: for a while
//! after a table is created, and mostly after it is dropped and recreated, BigQuery's append servers
//! return NOT_FOUND for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::faults::{Faults, InjectedFault};
use super::refusal::Refusal;
use super::store::no_table;

/// Shared by the REST server, which creates tables, and the Storage Write server.
pub struct NewTables {
    faults: Arc<Faults>,
    /// From when on each table is found, by table id.
    found_from: Mutex<HashMap<String, Instant>>,
}

impl NewTables {
    pub fn new(faults: Arc<Faults>) -> Self {
        Self { faults, found_from: Mutex::default() }
    }

    /// Draws the fault for the table `id`, which REST is about to create.
    pub fn created(&self, id: &str) {
        let mut found_from = self.found_from.lock().unwrap_or_else(PoisonError::into_inner);
        match self.faults.draw(InjectedFault::TableDelay) {
            Some(delay) => drop(found_from.insert(id.to_owned(), Instant::now() + delay)),
            None => drop(found_from.remove(id)),
        }
    }

    /// Refuses the table `id` while it is not found yet; `path` is its name in the error.
    pub fn check(&self, id: &str, path: &str) -> Result<(), Refusal> {
        let found_from = self.found_from.lock().unwrap_or_else(PoisonError::into_inner);
        match found_from.get(id) {
            Some(from) if Instant::now() < *from => Err(no_table(path)),
            _ => Ok(()),
        }
    }
}
