//! A contract that changes while the instance runs: noticed, judged, and taken over between two sessions.
//!
//! ```text
//! Lookout: have the documents changed? ─► compatible: may it be taken over? ─► sink and plan made ready
//!    ─► Succession ─► the session ends in order ─► the next one writes by the new contract
//! ```
//!
//! Until the sink is ready for it, nothing changes for the session that runs; what is refused or fails
//! leaves everything as it is.

mod compatible;
mod lookout;
mod report;

use std::convert::Infallible;
use std::time::Duration;

use self::compatible::{changes, same_rows};
use self::lookout::{Looked, Lookout};
pub use self::report::ContractReport;
use self::report::Reloaded;
use super::assembly::Assembly;
use super::contract::check_settings;
use super::domain::{Domain, DomainError};
use super::error::AppError;
use super::flow::writing;
use super::origin::{Origin, Unread};
use crate::config::{Broker, Settings};
use crate::error_chain::chain;
use crate::pipeline::{Succession, Successor, Until};
use crate::remote::Fetcher;

/// The most characters of a reason in `/readyz` and `/status`. The log has all of it.
const LONGEST_REASON: usize = 500;

/// What watching the contract of a run needs.
pub struct ContractWatch<'a> {
    /// What the run was assembled from.
    pub assembly: Assembly<'a>,
    pub fetcher: &'a Fetcher,
    /// Where the contract of the assembly was read.
    pub origin: Origin,
    pub report: ContractReport,
    /// Of the flow that runs.
    pub succession: Succession,
}

impl ContractWatch<'_> {
    /// Looks at the contract again and again, for as long as the caller waits, if it is to be looked at
    /// in this run.
    pub async fn watch(self) -> Infallible {
        let Some(every) = how_often(self.assembly.settings, self.assembly.until) else {
            return std::future::pending().await;
        };
        tracing::info!(every_seconds = every.as_secs(), "a contract that changes is taken over");
        let mut watching = Watching::new(self, every);
        loop {
            tokio::time::sleep(every).await;
            watching.turn().await;
        }
    }
}

/// How often the contract is looked at. Where rules are applied it is not: their sets do not change
/// while an instance runs. An embedded broker is filled once, by the contract that there was.
fn how_often(settings: &Settings, until: Until) -> Option<Duration> {
    let runs_on = until == Until::Stopped;
    let is_fixed = settings.steps.is_some() || settings.consume.broker == Broker::Embedded;
    settings.contract_refresh.filter(|_| runs_on && !is_fixed)
}

struct Watching<'a> {
    assembly: Assembly<'a>,
    lookout: Lookout<'a>,
    report: ContractReport,
    succession: Succession,
    /// By which rows are written, or will be as soon as the session has ended.
    used: Used,
    /// It may be taken over as soon as the sink is ready for it.
    waiting: Option<Used>,
    /// Why the last contract that was judged is not used: said once.
    said: Option<String>,
    /// Why the documents could not be looked at the last time.
    unread: Option<String>,
}

/// A contract, and the digest of its documents.
struct Used {
    domain: Domain,
    digest: String,
}

impl<'a> Watching<'a> {
    fn new(of: ContractWatch<'a>, every: Duration) -> Self {
        let ContractWatch { assembly, fetcher, origin, report, succession } = of;
        let used = Used { domain: assembly.domain.clone(), digest: origin.digest() };
        let lookout = Lookout::new(assembly.settings, fetcher, origin, every);
        let (waiting, said, unread) = (None, None, None);
        Self { assembly, lookout, report, succession, used, waiting, said, unread }
    }

    /// Looks once, and does what follows.
    async fn turn(&mut self) {
        let looked = self.lookout.look().await;
        if !matches!(looked, Looked::Unread(_)) && self.unread.take().is_some() {
            tracing::info!("the contract can be looked at again");
        }
        match looked {
            Looked::Unread(why) => self.unread(&why),
            Looked::Unsettled => {
                tracing::info!("the contract's documents are being written: looking again later");
            }
            Looked::Unchanged => self.make_ready().await,
            Looked::Changed { domain, digest } => {
                self.judge(domain, digest);
                self.make_ready().await;
            }
        }
    }

    /// Nothing is known, so nothing changes.
    fn unread(&mut self, why: &Unread) {
        self.report.count(Reloaded::Unread);
        let why = chain(why);
        if self.unread.as_ref() != Some(&why) {
            tracing::warn!(why, "the contract cannot be looked at; the one before is used");
        }
        self.unread = Some(why);
    }

    /// Decides about other documents than those that were known.
    fn judge(&mut self, domain: Result<Box<Domain>, Vec<DomainError>>, digest: String) {
        (self.waiting, self.said) = (None, None);
        if digest == self.used.digest {
            if self.report.refuses_nothing() {
                tracing::info!("the contract is again the one that is used");
            }
            return;
        }
        let settings = self.assembly.settings;
        let usable = domain.map_err(|errors| errors.iter().map(|error| chain(error)).collect());
        let judged = usable.and_then(|domain: Box<Domain>| {
            let checked = check_settings(&domain, settings).map_err(|error| vec![chain(&error)]);
            checked?;
            // Before the table gets columns for it.
            domain.plan(&domain.columns).map_err(|error| vec![chain(&error)])?;
            match changes(&self.used.domain, &domain).refusals {
                refusals if refusals.is_empty() => Ok(*domain),
                refusals => Err(refusals),
            }
        });
        match judged {
            Ok(domain) => self.waiting = Some(Used { domain, digest }),
            Err(reasons) => self.refuse(&reasons, Reloaded::Refused),
        }
    }

    fn refuse(&mut self, reasons: &[String], outcome: Reloaded) {
        self.report.count(outcome);
        let reasons = reasons.join("\n");
        if self.said.as_ref() == Some(&reasons) {
            return;
        }
        let used = &self.used.domain.contract.id;
        match outcome {
            Reloaded::Failed => tracing::warn!(
                reasons,
                used,
                "the sink is not ready for the changed contract; the one before is used until it is"
            ),
            Reloaded::Taken | Reloaded::Refused | Reloaded::Unread => tracing::warn!(
                reasons,
                used,
                "the changed contract is refused; the one before is used. `check` says what a start \
                 would do with it"
            ),
        }
        self.report.refuses(&shortened(&reasons));
        self.said = Some(reasons);
    }

    /// Makes the sink ready for the contract that waits, if one does, and hands it over.
    async fn make_ready(&mut self) {
        let Some(Used { domain, digest }) = self.waiting.take() else { return };
        if same_rows(&self.used.domain, &domain) {
            tracing::info!(digest, "the contract has changed in nothing that rows depend on");
            self.report.uses(&domain.contract.id, &digest);
            return self.taken(domain, digest);
        }
        let assembly = Assembly { domain: &domain, ..self.assembly.clone() };
        let (sink, plan) = match writing(&assembly).await {
            Ok(ready) => ready,
            Err(AppError::Configuration { what, source, .. }) => {
                let why = source.map_or(what.clone(), |source| format!("{what}: {source}"));
                return self.refuse(&[why], Reloaded::Refused);
            }
            Err(AppError::Stop(stop)) => {
                self.refuse(&[format!("{} ({})", chain(&stop), stop.hint)], Reloaded::Failed);
                self.waiting = Some(Used { domain, digest });
                return;
            }
        };
        let changes = changes(&self.used.domain, &domain);
        tracing::info!(
            contract = domain.contract.id,
            digest,
            event_types = changes.new_types.join(", "),
            columns = changes.new_columns.join(", "),
            columns_left = changes.columns_left.join(", "),
            "the contract has changed: the session ends in order, and the next one writes by it"
        );
        let (report, id, of) = (self.report.clone(), domain.contract.id.clone(), digest.clone());
        let taken = Box::new(move || {
            tracing::info!(contract = id, digest = of, "the changed contract is used");
            report.uses(&id, &of);
        });
        self.succession.offer(Successor { plan, sink, taken });
        self.taken(domain, digest);
    }

    fn taken(&mut self, domain: Domain, digest: String) {
        self.report.count(Reloaded::Taken);
        self.report.refuses_nothing();
        self.used = Used { domain, digest };
        self.said = None;
    }
}

/// One line that fits an answer.
fn shortened(reasons: &str) -> String {
    let line = reasons.replace('\n', "; ");
    match line.char_indices().nth(LONGEST_REASON) {
        Some((end, _)) => format!("{}… (the log has all of it)", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        assert_eq!(shortened("one\ntwo"), "one; two");
        let long = "ä".repeat(LONGEST_REASON + 1);
        let cut = shortened(&long);
        assert!(cut.starts_with(&"ä".repeat(LONGEST_REASON)) && cut.contains("the log has all"));
        assert_eq!(shortened(&long[2..]), &long[2..]);
    }
}
