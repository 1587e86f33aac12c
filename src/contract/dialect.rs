//! The dialects of JSON Schema: which one a payload is written in, and what each has.

use jsonschema::meta::MetaValidator;
use serde_json::{Value, json};

/// A version of JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Dialect {
    Draft4,
    Draft6,
    Draft7,
    Draft201909,
    Draft202012,
}

/// Name as `schemaFormat` writes it, and `$schema` without a `#` at its end.
const NAMES: [(Dialect, &str, &str); 5] = [
    (Dialect::Draft4, "draft-04", "http://json-schema.org/draft-04/schema"),
    (Dialect::Draft6, "draft-06", "http://json-schema.org/draft-06/schema"),
    (Dialect::Draft7, "draft-07", "http://json-schema.org/draft-07/schema"),
    (Dialect::Draft201909, "draft-2019-09", "https://json-schema.org/draft/2019-09/schema"),
    (Dialect::Draft202012, "draft-2020-12", "https://json-schema.org/draft/2020-12/schema"),
];

/// In which dialects a keyword, or a form of it, restricts values.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Life {
    /// As problems name it.
    pub(super) what: &'static str,
    pub(super) first: Dialect,
    pub(super) last: Dialect,
    /// What the dialects after `last` have instead.
    pub(super) instead: &'static str,
}

const fn newer(what: &'static str, first: Dialect) -> Life {
    Life { what, first, last: Dialect::Draft202012, instead: "" }
}

/// Keywords that not all dialects have. A validator ignores the others' in silence.
const LIVES: [(&str, Life); 17] = [
    ("const", newer("`const`", Dialect::Draft6)),
    ("contains", newer("`contains`", Dialect::Draft6)),
    ("propertyNames", newer("`propertyNames`", Dialect::Draft6)),
    ("if", newer("`if`", Dialect::Draft7)),
    ("then", newer("`then`", Dialect::Draft7)),
    ("else", newer("`else`", Dialect::Draft7)),
    ("dependentRequired", newer("`dependentRequired`", Dialect::Draft201909)),
    ("dependentSchemas", newer("`dependentSchemas`", Dialect::Draft201909)),
    ("minContains", newer("`minContains`", Dialect::Draft201909)),
    ("maxContains", newer("`maxContains`", Dialect::Draft201909)),
    ("unevaluatedItems", newer("`unevaluatedItems`", Dialect::Draft201909)),
    ("unevaluatedProperties", newer("`unevaluatedProperties`", Dialect::Draft201909)),
    ("prefixItems", newer("`prefixItems`", Dialect::Draft202012)),
    ("$dynamicRef", newer("`$dynamicRef`", Dialect::Draft202012)),
    (
        "additionalItems",
        Life {
            what: "`additionalItems`",
            first: Dialect::Draft4,
            last: Dialect::Draft201909,
            instead: "`items` next to `prefixItems`",
        },
    ),
    ("dependencies", DEPENDENCIES),
    ("$recursiveRef", newer("`$recursiveRef`", Dialect::Draft201909)),
];

const DEPENDENCIES: Life = Life {
    what: "`dependencies`",
    first: Dialect::Draft4,
    last: Dialect::Draft7,
    instead: "`dependentRequired` or `dependentSchemas`",
};

const LIST_IN_ITEMS: Life = Life {
    what: "a list in `items`",
    first: Dialect::Draft4,
    last: Dialect::Draft201909,
    instead: "`prefixItems`",
};

const EXCLUSIVE_FLAG: Life = Life {
    what: "`true` or `false` for an exclusive limit",
    first: Dialect::Draft4,
    last: Dialect::Draft4,
    instead: "the limit itself as `exclusiveMinimum` or `exclusiveMaximum`",
};

const EXCLUSIVE_LIMIT: Life = newer("a number for an exclusive limit", Dialect::Draft6);

impl Life {
    /// In which dialects this keyword with this value restricts values; `None`: in all, or in none.
    pub(super) fn of(keyword: &str, value: &Value) -> Option<&'static Self> {
        match (keyword, value) {
            ("items", Value::Array(_)) => Some(&LIST_IN_ITEMS),
            ("exclusiveMinimum" | "exclusiveMaximum", Value::Bool(_)) => Some(&EXCLUSIVE_FLAG),
            ("exclusiveMinimum" | "exclusiveMaximum", Value::Number(_)) => Some(&EXCLUSIVE_LIMIT),
            _ => LIVES.iter().find(|(known, _)| *known == keyword).map(|(_, life)| life),
        }
    }

    /// What is wrong with the keyword in this dialect. `why` says why the dialect is meant, where the
    /// payload does not name it.
    pub(super) fn problem(&self, dialect: Dialect, why: Option<&str>) -> Option<String> {
        if self.first > dialect {
            return Some(format!(
                "{} is not in {}: name {} in schemaFormat",
                self.what,
                dialect.name(),
                self.first.name()
            ));
        }
        // The validator knows `dependencies` in every dialect. Where the payload names none, nothing
        // else can be meant.
        if self.last >= dialect || (why.is_some() && *self == DEPENDENCIES) {
            return None;
        }
        Some(format!(
            "{} is not in {}{}, which has {}",
            self.what,
            dialect.name(),
            why.unwrap_or_default(),
            self.instead
        ))
    }
}

impl Dialect {
    /// The dialect that a `schemaFormat` names. `Ok(None)`: AsyncAPI's own, or JSON Schema without a
    /// version. `Err`: the format is not JSON Schema, or the version is not known.
    pub(super) fn of_format(format: &str) -> Result<Option<Self>, String> {
        let mut parts = format.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default();
        if media_type.starts_with("application/vnd.aai.asyncapi") {
            return Ok(None);
        }
        if !["application/schema+json", "application/schema+yaml"].contains(&media_type) {
            return Err(format!(
                "schemaFormat is {format:?}; only JSON Schema and AsyncAPI's own are supported"
            ));
        }
        let Some(version) = parts.find_map(|part| part.strip_prefix("version=")) else {
            return Ok(None);
        };
        let version = version.trim_matches('"');
        let found = NAMES.iter().find(|(_, name, _)| *name == version);
        found.map(|(dialect, _, _)| Some(*dialect)).ok_or_else(|| {
            let known: Vec<&str> = NAMES.iter().map(|(_, name, _)| *name).collect();
            format!("schemaFormat has the version {version:?}; known are {}", known.join(", "))
        })
    }

    /// The dialect that a `$schema` names.
    pub(super) fn of_uri(uri: &str) -> Option<Self> {
        let uri = uri.trim_end_matches('#');
        NAMES.iter().find(|(_, _, known)| *known == uri).map(|(dialect, _, _)| *dialect)
    }

    pub(super) fn name(self) -> &'static str {
        NAMES.iter().find(|(dialect, _, _)| *dialect == self).map_or("", |(_, name, _)| name)
    }

    /// The dialect that a bundle is read in. What draft-04 writes differently is rewritten, so that
    /// one rule says which numbers are integers: `1.0` is one.
    pub(super) fn of_bundle(self) -> Self {
        self.max(Self::Draft6)
    }

    /// The value of `$schema`.
    pub(super) fn uri(self) -> &'static str {
        NAMES.iter().find(|(dialect, _, _)| *dialect == self).map_or("", |(_, _, uri)| uri)
    }

    /// What is wrong with a schema by the rules of its dialect: JSON pointers in it, each with the
    /// mistake.
    pub(super) fn mistakes(self, schema: &Value) -> Vec<(String, String)> {
        let mut mistakes: Vec<(String, String)> = self
            .meta_schema()
            .iter_errors(schema)
            .map(|error| {
                let pointer = error.instance_path().to_string();
                let what = if pointer.ends_with("/type") {
                    format!("{} is not a JSON type", error.instance())
                } else {
                    error.to_string()
                };
                (pointer, what)
            })
            .collect();
        mistakes.sort();
        mistakes.dedup_by(|one, other| one.0 == other.0);
        mistakes
    }

    fn meta_schema(self) -> MetaValidator<'static> {
        match self {
            Self::Draft4 => jsonschema::draft4::meta::validator(),
            Self::Draft6 => jsonschema::draft6::meta::validator(),
            Self::Draft7 => jsonschema::draft7::meta::validator(),
            Self::Draft201909 => jsonschema::draft201909::meta::validator(),
            Self::Draft202012 => jsonschema::draft202012::meta::validator(),
        }
    }
}

/// Why a regular expression of a schema cannot be used.
pub(super) fn regex_mistake(pattern: &str) -> Option<String> {
    let built = jsonschema::options().build(&json!({ "pattern": pattern }));
    built.err().map(|_| format!("{pattern:?} is not a regular expression"))
}
