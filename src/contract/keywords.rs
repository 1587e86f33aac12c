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
pub(super) const DROPPED: &[&str] =
    &["$id", "id", "$schema", "$anchor", "$defs", "definitions", "$comment", "contentSchema"];

/// Keywords that say nothing about which values are valid.
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
