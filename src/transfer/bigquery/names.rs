//! The names of a run's tables and jobs.

use crate::config::TableId;
use crate::transfer::target::Wanted;

/// In the place of a date, of runs that are not of days.
const NO_DAYS: &str = "positions";

/// What the names are made of.
#[derive(Debug, Clone)]
pub struct Names {
    /// The beginning of the names of this transfer's and date's tables. A transfer's name has no two
    /// underscores in a row, so no other begins so.
    pub prefix: String,
    holder: String,
}

impl Names {
    pub fn new(target: &TableId, wanted: &Wanted<'_>) -> Self {
        let date = wanted.last_day.map(|day| day.strftime("%Y%m%d").to_string());
        let date = date.as_deref().unwrap_or(NO_DAYS);
        let prefix = format!("{}{date}__", Self::of_transfer(target, wanted.leased_as()));
        Self { prefix, holder: wanted.holder.to_owned() }
    }

    /// The beginning of the names of a transfer's tables, before the date.
    pub fn of_transfer(target: &TableId, transfer: &str) -> String {
        format!("{}__transfer__{transfer}__", target.table)
    }

    /// The table that is the lease.
    pub fn lease(&self) -> String {
        self.prefix.trim_end_matches('_').to_owned()
    }

    /// The beginning of the names of what a run stages.
    pub fn staging(&self) -> String {
        format!("{}{}_", self.prefix, self.holder)
    }

    /// The id of a job that this run does once.
    pub fn job(&self, what: &str) -> String {
        format!("generic_consumer_{}{}_{what}", self.prefix, self.holder)
    }

    /// The id of the job that moves a staging table into the target. Whoever finds the table finds the
    /// job.
    pub fn moving_job(staging: &TableId) -> String {
        format!("generic_consumer_{}", staging.table)
    }
}
