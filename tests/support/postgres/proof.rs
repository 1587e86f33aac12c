//! Compares the events that were sent with what a PostgreSQL table has.

use std::time::Duration;

use super::super::domain::TABLE;
use super::super::events::Sent;
use super::super::stored::{self, Arrived, Store, wait_while};
use super::Postgres;

impl Store for Postgres {
    fn rows_in(&self, table: &str) -> usize {
        self.count(table) as usize
    }

    fn compare(&self, sent: &Sent) -> Arrived {
        compare(self, sent)
    }
}

/// Waits until everything has arrived, then compares it all.
pub fn prove(server: &Postgres, sent: &Sent, patience: Duration) -> Arrived {
    wait_while(server, sent, patience, || {});
    compare(server, sent)
}

/// Panics with everything that differs.
pub fn compare(server: &Postgres, sent: &Sent) -> Arrived {
    stored::compare(server.rows(TABLE), server.letters(TABLE), sent)
}
