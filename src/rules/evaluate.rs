//! Evaluating a set for one archive.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::contents::Contents;
use super::event_text;
use super::file_source::{FileSource, Origin};
use super::report::{Finding, Report, Skip, SkipReason, Skipped};
use super::set::{Formula, Rule, RuleSet};
use crate::archive::Files;
use crate::expression::{ContentBudget, Held, NotEvaluated, Unread};

/// Bytes of a finding's details, and of a member of the report, as JSON.
const MOST_DETAILS: usize = 64 << 10;

impl RuleSet {
    /// What the rules say of an archive. `event` is the event's payload, JSON. It blocks: each rule
    /// and each fact takes up to some seconds at its limits, and usually some milliseconds.
    pub fn evaluate(&self, files: &Files, event: &[u8]) -> Report {
        let of_rules = self.rules.iter().flat_map(|rule| &rule.files);
        let sources = of_rules.chain(self.facts.values().flat_map(|fact| &fact.files));
        let texts = sources.filter_map(|source: &FileSource| match &source.origin {
            Origin::Event(text) => Some(text),
            Origin::Archive(_) => None,
        });
        let texts = event_text::decoded(event, texts);
        let mut evaluation = Evaluation {
            set: self,
            contents: Contents::new(files, &texts),
            facts: BTreeMap::new(),
            event: None,
            event_text: event,
        };
        evaluation.report()
    }
}

struct Evaluation<'v> {
    set: &'v RuleSet,
    contents: Contents<'v>,
    /// The facts that were computed, or why they have no value.
    facts: BTreeMap<&'v str, Result<Held<'v>, Skipped>>,
    event: Option<Result<Held<'v>, Skipped>>,
    event_text: &'v [u8],
}

impl<'v> Evaluation<'v> {
    fn report(&mut self) -> Report {
        let set = self.set;
        let (mut findings, mut skips) = (Vec::new(), Vec::new());
        for rule in &set.rules {
            match self.rule(rule) {
                Ok(finding) => findings.extend(finding),
                Err(why) => skips.push(Skip { name: rule.id.clone(), is_member: false, why }),
            }
        }
        let mut members = Vec::with_capacity(set.members.len());
        for (name, formula) in &set.members {
            let value = self.value("", formula, None).and_then(|value| json("", &value));
            let value = value.unwrap_or_else(|why| {
                skips.push(Skip { name: name.clone(), is_member: true, why });
                Value::Null
            });
            members.push((name.clone(), value));
        }
        Report { members, findings, skips, rules: set.version() }
    }

    fn rule(&mut self, rule: &'v Rule) -> Result<Option<Finding>, Skipped> {
        let files = self.contents.files(&rule.files)?;
        let is_found = self.value("when: ", &rule.when, Some(&files))?;
        if !is_found.condition().map_err(|why| skipped("when: ", &why))? {
            return Ok(None);
        }
        let details = match &rule.details {
            None => Map::new(),
            Some(formula) => {
                let details = self.value("details: ", formula, Some(&files))?;
                match json("details: ", &details)? {
                    Value::Object(details) => details,
                    _ => {
                        let detail = "details: the value is not a map".to_owned();
                        return Err(Skipped { reason: SkipReason::Error, detail });
                    }
                }
            }
        };
        let (rule, key, severity) = (rule.id.clone(), rule.key.clone(), rule.severity);
        Ok(Some(Finding { rule, key, severity, details }))
    }

    /// The value of an expression; `key` is what it is the value of, in messages.
    fn value(
        &mut self,
        key: &str,
        formula: &'v Formula,
        files: Option<&Held<'v>>,
    ) -> Result<Held<'v>, Skipped> {
        let mut facts = Vec::with_capacity(formula.facts.len());
        for name in &formula.facts {
            facts.push((name.as_str(), self.fact(name)?));
        }
        let mut variables = vec![("facts", Held::map(facts))];
        variables.extend(files.map(|files| ("files", files.clone())));
        if formula.uses_event {
            variables.push(("event", self.event()?));
        }
        formula.expression.value(variables).map_err(|why| skipped(key, &why))
    }

    /// A fact's value, computed at most once. Facts are in no circle, so this ends.
    fn fact(&mut self, name: &'v str) -> Result<Held<'v>, Skipped> {
        if let Some(known) = self.facts.get(name) {
            return known.clone();
        }
        let value = match self.set.facts.get(name) {
            Some(fact) => self
                .contents
                .files(&fact.files)
                .and_then(|files| self.value("", &fact.value, Some(&files)))
                .map_err(|Skipped { reason, detail }| Skipped {
                    reason,
                    detail: format!("fact `{name}`: {detail}"),
                }),
            None => Err(Skipped { reason: SkipReason::Error, detail: format!("no fact `{name}`") }),
        };
        self.facts.insert(name, value.clone());
        value
    }

    fn event(&mut self) -> Result<Held<'v>, Skipped> {
        let text = self.event_text;
        let read = || {
            ContentBudget::default().json(text).map_err(|unread| {
                let reason = match unread {
                    Unread::Wrong(_) => SkipReason::Error,
                    Unread::OverBudget => SkipReason::Budget,
                };
                Skipped { reason, detail: format!("the event {unread}") }
            })
        };
        self.event.get_or_insert_with(read).clone()
    }
}

fn json(key: &str, value: &Held<'_>) -> Result<Value, Skipped> {
    value.json(MOST_DETAILS).map_err(|why| skipped(key, &why))
}

fn skipped(key: &str, why: &NotEvaluated) -> Skipped {
    let reason = if why.is_over_budget() { SkipReason::Budget } else { SkipReason::Error };
    Skipped { reason, detail: format!("{key}{why}") }
}
