//! A payload's schema with everything it refers to, as one JSON Schema document.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::circles::{Reference, References};
use super::dialect::{Dialect, Life, regex_mistake};
use super::encoded;
use super::files::{Files, Location};
use super::keywords::{
    COLUMN_NAME, COLUMN_TYPE, DROPPED, INSERTED, NAMED_SCHEMAS, PLACE, SAME_VALUE, SCHEMA, SCHEMAS,
    UNEVALUATED, is_annotation, unknown,
};
use super::nullable;
use super::places::Places;
use super::problem::{ContractError, Problem};

/// Makes bundles of the payloads of one contract. What they share is checked once.
#[derive(Default)]
pub(super) struct Bundles {
    checked: HashSet<(Location, Dialect)>,
    /// What is wrong with each regular expression.
    patterns: HashMap<String, Option<String>>,
}

impl Bundles {
    /// Bundles the schema at a place. What references lead to stands once each, under `$defs`.
    /// `dialect` is what `schemaFormat` says.
    pub(super) fn bundle(
        &mut self,
        files: &mut Files,
        at: &Location,
        dialect: Option<Dialect>,
    ) -> Result<Bundle, ContractError> {
        let raw = files.value(at)?;
        let mut bundler = Bundler::new(dialect);
        bundler.current_levels = at.levels();
        let mut root = bundler.rewrite(files, at, &raw, Place::TOP);
        let mut read = vec![(at.clone(), raw)];
        let mut places = Places::of(at);
        let mut definitions = Map::new();
        while let Some(wanted) = bundler.waiting.pop() {
            match files.value(&wanted.target) {
                Ok(raw) => {
                    let (target, raw) = bundler.in_schema_format(wanted.target, raw);
                    bundler.current.clone_from(&wanted.name);
                    bundler.current_levels = target.levels();
                    let schema = bundler.rewrite(files, &target, &raw, Place::TOP);
                    places.add(&wanted.name, &target);
                    definitions.insert(wanted.name, schema);
                    read.push((target, raw));
                }
                Err(problem) => bundler.problems.push(wanted.from.blame(problem)),
            }
        }
        let dialect = bundler.dialect();
        for (at, raw) in read {
            if self.checked.insert((at.clone(), dialect)) {
                bundler.check(&at, &raw, dialect);
            }
        }
        for (at, pattern) in std::mem::take(&mut bundler.patterns) {
            let mistake = self.patterns.entry(pattern).or_insert_with_key(|key| regex_mistake(key));
            bundler.problems.extend(mistake.as_ref().map(|what| Problem::new(at, what)));
        }
        bundler.problems.extend(bundler.references.circles());
        bundler.problems.extend(bundler.references.too_deep());
        let has_encoded = bundler.has_encoded;
        if !bundler.problems.is_empty() {
            return Err(ContractError { problems: bundler.problems() });
        }
        if let Value::Object(root) = &mut root {
            // Up to draft 7, everything next to a `$ref` is ignored, `$defs` too.
            if let Some(reference) = root.remove("$ref") {
                all_of(root, json!({ "$ref": reference }));
            }
            root.insert("$schema".to_owned(), json!(dialect.of_bundle().uri()));
            root.insert("$defs".to_owned(), Value::Object(definitions));
        }
        Ok(Bundle { schema: root, places, has_encoded })
    }
}

/// A payload's schema by itself.
pub(super) struct Bundle {
    pub(super) schema: Value,
    pub(super) places: Places,
    /// Some field is decoded.
    pub(super) has_encoded: bool,
}

/// A definition that is not yet bundled.
struct Wanted {
    name: String,
    target: Location,
    /// The first `$ref` to it.
    from: Location,
}

/// Where a schema stands in the one that is being bundled.
#[derive(Clone, Copy)]
struct Place {
    /// It is the whole payload or a whole definition.
    top: bool,
    /// It applies to the same value as the definition that it is part of.
    same_value: bool,
    /// It is part of `propertyNames`.
    in_names: bool,
}

impl Place {
    const TOP: Self = Self { top: true, same_value: true, in_names: false };

    fn under(self, keyword: &str) -> Self {
        let same_value = self.same_value && SAME_VALUE.contains(&keyword);
        let in_names = self.in_names || keyword == "propertyNames";
        Self { top: false, same_value, in_names }
    }
}

struct Bundler {
    /// Names under `$defs` of the places that references lead to.
    names: BTreeMap<Location, String>,
    waiting: Vec<Wanted>,
    /// Name of the definition that is being rewritten; empty for the root.
    current: String,
    /// How deep that definition stands in its document.
    current_levels: usize,
    references: References,
    /// What `schemaFormat` or the outermost `$schema` says.
    declared: Option<Dialect>,
    /// Keywords that not all dialects have.
    particular: Vec<(Location, &'static Life)>,
    /// Regular expressions.
    patterns: Vec<(Location, String)>,
    /// Some field is decoded.
    has_encoded: bool,
    problems: Vec<Problem>,
}

impl Bundler {
    fn new(declared: Option<Dialect>) -> Self {
        Self {
            names: BTreeMap::new(),
            waiting: Vec::new(),
            current: String::new(),
            current_levels: 0,
            references: References::default(),
            declared,
            particular: Vec::new(),
            patterns: Vec::new(),
            has_encoded: false,
            problems: Vec::new(),
        }
    }

    /// The schema in a multi-format schema (`{schemaFormat, schema}`), which a reference may lead to.
    fn in_schema_format(&mut self, at: Location, mut raw: Value) -> (Location, Value) {
        let Some(format) = raw.get("schemaFormat").and_then(Value::as_str) else {
            return (at, raw);
        };
        match Dialect::of_format(format) {
            Ok(found) => self.declare(&at.at("schemaFormat"), found),
            Err(what) => self.problems.push(Problem::new(at.at("schemaFormat"), what)),
        }
        (at.at("schema"), raw.get_mut("schema").map(Value::take).unwrap_or_default())
    }

    /// Takes the dialect that a part of the payload declares.
    fn declare(&mut self, here: &Location, found: Option<Dialect>) {
        match (found, self.declared) {
            (Some(found), Some(declared)) if found != declared => {
                let what = format!(
                    "this schema is written in {}, and the payload in {}: name one for both in \
                     schemaFormat",
                    found.name(),
                    declared.name()
                );
                self.problems.push(Problem::new(here, what));
            }
            (found, declared) => self.declared = declared.or(found),
        }
    }

    /// The schema `raw` at `at`, with references into the bundle and without dropped keywords.
    fn rewrite(&mut self, files: &Files, at: &Location, raw: &Value, place: Place) -> Value {
        let Value::Object(raw) = raw else {
            if !raw.is_boolean() {
                self.problems.push(Problem::new(at, "a schema has to be an object or a boolean"));
            }
            return raw.clone();
        };
        // The `jsonschema` crate would compile such a schema without end where it refers to the
        // schema around it. It compiles a definition once.
        if !place.top && UNEVALUATED.iter().any(|keyword| raw.contains_key(*keyword)) {
            return json!({ "$ref": self.definition(at.clone(), at, place) });
        }
        if encoded::is_declared(raw) {
            return self.rewrite_encoded(at, raw, place);
        }
        let mut schema = Map::new();
        let mut reference = None;
        for (keyword, value) in raw {
            let here = at.at(keyword);
            self.note(&here, keyword, value);
            match keyword.as_str() {
                "$ref" => reference = Some(self.reference(files, &here, value, place)),
                // With both limits, the `jsonschema` crate takes the keywords of `contains` for those of
                // the schema around it. It compiles a definition by itself.
                "contains" if value.is_object() && has_both_limits(raw) => {
                    let reference = self.definition(here.clone(), &here, place.under(keyword));
                    schema.insert(keyword.clone(), json!({ "$ref": reference }));
                }
                keyword if !DROPPED.contains(&keyword) => {
                    let value = self.keyword(files, &here, keyword, value, place);
                    schema.insert(keyword.to_owned(), value);
                }
                _ => {}
            }
        }
        if [COLUMN_NAME, COLUMN_TYPE].iter().any(|keyword| raw.contains_key(*keyword)) {
            schema.insert(PLACE.to_owned(), json!(at.to_string()));
        }
        exclusive_limits(&mut schema);
        let Some(reference) = reference else { return nullable::rewritten(schema) };
        let reference = json!({ "$ref": reference });
        if schema.keys().all(|keyword| is_annotation(keyword)) {
            schema.extend(reference.as_object().cloned().unwrap_or_default());
            return Value::Object(schema);
        }
        // Up to draft 7, what stands next to a `$ref` is ignored; nothing in a contract is.
        all_of(&mut schema, reference);
        nullable::rewritten(schema)
    }

    /// The schema of what a text is when it is decoded.
    fn rewrite_encoded(&mut self, at: &Location, raw: &Map<String, Value>, place: Place) -> Value {
        self.has_encoded = true;
        for (keyword, value) in raw {
            self.note(&at.at(keyword), keyword, value);
        }
        let obstacles = encoded::obstacles(raw).into_iter();
        self.problems.extend(obstacles.map(|(keyword, what)| Problem::new(at.at(keyword), what)));
        let content = at.at("contentSchema");
        let reference = self.definition(content.clone(), &content, place.under("contentSchema"));
        let mut schema = encoded::rewritten(raw, &reference, &at.to_string());
        if [COLUMN_NAME, COLUMN_TYPE].iter().any(|keyword| raw.contains_key(*keyword)) {
            schema[PLACE] = json!(at.to_string());
        }
        schema
    }

    /// The value of a keyword.
    fn keyword(
        &mut self,
        files: &Files,
        here: &Location,
        keyword: &str,
        value: &Value,
        place: Place,
    ) -> Value {
        let inner = place.under(keyword);
        match value {
            Value::Object(named) if NAMED_SCHEMAS.contains(&keyword) => named
                .iter()
                .map(|(name, one)| {
                    let names = keyword == "dependencies" && one.is_array();
                    let one = if names {
                        one.clone()
                    } else {
                        self.rewrite(files, &here.at(name), one, inner)
                    };
                    (name.clone(), one)
                })
                .collect(),
            Value::Array(list) if SCHEMAS.contains(&keyword) => list
                .iter()
                .enumerate()
                .map(|(index, one)| self.rewrite(files, &here.at(&index.to_string()), one, inner))
                .collect(),
            Value::Object(_) | Value::Bool(_) if SCHEMA.contains(&keyword) => {
                self.rewrite(files, here, value, inner)
            }
            // The validator compares objects key by key, in order.
            _ if ["const", "enum"].contains(&keyword) => {
                let mut sorted = value.clone();
                sorted.sort_all_objects();
                sorted
            }
            // The dialect's own schema reports what has the wrong shape.
            _ => value.clone(),
        }
    }

    /// Notes what depends on the dialect, and what is never supported.
    fn note(&mut self, here: &Location, keyword: &str, value: &Value) {
        match (keyword, value) {
            ("$dynamicRef" | "$recursiveRef", _) => {
                self.problems.push(Problem::new(here, "dynamic references are not supported"));
            }
            ("$schema", Value::String(uri)) => match Dialect::of_uri(uri) {
                Some(found) => self.declare(here, Some(found)),
                None => {
                    let what = format!("$schema {uri:?} is not a dialect of JSON Schema");
                    self.problems.push(Problem::new(here, what));
                }
            },
            ("pattern", Value::String(pattern)) => {
                self.patterns.push((here.clone(), pattern.clone()));
            }
            ("patternProperties", Value::Object(patterns)) => {
                let places = patterns.keys().map(|pattern| (here.at(pattern), pattern.clone()));
                self.patterns.extend(places);
            }
            (COLUMN_NAME | COLUMN_TYPE, value) if !value.is_string() => {
                self.problems.push(Problem::new(here, format!("{keyword} has to be a string")));
            }
            (keyword, _) => {
                self.problems.extend(unknown(keyword).map(|what| Problem::new(here, what)));
            }
        }
        self.particular.extend(Life::of(keyword, value).map(|life| (here.clone(), life)));
    }

    /// The reference into the bundle that replaces a `$ref` of the document.
    fn reference(&mut self, files: &Files, here: &Location, value: &Value, place: Place) -> Value {
        let target = match value.as_str().map(|reference| files.target(here, reference)) {
            Some(Ok(target)) => target,
            Some(Err(problem)) => {
                self.problems.push(problem);
                return value.clone();
            }
            None => {
                self.problems.push(Problem::new(here, "$ref is not a string"));
                return value.clone();
            }
        };
        json!(self.definition(target, here, place))
    }

    /// The reference into the bundle for the schema at `target`. `here` is what leads to it.
    fn definition(&mut self, target: Location, here: &Location, place: Place) -> String {
        let number = self.names.len();
        let name = self.names.entry(target.clone()).or_insert_with(|| {
            let name = format!("d{number}");
            self.waiting.push(Wanted { name: name.clone(), target, from: here.clone() });
            name
        });
        self.references.add(Reference {
            from: self.current.clone(),
            to: name.clone(),
            at: here.clone(),
            levels: here.levels().saturating_sub(self.current_levels).max(1),
            same_value: place.same_value,
            in_names: place.in_names,
        });
        format!("#/$defs/{name}")
    }

    /// The dialect that the payload is read in. AsyncAPI's own is draft 7; a payload that names no
    /// dialect and has newer keywords means 2020-12.
    fn dialect(&mut self) -> Dialect {
        let newer = self.particular.iter().filter(|(_, life)| life.first > Dialect::Draft7).min();
        let dialect = match (self.declared, newer) {
            (Some(declared), _) => declared,
            (None, Some(_)) => Dialect::Draft202012,
            (None, None) => Dialect::Draft7,
        };
        let why = self.declared.is_none().then(|| match newer {
            Some((at, life)) => format!(" (because of {} at {at})", life.what),
            None => String::new(),
        });
        let problems = self.particular.iter().filter_map(|(at, life)| {
            life.problem(dialect, why.as_deref()).map(|what| Problem::new(at, what))
        });
        self.problems.extend(problems);
        dialect
    }

    /// Checks a schema by the rules of its dialect.
    fn check(&mut self, at: &Location, raw: &Value, dialect: Dialect) {
        if !raw.is_object() {
            return;
        }
        for (pointer, what) in dialect.mistakes(raw) {
            let place = Location { pointer: format!("{}{pointer}", at.pointer), ..at.clone() };
            self.problems.push(Problem::new(place, what));
        }
    }

    /// All problems, one for each place.
    fn problems(self) -> Vec<Problem> {
        let mut places = HashSet::new();
        let mut problems = self.problems;
        problems.retain(|problem| places.insert(problem.place.clone()));
        problems
    }
}

/// Draft-04 says with `true` that a limit is exclusive; the later dialects have the limit there.
fn exclusive_limits(schema: &mut Map<String, Value>) {
    for (limit, exclusive) in [("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")] {
        let Some(is_exclusive) = schema.get(exclusive).and_then(Value::as_bool) else { continue };
        schema.shift_remove(exclusive);
        if let Some(number) = is_exclusive.then(|| schema.shift_remove(limit)).flatten() {
            schema.insert(exclusive.to_owned(), number);
        }
    }
}

fn has_both_limits(schema: &Map<String, Value>) -> bool {
    ["minContains", "maxContains"].iter().all(|limit| schema.contains_key(*limit))
}

/// Adds a schema to those that all have to hold.
fn all_of(schema: &mut Map<String, Value>, mut one: Value) {
    one[INSERTED] = Value::Bool(true);
    match schema.get_mut("allOf") {
        Some(Value::Array(all)) => all.insert(0, one),
        _ => drop(schema.insert("allOf".to_owned(), json!([one]))),
    }
}
