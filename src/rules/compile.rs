//! From what the documents declare to a set: expressions, and the names in them.

use std::collections::{BTreeMap, BTreeSet};

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

use super::attributes::{Mistakes, Place};
use super::declared::{self, Declared, Written};
use super::digest;
use super::fact_order;
use super::file_source::{FileSource, Origin};
use super::problem::{RuleProblem, RulesError};
use super::set::{Fact, Formula, Rule, RuleSet};
use crate::config::keys::{closest, did_you_mean};
use crate::expression::{Answer, Parsed, Scope};

/// The most rules, and the most facts, of a set.
const MOST: usize = 1_000;

const IN_FILES: [&str; 3] = ["files", "facts", "event"];
const IN_REPORT: [&str; 2] = ["facts", "event"];
static CONDITION: Scope = Scope::of(&IN_FILES, Answer::Condition, "archive");
static VALUE: Scope = Scope::of(&IN_FILES, Answer::Value, "archive");
static MEMBER: Scope = Scope::of(&IN_REPORT, Answer::Value, "archive");

impl RuleSet {
    /// Compiles the documents of a set: their texts by name. The error has every mistake.
    pub fn load(name: &str, documents: &BTreeMap<String, String>) -> Result<Self, RulesError> {
        compile(name, documents)
    }
}

fn compile(name: &str, documents: &BTreeMap<String, String>) -> Result<RuleSet, RulesError> {
    let mistakes = Mistakes::default();
    let declared = declared::read(documents, &mistakes);
    declared::repeated(declared.rules.iter().map(|it| (it.id.as_str(), &it.place)), &mistakes);
    declared::repeated(declared.facts.iter().map(|it| (it.name.as_str(), &it.place)), &mistakes);
    let of_set = |what: String| mistakes.borrow_mut().push(RuleProblem::of(name, what));
    if documents.is_empty() {
        of_set("there is no document whose name ends in .yaml or .yml".to_owned());
    } else if declared.rules.is_empty() && mistakes.borrow().is_empty() {
        of_set("there are no rules".to_owned());
    }
    for (what, count) in [("rules", declared.rules.len()), ("facts", declared.facts.len())] {
        if count > MOST {
            of_set(format!("there are {count} {what}, the limit is {MOST}"));
        }
    }
    let set = Compiler { declared: &declared, mistakes: &mistakes }.set();
    unused(&declared, &set, &mistakes);
    circles(&declared, &set, &mistakes);
    let paths = paths(&declared).unwrap_or_else(|error| {
        of_set(format!("its globs are too large together: {error}"));
        GlobSet::empty()
    });
    let mut problems = mistakes.into_inner();
    if !problems.is_empty() {
        problems.sort_by(|a, b| (&a.document, a.line).cmp(&(&b.document, b.line)));
        problems.dedup();
        return Err(RulesError { problems });
    }
    let Formulas { rules, facts, members } = set;
    let Declared { rules: of_rules, facts: of_facts, members: of_members, .. } = declared;
    let mut rules: Vec<Rule> = of_rules
        .into_iter()
        .zip(rules)
        .filter_map(|(rule, (when, details))| {
            Some(Rule {
                id: rule.id,
                description: rule.description,
                severity: rule.severity,
                key: rule.key,
                files: rule.files,
                when: when?,
                details,
            })
        })
        .collect();
    rules.sort_by(|a, b| a.id.cmp(&b.id));
    let facts = of_facts
        .into_iter()
        .zip(facts)
        .filter_map(|(fact, value)| Some((fact.name, Fact { files: fact.files, value: value? })));
    let members =
        of_members.into_iter().zip(members).filter_map(|(it, value)| Some((it.name, value?)));
    Ok(RuleSet {
        name: name.to_owned(),
        digest: digest::of(documents),
        rules,
        facts: facts.collect(),
        members: members.collect(),
        paths,
    })
}

/// The expressions, in the order of what was declared. `None`: something is wrong with one.
struct Formulas {
    rules: Vec<(Option<Formula>, Option<Formula>)>,
    facts: Vec<Option<Formula>>,
    members: Vec<Option<Formula>>,
}

struct Compiler<'d> {
    declared: &'d Declared,
    mistakes: &'d Mistakes,
}

impl Compiler<'_> {
    fn set(&self) -> Formulas {
        let rules = self.declared.rules.iter().map(|rule| {
            let when = self.formula("when", &rule.when, &rule.files, &CONDITION);
            let details = rule.details.as_ref();
            let details = details.and_then(|it| self.formula("details", it, &rule.files, &VALUE));
            (when, details)
        });
        let facts = self.declared.facts.iter();
        let facts = facts.map(|fact| self.formula("value", &fact.value, &fact.files, &VALUE));
        let members = self.declared.members.iter();
        let members = members.map(|it| self.formula("its value", &it.value, &[], &MEMBER));
        Formulas { rules: rules.collect(), facts: facts.collect(), members: members.collect() }
    }

    fn formula(
        &self,
        key: &str,
        written: &Written,
        files: &[FileSource],
        scope: &Scope,
    ) -> Option<Formula> {
        let mistake = |what: String| {
            self.mistakes.borrow_mut().push(written.place.problem(format!("{key}: {what}")));
        };
        let parsed = match Parsed::in_scope(&written.text, scope) {
            Ok(parsed) => parsed,
            Err(error) => {
                mistake(error.to_string());
                return None;
            }
        };
        let (mut facts, mut uses_event) = (Vec::new(), false);
        for (variable, member) in parsed.members() {
            match (variable, member) {
                ("event", _) => uses_event = true,
                ("files", Some(name)) => {
                    let names = files.iter().map(|file| file.name.as_str());
                    self.refuse_unknown(variable, name, names.collect(), &mistake);
                }
                ("facts", Some(name)) => {
                    let names = self.declared.fact_names.iter().map(String::as_str).collect();
                    if !self.declared.is_partial {
                        self.refuse_unknown(variable, name, names, &mistake);
                    }
                    facts.push(name.to_owned());
                }
                (variable, _) => {
                    mistake(format!(
                        "`{variable}` has to have a name behind it: `{variable}.name`"
                    ));
                }
            }
        }
        match parsed.compile() {
            Ok(expression) => Some(Formula { expression, facts, uses_event }),
            Err(problems) => {
                problems.iter().for_each(|problem| mistake(problem.to_string()));
                None
            }
        }
    }

    fn refuse_unknown(
        &self,
        variable: &str,
        name: &str,
        names: Vec<&str>,
        mistake: &dyn Fn(String),
    ) {
        if names.contains(&name) {
            return;
        }
        let similar = did_you_mean(closest(name, names.iter().copied()));
        let there = match names.len() {
            0 => "there is none".to_owned(),
            _ => format!("there are {}", names.join(", ")),
        };
        mistake(format!("there is no `{variable}.{name}`; {there}{similar}"));
    }
}

/// Notes the facts, and the files, that nothing names.
fn unused(declared: &Declared, set: &Formulas, mistakes: &Mistakes) {
    let rules = set.rules.iter().flat_map(|(when, details)| [when, details]);
    let all: Vec<&Option<Formula>> = rules.chain(&set.facts).chain(&set.members).collect();
    let is_sound = mistakes.borrow().is_empty();
    if !is_sound {
        // Something may name them that could not be read.
        return;
    }
    let named: BTreeSet<&String> =
        all.into_iter().flatten().flat_map(|formula| &formula.facts).collect();
    for fact in &declared.facts {
        if !named.contains(&fact.name) {
            mistakes.borrow_mut().push(fact.place.problem("nothing names it"));
        }
    }
}

fn circles(declared: &Declared, set: &Formulas, mistakes: &Mistakes) {
    let needs: BTreeMap<&str, Vec<&str>> = declared
        .facts
        .iter()
        .zip(&set.facts)
        .map(|(fact, value)| {
            let needed = value.iter().flat_map(|value| value.facts.iter().map(String::as_str));
            (fact.name.as_str(), needed.collect())
        })
        .collect();
    let Some(circle) = fact_order::circle(&needs) else { return };
    let place: Option<&Place> =
        declared.facts.iter().find(|fact| fact.name == circle[0]).map(|fact| &fact.place);
    if let Some(place) = place {
        let what = match circle.as_slice() {
            [_] => "its value needs itself".to_owned(),
            all => format!("facts need one another in a circle: {}", all.join(" → ")),
        };
        mistakes.borrow_mut().push(place.problem(what));
    }
}

/// All paths that are wanted.
fn paths(declared: &Declared) -> Result<GlobSet, globset::Error> {
    let of_rules = declared.rules.iter().flat_map(|rule| &rule.files);
    let of_facts = declared.facts.iter().flat_map(|fact| &fact.files);
    let mut all = GlobSetBuilder::new();
    for file in of_rules.chain(of_facts) {
        if let Origin::Archive(pattern) = &file.origin {
            let glob: Glob = GlobBuilder::new(&pattern.glob)
                .literal_separator(true)
                .backslash_escape(true)
                .build()?;
            all.add(glob);
        }
    }
    all.build()
}
