//! The `insertId`s of the last minute, by which `insertAll` leaves out repeated rows.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long an `insertId` is remembered. BigQuery promises about a minute, at best effort.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Older `insertId`s are removed once there are more than this.
const IDS_BEFORE_CLEANUP: usize = 100_000;

/// When each `insertId` was last used, by table id and `insertId`.
#[derive(Default)]
pub struct InsertIds(Mutex<HashMap<(String, String), Instant>>);

impl InsertIds {
    /// Remembers an `insertId`. Returns false if it was used within the last minute.
    pub fn is_new(&self, table: &str, insert_id: &str) -> bool {
        let now = Instant::now();
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= IDS_BEFORE_CLEANUP {
            used.retain(|_, at| now.duration_since(*at) < REMEMBERED);
        }
        let before = used.insert((table.to_owned(), insert_id.to_owned()), now);
        before.is_none_or(|at| now.duration_since(at) >= REMEMBERED)
    }
}
