//! A schema together with what it refers to and combines, as one schema.

use rand::Rng;
use rand::seq::IndexedRandom;
use serde_json::{Map, Value, json};

use super::{DEEPEST, Samples, texts};

/// Keywords that refer to other schemas, which take their place.
const COMBINING: &[&str] = &["$ref", "allOf", "anyOf", "oneOf", "if", "then", "else"];

impl Samples<'_> {
    /// The schema's keywords, joined with those of `$ref` and `allOf`, of one alternative of
    /// `anyOf` and `oneOf`, and of either `then` or `else`. References are resolved in `root`.
    pub(super) fn combined(
        &mut self,
        schema: &Value,
        root: &Value,
        depth: usize,
    ) -> Map<String, Value> {
        let Some(schema) = schema.as_object().filter(|_| depth <= DEEPEST) else {
            return Map::new();
        };
        let own = schema.iter().filter(|(keyword, _)| !COMBINING.contains(&keyword.as_str()));
        let mut all: Map<String, Value> =
            own.map(|(keyword, value)| (keyword.clone(), value.clone())).collect();
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let target = root.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null);
            let mut target = self.combined(target, root, depth + 1);
            join(&mut target, all);
            all = target;
        }
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            let part = self.combined(part, root, depth + 1);
            join(&mut all, part);
        }
        for keyword in ["oneOf", "anyOf"] {
            let parts = schema.get(keyword).and_then(Value::as_array);
            let Some(parts) = parts.filter(|parts| !parts.is_empty()) else { continue };
            let chosen = if self.varied { parts.choose(&mut self.rng) } else { parts.first() };
            if let Some(part) = chosen {
                let part = self.combined(part, root, depth + 1);
                join(&mut all, part);
            }
        }
        if let Some(condition) = schema.get("if") {
            let parts = if self.rng.random_bool(0.5) {
                [Some(condition), schema.get("then")]
            } else {
                [None, schema.get("else")]
            };
            for part in parts.into_iter().flatten() {
                let part = self.combined(part, root, depth + 1);
                join(&mut all, part);
            }
        }
        all
    }
}

/// Adds the keywords of `more`, so that what both allow is left.
fn join(all: &mut Map<String, Value>, more: Map<String, Value>) {
    for (keyword, value) in more {
        let Some(before) = all.get_mut(&keyword) else {
            all.insert(keyword, value);
            continue;
        };
        if *before != value {
            *before = both(&keyword, before.take(), value);
        }
    }
}

/// The value of a keyword that two schemas have.
fn both(keyword: &str, first: Value, second: Value) -> Value {
    match (keyword, first, second) {
        ("properties" | "patternProperties", Value::Object(mut first), Value::Object(second)) => {
            for (name, schema) in second {
                let schema = match first.get(&name) {
                    Some(before) if *before != schema => json!({ "allOf": [before, schema] }),
                    _ => schema,
                };
                first.insert(name, schema);
            }
            Value::Object(first)
        }
        ("required", first, second) => {
            let mut names: Vec<&str> = texts(&first).collect();
            names.extend(texts(&second).filter(|name| !texts(&first).any(|known| known == *name)));
            json!(names)
        }
        ("enum", Value::Array(first), Value::Array(second)) => {
            first.into_iter().filter(|value| second.contains(value)).collect()
        }
        ("type", first, second) => both_types(&first, &second),
        ("items" | "additionalProperties", first, second)
            if first.is_object() && second.is_object() =>
        {
            json!({ "allOf": [first, second] })
        }
        ("minimum" | "exclusiveMinimum" | "minLength" | "minItems", first, second) => {
            if first.as_f64() > second.as_f64() { first } else { second }
        }
        ("maximum" | "exclusiveMaximum" | "maxLength" | "maxItems", first, second) => {
            if first.as_f64() < second.as_f64() { first } else { second }
        }
        ("multipleOf", first, second) => match (first.as_u64(), second.as_u64()) {
            (Some(first), Some(second)) if first > 0 && second % first == 0 => json!(second),
            (Some(first), Some(second)) => json!(first.saturating_mul(second)),
            _ => second,
        },
        (_, _, second) => second,
    }
}

/// The types that both allow; an integer is a number.
fn both_types(first: &Value, second: &Value) -> Value {
    let list = |types: &Value| match types {
        Value::String(one) => vec![one.clone()],
        several => texts(several).map(str::to_owned).collect(),
    };
    let (first, second) = (list(first), list(second));
    let holds = |types: &[String], kind: &str| {
        types.iter().any(|one| one == kind || (one == "number" && kind == "integer"))
    };
    let mut kinds: Vec<&String> = first.iter().filter(|kind| holds(&second, kind)).collect();
    for kind in second.iter().filter(|kind| holds(&first, kind)) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    json!(kinds)
}
