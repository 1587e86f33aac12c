//! What the documents of a set declare, and every mistake of their form.

use std::collections::BTreeMap;
use std::path::Path;

use super::attributes::{Attributes, Mistakes, Place, shown};
use super::file_source::{FileSource, is_word};
use super::problem::RuleProblem;
use super::severity::Severity;
use crate::config::document::{self, FileValue};
use crate::config::keys::{closest, did_you_mean};

const DOCUMENT: [&str; 3] = ["rules", "facts", "report"];
const RULE: [&str; 7] = ["id", "description", "severity", "files", "when", "key", "details"];
const FACT: [&str; 2] = ["files", "value"];

/// Characters of the longest id, name or key.
const LONGEST_NAME: usize = 100;

/// Members that every report has.
const OWN_MEMBERS: [&str; 4] = ["report_version", "findings", "skips", "versions"];

/// A text with its place.
#[derive(Debug)]
pub(super) struct Written {
    pub text: String,
    pub place: Place,
}

#[derive(Debug)]
pub(super) struct DeclaredRule {
    pub id: String,
    pub place: Place,
    pub description: String,
    pub severity: Severity,
    pub files: Vec<FileSource>,
    pub when: Written,
    pub key: String,
    pub details: Option<Written>,
}

#[derive(Debug)]
pub(super) struct DeclaredFact {
    pub name: String,
    pub place: Place,
    pub files: Vec<FileSource>,
    pub value: Written,
}

#[derive(Debug)]
pub(super) struct DeclaredMember {
    pub name: String,
    pub value: Written,
}

#[derive(Debug, Default)]
pub(super) struct Declared {
    pub rules: Vec<DeclaredRule>,
    pub facts: Vec<DeclaredFact>,
    pub members: Vec<DeclaredMember>,
    /// The names of all facts, also of those that are not sound.
    pub fact_names: Vec<String>,
    /// Whether a document or a fact could not be read, so that not all names are known.
    pub is_partial: bool,
}

/// Reads all documents.
pub(super) fn read(documents: &BTreeMap<String, String>, mistakes: &Mistakes) -> Declared {
    let mut declared = Declared::default();
    for (name, text) in documents {
        let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
        let (pairs, errors) = document::parse(extension, text);
        for error in errors {
            declared.is_partial = true;
            let line = error.line;
            let problem = RuleProblem { line, ..RuleProblem::of(name, error.message) };
            mistakes.borrow_mut().push(problem);
        }
        let place = Place { document: name.clone(), line: None, about: None };
        let table = Attributes::of(&pairs, place, &DOCUMENT, mistakes);
        declared.rules(&table, mistakes);
        declared.facts(&table, mistakes);
        declared.members(&table);
    }
    declared
}

impl Declared {
    fn rules(&mut self, document: &Attributes<'_>, mistakes: &Mistakes) {
        let Some(pair) = document.pair("rules") else { return };
        let rules = match &pair.value {
            FileValue::Tables(rules) => rules,
            FileValue::List(none) if none.is_empty() => return,
            other => {
                let what = format!("`rules` is {}, not a list of rules", shown(other));
                return document.mistake(pair.line, what);
            }
        };
        for (index, pairs) in rules.iter().enumerate() {
            let line = pairs.iter().find_map(|pair| pair.line).or(pair.line);
            let id = pairs.iter().find(|pair| pair.key == "id").map(|pair| &pair.value);
            let about = match id {
                Some(FileValue::Text(id)) => format!("rule `{id}`"),
                _ => format!("rule {}", index + 1),
            };
            let document = document.place.document.clone();
            let place = Place { document, line, about: Some(about) };
            let rule = Attributes::of(pairs, place, &RULE, mistakes);
            self.rules.extend(rule_of(&rule));
        }
    }

    fn facts(&mut self, document: &Attributes<'_>, mistakes: &Mistakes) {
        let Some(facts) = document.pair("facts").and_then(|pair| document.inner(pair, &[])) else {
            return;
        };
        for pair in facts.pairs() {
            let name = &pair.key;
            self.fact_names.push(name.clone());
            let about = Some(format!("fact `{name}`"));
            let document = document.place.document.clone();
            let place = Place { document, line: pair.line.or(facts.place.line), about };
            let FileValue::Table(pairs) = &pair.value else {
                let what = format!("it is {}, not a map with `value`", shown(&pair.value));
                mistakes.borrow_mut().push(place.problem(what));
                continue;
            };
            let fact = Attributes::of(pairs, place, &FACT, mistakes);
            if !is_word(name) || name.len() > LONGEST_NAME {
                let what =
                    "its name has up to 100 letters, digits and `_`, and begins with no digit";
                fact.mistake(None, what);
            }
            let files = FileSource::all(&fact);
            let Some(value) = written(&fact, "value", true) else { continue };
            let place = fact.place.clone();
            self.facts.push(DeclaredFact { name: name.clone(), place, files, value });
        }
    }

    fn members(&mut self, document: &Attributes<'_>) {
        let Some(report) = document.pair("report").and_then(|pair| document.inner(pair, &[]))
        else {
            return;
        };
        if !self.members.is_empty() {
            return document.mistake(report.place.line, "another document has `report` too");
        }
        for pair in report.pairs() {
            let name = pair.key.clone();
            if OWN_MEMBERS.contains(&name.as_str()) {
                report.mistake(pair.line, format!("every report has a member `{name}` already"));
            }
            if let Some(text) = report.text(&name) {
                let about = Some(format!("member `{name}`"));
                let place = Place { about, ..report.place_of(&name) };
                let value = Written { text: text.to_owned(), place };
                self.members.push(DeclaredMember { name, value });
            }
        }
    }
}

fn rule_of(rule: &Attributes<'_>) -> Option<DeclaredRule> {
    let id = rule.required("id");
    let is_id = |id: &&str| {
        id.len() <= LONGEST_NAME
            && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    if id.is_some_and(|id| !is_id(&id)) {
        let what = "`id` has up to 100 lower-case letters, digits and `_`";
        rule.mistake(rule.place_of("id").line, what);
    }
    let description = rule.required("description");
    let severity = rule.required("severity").and_then(|name| {
        let severity = Severity::named(name);
        if severity.is_none() {
            let names = Severity::ALL.map(Severity::name);
            let similar = did_you_mean(closest(name, names));
            let what =
                format!("there is no severity `{name}`; there are {}{similar}", names.join(", "));
            rule.mistake(rule.place_of("severity").line, what);
        }
        severity
    });
    let key = match rule.text("key") {
        Some(key) if key.len() > LONGEST_NAME => {
            rule.mistake(rule.place_of("key").line, "`key` has more than 100 bytes");
            None
        }
        key => key,
    };
    let files = FileSource::all(rule);
    let (when, details) = (written(rule, "when", true), written(rule, "details", false));
    let id = id?.to_owned();
    Some(DeclaredRule {
        key: key.map_or_else(|| id.to_ascii_uppercase(), str::to_owned),
        place: rule.place.clone(),
        description: description?.to_owned(),
        severity: severity?,
        files,
        when: when?,
        details,
        id,
    })
}

fn written(of: &Attributes<'_>, key: &str, is_required: bool) -> Option<Written> {
    let text = if is_required { of.required(key)? } else { of.text(key)? };
    Some(Written { text: text.to_owned(), place: of.place_of(key) })
}

/// Whether a name stands more than once among those of a set, with the first place of each.
pub(super) fn repeated<'d>(
    names: impl IntoIterator<Item = (&'d str, &'d Place)>,
    mistakes: &Mistakes,
) {
    let mut first: BTreeMap<&str, &Place> = BTreeMap::new();
    for (name, place) in names {
        match first.get(name) {
            None => _ = first.insert(name, place),
            Some(other) => {
                let line = other.line.map_or_else(String::new, |line| format!(":{line}"));
                let what = format!("{}{line} has one of the same name", other.document);
                mistakes.borrow_mut().push(place.problem(what));
            }
        }
    }
}
