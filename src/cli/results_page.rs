//! What `results` shows on a terminal: where it listens, and what to ask.

use std::fmt::Write;

use super::failure::Failure;
use super::output;
use super::page::{reachable, terminal_width};
use crate::app::{self, Domain};
use crate::config::{Broker, Settings};
use crate::serve::results::ResultsApi;

/// Prints the page, if standard output is a terminal.
pub fn show(api: &ResultsApi, settings: &Settings, domain: &Domain) -> Result<(), Failure> {
    if terminal_width().is_none() {
        return Ok(());
    }
    let at = format!("http://{}", reachable(api.address));
    let broker = match &settings.consume.broker {
        Broker::Embedded => "the embedded broker, which forgets everything at its end".to_owned(),
        Broker::Servers(servers) => format!("{}, {servers}", settings.consume.environment),
    };
    let results = &settings.results;
    let who = match (&results.tokens_file, results.identity) {
        (None, false) => "everybody on this machine, everything".to_owned(),
        (Some(file), false) => format!("tokens in {}, everything", file.display()),
        (None, true) => "x-rh-identity, its own organization".to_owned(),
        (Some(file), true) => {
            format!("x-rh-identity, its own organization; tokens in {}, everything", file.display())
        }
    };
    let metrics = format!("http://{}", reachable(settings.metrics_addr));
    let mut text = format!("\nThe latest reports of {}\n", settings.domain);
    for (what, value) in [
        ("read from", format!("{} ({broker})", domain.contract.topic)),
        ("checked by", domain.contract.id.clone()),
        ("kept in", app::results_store(settings).display().to_string()),
        ("may read", who),
        ("a cluster", format!("{at}/api/v1/clusters/ID/report")),
        ("organization", format!("{at}/api/v1/organizations/ORG/clusters")),
        ("a rule", format!("{at}/api/v1/rules/ID/affected")),
        ("description", format!("{at}/openapi.json")),
        ("probes, metrics", metrics),
    ] {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {what:16}{value}");
    }
    text.push('\n');
    output::print(&text)
}
