//! Which events become rows: an expression over the record (`FILTER`).

use std::fmt;

use super::fault::{Fault, Result};
use crate::config::keys::{closest, did_you_mean};
use crate::config::{FilterOnError, FilterSettings};
use crate::contract::{Contract, EventSchema, Schema, SchemaKind};
use crate::expression::{
    Evaluation, Expression, ExpressionError, Field, FieldRead, Parsed, Step, Subject,
};
use crate::record::Reason;

/// An expression that has been compiled and checked against a contract.
#[derive(Debug, Clone)]
pub struct Filter {
    expression: Expression,
    on_error: FilterOnError,
}

/// Everything that is wrong with a filter.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub struct FilterError {
    pub problems: Vec<FilterProblem>,
}

/// One thing that is wrong with a filter.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FilterProblem {
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    #[error(
        "no event type declares the field {0} of the payload{hint}",
        hint = did_you_mean(.1.as_ref())
    )]
    NoField(Field, Option<Field>),
    #[error("there is no event type `{0}`{hint}", hint = did_you_mean(.1.as_ref()))]
    NoEventType(String, Option<String>),
    #[error("the event type `{0}` is in IGNORE_EVENTS, so its events never get to the filter")]
    IgnoredEventType(String),
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.problems.iter().map(FilterProblem::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl Filter {
    /// Compiles the expression. Each field of the payload that it reads, and each event type that it
    /// asks for, has to be declared by the contract's event types, `ignore` aside.
    pub fn compile(
        settings: &FilterSettings,
        contract: &Contract,
        ignore: &[String],
    ) -> std::result::Result<Self, FilterError> {
        let mut parsed = Parsed::of(&settings.expression)
            .map_err(|problem| FilterError { problems: vec![problem.into()] })?;
        let events: Vec<&EventSchema> = contract.not_ignored(ignore).collect();
        let mut problems: Vec<FilterProblem> =
            std::mem::take(&mut parsed.problems).into_iter().map(FilterProblem::from).collect();
        if !events.is_empty() {
            problems.extend(undeclared_fields(&parsed, &events));
            problems.extend(unknown_event_types(&parsed, &events, ignore));
        }
        if !problems.is_empty() {
            return Err(FilterError { problems });
        }
        let expression = parsed.compile().map_err(|problems| FilterError {
            problems: problems.into_iter().map(FilterProblem::from).collect(),
        })?;
        Ok(Self { expression, on_error: settings.on_error })
    }

    /// The fields that the filter reads without asking whether they are there, and that event types
    /// do not declare, with the names of those types.
    pub fn undeclared<'c>(
        &self,
        contract: &'c Contract,
        ignore: &[String],
    ) -> Vec<(String, Vec<&'c str>)> {
        let lacks = |event: &EventSchema, read: &FieldRead| {
            let FieldRead { field, guarded_from, known } = read;
            let undeclared =
                (1..=field.0.len()).find(|end| !declares(&event.schema, &field.0[..*end]));
            undeclared
                .is_some_and(|end| end > *known && guarded_from.is_none_or(|from| end <= from))
        };
        let mut found: Vec<(String, Vec<&str>)> = Vec::new();
        for read in self.expression.fields() {
            let events = contract.not_ignored(ignore).filter(|event| lacks(event, read));
            let names: Vec<&str> = events.map(|event| event.name.as_str()).collect();
            let field = read.field.to_string();
            if !names.is_empty() && found.iter().all(|(known, _)| *known != field) {
                found.push((field, names));
            }
        }
        found
    }

    /// Whether the record becomes a row. A fault is for the dead letters.
    pub(super) fn keeps(&self, subject: &Subject<'_>) -> Result<bool> {
        match (self.expression.is_true(subject), self.on_error) {
            (Evaluation::True, _) => Ok(true),
            (Evaluation::False, _) | (Evaluation::Failed(_), FilterOnError::Ignore) => Ok(false),
            (Evaluation::Failed(why), FilterOnError::DeadLetter) => {
                Err(Fault::new(Reason::FilterError, format!("FILTER: {why}")))
            }
            // What is wrong with the text is found when it is read again without duplicate keys.
            (Evaluation::Unreadable, _) => {
                Err(Fault::new(Reason::FilterError, "FILTER: the value cannot be read"))
            }
        }
    }
}

fn undeclared_fields(parsed: &Parsed, events: &[&EventSchema]) -> Vec<FilterProblem> {
    let unknown = |field: &&Field| !events.iter().any(|event| declares(&event.schema, &field.0));
    let mut fields: Vec<&Field> = parsed.fields().iter().map(|read| &read.field).collect();
    fields.dedup();
    let problem = |field: &Field| FilterProblem::NoField(field.clone(), similar(events, &field.0));
    fields.into_iter().filter(unknown).map(problem).collect()
}

fn unknown_event_types(
    parsed: &Parsed,
    events: &[&EventSchema],
    ignore: &[String],
) -> Vec<FilterProblem> {
    let names = || events.iter().map(|event| event.name.as_str());
    let unknown = parsed.event_types().iter().filter(|asked| names().all(|name| name != *asked));
    let problem = |asked: &String| match ignore.contains(asked) {
        true => FilterProblem::IgnoredEventType(asked.clone()),
        false => {
            let similar = closest(asked, names()).map(str::to_owned);
            FilterProblem::NoEventType(asked.clone(), similar)
        }
    };
    unknown.map(problem).collect()
}

/// Whether a value of this schema may have the field. What the schema leaves open may.
fn declares(schema: &Schema, steps: &[Step]) -> bool {
    let [step, rest @ ..] = steps else { return true };
    match (&schema.kind, step) {
        (SchemaKind::Any, _) => true,
        _ if schema.open => true,
        (SchemaKind::Object(properties), Step::Key(key)) => {
            properties.is_empty()
                || properties.iter().any(|one| one.name == *key && declares(&one.schema, rest))
        }
        // A loop over an object's names, or a field that the event chooses.
        (SchemaKind::Object(_), Step::Item) => true,
        (SchemaKind::Array(items), Step::Item) => declares(items, rest),
        (SchemaKind::Array(_), Step::Key(_)) => false,
        (
            SchemaKind::Boolean | SchemaKind::Integer | SchemaKind::Number | SchemaKind::String,
            Step::Key(_) | Step::Item,
        ) => false,
    }
}

/// The declared field that was probably meant: the first unknown key, spelt otherwise.
fn similar(events: &[&EventSchema], steps: &[Step]) -> Option<Field> {
    let mut schemas: Vec<&Schema> = events.iter().map(|event| &event.schema).collect();
    let mut known = Vec::new();
    for step in steps {
        let Step::Key(key) = step else {
            schemas = schemas.into_iter().filter_map(items).collect();
            known.push(Step::Item);
            continue;
        };
        let properties: Vec<_> = schemas
            .iter()
            .filter_map(|schema| match &schema.kind {
                SchemaKind::Object(properties) => Some(properties),
                _ => None,
            })
            .flatten()
            .collect();
        let found: Vec<&Schema> =
            properties.iter().filter(|one| one.name == *key).map(|one| &one.schema).collect();
        if found.is_empty() {
            let names = properties.iter().map(|one| one.name.as_str());
            known.push(Step::Key(closest(key, names)?.to_owned()));
            return Some(Field(known));
        }
        known.push(step.clone());
        schemas = found;
    }
    None
}

fn items(schema: &Schema) -> Option<&Schema> {
    match &schema.kind {
        SchemaKind::Array(items) => Some(items),
        _ => None,
    }
}
