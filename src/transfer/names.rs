//! The names of a run's tables and jobs.

use super::run::Transfer;
use super::runs;
use crate::config::TableId;

/// The beginning of the names of a transfer's tables, before the date.
pub fn of_transfer(target: &TableId, transfer: &str) -> String {
    format!("{}__transfer__{transfer}__", target.table)
}

impl Transfer<'_> {
    pub(super) fn of(&self) -> runs::Of<'_> {
        runs::Of {
            transfer: &self.settings.name,
            days: &self.request.days,
            mode: self.request.mode,
            target: &self.target,
        }
    }

    /// The beginning of the names of this transfer's and date's tables. A transfer's name has no two
    /// underscores in a row, so no other begins so.
    pub(super) fn prefix(&self) -> String {
        let date = self.request.days.last().strftime("%Y%m%d");
        format!("{}{date}__", of_transfer(&self.target, &self.settings.name))
    }

    /// The beginning of the names of what a run stages.
    pub(super) fn staging_prefix(&self, holder: &str) -> String {
        format!("{}{holder}_", self.prefix())
    }

    /// The beginning of the ids of a run's jobs.
    pub(super) fn jobs(&self, holder: &str) -> String {
        format!("generic_consumer_{}{holder}", self.prefix())
    }

    /// The id of the job that moves a staging table into the target. Whoever finds the table finds the
    /// job.
    pub(super) fn moving_job(&self, staging: &TableId) -> String {
        format!("generic_consumer_{}", staging.table)
    }
}
