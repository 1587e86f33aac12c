//! What `api` shows on a terminal: where it listens, and how a first event is sent.

use std::fmt::Write;
use std::net::SocketAddr;

use super::failure::Failure;
use super::output;
use super::page::{reachable, terminal_width};
use crate::app::{self, Domain};
use crate::config::{Broker, Settings};
use crate::record::UnsentRecord;
use crate::serve::api::EventApi;

/// Prints the page, if standard output is a terminal.
pub fn show(api: &EventApi, settings: &Settings, domain: &Domain) -> Result<(), Failure> {
    if terminal_width().is_none() {
        return Ok(());
    }
    let first = app::first_event(domain);
    output::print(&page(api.address, settings, domain, first.as_ref()))
}

fn page(
    address: SocketAddr,
    settings: &Settings,
    domain: &Domain,
    first: Option<&UnsentRecord>,
) -> String {
    let at = format!("http://{}", reachable(address));
    let contract = &domain.contract;
    let broker = match &settings.consume.broker {
        Broker::Embedded => "the embedded broker, which forgets everything at its end".to_owned(),
        Broker::Servers(servers) => format!("{}, {servers}", settings.consume.environment),
    };
    let tokens = match &settings.api.tokens_file {
        None => "none needed: only this machine reaches the address".to_owned(),
        Some(file) => format!("in {}", file.display()),
    };
    let metrics = format!("http://{}", reachable(settings.metrics_addr));
    let mut text = format!("\nThe event API of {}\n", settings.domain);
    for (what, value) in [
        ("send events to", format!("{at}/v1/events")),
        ("they go to", format!("{} ({broker})", contract.topic)),
        ("checked by", contract.id.clone()),
        ("tokens", tokens),
        ("description", format!("{at}/openapi.json")),
        ("probes, metrics", metrics),
    ] {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {what:16}{value}");
    }
    if let Some(first) = first {
        let _ = write!(text, "\nSend a first event:\n  {}\n\n", curl(&at, settings, first));
    }
    text
}

/// The command that sends an event.
fn curl(at: &str, settings: &Settings, event: &UnsentRecord) -> String {
    let mut headers = vec!["Content-Type: application/json".to_owned()];
    headers.extend(event.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_deref().unwrap_or_default());
        format!("{name}: {value}")
    }));
    let mut line = format!("curl -i {at}/v1/events");
    if settings.api.tokens_file.is_some() {
        line.push_str(" -H \"Authorization: Bearer $TOKEN\"");
    }
    for header in headers {
        let _ = write!(line, " -H {}", quoted(&header));
    }
    let value = String::from_utf8_lossy(event.value.as_deref().unwrap_or_default());
    format!("{line} \\\n    -d {}", quoted(&value))
}

/// The text as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_shell_may_have_quotes() {
        assert_eq!(quoted(r#"{"name":"O'Neill"}"#), r#"'{"name":"O'\''Neill"}'"#);
    }
}
