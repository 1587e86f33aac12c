//! What a changed contract changes, and whether a running instance takes it over.
//!
//! It takes what adds to the contract, and what the sink's table takes. What would turn events into dead
//! letters or give a column other values waits for somebody who starts the instance anew.

use std::fmt::Write;

use crate::app::domain::Domain;
use crate::contract::Contract;
use crate::row::{Column, ColumnType, Mode};

/// What is different, for people. Columns have their paths: `address.city`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub new_types: Vec<String>,
    pub new_columns: Vec<String>,
    /// They stay in the table, and are not written any more: the values are in `_extra`.
    pub columns_left: Vec<String>,
    /// Why it is not taken over.
    pub refusals: Vec<String>,
}

/// Whether rows by both are the same.
pub(super) fn same_rows(before: &Domain, after: &Domain) -> bool {
    let (one, other) = (&before.contract, &after.contract);
    one.id == other.id
        && one.topic == other.topic
        && one.discriminator == other.discriminator
        && before.columns == after.columns
        && one.events.len() == other.events.len()
        && one.events.iter().zip(&other.events).all(|(one, other)| {
            (&one.name, &one.schema, one.validation, &one.encoded, &one.json_schema)
                == (
                    &other.name,
                    &other.schema,
                    other.validation,
                    &other.encoded,
                    &other.json_schema,
                )
        })
}

pub(super) fn changes(before: &Domain, after: &Domain) -> Changes {
    let (one, other) = (&before.contract, &after.contract);
    let mut changes = Changes::default();
    if one.topic != other.topic {
        let what = format!("the topic is {}, and was {}", other.topic, one.topic);
        changes.refusals.push(what);
    }
    if one.discriminator != other.discriminator {
        let (was, is) = (&one.discriminator, &other.discriminator);
        changes.refusals.push(format!("the event type is read from {is}, and was from {was}"));
    }
    let has = |contract: &Contract, name: &str| contract.events.iter().any(|it| it.name == name);
    for gone in one.events.iter().filter(|event| !has(other, &event.name)) {
        changes.refusals.push(format!(
            "the event type {} is gone: its events would become dead letters (IGNORE_EVENTS leaves \
             them out)",
            gone.name
        ));
    }
    let new = other.events.iter().filter(|event| !has(one, &event.name));
    changes.new_types = new.map(|event| event.name.clone()).collect();
    changes.compare(&before.columns.columns, &after.columns.columns, "");
    changes
}

impl Changes {
    fn compare(&mut self, before: &[Column], after: &[Column], path: &str) {
        for column in before {
            let name = format!("{path}{}", column.name);
            let found = after.iter().find(|other| other.name.eq_ignore_ascii_case(&column.name));
            let Some(now) = found else {
                self.columns_left.push(name);
                continue;
            };
            if now.source != column.source {
                self.refusals.push(format!(
                    "the column {name} would have the values of the field {}, and has those of {}",
                    now.source, column.source
                ));
            }
            if (now.mode == Mode::Repeated) != (column.mode == Mode::Repeated) {
                let (is, was) = (described(now), described(column));
                self.refusals.push(format!("the column {name} is {is}, and was {was}"));
                continue;
            }
            match (&column.kind, &now.kind) {
                (ColumnType::Record(before), ColumnType::Record(after)) => {
                    self.compare(before, after, &format!("{name}."));
                }
                (was, is) if was == is => {}
                _ => {
                    let (is, was) = (described(now), described(column));
                    self.refusals.push(format!("the column {name} is {is}, and was {was}"));
                }
            }
        }
        for column in after {
            if !before.iter().any(|other| other.name.eq_ignore_ascii_case(&column.name)) {
                let mut added = format!("{path}{}", column.name);
                // Writing to a string cannot fail.
                let _ = write!(added, ": {}", described(column));
                self.new_columns.push(added);
            }
        }
    }
}

/// The type as people write it: `STRING`, `ARRAY<STRING>`.
fn described(column: &Column) -> String {
    match column.mode {
        Mode::Repeated => format!("ARRAY<{}>", column.kind.name()),
        Mode::Nullable | Mode::Required => column.kind.name().to_owned(),
    }
}

#[cfg(test)]
#[path = "compatible_tests.rs"]
mod tests;
