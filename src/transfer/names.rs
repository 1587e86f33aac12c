//! The names of a run's tables and jobs.

use super::run::Transfer;
use super::runs;

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
        format!("{}__transfer__{}__{date}__", self.target.table, self.settings.name)
    }

    /// The same for a run that is resumed, and for no other.
    pub(super) fn job_id(&self, run: u64, fingerprint: &str) -> String {
        let days = &self.request.days;
        format!(
            "generic_consumer_{}_{}_{}_{}_{}_{run}_{fingerprint}",
            self.target.table,
            self.settings.name,
            self.request.mode.name(),
            days.first().strftime("%Y%m%d"),
            days.last().strftime("%Y%m%d"),
        )
    }
}
