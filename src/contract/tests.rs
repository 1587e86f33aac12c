//! Contracts as people write them: files, references, combining keywords, recursion, size.

use std::fmt::Write as _;

use super::*;
use crate::clock::computed;
use crate::config::RowLayout;
use crate::row::{ColumnRules, ColumnType, Mode, TableSchema};

/// A contracts folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("temporary folder");
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        std::fs::write(path, text).expect("written");
    }
    dir
}

/// A document with one channel `C` and one message `M`, which has this payload.
fn document(payload: &str) -> String {
    format!(
        r#"{{"asyncapi":"3.0.0","info":{{"version":"1"}},"channels":{{"C":{{"address":"t",
            "messages":{{"M":{{"payload":{payload}}}}}}}}}}}"#
    )
}

/// A sink that accepts every name.
const COLUMN_RULES: ColumnRules = ColumnRules {
    name: str::to_owned,
    longest_name: 300,
    most_columns: 10_000,
    deepest_record: 15,
};

fn one(payload: &str) -> Contract {
    let dir = folder(&[("c.json", &document(payload))]);
    load(dir.path(), "contracts.c", "C", &[]).expect("loads")
}

fn kind(contract: &Contract, name: &str) -> (ColumnType, Mode) {
    let schema = contract.table_schema(RowLayout::Columns, &[], &COLUMN_RULES).expect("columns");
    let column = schema.column(name).unwrap_or_else(|| panic!("no column {name}"));
    (column.kind.clone(), column.mode)
}

#[test]
fn types_follow_the_schema() {
    let contract = one(r#"{"type":"object","properties":{
            "s":{"type":"string"},"i":{"type":"integer"},"n":{"type":"number"},"b":{"type":"boolean"},
            "ts":{"type":"string","format":"date-time"},"d":{"type":"string","format":"date"},
            "by":{"type":"string","contentEncoding":"base64"},"dec":{"type":"string","format":"decimal"},
            "o":{"type":"object"},"any":{},"two":{"type":["string","integer"]},
            "l":{"type":"array","items":{"type":"string"}},
            "ln":{"type":"array","items":{"type":["string","null"]}},
            "ll":{"type":"array","items":{"type":"array","items":{"type":"string"}}},
            "r":{"type":"object","properties":{"x":{"type":"integer"}}},
            "lr":{"type":"array","items":{"type":"object","properties":{"x":{"type":"integer"}}}},
            "over":{"type":"string","x-bigquery-type":"BIGNUMERIC"},
            "overl":{"type":"array","items":{"type":"string"},"x-bigquery-type":"JSON"}}}"#);
    use ColumnType as T;
    let record = || T::Record(vec![crate::row::Column::nullable("x", T::Int64)]);
    for (name, expected) in [
        ("s", (T::String, Mode::Nullable)),
        ("i", (T::Int64, Mode::Nullable)),
        ("n", (T::Float64, Mode::Nullable)),
        ("b", (T::Bool, Mode::Nullable)),
        ("ts", (T::Timestamp, Mode::Nullable)),
        ("d", (T::Date, Mode::Nullable)),
        ("by", (T::Bytes, Mode::Nullable)),
        ("dec", (T::Numeric, Mode::Nullable)),
        ("o", (T::Json, Mode::Nullable)),
        ("any", (T::Json, Mode::Nullable)),
        ("two", (T::Json, Mode::Nullable)),
        ("l", (T::String, Mode::Repeated)),
        ("ln", (T::Json, Mode::Nullable)),
        ("ll", (T::Json, Mode::Nullable)),
        ("r", (record(), Mode::Nullable)),
        ("lr", (record(), Mode::Repeated)),
        ("over", (T::BigNumeric, Mode::Nullable)),
        ("overl", (T::Json, Mode::Nullable)),
        ("_extra", (T::Json, Mode::Nullable)),
    ] {
        assert_eq!(kind(&contract, name), expected, "{name}");
    }
}

#[test]
fn references_are_followed_within_and_across_files() {
    let dir = folder(&[
        (
            "a/main.yaml",
            "asyncapi: 3.0.0\nchannels:\n  C:\n    address: t\n    messages:\n      M: {$ref: '../shared.yaml#/messages/M'}\n",
        ),
        (
            "shared.yaml",
            "messages:\n  M:\n    name: Named\n    payload: {$ref: 'types.json#/a~1b'}\n",
        ),
        (
            "types.json",
            r##"{"a/b":{"type":"object","properties":{"x":{"$ref":"#/x"}}},"x":{"type":"integer"}}"##,
        ),
    ]);
    let contract = load(dir.path(), "contracts.a.main", "C", &[]).expect("loads");
    assert_eq!(contract.events[0].name, "Named");
    assert_eq!(kind(&contract, "x").0, ColumnType::Int64);
}

#[test]
fn references_out_of_the_folder_are_refused() {
    for (reference, why) in [
        ("../outside.json#/x", "is outside the contracts folder"),
        ("inner/../../outside.json#/x", "is outside the contracts folder"),
        ("/etc/hostname#/x", "is outside the contracts folder"),
        ("https://example.org/x.json", "is not fetched"),
    ] {
        let payload =
            format!(r#"{{"type":"object","properties":{{"x":{{"$ref":"{reference}"}}}}}}"#);
        let dir = folder(&[
            ("outside.json", r#"{"x":{"type":"string"}}"#),
            ("contracts/c.json", &document(&payload)),
        ]);
        let contracts = dir.path().join("contracts");
        let error = load(&contracts, "contracts.c", "C", &[]).expect_err("refused");
        assert_eq!(error.problems.len(), 1, "{error}");
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn all_of_requires_any_of_does_not() {
    let contract = one(
        r#"{"allOf":[{"type":"object","required":["a"],"properties":{"a":{"type":"string"}}},
                     {"anyOf":[{"type":"object","required":["b"],"properties":{"b":{"type":"integer"}}},
                               {"type":"object","properties":{"c":{"type":"integer"}}}]}]}"#,
    );
    let SchemaKind::Object(fields) = &contract.events[0].schema.kind else { panic!("an object") };
    let required =
        |name: &str| fields.iter().find(|field| field.name == name).map(|field| field.required);
    assert_eq!(required("a"), Some(true));
    assert_eq!((required("b"), required("c")), (Some(false), Some(false)));
    assert_eq!(contract.events[0].validation, Validation::Always);
}

#[test]
fn null_as_an_alternative_makes_a_field_nullable() {
    let contract = one(
        r#"{"type":"object","required":["a"],"properties":{"a":{"anyOf":[{"type":"string"},{"type":"null"}]}}}"#,
    );
    assert_eq!(kind(&contract, "a").0, ColumnType::String);
    let SchemaKind::Object(fields) = &contract.events[0].schema.kind else { panic!("an object") };
    assert!(fields[0].schema.nullable);
}

#[test]
fn a_field_with_two_types_becomes_json_and_records_are_joined() {
    let text = r#"{"asyncapi":"3.0.0","channels":{"C":{"address":"t","messages":{
        "A":{"payload":{"type":"object","properties":{"x":{"type":"string"},"r":{"type":"object","properties":{"a":{"type":"string"}}}}}},
        "B":{"payload":{"type":"object","properties":{"x":{"type":"integer"},"r":{"type":"object","properties":{"b":{"type":"string"}}}}}}}}}}"#;
    let dir = folder(&[("c.json", text)]);
    let contract = load(dir.path(), "contracts.c", "C", &[]).expect("loads");
    assert_eq!(kind(&contract, "x"), (ColumnType::Json, Mode::Nullable));
    let (ColumnType::Record(fields), _) = kind(&contract, "r") else { panic!("a record") };
    assert_eq!(fields.len(), 2);
}

#[test]
fn a_recursive_field_becomes_json() {
    let text = r##"{"asyncapi":"3.0.0","channels":{"C":{"address":"t","messages":{"M":{"payload":{"$ref":"#/s/Tree"}}}}},
        "s":{"Tree":{"type":"object","properties":{"name":{"type":"string"},"children":{"type":"array","items":{"$ref":"#/s/Tree"}},"peer":{"$ref":"#/s/Peer"}}},
             "Peer":{"type":"object","properties":{"tree":{"$ref":"#/s/Tree"}}}}}"##;
    let dir = folder(&[("c.json", text)]);
    let contract = load(dir.path(), "contracts.c", "C", &[]);
    let contract = contract.expect("the payload itself may be recursive");
    assert_eq!(kind(&contract, "name").0, ColumnType::String);
    assert_eq!(kind(&contract, "children"), (ColumnType::Json, Mode::Nullable));
    assert_eq!(kind(&contract, "peer").0, ColumnType::Json);
    jsonschema::validator_for(&contract.events[0].json_schema).expect("compiles");
}

#[test]
fn a_payload_that_only_refers_to_itself_is_a_problem() {
    let text = r##"{"asyncapi":"3.0.0","channels":{"C":{"address":"t","messages":{"M":{"payload":{"$ref":"#/s/A"}}}}},"s":{"A":{"$ref":"#/s/A"}}}"##;
    let dir = folder(&[("c.json", text)]);
    let error = load(dir.path(), "contracts.c", "C", &[]).expect_err("refused").to_string();
    assert!(error.contains("circle"), "{error}");
}

#[test]
fn large_contracts_load_fast_and_doubling_references_are_refused() {
    let mut schemas = String::new();
    let mut messages = String::new();
    for event in 0..60 {
        let mut fields = String::new();
        for field in 0..60 {
            let text = r#""type":"string","description":"a field that somebody described at some length, as people do""#;
            write!(fields, r#""field_{event}_{field}":{{{text}}},"#).expect("text");
        }
        let next = (event + 1) % 60;
        write!(schemas, r##""S{event}":{{"type":"object","properties":{{{fields}"next":{{"$ref":"#/s/S{next}"}}}}}},"##).expect("text");
        write!(messages, r##""E{event}":{{"payload":{{"type":"object","properties":{{"s":{{"$ref":"#/s/S{event}"}},"id":{{"type":"string"}}}}}}}},"##).expect("text");
    }
    let text = format!(
        r#"{{"asyncapi":"3.0.0","channels":{{"C":{{"address":"t","messages":{{{}}}}}}},"s":{{{}}}}}"#,
        messages.trim_end_matches(','),
        schemas.trim_end_matches(',')
    );
    assert!(text.len() > 400_000, "{} bytes", text.len());
    let dir = folder(&[("big.json", &text)]);
    let began = computed();
    let contract = load(dir.path(), "contracts.big", "C", &[]).expect("loads");
    assert_eq!(contract.events.len(), 60);
    contract.table_schema(RowLayout::Columns, &[], &COLUMN_RULES).expect("columns");
    let took = computed() - began;
    assert!(took.as_secs() < 20, "took {took:?}");

    let mut doubling = String::new();
    for level in 0..40 {
        let next = level + 1;
        write!(
            doubling,
            r##""L{level}":{{"allOf":[{{"$ref":"#/s/L{next}"}},{{"$ref":"#/s/L{next}"}}]}},"##
        )
        .expect("text");
    }
    let text = format!(
        r##"{{"asyncapi":"3.0.0","channels":{{"C":{{"address":"t","messages":{{"M":{{"payload":{{"$ref":"#/s/L0"}}}}}}}}}},"s":{{{doubling}"L40":{{"type":"object"}}}}}}"##
    );
    let dir = folder(&[("doubling.json", &text)]);
    let error = load(dir.path(), "contracts.doubling", "C", &[]).expect_err("ends");
    assert!(error.to_string().contains("fields and items"), "{error}");
}

#[test]
fn all_problems_are_reported_together_with_their_places() {
    let text = r##"{"asyncapi":"3.0.0","channels":{"C":{"x-event-type":"$message.body","messages":{
        "A":{"payload":{"$ref":"#/nowhere"}},"B":{},"D":{"payload":{"type":"string"}}}}}}"##;
    let dir = folder(&[("c.json", text)]);
    let error = load(dir.path(), "contracts.c", "C", &[]).expect_err("refused");
    let report = error.to_string();
    for part in ["address", "x-event-type", "/nowhere", "no `payload`", "has to be an object"] {
        assert!(report.contains(part), "{part} in {report}");
    }
}

#[test]
fn a_value_that_yaml_does_not_read_as_text_is_a_problem() {
    let text = "asyncapi: 3.0.0\ninfo: {version: 1.0}\nchannels:\n  C:\n    address: 7\n    x-event-type: 5\n    messages:\n      M: {name: 1001, payload: {type: object}}\n      N: {payload: {schemaFormat: 3, schema: {type: object}}}\n      O: {$ref: 4}\n";
    let dir = folder(&[
        ("c.yaml", text),
        ("d.yaml", "asyncapi: 3.0"),
        ("e.yaml", "asyncapi: 3.0.0\nchannels: {C: {address: t, messages: [1]}}"),
    ]);
    let report = load(dir.path(), "contracts.c", "C", &[]).expect_err("refused").to_string();
    for place in [
        "c.yaml#/info/version: `version` is 1.0,",
        "c.yaml#/channels/C/address: `address` is 7,",
        "c.yaml#/channels/C/x-event-type: `x-event-type` is 5,",
        "c.yaml#/channels/C/messages/M/name: `name` is 1001,",
        "c.yaml#/channels/C/messages/N/payload/schemaFormat: `schemaFormat` is 3,",
    ] {
        assert!(
            report.contains(&format!("{place} which is not a text: write it in quotes")),
            "{report}"
        );
    }
    assert!(
        report.contains("c.yaml#/channels/C/messages/O/$ref: $ref is not a string"),
        "{report}"
    );
    assert_eq!(report.lines().count(), 6, "{report}");
    let report = load(dir.path(), "contracts.d", "C", &[]).expect_err("refused").to_string();
    assert_eq!(
        report,
        "d.yaml#/asyncapi: `asyncapi` is 3.0, which is not a text: write it in quotes"
    );
    let report = load(dir.path(), "contracts.e", "C", &[]).expect_err("refused").to_string();
    assert!(
        report.contains("e.yaml#/channels/C/messages: `messages` has to be an object"),
        "{report}"
    );
}

#[test]
fn fields_whose_names_collide_have_distinct_columns() {
    let contract = one(
        r#"{"type":"object","properties":{"Id":{"type":"string"},"id":{"type":"string"},"_kafka_offset":{"type":"integer"}}}"#,
    );
    let schema = contract.table_schema(RowLayout::Columns, &[], &COLUMN_RULES).expect("columns");
    let renamed = schema.renamed();
    let fields: Vec<&str> = renamed.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["Id", "id", "_kafka_offset"]);
    for (field, column) in &renamed {
        assert!(column.starts_with(&format!("{field}_")), "{column}");
    }
    assert_eq!(schema.columns.len(), TableSchema::position_columns().len() + 4);
}

#[test]
fn chosen_names_that_collide_are_problems_and_the_columns_are_still_returned() {
    let contract = one(
        r#"{"type":"object","properties":{"a":{"type":"string","x-bigquery-name":"c"},"b":{"type":"string","x-bigquery-name":"C"},
            "d":{"type":"object","properties":{"e":{"type":"string","x-bigquery-name":"chosen"}}}}}"#,
    );
    let error = contract.table_schema(RowLayout::Columns, &[], &COLUMN_RULES).expect_err("refused");
    assert_eq!(error.problems.len(), 1, "{error}");
    assert!(error.derived.column("_ingested_at").is_some());
    assert_eq!(
        error.derived.renamed(),
        [("a", "c"), ("b", "C"), ("d.e", "d.chosen")].map(|(a, b)| (a.to_owned(), b.to_owned()))
    );
    assert!(contract.table_schema(RowLayout::Envelope, &[], &COLUMN_RULES).is_ok());
}

#[test]
fn an_ignored_event_type_does_not_shape_columns() {
    let text = r#"{"asyncapi":"3.0.0","channels":{"C":{"address":"t","messages":{
        "A":{"payload":{"type":"object","required":["x"],"properties":{"x":{"type":"string"}}}},
        "B":{"payload":{"type":"object","properties":{"x":{"type":"integer"},"y":{"type":"string"}}}}}}}}"#;
    let dir = folder(&[("c.json", text)]);
    let contract = load(dir.path(), "contracts.c", "C", &[]).expect("loads");
    let ignored = ["B".to_owned()];
    let rules = &COLUMN_RULES;
    let schema = contract.table_schema(RowLayout::Columns, &ignored, rules).expect("columns");
    let column = schema.column("x").expect("a column");
    assert_eq!((&column.kind, column.required), (&ColumnType::String, true));
    assert!(schema.column("y").is_none());
    let schema = contract.table_schema(RowLayout::Columns, &[], rules).expect("columns");
    let column = schema.column("x").expect("a column");
    assert_eq!((&column.kind, column.required), (&ColumnType::Json, false));
}

#[test]
fn the_mistakes_of_an_ignored_event_type_are_none() {
    let messages = r##"
        "A":{"payload":{"type":"object","properties":{"event_type":{"type":"string"}}}},
        "Wrong":{"payload":{"type":"string","pattern":"("}},
        "Empty":{},
        "key":{"name":"Named","payload":{"$ref":"#/nowhere"}},
        "again":{"name":"Named"}"##;
    let text = format!(
        r#"{{"asyncapi":"3.0.0","channels":{{"C":{{"address":"t","messages":{{{messages}}}}}}}}}"#
    );
    let dir = folder(&[("c.json", &text)]);
    let ignored = ["Wrong", "Empty", "Named", "NotInTheContract"].map(str::to_owned);
    let contract = load(dir.path(), "contracts.c", "C", &ignored).expect("loads");
    let names: Vec<&str> = contract.events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["A"]);
    let error = load(dir.path(), "contracts.c", "C", &ignored[1..]).expect_err("refused");
    assert!(error.to_string().contains("messages/Wrong/payload"), "{error}");
    let all = [&ignored[..], &["A".to_owned()]].concat();
    let contract = load(dir.path(), "contracts.c", "C", &all).expect("nothing but ignored events");
    assert!(contract.events.is_empty());

    // A message that leads nowhere has no name by which it could be ignored.
    let nameless = text.replace(r#""Empty":{}"#, r##""Empty":{"$ref":"#/nowhere"}"##);
    let dir = folder(&[("c.json", &nameless)]);
    let error = load(dir.path(), "contracts.c", "C", &ignored).expect_err("refused");
    assert!(error.to_string().contains("messages/Empty"), "{error}");
}

#[test]
fn ignored_event_types_do_not_count_in_the_limits() {
    let mut messages = String::new();
    for event in 0..300 {
        write!(messages, r##""E{event}":{{"payload":{{"$ref":"#/s/S"}}}},"##).expect("text");
    }
    let mut fields = String::new();
    for field in 0..2_000 {
        write!(fields, r#""f{field}":{{"type":"string"}},"#).expect("text");
    }
    let text = format!(
        r#"{{"asyncapi":"3.0.0","channels":{{"C":{{"address":"t","messages":{{{}}}}}}},"s":{{"S":{{"type":"object","properties":{{{}}}}}}}}}"#,
        messages.trim_end_matches(','),
        fields.trim_end_matches(',')
    );
    let dir = folder(&[("c.json", &text)]);
    let ignored: Vec<String> = (0..250).map(|event| format!("E{event}")).collect();
    let contract = load(dir.path(), "c", "C", &ignored).expect("within the limits");
    assert_eq!(contract.events.len(), 50);
    assert!(load(dir.path(), "c", "C", &[]).is_err());
}

#[test]
fn a_column_is_required_if_every_event_has_a_value() {
    let contract = one(
        r#"{"type":"object","required":["a","b","r"],"properties":{"a":{"type":"string"},"b":{"type":["string","null"]},
            "c":{"type":"string"},"r":{"type":"object","required":["x"],"properties":{"x":{"type":"string"},"y":{"type":"string"}}}}}"#,
    );
    let schema = contract.table_schema(RowLayout::Columns, &[], &COLUMN_RULES).expect("columns");
    let required = |columns: &[crate::row::Column]| -> Vec<String> {
        let required = columns.iter().filter(|column| column.required);
        required.map(|column| column.name.clone()).collect()
    };
    let positions = required(&TableSchema::position_columns());
    assert_eq!(
        required(&schema.columns),
        [positions, vec!["a".to_owned(), "r".to_owned()]].concat()
    );
    let Some(ColumnType::Record(fields)) = schema.column("r").map(|r| &r.kind) else {
        panic!("a record")
    };
    assert_eq!(required(fields), ["x"]);
}

#[test]
fn a_contract_beyond_the_limits_is_refused_at_once() {
    let began = computed();
    let large = format!("{{\"x\":\"{}\"}}", "x".repeat(17 << 20));
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let mut fields = String::new();
    for field in 0..9_000 {
        write!(fields, r#""f{field}":{{"type":"string","maxLength":9}},"#).expect("text");
    }
    let mut messages = String::new();
    for event in 0..300 {
        write!(messages, r##""E{event}":{{"payload":{{"$ref":"#/s/S"}}}},"##).expect("text");
    }
    let many = format!(
        r#"{{"asyncapi":"3.0.0","channels":{{"C":{{"address":"t","messages":{{{}}}}}}},"s":{{"S":{{"type":"object","properties":{{{}}}}}}}}}"#,
        messages.trim_end_matches(','),
        fields.trim_end_matches(',')
    );
    let dir = folder(&[("large.json", &large), ("deep.json", &deep), ("many.json", &many)]);
    for (name, part) in
        [("large", "a document may have"), ("deep", "127 levels"), ("many", "200000 fields")]
    {
        let error = load(dir.path(), name, "C", &[]).expect_err("refused");
        assert_eq!(error.problems.len(), 1, "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
    let took = computed() - began;
    assert!(took.as_secs() < 20, "took {took:?}");
}

#[test]
fn references_that_lead_too_deep_are_refused() {
    for (links, fits) in [(150, true), (500, false)] {
        let mut schemas = String::new();
        for link in 0..links {
            let next = link + 1;
            write!(
                schemas,
                r##""L{link}":{{"type":"object","properties":{{"n":{{"$ref":"#/s/L{next}"}}}}}},"##
            )
            .expect("text");
        }
        let text = format!(
            r##"{{"asyncapi":"3.0.0","channels":{{"C":{{"address":"t","messages":{{"M":{{"payload":{{"$ref":"#/s/L0"}}}}}}}}}},"s":{{{schemas}"L{links}":{{"type":"object"}}}}}}"##
        );
        let dir = folder(&[("c.json", &text)]);
        let loaded = load(dir.path(), "c", "C", &[]);
        assert_eq!(loaded.is_ok(), fits, "{links}: {:?}", loaded.as_ref().err());
        assert!(fits || loaded.is_err_and(|error| error.to_string().contains("nest deeper than")));
    }
}

/// A link may lead to another file of the folder, as in a mounted volume, and nowhere else; what is no
/// file is not opened, because opening a pipe may never end.
#[cfg(unix)]
#[test]
fn only_plain_files_of_the_folder_are_read() {
    use std::os::unix::fs::symlink;

    let schema = r#"{"type":"object","properties":{"e":{"type":"string"}}}"#;
    let text = |file: &str| {
        format!(
            r#"{{"asyncapi":"3.0.0","channels":{{"C":{{"address":"t","messages":{{"M":{{"payload":{{"$ref":"{file}"}}}}}}}}}}}}"#
        )
    };
    let outside = folder(&[("secret.json", schema)]);
    let dir = folder(&[
        ("inside.json", &text("link.json")),
        ("outside.json", &text("out.json")),
        ("through.json", &text("way/secret.json")),
        ("folder.json", &text("way.json")),
        ("pipe.json", &text("fifo.json")),
        ("real.json", schema),
    ]);
    symlink("real.json", dir.path().join("link.json")).unwrap();
    symlink(outside.path().join("secret.json"), dir.path().join("out.json")).unwrap();
    symlink(outside.path(), dir.path().join("way")).unwrap();
    std::fs::create_dir(dir.path().join("way.json")).unwrap();
    let fifo = dir.path().join("fifo.json");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    load(dir.path(), "inside", "C", &[]).expect("a link within the folder");
    for (document, expected) in [
        ("outside", "leads out of the contracts folder"),
        ("through", "leads out of the contracts folder"),
        ("folder", "is not a file"),
        ("pipe", "is not a file"),
    ] {
        let error = load(dir.path(), document, "C", &[]).expect_err(document);
        assert!(error.to_string().contains(expected), "{document}: {error}");
    }
    // The folder itself may be a link.
    let link = outside.path().join("contracts");
    symlink(dir.path(), &link).unwrap();
    load(&link, "inside", "C", &[]).expect("the folder is a link");
}

/// Whatever keyword a chain of references goes through, its end is a mistake and not a stack overflow.
#[test]
fn chains_of_references_through_any_keyword_have_an_end() {
    for keyword in [
        "additionalProperties",
        "allOf",
        "contains",
        "if",
        "items",
        "not",
        "patternProperties",
        "prefixItems",
        "propertyNames",
        "unevaluatedProperties",
    ] {
        for (links, fits) in [(40, true), (20_000, false)] {
            let schemas: Vec<String> = (0..links)
                .map(|link| {
                    let next = format!(r##"{{"$ref":"#/s/L{}"}}"##, link + 1);
                    let next = match keyword {
                        "allOf" | "prefixItems" => format!("[{next}]"),
                        "patternProperties" => format!(r#"{{"x":{next}}}"#),
                        _ => next,
                    };
                    format!(r#""L{link}":{{"{keyword}":{next}}}"#)
                })
                .collect();
            let payload = r##"{"type":"object","properties":{"e":{"type":"string"},"x":{"type":"object",
                "additionalProperties":{"$ref":"#/s/L0"}}}}"##;
            let text = format!(
                r#"{{"asyncapi":"3.0.0","channels":{{"C":{{"address":"t","messages":{{"M":{{"payload":{payload}}}}}}}}},"s":{{{},"L{links}":{{}}}}}}"#,
                schemas.join(",")
            );
            let dir = folder(&[("c.json", &text)]);
            let loaded = load(dir.path(), "c", "C", &[]);
            assert_eq!(loaded.is_ok(), fits, "{keyword} {links}: {:?}", loaded.as_ref().err());
            let is_about_depth = |error: ContractError| error.to_string().contains("1000 levels");
            assert!(fits || loaded.is_err_and(is_about_depth), "{keyword}");
        }
    }
}

#[test]
fn a_thousand_parts_of_a_thousand_fields_are_joined_at_once() {
    let parts: Vec<String> = (0..1_000)
        .map(|part| {
            let fields: Vec<String> =
                (0..90).map(|field| format!(r#""f{part}_{field}":{{"type":"string"}}"#)).collect();
            format!(r#"{{"type":"object","properties":{{{}}}}}"#, fields.join(","))
        })
        .collect();
    let began = computed();
    for keyword in ["allOf", "oneOf"] {
        let contract = one(&format!(r#"{{"type":"object","{keyword}":[{}]}}"#, parts.join(",")));
        let SchemaKind::Object(fields) = &contract.events[0].schema.kind else { panic!("object") };
        assert_eq!(fields.len(), 90_000);
        assert_eq!((fields[0].name.as_str(), fields[89_999].name.as_str()), ("f0_0", "f999_89"));
    }
    let took = computed() - began;
    assert!(took.as_secs() < 20, "took {took:?}");
}

#[test]
fn a_sink_s_rules_decide_about_names_depth_and_number_of_columns() {
    let contract = one(r#"{"type":"object","properties":{"a-b":{"type":"object","properties":{
            "c":{"type":"object","properties":{"d":{"type":"string"}}}}}}}"#);
    let rules = ColumnRules {
        name: |field| field.replace('-', "_"),
        most_columns: 13,
        deepest_record: 1,
        ..COLUMN_RULES
    };
    let schema = contract.table_schema(RowLayout::Columns, &[], &rules).expect("columns");
    let column = schema.column("a_b").expect("the changed name");
    assert_eq!(column.source, "a-b");
    let inner = vec![crate::row::Column::nullable("c", ColumnType::Json)];
    assert_eq!(column.kind, ColumnType::Record(inner));

    // Ten position columns, `a_b`, `a_b.c` and `_extra` are thirteen.
    let rules = ColumnRules { most_columns: 12, ..rules };
    let error = contract.table_schema(RowLayout::Columns, &[], &rules).expect_err("too many");
    assert!(error.to_string().contains("13 columns"), "{error}");
}

#[test]
fn a_wrong_path_or_channel_is_reported_with_the_choices() {
    let dir = folder(&[("c.json", &document(r#"{"type":"object"}"#))]);
    let error = load(dir.path(), "contracts.missing", "C", &[]).expect_err("refused").to_string();
    assert!(error.contains("missing.yaml") && error.contains("missing.json"), "{error}");
    let error = load(dir.path(), "contracts.c", "X", &[]).expect_err("refused").to_string();
    assert!(error.contains("it has C"), "{error}");
}
