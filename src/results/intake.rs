//! What a record of the topic does to the reports, by the contract.

use super::report::Change;
use crate::clock::Clock;
use crate::record::{Event, Reason, Rejection, Transcoded};
use crate::row::RowBuffer;
use crate::transcode::{Ingestion, Plan};

/// The compiled contract of the reports.
pub struct Intake {
    plan: Plan,
    /// What the plan writes; nobody reads it.
    rows: RowBuffer,
    clock: Clock,
}

/// What becomes of a record.
#[derive(Debug)]
pub enum Outcome {
    Change(Change),
    /// An event type that the domain leaves out.
    Ignored,
    Rejected(Rejection),
}

impl Intake {
    pub fn new(plan: Plan, clock: Clock) -> Self {
        Self { plan, rows: RowBuffer::default(), clock }
    }

    pub fn read(&mut self, event: &Event<'_>) -> Outcome {
        let Some(value) = event.value else {
            let Some(key) = event.key else {
                let detail =
                    "the record has neither key nor value: it removes no report".to_owned();
                return Outcome::Rejected(Rejection::new(Reason::Empty, detail, None));
            };
            return Outcome::Change(Change::removal(event, key));
        };
        self.rows.clear();
        let ingestion = Ingestion::at(self.clock.now_micros());
        match self.plan.transcode(event, ingestion, &mut self.rows) {
            Transcoded::Rejected(rejection) => Outcome::Rejected(*rejection),
            Transcoded::Ignored(_) => Outcome::Ignored,
            Transcoded::Row => match Change::of_report(event, value) {
                Ok(change) => Outcome::Change(change),
                Err(rejection) => Outcome::Rejected(rejection),
            },
        }
    }
}
