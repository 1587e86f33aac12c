//! Which schemas and which schema changes BigQuery refuses.

use serde_json::json;

use super::*;

fn parsed(fields: &Value) -> Result<Vec<FieldSchema>, String> {
    parse(fields.as_array().expect("an array"))
}

fn refused(fields: &Value) -> String {
    parsed(fields).expect_err("refused")
}

#[test]
fn types_have_two_names_and_the_default_mode_is_nullable() {
    let fields = json!([
        { "name": "a", "type": "INT64" },
        { "name": "b", "type": "integer", "mode": "REQUIRED" },
        { "name": "r", "type": "STRUCT", "mode": "repeated", "fields": [
            { "name": "x", "type": "BOOL" },
        ]},
    ]);
    let columns = parsed(&fields).expect("parses");
    assert_eq!((columns[0].kind, columns[0].mode), (FieldType::Integer, FieldMode::Nullable));
    assert_eq!((columns[1].kind, columns[1].mode), (FieldType::Integer, FieldMode::Required));
    assert_eq!((columns[2].kind, columns[2].mode), (FieldType::Record, FieldMode::Repeated));
    assert_eq!(columns[2].fields[0].kind, FieldType::Boolean);
}

#[test]
fn reserved_names_are_refused_whatever_their_case() {
    for name in [
        "_PARTITIONTIME",
        "_partition",
        "_TABLE_SUFFIX",
        "_File_name",
        "_ROW_TIMESTAMP",
        "__root__x",
        "_colidentifier_1",
        "_CHANGE_TYPE",
    ] {
        let error = refused(&json!([{ "name": name, "type": "STRING" }]));
        assert!(error.contains("not allowed to start with"), "{name}: {error}");
    }
    // Other names may begin with an underscore.
    parsed(&json!([{ "name": "_kafka_offset", "type": "INT64" }])).expect("parses");
}

#[test]
fn names_are_up_to_300_letters_digits_and_underscores_and_unique_ignoring_case() {
    for name in ["", "1st", "with-hyphen", "with space", "straße", &"x".repeat(301)] {
        let error = refused(&json!([{ "name": name, "type": "STRING" }]));
        assert!(error.contains("Invalid field name"), "{name}: {error}");
    }
    parsed(&json!([{ "name": "x".repeat(300), "type": "STRING" }])).expect("300 characters");
    let twice =
        json!([{ "name": "Amount", "type": "STRING" }, { "name": "aMOUNT", "type": "STRING" }]);
    assert!(refused(&twice).contains("Duplicate field name"));
}

#[test]
fn records_nest_up_to_15_levels_and_only_records_have_fields() {
    let nested = |depth: usize| {
        (0..depth).fold(
            json!({ "name": "leaf", "type": "STRING" }),
            |inner, _| json!({ "name": "r", "type": "RECORD", "fields": [inner] }),
        )
    };
    parsed(&json!([nested(15)])).expect("15 levels");
    assert!(refused(&json!([nested(16)])).contains("deeper"));
    assert!(refused(&json!([{ "name": "r", "type": "RECORD" }])).contains("no schema"));
    let scalar =
        json!([{ "name": "s", "type": "STRING", "fields": [{ "name": "x", "type": "STRING" }] }]);
    assert!(refused(&scalar).contains("nested fields"));
    assert!(refused(&json!([{ "name": "s", "type": "TEXT" }])).contains("not a valid value"));
}

#[test]
fn a_schema_can_only_get_columns_and_relax_modes() {
    let before = json!([
        { "name": "id", "type": "STRING", "mode": "REQUIRED" },
        { "name": "n", "type": "INT64" },
        { "name": "r", "type": "RECORD", "fields": [{ "name": "x", "type": "STRING" }] },
    ]);
    let change = |edit: &dyn Fn(&mut Vec<Value>)| {
        let mut after = before.as_array().expect("an array").clone();
        edit(&mut after);
        let (before, after) = (parsed(&before).expect("parses"), parse(&after).expect("parses"));
        change_refusal(&before, &after, "")
    };
    assert_eq!(change(&|_| ()), None);
    assert_eq!(change(&|fields| fields.push(json!({ "name": "new", "type": "JSON" }))), None);
    assert_eq!(change(&|fields| fields[0]["mode"] = json!("NULLABLE")), None);
    assert_eq!(
        change(&|fields| fields.push(json!({ "name": "new", "type": "RECORD", "fields": [
            { "name": "x", "type": "STRING", "mode": "REQUIRED" }
        ]}))),
        None,
        "a new RECORD may have required fields"
    );
    for (edit, expected) in [
        (
            &(|fields: &mut Vec<Value>| drop(fields.remove(1))) as &dyn Fn(&mut Vec<Value>),
            "Field n is missing in new schema",
        ),
        (
            &|fields| fields[1]["type"] = json!("STRING"),
            "Field n has changed type from INTEGER to STRING",
        ),
        (
            &|fields| fields[1]["mode"] = json!("REQUIRED"),
            "Field n has changed mode from NULLABLE to REQUIRED",
        ),
        (
            &|fields| fields[1]["mode"] = json!("REPEATED"),
            "Field n has changed mode from NULLABLE to REPEATED",
        ),
        (
            &|fields| fields[2]["fields"] = json!([{ "name": "y", "type": "STRING" }]),
            "Field r.x is missing in new schema",
        ),
        (
            &|fields| fields.push(json!({ "name": "new", "type": "STRING", "mode": "REQUIRED" })),
            "Cannot add required fields to an existing schema. (field: new)",
        ),
    ] {
        assert_eq!(change(edit).as_deref(), Some(expected));
    }
}
