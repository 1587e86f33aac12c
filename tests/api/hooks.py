"""What JSON Schema and the contracts see differently (docs/reference/contracts.md), so that schemathesis
does not call it a mistake."""

import hypothesis
import schemathesis

# On a build server (CI is set) hypothesis loads another profile, which wins over schemathesis' options.
hypothesis.settings.load_profile("default")

# The others are annotations.
CHECKED_FORMATS = ("date-time", "date", "decimal")


def without_formats(schema):
    if isinstance(schema, list):
        for item in schema:
            without_formats(item)
    elif isinstance(schema, dict):
        if isinstance(schema.get("format"), str) and schema["format"] not in CHECKED_FORMATS:
            del schema["format"]
        for member in schema.values():
            without_formats(member)


def has_null(value):
    if isinstance(value, dict):
        return any(has_null(member) for member in value.values())
    if isinstance(value, list):
        return any(has_null(item) for item in value)
    return value is None


@schemathesis.hook
def before_load_schema(context, raw_schema):
    without_formats(raw_schema)


# An optional field that is null counts as missing.
@schemathesis.hook
def filter_body(context, body):
    return not has_null(body)


@schemathesis.hook
def filter_case(context, case):
    return not has_null(case.body)
