//! Compares the events that were sent with what a measurement has.

use super::super::domain::TABLE;
use super::super::events::Sent;
use super::super::stored::{self, Arrived, Store};
use super::Influx;

impl Store for Influx {
    fn rows_in(&self, table: &str) -> usize {
        self.count(table)
    }

    fn compare(&self, sent: &Sent) -> Arrived {
        compare(self, sent)
    }
}

/// Panics with everything that differs.
pub fn compare(server: &Influx, sent: &Sent) -> Arrived {
    stored::compare(server.rows(TABLE), server.letters(TABLE), sent)
}
