//! Runs what inserts the rows that a domain's table does not have: `replay` and `dlq redrive`.

use std::time::{Duration, Instant};

use super::failure::Failure;
use super::transfer;
use super::transfer_progress::ShownProgress;
use crate::app::Domain;
use crate::config::TransferSettings;
use crate::row::TableSchema;
use crate::shutdown::Shutdown;
use crate::stop::Stop;
use crate::transfer::source::Source;
use crate::transfer::{Database, MaxRejected, Mode, Progress, Request, Summary, Transfer};

/// What is inserted, and where.
pub struct Fill<'a> {
    pub domain: &'a Domain,
    pub settings: &'a TransferSettings,
    pub database: &'a Database,
    pub source: Source,
    /// What the source is, for messages.
    pub source_name: &'a str,
    /// Waits for another run of the same table.
    pub wait: bool,
    pub shutdown: Shutdown,
}

impl Fill<'_> {
    /// Stages the rows and inserts those that are missing. Returns how long it took, too.
    pub async fn run(self) -> Result<(Summary, Duration), Failure> {
        let domain = self.domain;
        let plan = |table: &TableSchema| {
            domain.plan(table).map_err(|error| {
                let hint = "`generic-consumer config` has more";
                Stop::new("compile the contract for the table", hint, error)
            })
        };
        let progress = Progress::default();
        let shown = ShownProgress::show(progress.clone(), self.source.size());
        // A record that is rejected is a dead letter, as it is for an instance.
        let max_rejected = MaxRejected::Percent(100.0);
        let request = Request { days: None, mode: Mode::Fill, wait: self.wait, max_rejected };
        let transfer = Transfer {
            settings: self.settings,
            request: &request,
            columns: domain.columns.clone(),
            plan: &plan,
            source: self.source,
            before: None,
            after: None,
            topic: domain.contract.topic.clone(),
            contract: domain.contract.id.clone(),
            progress: progress.clone(),
            shutdown: self.shutdown,
        };
        let began = Instant::now();
        let ended = transfer.run(self.database).await;
        progress.end();
        drop(shown);
        let done = ended.map_err(|error| transfer::failure(error, self.source_name))?;
        Ok((done, began.elapsed()))
    }
}
