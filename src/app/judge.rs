//! What becomes of a record that is not on Kafka.

use super::domain::{Domain, DomainError};
use crate::record::{Position, Rejection, Transcoded, UnsentRecord};
use crate::row::{Fields, RowBuffer};
use crate::transcode::{Ingestion, Plan};

/// Decides about records as the domain's consumer would, with the columns that the contract asks
/// for.
pub struct Judge<'d> {
    domain: &'d Domain,
    plan: Plan,
    now_micros: i64,
    row: RowBuffer,
}

/// What becomes of a record.
#[derive(Debug)]
pub enum Verdict<'a> {
    Row(Fields<'a>),
    /// Holds the event type, or `tombstone`.
    Ignored(&'a str),
    Rejected(Rejection),
}

impl<'d> Judge<'d> {
    /// `now_micros` is when the records arrive, in microseconds since the epoch.
    pub fn new(domain: &'d Domain, now_micros: i64) -> Result<Self, DomainError> {
        let plan = domain.plan(&domain.columns)?;
        Ok(Self { domain, plan, now_micros, row: RowBuffer::default() })
    }

    /// What becomes of the record at this offset.
    pub fn verdict(&mut self, record: &UnsentRecord, offset: i64) -> Verdict<'_> {
        let event = record.at(Position::new(0, offset), self.now_micros / 1_000);
        self.row.clear();
        match self.plan.transcode(&event, Ingestion::at(self.now_micros), &mut self.row) {
            Transcoded::Rejected(rejection) => Verdict::Rejected(*rejection),
            Transcoded::Ignored(label) => {
                Verdict::Ignored(self.plan.ignored_labels().get(label).map_or("", String::as_str))
            }
            Transcoded::Row => {
                let row = self.row.rows().next().map(|(_, bytes)| bytes).unwrap_or_default();
                Verdict::Row(Fields::new(&self.domain.columns.columns, row))
            }
        }
    }
}
