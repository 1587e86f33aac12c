//! The binary's exit codes, and what it prints on which stream.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Instant;

const VALID: &str = "\
BQ_TABLE_DELIVERY='t'
IMPORT_PATH_DELIVERY='contracts.delivery.delivery_events_v10'
IMPORT_OBJECT_DELIVERY='DeliveryEventsV10Topic'
CONSUME_ENV_DELIVERY='prod'
GROUP_ID_DELIVERY='g'
WRITE_ENV='prod'
CONSUME__PROD__BOOTSTRAP_SERVERS='prod1:9092'
CONSUME__PROD__PROPERTIES__SASL_PASSWORD='hunter2'
WRITE__PROD__PROJECT='p-project'
WRITE__PROD__DATASET='d'
";

/// The repository's contracts, as an absolute path because the tests run in other folders.
const CONTRACTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/contracts");

fn folder(env: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(".env"), env).expect("written");
    folder
}

pub fn generic_consumer(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_generic-consumer"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("CONTRACTS_DIR", CONTRACTS)
        .envs(variables.iter().copied())
        .output()
        .expect("the binary starts")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[test]
fn config_shows_every_value_with_layer_and_place() {
    let folder = folder(VALID);
    std::fs::write(folder.path().join("more.yaml"), "# more\nBATCH_ROWS: 0_7\n").expect("written");
    let arguments = ["config", "delivery", "--config", "more.yaml"];
    let output = generic_consumer(folder.path(), &arguments, &[("WRITE__PROD__DATASET", "e")]);
    let (page, errors) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let row = |key: &str| -> Vec<String> {
        let line = page.lines().find(|line| line.starts_with(&format!("{key} ")));
        let line = line.unwrap_or_else(|| panic!("{key} is missing in\n{page}"));
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
    };
    assert_eq!(row("BQ_TABLE_DELIVERY"), ["BQ_TABLE_DELIVERY", "t", ".env file", ".env:1"]);
    assert_eq!(row("BATCH_ROWS"), ["BATCH_ROWS", "0_7", "configuration file", "more.yaml:2"]);
    assert_eq!(row("WRITE__PROD__DATASET")[1..3], ["e", "environment"]);
    assert_eq!(row("DRAIN_SECONDS"), ["DRAIN_SECONDS", "20", "default", "built in"]);
    assert_eq!(row("CONSUME__PROD__PROPERTIES__SASL_PASSWORD")[1], "[redacted]");
    assert!(!page.contains("hunter2"), "{page}");
    let last = page.lines().last().unwrap_or_default();
    let location = "the event type is read from the payload's field /event_type\n";
    assert!(page.contains(location), "{page}");
    assert!(last.starts_with("DELIVERY reads "), "{last}");
    assert!(last.ends_with(" columns to p-project.e.t"), "{last}");
}

#[test]
fn dead_letters_do_not_go_to_the_topic_that_the_domain_reads() {
    let config = folder(VALID);
    let output = generic_consumer(config.path(), &["config", "DELIVERY"], &[]);
    let outcome = text(&output.stdout).lines().last().map(str::to_owned);
    let outcome = outcome.expect("DELIVERY reads TOPIC (…) and writes …");
    let topic = outcome.split(' ').nth(2).expect("a topic");
    let target = format!("kafka:{topic}");
    for command in ["config DELIVERY", "DELIVERY --until-caught-up"] {
        let arguments: Vec<&str> = command.split(' ').collect();
        let letters = [("DEAD_LETTER", target.as_str())];
        let output = generic_consumer(config.path(), &arguments, &letters);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{command}: {errors}");
        let expected = format!("DEAD_LETTER names {topic}, the topic that this domain reads");
        assert!(errors.contains(&expected), "{command}: {errors}");
        assert!(errors.contains("name a topic of their own"), "{command}: {errors}");
    }
}

/// Ends after thirty seconds, in which librdkafka logs hundreds of lines about the broker.
#[test]
fn produce_gives_up_when_the_broker_is_down() {
    let folder = folder(&VALID.replace("prod1:9092", "127.0.0.1:1"));
    let sample = "contracts/delivery/delivery_events_v10/accept/assigned.json";
    let sample = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(sample));
    let event: serde_json::Value = serde_json::from_str(&sample.expect("a sample")).expect("JSON");
    std::fs::write(folder.path().join("events.ndjson"), format!("{event}\n{event}\n")).unwrap();
    let began = Instant::now();
    let output = generic_consumer(folder.path(), &["produce", "DELIVERY", "events.ndjson"], &[]);
    let took = began.elapsed();
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{errors}");
    assert!((30..50).contains(&took.as_secs()), "{took:?}");
    for part in ["127.0.0.1:1 acknowledged nothing for 30 s", "0 of 2 events", "may have arrived"] {
        assert!(errors.contains(part), "no {part:?} in\n{errors}");
    }
    let logged = errors.lines().filter(|line| line.starts_with('{'));
    let lines: Vec<serde_json::Value> =
        logged.map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
    let is_refusal = |line: &&serde_json::Value| {
        let message = line["message"].as_str().expect("a message");
        message.starts_with("librdkafka: FAIL") && message.contains("Connection refused")
    };
    // The second one when the thirty seconds end.
    assert!((1..=2).contains(&lines.iter().filter(is_refusal).count()), "{errors}");
    assert!(lines.iter().any(|line| line["times"].as_u64() > Some(20)), "{errors}");
    assert!(lines.len() <= 16, "{errors}");
}

#[test]
fn a_wrong_configuration_exits_with_1_and_every_mistake() {
    let folder = folder(&VALID.replace("BQ_TABLE", "BQ_TABEL").replace("prod1:9092", "prod1:x"));
    for arguments in [
        &["config", "DELIVERY"][..],
        &["DELIVERY"],
        &["run", "DELIVERY"],
        &["produce", "DELIVERY", "-"],
    ] {
        let output = generic_consumer(folder.path(), arguments, &[]);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {errors}");
        assert!(output.stdout.is_empty());
        for part in [
            "error: the configuration of DELIVERY has 3 mistakes",
            "BQ_TABEL_DELIVERY\n    where     .env:1",
            "BQ_TABLE_DELIVERY\n    where     not set in any layer",
            "`prod1:x`",
            "hint: ",
        ] {
            assert!(errors.contains(part), "{part:?} is missing in\n{errors}");
        }
        assert!(!errors.contains("hunter2"), "{errors}");
    }
}

#[test]
fn config_reports_a_wrong_partition_column_with_the_contracts_problems() {
    let folder = folder(VALID);
    let document = r#"{"asyncapi":"3.0.0","channels":{"C":{"address":"t","messages":{"M":{"payload":
        {"type":"object","properties":{"event_type":{},"id":{"type":"string"},"a":{"type":"string","x-bigquery-name":"c"},
        "b":{"type":"string","x-bigquery-name":"c"}}}}}}}}"#;
    std::fs::write(folder.path().join("c.json"), document).expect("written");
    let variables = [
        ("CONTRACTS_DIR", "."),
        ("IMPORT_PATH_DELIVERY", "contracts.c"),
        ("IMPORT_OBJECT_DELIVERY", "C"),
        ("PARTITION_BY_DELIVERY", "id"),
    ];
    let output = generic_consumer(folder.path(), &["config", "DELIVERY"], &variables);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    for part in ["has 2 mistakes", "would be the same column", "id is a STRING column"] {
        assert!(errors.contains(part), "{part:?} is missing in\n{errors}");
    }
}

#[test]
fn config_shows_fields_whose_columns_have_another_name() {
    let folder = folder(VALID);
    let document = r#"{"asyncapi":"3.0.0","channels":{"C":{"address":"t","messages":{"M":{"payload":
        {"type":"object","properties":{"event_type":{"type":"string"},"r":{"type":"object","properties":
        {"+1":{"type":"integer"},"-1":{"type":"integer"},"größe":{"type":"integer"}}}}}}}}}}"#;
    std::fs::write(folder.path().join("c.json"), document).expect("written");
    let variables = [
        ("CONTRACTS_DIR", "."),
        ("IMPORT_PATH_DELIVERY", "contracts.c"),
        ("IMPORT_OBJECT_DELIVERY", "C"),
    ];
    let output = generic_consumer(folder.path(), &["config", "DELIVERY"], &variables);
    let page = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for mapping in [
        "the field r.+1 is written to the column r._1_18dc1b01",
        "the field r.-1 is written to the column r._1_14cd0a2b",
        "the field r.größe is written to the column r.grosse",
    ] {
        assert!(page.lines().any(|line| line == mapping), "{mapping} is missing in\n{page}");
    }
}

/// One event of the repository's contract on one line, dated long before today.
fn old_event() -> String {
    let path = format!("{CONTRACTS}/delivery/delivery_events_v10/accept/assigned.json");
    let text = std::fs::read_to_string(path).expect("the sample");
    let mut event: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    event["occurred_at"] = "2001-01-01T00:00:00Z".into();
    event.to_string()
}

#[test]
fn produce_refuses_what_the_domains_own_table_would_not_take() {
    let folder = folder(VALID);
    std::fs::write(folder.path().join("events.ndjson"), old_event()).expect("written");
    let produce = ["produce", "DELIVERY", "events.ndjson"];
    let by_event_time = [("PARTITION_BY_DELIVERY", "occurred_at")];
    let output = generic_consumer(folder.path(), &produce, &by_event_time);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{errors}");
    for part in ["1 of 1 lines", "line 1: out_of_range: /occurred_at", "nothing was published"] {
        assert!(errors.contains(part), "{part:?} is missing in\n{errors}");
    }
}

#[test]
fn a_filter_is_held_to_the_contract_and_decides_about_events() {
    let config = |filter: &str| {
        let folder = folder(&format!("{VALID}FILTER_DELIVERY='{filter}'\n"));
        let output = generic_consumer(folder.path(), &["config", "DELIVERY"], &[]);
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    for (filter, mistake) in [
        ("payload.delivery_idd == \"a\"", "did you mean `/delivery_id`?"),
        ("delivery_id == \"a\"", "there is no variable `delivery_id`"),
        ("payload.delivery_id ==", "line 1, column "),
        ("event_type == \"Other\"", "there is no event type `Other`"),
        ("payload.delivery_id.matches(\"(\")", "unclosed group"),
    ] {
        let (code, said) = config(filter);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(mistake) && said.contains("FILTER_DELIVERY"), "{said}");
    }
    let (code, said) = config("payload.courier.id == \"a\"");
    assert_eq!(code, Some(0), "{said}");
    let shown = said.lines().find(|line| line.starts_with("FILTER_DELIVERY "));
    assert!(shown.is_some_and(|line| line.contains("payload.courier.id")), "{said}");
    let lacking = "FILTER reads /courier/id, which is not declared by ";
    assert!(said.contains(lacking) && said.contains("DeliveryCreatedEvent"), "{said}");

    let folder =
        folder(&format!("{VALID}FILTER_DELIVERY='event_type == \"DeliveryCreatedEvent\"'\n"));
    std::fs::write(folder.path().join("events.ndjson"), old_event()).expect("written");
    let output = generic_consumer(folder.path(), &["validate", "DELIVERY", "events.ndjson"], &[]);
    assert_eq!(text(&output.stdout).lines().next(), Some("line 1: ignored   filter"));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn validate_names_what_becomes_of_each_event_and_needs_no_broker() {
    let folder = folder(&format!("{VALID}IGNORE_EVENTS_DELIVERY='DeliveryCreatedEvent'\n"));
    let created = r#"{"event_type":"DeliveryCreatedEvent"}"#;
    let events = format!("{}\n\n{created}\n{{\"event_type\":\"\u{1b}[2J\"}}\n", old_event());
    std::fs::write(folder.path().join("events.ndjson"), events).expect("written");
    let validate = ["validate", "DELIVERY", "events.ndjson"];
    let output = generic_consumer(folder.path(), &validate, &[]);
    let (page, errors) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("the contract rejects 1 of 3 events"), "{errors}");
    let lines: Vec<&str> = page.lines().collect();
    assert_eq!(lines[0], "line 1: row       DeliveryAssignedEvent");
    assert_eq!(lines[1], "line 3: ignored   DeliveryCreatedEvent");
    assert!(lines[2].starts_with("line 4: rejected  "), "{page}");
    assert!(!page.contains('\u{1b}'), "a value must not command the terminal: {page:?}");

    let arguments = [&validate[..], &["--rows", "--columns", "_event_type,occurred_at"]].concat();
    let output = generic_consumer(folder.path(), &arguments, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stdout),
        "{\"_event_type\":\"DeliveryAssignedEvent\",\"occurred_at\":\"2001-01-01T00:00:00.000000Z\"}\n"
    );
    assert!(text(&output.stderr).contains("line 4: rejected"));

    std::fs::write(folder.path().join("events.ndjson"), old_event()).expect("written");
    let output = generic_consumer(folder.path(), &validate, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn a_missing_or_foreign_env_file_is_named() {
    let empty = tempfile::tempdir().expect("a folder");
    let output = generic_consumer(empty.path(), &["config", "DELIVERY"], &[]);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    let name = empty.path().file_name().and_then(|name| name.to_str()).expect("a name");
    assert!(errors.contains("there is no .env in /") && errors.contains(name), "{errors}");

    let folder = folder(&format!("{VALID}BQ_TABLE_ORDERS='o'\n"));
    let output = generic_consumer(folder.path(), &["ORDER"], &[]);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    let note = ".env has no key of ORDER; it has DELIVERY and ORDERS; did you mean `ORDERS`?";
    assert!(errors.contains(note), "{errors}");

    // A domain that the file knows has mistakes of another kind.
    let output = generic_consumer(folder.path(), &["ORDERS"], &[]);
    let errors = text(&output.stderr);
    assert!(!errors.contains("has no key of") && !errors.contains("no .env"), "{errors}");
}

#[test]
fn events_of_ones_own_are_for_the_embedded_broker_alone() {
    let folder = folder(VALID);
    std::fs::write(folder.path().join("events.ndjson"), old_event()).expect("written");
    let arguments = ["DELIVERY", "--until-caught-up", "--events", "events.ndjson"];
    let output = generic_consumer(folder.path(), &arguments, &[("METRICS_ADDR", "127.0.0.1:0")]);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("--events fills the embedded broker, but prod is"), "{errors}");
}

#[test]
fn a_wrong_channel_is_a_mistake_of_its_own_key() {
    let folder = folder(&VALID.replace("DeliveryEventsV10Topic", "DeliveryEvents"));
    let output = generic_consumer(folder.path(), &["config", "DELIVERY"], &[]);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("IMPORT_OBJECT_DELIVERY\n    where     .env:3"), "{errors}");
    assert!(errors.contains("it has DeliveryEventsV10Topic"), "{errors}");
    assert!(!errors.contains("IMPORT_PATH_DELIVERY"), "{errors}");
}

/// The `config` command also checks the contract, and reports its mistakes with all others.
#[test]
fn config_reports_the_mistakes_of_the_contract_with_the_others() {
    let folder = folder(&VALID.replace("GROUP_ID_DELIVERY='g'", "GROUP_ID_DELIVERY='g g'"));
    for (variables, found) in [
        (&[("IMPORT_PATH", "x"), ("IMPORT_PATH_DELIVERY", "contracts.absent")][..], "absent"),
        (&[("IMPORT_OBJECT_DELIVERY", "NoSuchChannel")], "NoSuchChannel"),
        (&[("PARTITION_BY_DELIVERY", "_kafka_offset")], "INTEGER column"),
        (&[("PARTITION_BY_DELIVERY", "no_such_column")], "no column no_such_column"),
    ] {
        let output = generic_consumer(folder.path(), &["config", "DELIVERY"], variables);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains("has 2 mistakes"), "{errors}");
        assert!(errors.contains("`g g`") && errors.contains(found), "{errors}");
    }
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    let folder = folder(VALID);
    for arguments in [&[][..], &["a-b"], &["DELIVERY", "--nonsense"], &["config"]] {
        let output = generic_consumer(folder.path(), arguments, &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    let output = generic_consumer(folder.path(), &["a-b"], &[]);
    assert!(text(&output.stderr).contains("hyphens"), "{}", text(&output.stderr));
    for (arguments, part) in [
        (&["konfig", "DELIVERY"][..], "there is no command \"konfig\"; did you mean `config`?"),
        (&["validat", "DELIVERY", "x.ndjson"], "did you mean `validate`?"),
        (
            &["DELIVERY", "config"],
            "a command comes before the domain: generic-consumer config DELIVERY",
        ),
    ] {
        let output = generic_consumer(folder.path(), arguments, &[]);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(part), "{arguments:?}: {errors}");
    }
}

#[test]
fn help_and_version_exit_with_0() {
    let folder = folder("");
    let version = generic_consumer(folder.path(), &["--version"], &[]);
    assert_eq!(version.status.code(), Some(0));
    let version = text(&version.stdout);
    assert!(version.starts_with("generic-consumer "), "{version}");
    assert!(version.contains("\nlibrdkafka 2."), "{version}");
    for arguments in [&["--help"][..], &["produce", "--help"], &["local", "bigquery", "--help"]] {
        let help = generic_consumer(folder.path(), arguments, &[]);
        assert_eq!(help.status.code(), Some(0));
        assert!(text(&help.stdout).contains("Example"), "{arguments:?}");
    }
}

#[test]
fn a_missing_folder_of_contracts_is_named_by_its_key_and_its_whole_path() {
    let folder = folder(VALID);
    let wanted = folder.path().canonicalize().expect("a path").join("nowhere");
    for (arguments, about) in [
        (&["config", "DELIVERY"][..], "  CONTRACTS_DIR\n    where     variable CONTRACTS_DIR"),
        (&["validate", "DELIVERY", "-"], "hint: CONTRACTS_DIR names"),
    ] {
        let output = generic_consumer(folder.path(), arguments, &[("CONTRACTS_DIR", "nowhere")]);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains(&format!("there is no folder {}", wanted.display())), "{errors}");
        assert!(errors.contains(about) && !errors.contains("IMPORT_PATH"), "{errors}");
    }
}

#[test]
fn an_environment_that_nothing_configures_names_the_file_that_is_not_there() {
    let folder =
        folder(&VALID.replace("CONSUME_ENV_DELIVERY='prod'", "CONSUME_ENV_DELIVERY='uat'"));
    let wanted = folder.path().canonicalize().expect("a path").join("config/environments.toml");
    let said = |folder: &Path| text(&generic_consumer(folder, &["config", "DELIVERY"], &[]).stderr);
    let errors = said(folder.path());
    let note = format!("configured environments: prod; there is no {}", wanted.display());
    assert!(errors.contains(&note), "{errors}");
    std::fs::create_dir(folder.path().join("config")).expect("a folder");
    std::fs::write(wanted, "").expect("written");
    let errors = said(folder.path());
    assert!(errors.contains("configured environments: prod\n"), "{errors}");
}

#[test]
fn flags_about_rows_need_rows() {
    let folder = folder(VALID);
    for flag in ["--columns=id", "--format=blocks"] {
        let output = generic_consumer(folder.path(), &["validate", "DELIVERY", "-", flag], &[]);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains("hint: add --rows"), "{errors}");
    }
}

/// As `validate` reads the samples next to this repository's contracts.
#[test]
fn samples_are_read_as_the_tests_of_contracts_read_them() {
    let folder = folder(VALID);
    let samples = Path::new(CONTRACTS).join("delivery/delivery_events_v10");
    for (sample, said) in [
        ("accept/assigned.json", "line 1: row       DeliveryAssignedEvent\n"),
        ("reject/empty.value.json", "line 1: rejected  -  empty"),
        ("reject/wrong_type.attempt.json", "  wrong_type: /attempt"),
        ("reject/invalid_json.nan.json", "invalid_json: "),
    ] {
        let path = samples.join(sample);
        let path = path.to_str().expect("UTF-8");
        let output = generic_consumer(folder.path(), &["validate", "DELIVERY", path], &[]);
        let lines = text(&output.stdout);
        assert!(lines.contains(said) && lines.lines().count() == 1, "{sample}: {lines}");
    }
}
