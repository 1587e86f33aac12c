//! `validate DELIVERY FILE|-`: what becomes of each event by the domain's contract. It uses neither
//! Kafka nor BigQuery.

use super::args::ValidateArgs;
use super::event_file::{self, FileEvent};
use super::failure::{Exit, Failure};
use super::output;
use super::row_json;
use super::row_page;
use crate::app::{self, Verdict};
use crate::config::{Settings, on_one_line};
use crate::remote::Fetcher;
use crate::row::{Cell, FieldError, NamedRows};

/// What the command says about one event.
struct Outcome {
    line: usize,
    what: &'static str,
    event_type: String,
    /// Reason code and detail of a rejected event; empty otherwise.
    why: String,
}

/// Prints a line about each event, and with `--rows` the rows. Fails if an event is rejected.
pub async fn validate(
    args: &ValidateArgs,
    settings: &Settings,
    fetcher: &Fetcher,
) -> Result<(), Failure> {
    if !args.rows && (!args.page.columns.is_empty() || args.page.format.is_some()) {
        let what = "--columns and --format are about rows, which are not printed";
        return Err(Failure::new(Exit::Usage, what).hint("add --rows"));
    }
    let domain = app::domain(settings, fetcher).await?;
    let events = event_file::read(&args.events.file, args.events.envelope)?;
    let mut outcomes = Vec::with_capacity(events.len());
    let mut rows = Vec::new();
    event_file::judge(&events, &domain, &mut |event, verdict| {
        let (outcome, row) = outcome(event, verdict).map_err(|error| {
            Failure::new(Exit::Stopped, format!("read the row of line {}", event.line))
                .source(error)
        })?;
        outcomes.push(outcome);
        rows.extend(row.filter(|_| args.rows));
        Ok(())
    })?;
    let text = lines(&outcomes);
    if args.rows {
        output::say(&text);
        let columns = domain.columns.columns.iter().map(|column| column.name.clone());
        row_page::print(NamedRows { columns: columns.collect(), rows }, &args.page)?;
    } else {
        output::print(&text)?;
    }
    let rejected = outcomes.iter().filter(|outcome| !outcome.why.is_empty()).count();
    if rejected == 0 {
        return Ok(());
    }
    let what = format!("the contract rejects {rejected} of {} events", events.len());
    let hint = "docs/reference/outcomes.md explains the reason codes";
    Err(Failure::new(Exit::Configuration, what).hint(hint))
}

fn outcome(
    event: &FileEvent,
    verdict: Verdict<'_>,
) -> Result<(Outcome, Option<Vec<Cell>>), FieldError> {
    let line = event.line;
    let (what, event_type, why, row) = match verdict {
        Verdict::Row(fields) => {
            let row = row_json::cells(fields)?;
            let named = fields.columns().iter().zip(&row);
            let mut event_types = named.filter(|(column, _)| column.name == "_event_type");
            let event_type = event_types.next().and_then(|(_, cell)| cell.as_str());
            let event_type = event_type.unwrap_or_default();
            ("row", event_type.to_owned(), String::new(), Some(row))
        }
        Verdict::Ignored(event_type) => ("ignored", event_type.to_owned(), String::new(), None),
        Verdict::Rejected(rejection) => {
            let why = rejection.to_string();
            let event_type = rejection.event_type.unwrap_or("-".to_owned());
            ("rejected", event_type, why, None)
        }
    };
    Ok((Outcome { line, what, event_type: on_one_line(&event_type), why: on_one_line(&why) }, row))
}

/// The widest column of event types; a longer one moves only its own line.
const WIDEST: usize = 40;

fn lines(outcomes: &[Outcome]) -> String {
    let types = outcomes.iter().map(|outcome| outcome.event_type.chars().count());
    let longest = types.filter(|width| *width <= WIDEST).max().unwrap_or(0);
    let mut text = String::new();
    for Outcome { line, what, event_type, why } in outcomes {
        let about = format!("line {line}: {what:8}  {event_type:longest$}  {why}");
        text.push_str(about.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_long_event_type_does_not_widen_the_other_lines() {
        let outcome = |line, event_type: &str| {
            let (event_type, why) = (event_type.to_owned(), "wrong_type: /a".to_owned());
            Outcome { line, what: "rejected", event_type, why }
        };
        let long = "x".repeat(300);
        let text = lines(&[outcome(1, "Paid"), outcome(2, &long), outcome(3, "Refunded")]);
        let expected = format!(
            "line 1: rejected  Paid      wrong_type: /a\nline 2: rejected  {long}  wrong_type: /a\n\
             line 3: rejected  Refunded  wrong_type: /a\n"
        );
        assert_eq!(text, expected);
    }
}
