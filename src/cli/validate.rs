//! `validate DELIVERY FILE|-`: what becomes of each event by the domain's contract. It uses neither
//! Kafka nor BigQuery.

use super::args::ValidateArgs;
use super::event_file::{self, FileEvent};
use super::failure::{Exit, Failure};
use super::output;
use super::row_page;
use crate::app::{self, Verdict};
use crate::config::{Settings, on_one_line};
use crate::record::Reason;
use crate::remote::Fetcher;
use crate::row::{Cell, FieldError, NamedRows, json};

/// What the command says about one event.
struct Outcome {
    line: usize,
    what: &'static str,
    event_type: String,
    /// Reason code and detail of a rejected event; empty otherwise.
    why: String,
    /// It is rejected because `FILTER` has no answer for it.
    is_unfiltered: bool,
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
    // Where there are rules, what becomes a row is their report.
    let taken = if domain.reports.is_some() { "to rules" } else { "row" };
    event_file::judge(&events, &domain, &mut |event, verdict| {
        let (outcome, row) = outcome(event, verdict, taken).map_err(|error| {
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
    let Some(what) = rejected(&outcomes) else { return Ok(()) };
    let hint = "docs/reference/outcomes.md explains the reason codes";
    Err(Failure::new(Exit::Configuration, what).hint(hint))
}

/// How many events are rejected, by the contract and for want of an answer of the filter.
fn rejected(outcomes: &[Outcome]) -> Option<String> {
    let of = outcomes.len();
    let unfiltered = outcomes.iter().filter(|outcome| outcome.is_unfiltered).count();
    let all = outcomes.iter().filter(|outcome| !outcome.why.is_empty()).count();
    let by_contract = format!("the contract rejects {} of {of} events", all - unfiltered);
    let by_filter = format!("FILTER has no answer for {unfiltered} of {of} events");
    match (all - unfiltered, unfiltered) {
        (0, 0) => None,
        (_, 0) => Some(by_contract),
        (0, _) => Some(by_filter),
        _ => Some(format!("{by_contract}, {by_filter}")),
    }
}

/// `taken`: what is said of an event that is neither left out nor rejected.
fn outcome(
    event: &FileEvent,
    verdict: Verdict<'_>,
    taken: &'static str,
) -> Result<(Outcome, Option<Vec<Cell>>), FieldError> {
    let line = event.line;
    let is_unfiltered =
        matches!(&verdict, Verdict::Rejected(why) if why.reason == Reason::FilterError);
    let (what, event_type, why, row) = match verdict {
        Verdict::Row(fields) => {
            let row = json::cells(fields)?;
            let named = fields.columns().iter().zip(&row);
            let mut event_types = named.filter(|(column, _)| column.name == "_event_type");
            let event_type = event_types.next().and_then(|(_, cell)| cell.as_str());
            let event_type = event_type.unwrap_or_default();
            (taken, event_type.to_owned(), String::new(), Some(row))
        }
        Verdict::Ignored(event_type) => ("ignored", event_type.to_owned(), String::new(), None),
        Verdict::Rejected(rejection) => {
            let why = rejection.to_string();
            let event_type = rejection.event_type.unwrap_or("-".to_owned());
            ("rejected", event_type, why, None)
        }
    };
    let (event_type, why) = (on_one_line(&event_type), on_one_line(&why));
    Ok((Outcome { line, what, event_type, why, is_unfiltered }, row))
}

/// The widest column of event types; a longer one moves only its own line.
const WIDEST: usize = 40;

fn lines(outcomes: &[Outcome]) -> String {
    let types = outcomes.iter().map(|outcome| outcome.event_type.chars().count());
    let longest = types.filter(|width| *width <= WIDEST).max().unwrap_or(0);
    let mut text = String::new();
    for Outcome { line, what, event_type, why, .. } in outcomes {
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
            Outcome { line, what: "rejected", event_type, why, is_unfiltered: false }
        };
        let long = "x".repeat(300);
        let text = lines(&[outcome(1, "Paid"), outcome(2, &long), outcome(3, "Refunded")]);
        let expected = format!(
            "line 1: rejected  Paid      wrong_type: /a\nline 2: rejected  {long}  wrong_type: /a\n\
             line 3: rejected  Refunded  wrong_type: /a\n"
        );
        assert_eq!(text, expected);
    }
    #[test]
    fn what_the_filter_cannot_answer_is_counted_apart() {
        let outcome = |why: &str| Outcome {
            line: 1,
            what: "",
            event_type: String::new(),
            why: why.to_owned(),
            is_unfiltered: why.starts_with("filter"),
        };
        let (row, wrong, unfiltered) = ("", "wrong_type: /a", "filter_error: FILTER: …");
        for (whys, expected) in [
            (&[row][..], None),
            (&[row, wrong, wrong], Some("the contract rejects 2 of 3 events")),
            (&[row, unfiltered], Some("FILTER has no answer for 1 of 2 events")),
            (
                &[wrong, unfiltered, row],
                Some("the contract rejects 1 of 3 events, FILTER has no answer for 1 of 3 events"),
            ),
        ] {
            let outcomes: Vec<Outcome> = whys.iter().map(|why| outcome(why)).collect();
            assert_eq!(rejected(&outcomes).as_deref(), expected, "{whys:?}");
        }
    }
}
