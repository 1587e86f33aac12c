//! Dead letters that are put through the contract of now again, and become rows.
//!
//! A letter may be durable before the offset behind its record is committed. The record may then be read
//! again, and by another contract it becomes a row. So only letters are redriven whose records no instance
//! has anything left to do with, as for a replay.

use std::time::Duration;

use super::domain::Domain;
use super::error::AppError;
use super::fill::{fill_settings, settled};
use super::letters::{OpenedLetters, is_through_sink, letter_rows};
use super::verify::{committed_rows, group_offsets};
use crate::clock::Clock;
use crate::config::{Settings, TransferSettings};
use crate::letters::{
    self, Fate, MOST_TRIES, Moved, Pacing, Passed, REDRIVE, Screening, Seen, Selection, Store,
    Trial, With,
};
use crate::source::Offsets;
use crate::stop::Stop;
use crate::transfer::source::{LetterSource, Redriven, Source};
use crate::verify::{Part, Table};

/// What is to be redriven.
#[derive(Debug, Clone)]
pub struct RedriveOf {
    pub selection: Selection,
    /// The most letters that become rows.
    pub limit: Option<u64>,
    /// Also letters that have been tried often.
    pub again: bool,
    /// How long a run that was killed keeps the next one away.
    pub lease: Duration,
}

/// Letters that are ready to be redriven.
pub struct OpenedRedrive {
    pub settings: TransferSettings,
    /// Taken out for the run.
    pub source: Source,
    /// What was left out when they were counted. What is counted as rows is to be tried.
    pub counted: Trial,
    /// How far letters in a topic were dealt with before.
    pub passed: Passed,
    /// What has become of them, once they were read.
    pub redriven: Redriven,
}

/// What would become of letters that are put through the domain's contract now. Nothing is written.
pub async fn try_letters(
    settings: &Settings,
    domain: &Domain,
    opened: &mut OpenedLetters,
    of: &RedriveOf,
) -> Result<Trial, AppError> {
    check(domain)?;
    let rows = letter_rows(settings, opened).await?;
    opened.store.ask(rows.clone());
    let ends = ends(settings, domain, (&opened.store, rows.as_ref()), of).await?;
    let mut plan = domain.plan(&domain.columns)?;
    let with = With {
        plan: &mut plan,
        screening: &ends.screening,
        asked: rows.is_some(),
        limit: of.limit,
        now_micros: Clock::System.now_micros(),
    };
    let selection = Selection { values: true, known: true, ..of.selection.clone() };
    let mut trial = letters::try_letters(opened.store.letters(selection), with).await?;
    trial.bytes_billed += ends.bytes_billed;
    Ok(trial)
}

/// Counts the letters, and checks that they may be redriven.
pub async fn open_redrive(
    settings: &Settings,
    domain: &Domain,
    opened: &mut OpenedLetters,
    of: &RedriveOf,
    pacing: Option<Pacing>,
) -> Result<OpenedRedrive, AppError> {
    check(domain)?;
    let rows = letter_rows(settings, opened).await?;
    let Some(rows) = rows else { return Err(no_table(settings)) };
    opened.store.ask(Some(rows.clone()));
    let until = opened.store.bound().await?;
    let ends = ends(settings, domain, (&opened.store, Some(&rows)), of).await?.known()?;
    let selection = Selection { known: true, ..of.selection.clone() };
    let (mut counted, passed) = count(&opened.store, &selection, &ends.screening, &until).await?;
    counted.bytes_billed += ends.bytes_billed;
    let redriven = Redriven::default();
    let source = LetterSource {
        store: opened.store.clone(),
        selection: Selection { values: true, ..selection },
        screening: ends.screening,
        until,
        limit: of.limit,
        contract: domain.contract.id.clone(),
        letters: counted.count(|fate| *fate == Fate::Row),
        now_micros: Clock::System.now_micros(),
        pacing,
        redriven: redriven.clone(),
    };
    let settings = fill_settings(REDRIVE, settings, of.lease);
    let source = Source::Letters(Box::new(source));
    Ok(OpenedRedrive { settings, source, counted, passed, redriven })
}

pub(super) fn check(domain: &Domain) -> Result<(), AppError> {
    match domain.reports.is_some() {
        false => Ok(()),
        true => Err(AppError::Configuration {
            what: "letters of a domain with RULES are not redriven".to_owned(),
            hint: Some("its rows are reports, which objects elsewhere are needed for".to_owned()),
            source: None,
        }),
    }
}

/// Where the instances are.
pub(super) struct Ends {
    pub screening: Screening,
    bytes_billed: u64,
}

impl Ends {
    /// Fails where nobody knows what the instances have done.
    pub fn known(self) -> Result<Self, AppError> {
        match self.screening.settled.is_some() {
            true => Ok(self),
            false => Err(AppError::Configuration {
                what: "what the instances have done is not known: the embedded broker is gone"
                    .to_owned(),
                hint: Some("CONSUME_ENV names an environment with servers".to_owned()),
                source: None,
            }),
        }
    }
}

pub(super) async fn ends(
    settings: &Settings,
    domain: &Domain,
    (store, rows): (&Store, Option<&Table>),
    of: &RedriveOf,
) -> Result<Ends, AppError> {
    let topic = domain.contract.topic.clone();
    let most_tries = (!of.again).then_some(MOST_TRIES);
    let screening = Screening { topic: topic.clone(), most_tries, ..Screening::default() };
    let mut ends = Ends { screening, bytes_billed: 0 };
    if is_through_sink(settings) {
        let offsets = group_offsets(settings, &topic).await?;
        let next = |(partition, next, _)| (partition, next);
        ends.screening.settled = offsets.map(|offsets| offsets.into_iter().map(next).collect());
        ends.screening.group = Some(settings.consume.group_id.clone());
    }
    let Some(rows) = rows else { return Ok(ends) };
    // Read before the table, so that what is committed then has its rows there.
    let Some(committed) = committed_rows(settings, domain, rows).await? else { return Ok(ends) };
    let mut last_rows = Offsets::new();
    if committed.values().any(|one| !one.are_visible) {
        let asked = rows.ask(Part::default(), false);
        (last_rows, ends.bytes_billed) = rows.last_rows(&asked).await?;
    }
    ends.screening.settled = Some(settled(&committed, &last_rows));
    let promised =
        committed.iter().filter_map(|(partition, one)| Some((*partition, one.last_row?)));
    ends.screening.last_rows = promised.collect();
    ends.screening.links = store.refused_rows().await?;
    Ok(ends)
}

/// Counts the letters without reading their values: those that are left out, and as rows those that the
/// contract would be asked about.
async fn count(
    store: &Store,
    selection: &Selection,
    screening: &Screening,
    until: &Offsets,
) -> Result<(Trial, Passed), AppError> {
    let mut letters = store.letters(selection.clone());
    let (mut seen, mut counted) = (Seen::default(), Trial { asked: true, ..Trial::default() });
    let mut passed = Passed::default();
    while let Some(letter) = letters.next().await.transpose()? {
        if !seen.is_first(screening.identity(&letter)) {
            passed.add_copy(&letter);
            continue;
        }
        let fate = match screening.leaves_out(&letter, &mut seen) {
            // Whether its value is whole is not known yet.
            None | Some(Fate::Incomplete) => Fate::Row,
            Some(fate) => fate,
        };
        passed.add(&letter, fate != Fate::Row && fate.is_dealt_with());
        counted.add(&letter, fate, None);
    }
    passed.complete(until);
    counted.bytes_billed = letters.bytes_billed();
    Ok((counted, passed))
}

/// Moves the group of letters in a topic behind those that are dealt with, once their rows are in the
/// table. `None` where there is none to move: letters are in a table, or only some were asked for, and
/// what is between them is not dealt with.
pub async fn pass_letters(
    store: &Store,
    selection: &Selection,
    passed: &Passed,
) -> Result<Option<Moved>, AppError> {
    match store {
        Store::Topic(topic) if selection.is_all() => {
            Ok(Some(topic.clone().pass(passed.offsets().clone()).await?))
        }
        Store::Topic(_) | Store::BigQuery { .. } | Store::Postgres { .. } => Ok(None),
    }
}

fn no_table(settings: &Settings) -> AppError {
    let sink = &settings.write.sink;
    AppError::Stop(Stop {
        what: format!("redrive letters into {}: there is no such table", sink.target()),
        hint: "an instance creates it when it starts: run the domain first".to_owned(),
        source: None,
    })
}
