//! The keywords of JSON Schema, grouped by the shape of their values and by their effect.

/// Keywords whose value is a schema. `items` may also be a list of schemas.
pub(super) const SCHEMA: &[&str] = &[
    "items",
    "additionalProperties",
    "additionalItems",
    "contains",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
    "unevaluatedProperties",
    "unevaluatedItems",
];
/// Keywords whose value is a list of schemas.
pub(super) const SCHEMAS: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems", "items"];
/// Keywords whose value is an object of schemas. In `dependencies` there may be lists of names too.
pub(super) const NAMED_SCHEMAS: &[&str] =
    &["properties", "patternProperties", "dependentSchemas", "dependencies"];
/// Keywords whose schemas apply to the same value as the schema that has them.
pub(super) const SAME_VALUE: &[&str] =
    &["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies"];

/// Keywords whose schema depends on what the others of the same schema accept.
pub(super) const UNEVALUATED: &[&str] = &["unevaluatedProperties", "unevaluatedItems"];

/// Keywords left out of the bundle: a validator would resolve references against them, they only
/// hold definitions, which the bundle has under its own `$defs`, or they are annotations.
pub(super) const DROPPED: &[&str] = &[
    "$id",
    "id",
    "$schema",
    "$anchor",
    "$dynamicAnchor",
    "$recursiveAnchor",
    "$vocabulary",
    "$defs",
    "definitions",
    "$comment",
    // That of a text that is JSON is dealt with before (`encoded`).
    "contentSchema",
];

/// The other keywords of all dialects, and OpenAPI's `nullable`.
const OTHERS: &[&str] = &[
    "$ref",
    "$dynamicRef",
    "$recursiveRef",
    "type",
    "enum",
    "const",
    "required",
    "dependentRequired",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minContains",
    "maxContains",
    "minProperties",
    "maxProperties",
    "nullable",
];

/// Our keyword for the name of a field's column.
pub(super) const COLUMN_NAME: &str = "x-bigquery-name";
/// Our keyword for the type of a field's column.
pub(super) const COLUMN_TYPE: &str = "x-bigquery-type";

/// In a bundle, next to our keywords: the place of their schema in the documents.
pub(super) const PLACE: &str = "x-contract-place";
/// In a bundle: this schema is that of a value that stands encoded in a text, see `encoded`.
pub(super) const ENCODED: &str = "x-contract-encoded";
/// In a bundle: this part was not in the document, see `places`.
pub(super) const INSERTED: &str = "x-contract-inserted";

/// Keywords that say nothing about which values are valid. AsyncAPI's `discriminator` is one: it
/// names a field and says nothing about its values.
const ANNOTATIONS: &[&str] = &[
    "title",
    "description",
    "examples",
    "example",
    "default",
    "deprecated",
    "readOnly",
    "writeOnly",
    "format",
    "contentEncoding",
    "contentMediaType",
    "externalDocs",
    "discriminator",
    "xml",
];

/// The keyword does not restrict values. (`format` and the like matter for columns alone.)
pub(super) fn is_annotation(keyword: &str) -> bool {
    ANNOTATIONS.contains(&keyword) || keyword.starts_with("x-")
}

/// What is wrong with a keyword that no dialect has.
pub(super) fn unknown(keyword: &str) -> Option<String> {
    let groups = [SCHEMA, SCHEMAS, NAMED_SCHEMAS, DROPPED, OTHERS, ANNOTATIONS];
    let mut known = groups.into_iter().flatten();
    if keyword.starts_with("x-") || known.clone().any(|known| *known == keyword) {
        return None;
    }
    let closest = known.by_ref().map(|known| (strsim::damerau_levenshtein(keyword, known), known));
    let similar = closest.min().filter(|(distance, known)| distance * 3 <= known.len());
    let hint = similar.map_or_else(String::new, |(_, known)| format!("; did you mean `{known}`?"));
    Some(format!(
        "`{keyword}` is not a keyword of JSON Schema{hint} (keywords of one's own begin with `x-`)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_keyword_is_answered_with_the_closest_one() {
        for (keyword, closest) in [
            ("maxlenght", Some("maxLength")),
            ("Pattern", Some("pattern")),
            ("additionalProperty", Some("additionalProperties")),
            ("enumNames", None),
        ] {
            let what = unknown(keyword).expect("unknown");
            let hint = closest.map(|known| format!("did you mean `{known}`?"));
            assert_eq!(what.contains("did you mean"), hint.is_some(), "{what}");
            assert!(hint.is_none_or(|hint| what.contains(&hint)), "{what}");
        }
        for keyword in ["x-anything", "discriminator", "nullable", "$anchor", "additionalItems"] {
            assert_eq!(unknown(keyword), None);
        }
    }
}
