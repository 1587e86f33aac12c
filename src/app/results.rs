//! Settings and the contract of reports, made a store that follows the topic.

use std::path::PathBuf;

use super::domain::Domain;
use super::error::AppError;
use super::thread::on_thread;
use crate::clock::Clock;
use crate::config::Settings;
use crate::results::{self, Follower, Intake, Reports};
use crate::shutdown::Shutdown;
use crate::source::client;
use crate::stop::Stop;
use crate::telemetry::{Health, ResultsMetrics};

/// What the latest reports are kept from.
pub struct ResultsAssembly<'a> {
    pub settings: &'a Settings,
    pub domain: &'a Domain,
    pub bootstrap: &'a str,
    pub metrics: ResultsMetrics,
    pub health: Health,
}

/// Compiles the contract and opens the store.
pub fn follower(of: ResultsAssembly<'_>) -> Result<(Follower, Reports), AppError> {
    let contract = &of.domain.contract;
    check(of.settings, of.domain)?;
    // Whatever a domain leaves out of its table, the latest report is the latest report.
    let domain = of.domain.without_filter();
    let plan = domain.plan_for(&domain.columns, None)?;
    let path = store(of.settings);
    let version = contract_version(&domain);
    let opened = results::open(&path, &contract.topic, &version);
    let (store, reports) = opened.map_err(|error| {
        let hint = error.hint();
        Stop::new("open the store of the reports", hint, error)
    })?;
    let follower = Follower {
        config: client::consumer_config(&of.settings.consume, of.bootstrap),
        topic: contract.topic.clone(),
        intake: Intake::new(plan, Clock::System),
        store,
        reports: reports.clone(),
        metrics: of.metrics,
        health: of.health,
        clock: Clock::System,
    };
    Ok((follower, reports))
}

/// Follows the topic on a thread of its own, until a shutdown is requested.
pub async fn follow(follower: Follower, shutdown: Shutdown) -> Result<(), Stop> {
    let (health, topic) = (follower.health.clone(), follower.topic.clone());
    on_thread(&health, &topic, move || follower.follow(&shutdown)).await?
}

/// The file with the reports.
pub fn store(settings: &Settings) -> PathBuf {
    let usual = || format!(".local/results_{}.sqlite", settings.domain.to_lowercase()).into();
    settings.results.store.clone().unwrap_or_else(usual)
}

/// Fails if the domain's events are no reports.
fn check(settings: &Settings, domain: &Domain) -> Result<(), AppError> {
    let wrong = |what: String, hint: &str, source| AppError::Configuration {
        what,
        hint: Some(hint.to_owned()),
        source,
    };
    if settings.steps.is_some() {
        let what = format!("the domain {} makes reports, and its topic has none", settings.domain);
        let hint = "name a domain without RULES whose IMPORT_PATH and IMPORT_OBJECT are the \
                    contract of the reports, as examples/ccx/results.env has it";
        return Err(wrong(what, hint, None));
    }
    results::check_fields(&domain.contract, domain.ignored()).map_err(|error| {
        let what = "the contract's events are no reports".to_owned();
        let hint = "`results` keeps a report by these fields: IMPORT_PATH and IMPORT_OBJECT name a \
                    contract that declares them";
        wrong(what, hint, Some(error.into()))
    })
}

/// Changes with everything that decides which records are reports.
fn contract_version(domain: &Domain) -> String {
    let contract = &domain.contract;
    let schemas: Vec<String> =
        contract.events.iter().map(|event| event.json_schema.to_string()).collect();
    let decides = format!("{:?} {:?} {:?}", contract.discriminator, domain.ignored(), schemas);
    format!("{} {:016x}", contract.id, xxhash_rust::xxh3::xxh3_64(decides.as_bytes()))
}
