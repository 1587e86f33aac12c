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

/// Keywords that restrict values and that the oldest dialects lack, with the first that has them.
const NEWER: [(&str, Dialect); 12] = [
    ("const", Dialect::Draft6),
    ("contains", Dialect::Draft6),
    ("propertyNames", Dialect::Draft6),
    ("if", Dialect::Draft7),
    ("dependentRequired", Dialect::Draft201909),
    ("dependentSchemas", Dialect::Draft201909),
    ("minContains", Dialect::Draft201909),
    ("maxContains", Dialect::Draft201909),
    ("unevaluatedItems", Dialect::Draft201909),
    ("unevaluatedProperties", Dialect::Draft201909),
    ("prefixItems", Dialect::Draft202012),
    ("$dynamicRef", Dialect::Draft202012),
];

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

    /// The first dialect in which this keyword restricts values, for keywords that not all have.
    pub(super) fn first_with(keyword: &str) -> Option<Self> {
        NEWER.iter().find(|(newer, _)| *newer == keyword).map(|(_, dialect)| *dialect)
    }

    pub(super) fn name(self) -> &'static str {
        NAMES.iter().find(|(dialect, _, _)| *dialect == self).map_or("", |(_, name, _)| name)
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
