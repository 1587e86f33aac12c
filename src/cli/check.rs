//! `check DELIVERY`: what a run would find, without one.

use std::time::Duration;

use super::check_args::CheckArgs;
use super::check_page::{self, Page};
use super::config::{Checked, checked};
use super::failure::{Exit, Failure};
use super::load::fetched;
use super::output;
use super::page::terminal_width;
use super::signals;
use crate::app::{self, CheckRequest, Domain};
use crate::check::{Finding, Grade, verdict};
use crate::config::{Inputs, Loaded, Mistakes, Settings};
use crate::error_chain::chain;
use crate::remote::{Fetcher, Patience};

/// How long a store of configuration or contracts that does not answer is asked again.
const FETCH: Duration = Duration::from_secs(5);

const SETTINGS: &str = "settings";
const CONTRACT: &str = "contract";

/// Prints the findings, and fails if a run would fail or alter something.
pub async fn check(args: &CheckArgs) -> Result<(), Failure> {
    let shutdown = signals::shutdown()?;
    let (findings, settings) = signals::unless_stopped(looked_at(args), &shutdown).await?;
    let accepted = settings.as_ref().is_some_and(|settings| settings.accept_changes);
    let page =
        Page { domain: &args.domain, settings: settings.as_ref(), findings: &findings, accepted };
    let text = match args.json {
        true => check_page::json(&page),
        false => check_page::text(&page, terminal_width()),
    };
    output::print(&text)?;
    let failure = |exit, hint| Err(Failure::new(exit, check_page::outcome(&findings)).hint(hint));
    match verdict(&findings) {
        Grade::Ok | Grade::NotSeen | Grade::Note => Ok(()),
        Grade::DeadLetters | Grade::WouldAlter if accepted => Ok(()),
        Grade::DeadLetters | Grade::WouldAlter => {
            let hint = "--accept-changes (ACCEPT_CHANGES=true) accepts that; docs/reference/check.md \
                        says what each line means";
            failure(Exit::WouldChange, hint)
        }
        Grade::WouldFail => {
            failure(Exit::Configuration, "docs/reference/check.md says what each line means")
        }
    }
}

/// All findings, and the settings where they are good.
async fn looked_at(args: &CheckArgs) -> (Vec<Finding>, Option<Settings>) {
    let inputs = args.inputs();
    let patience = Patience { retry_for: FETCH, ..Patience::default() };
    let fetcher = Fetcher::with_patience(inputs.variables().clone(), patience);
    let inputs = match fetched(&fetcher, inputs).await {
        Ok(inputs) => inputs,
        Err(failure) => {
            let why = failure.source.as_ref().map(|source| format!(": {}", chain(&**source)));
            let what = format!("{}{}", failure.what, why.unwrap_or_default());
            let finding = Finding::fails(SETTINGS, what, failure.hint.unwrap_or_default());
            return (vec![finding, nothing_else()], None);
        }
    };
    let Checked { loaded, domain, outage, .. } = checked(&args.domain, &inputs, &fetcher).await;
    let settings = match crate::config::load(&args.domain, &inputs) {
        Ok(Loaded { settings, .. }) => settings,
        // With these also what is wrong with the contract is reported.
        Err(alone) => {
            let mistakes = loaded.err().unwrap_or(alone);
            return (vec![of_mistakes(SETTINGS, &mistakes), nothing_else()], None);
        }
    };
    let mut findings = vec![of_settings(&settings, &inputs)];
    let usable = match (loaded, domain, outage) {
        (_, _, Some(error)) => {
            findings.push(Finding::fails(CONTRACT, chain(&error), error.hint()));
            None
        }
        (Err(mistakes), ..) => {
            findings.push(of_mistakes(CONTRACT, &mistakes));
            None
        }
        (Ok(_), None, None) => None,
        (Ok(_), Some(domain), None) => with_settings(domain, &settings, &mut findings),
    };
    let samples = usize::from(args.sample);
    let request = CheckRequest { settings: &settings, domain: usable.as_ref(), samples };
    findings.extend(app::check(request).await);
    (findings, Some(settings))
}

/// The domain, if it does not contradict the settings.
fn with_settings(
    domain: Domain,
    settings: &Settings,
    findings: &mut Vec<Finding>,
) -> Option<Domain> {
    let Err(error) = app::check_settings(&domain, settings) else { return Some(domain) };
    let failure = Failure::from(error);
    findings.push(Finding::fails(SETTINGS, failure.what, failure.hint.unwrap_or_default()));
    Some(domain)
}

fn of_settings(settings: &Settings, inputs: &Inputs) -> Finding {
    let what = format!(
        "consume {}, write {}, sink {}",
        settings.consume.environment,
        settings.write.environment,
        settings.write.sink.name()
    );
    let finding = Finding::ok(SETTINGS, what)
        .more(inputs.fetched().map(|(remote, fetched)| format!("{remote} ({})", fetched.version)))
        .fact("consume_environment", settings.consume.environment.clone())
        .fact("write_environment", settings.write.environment.clone())
        .fact("sink", settings.write.sink.name());
    match settings.disabled {
        false => finding,
        true => finding
            .at_least(Grade::Note)
            .more(
                ["DISABLE is true: a run stays up and uses neither Kafka nor the sink".to_owned()],
            )
            .hint("unset DISABLE"),
    }
}

fn of_mistakes(part: &'static str, mistakes: &Mistakes) -> Finding {
    let count = mistakes.list.len();
    let what = match count {
        1 => "1 mistake".to_owned(),
        count => format!("{count} mistakes"),
    };
    let lines = mistakes.list.iter().flat_map(|mistake| {
        let at = match &mistake.at {
            Some((layer, place)) => format!("{place}, {layer}"),
            None => "not set in any layer".to_owned(),
        };
        let found = mistake.found.lines().map(str::to_owned);
        std::iter::once(format!("{} ({at}):", mistake.key))
            .chain(found.map(|line| format!("  {line}")))
            .chain([format!("  accepted: {}", mistake.accepted)])
            .collect::<Vec<_>>()
    });
    let hint = format!("{}; `config` shows where each value is from", mistakes.reference());
    Finding::fails(part, what, hint).more(mistakes.note.clone()).more(lines).fact("mistakes", count)
}

fn nothing_else() -> Finding {
    let what = "brokers, topic, group, table and samples need settings that can be used";
    Finding::new("the rest", Grade::NotSeen, what)
}
