//! `check` with peers that are not there: the embedded ones, which begin with a run, and addresses at
//! which nobody listens.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::command_line::{generic_consumer, text};
use crate::first_run::{command, folder};

/// Nobody listens on port 1.
const NOBODY: &str = "127.0.0.1:1";

fn check(
    folder: &Path,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> (Option<i32>, String, String) {
    let arguments = [&["check"], arguments].concat();
    let output = command(folder, &arguments).envs(variables.iter().copied()).output();
    let output = output.expect("the binary starts");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The findings of a part.
fn findings<'f>(found: &'f Value, part: &str) -> Vec<&'f Value> {
    let all = found["findings"].as_array().expect("findings").iter();
    all.filter(|finding| finding["part"] == part).collect()
}

fn verdict<'f>(found: &'f Value, part: &str) -> &'f str {
    let [finding] = findings(found, part)[..] else { panic!("not one {part}: {found}") };
    finding["verdict"].as_str().expect("a text")
}

#[test]
fn before_a_first_run_it_says_what_that_creates_and_creates_nothing() {
    let folder = folder();
    let (code, page, errors) = check(folder.path(), &["DELIVERY"], &[]);
    assert_eq!(code, Some(2), "{page}{errors}");
    let squeezed = page.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "would alter local.events.deliveries is not there; a run would create it with",
        "would alter local.events.deliveries_dead_letters is not there",
        "dead letters 100 events made from the contract (a few bad on purpose):",
        "a run would alter: table, dead letters; records would become dead letters: samples",
    ] {
        assert!(squeezed.contains(said), "{said}\n{page}");
    }
    assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
    assert!(!page.contains('\u{1b}'), "colours off a terminal: {page}");
    assert!(errors.contains("error: a run would alter: table"), "{errors}");

    let (code, json, errors) =
        check(folder.path(), &["DELIVERY", "--json", "--accept-changes"], &[]);
    assert_eq!(code, Some(0), "{errors}");
    let found: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&found["verdict"], &found["accepted"]), (&"would alter".into(), &true.into()));
    let [samples] = findings(&found, "samples")[..] else { panic!("no samples: {found}") };
    assert_eq!(samples["facts"]["records"], 100);
    let letters = samples["facts"]["dead_letters"].as_array().expect("letters");
    let count: u64 = letters.iter().filter_map(|one| one["records"].as_u64()).sum();
    assert!(count == 2 && letters[0]["example"]["offset"].is_i64(), "{samples}");

    let files: Vec<_> = std::fs::read_dir(folder.path())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(files, [".env"], "nothing is written");
}

#[test]
fn a_run_has_written_what_a_check_then_finds() {
    let folder = folder();
    let run = command(folder.path(), &["DELIVERY", "--until-caught-up"]).output();
    assert_eq!(run.expect("the binary starts").status.code(), Some(0));
    let rows = || command(folder.path(), &["local", "rows", "deliveries"]).output().expect("rows");
    let before = rows().stdout;
    // With another broker the table stays, so that it is looked at.
    let servers = [("CONSUME__LOCAL__BOOTSTRAP_SERVERS", NOBODY)];
    let (code, json, errors) = check(folder.path(), &["DELIVERY", "--json"], &servers);
    assert_eq!(code, Some(1), "{errors}");
    let found: Value = serde_json::from_str(&json).expect("JSON");
    let verdicts = ["brokers", "topic", "group", "samples", "bigquery", "table", "dead letters"]
        .map(|part| verdict(&found, part));
    let unseen = "not seen";
    assert_eq!(verdicts, ["would fail", unseen, unseen, unseen, "ok", "ok", "ok"], "{json}");
    let [brokers] = findings(&found, "brokers")[..] else { panic!("no brokers") };
    let what = brokers["what"].as_str().expect("a text");
    assert!(what.contains("Connection refused") && what.contains(NOBODY), "{what}");
    assert_eq!(rows().stdout, before);
}

#[test]
fn a_contract_that_cannot_be_used_hides_nothing_else() {
    let folder = folder();
    let variables = [
        ("IMPORT_OBJECT_DELIVERY", "Nothing"),
        ("CONSUME__LOCAL__BOOTSTRAP_SERVERS", NOBODY),
        ("IN_TOPIC_DELIVERY", "events"),
    ];
    let began = Instant::now();
    let (code, json, errors) = check(folder.path(), &["DELIVERY", "--json"], &variables);
    assert_eq!(code, Some(1), "{errors}");
    let found: Value = serde_json::from_str(&json).expect("JSON");
    let verdicts = ["settings", "contract", "brokers", "topic", "bigquery", "samples"]
        .map(|part| verdict(&found, part));
    let (ok, fails, unseen) = ("ok", "would fail", "not seen");
    assert_eq!(verdicts, [ok, fails, fails, unseen, ok, unseen], "{json}");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[test]
fn all_mistakes_are_told_at_once_and_no_secret() {
    let folder = folder();
    let variables = [
        ("BATCH_ROWS", "many"),
        ("WRITE_ENV", "nowhere"),
        ("IMPORT_OBJECT_DELIVERY", "Nothing"),
        ("CONSUME__LOCAL__PROPERTIES__SASL_PASSWORD", "hunter2"),
    ];
    let (code, page, errors) = check(folder.path(), &["DELIVERY"], &variables);
    assert_eq!(code, Some(1), "{errors}");
    for said in ["BATCH_ROWS", "WRITE_ENV", "IMPORT_OBJECT", "the rest      not seen"] {
        assert!(page.contains(said), "{said}\n{page}");
    }
    // A login is described without its password, whether or not somebody answers.
    let variables = [
        ("CONSUME__LOCAL__BOOTSTRAP_SERVERS", NOBODY),
        ("CONSUME__LOCAL__PROPERTIES__SECURITY_PROTOCOL", "SASL_PLAINTEXT"),
        ("CONSUME__LOCAL__PROPERTIES__SASL_MECHANISM", "PLAIN"),
        ("CONSUME__LOCAL__PROPERTIES__SASL_USERNAME", "consumer"),
        ("CONSUME__LOCAL__PROPERTIES__SASL_PASSWORD", "hunter2"),
    ];
    let (code, secret_page, secret_errors) = check(folder.path(), &["DELIVERY"], &variables);
    assert_eq!(code, Some(1), "{secret_errors}");
    assert!(secret_page.contains("Kafka: PLAIN as consumer (sasl_plaintext)"), "{secret_page}");
    for text in [page, errors, secret_page, secret_errors] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

/// 2 says that something would be altered, so a wrong command line has another code.
#[test]
fn a_wrong_command_line_is_told_from_changes() {
    let folder = folder();
    let code = |arguments: &[&str]| {
        let output = generic_consumer(folder.path(), arguments, &[]);
        (output.status.code(), text(&output.stderr))
    };
    for arguments in [
        &["check"][..],
        &["check", "DELIVERY", "--smaple", "5"],
        &["check", "DELIVERY", "--sample", "many"],
        &["check", "no domain"],
    ] {
        let (code, errors) = code(arguments);
        assert_eq!(code, Some(64), "{arguments:?}: {errors}");
    }
    assert_eq!(code(&["check", "--help"]).0, Some(0));
    assert_eq!(code(&["verify", "DELIVERY", "--smaple"]).0, Some(2));
}

/// The objects that events name are elsewhere: their store is reached, and nothing is asked of it.
#[test]
fn a_domain_with_rules_says_what_is_not_looked_at() {
    let example = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/ccx"));
    let store = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = store.local_addr().expect("an address");
    let check = |allow: &str| {
        let output = command(example, &["check", "CCX", "--json"])
            .env("CONTRACTS_DIR", example.join("contracts"))
            .env("CONSUME__LOCAL__BOOTSTRAP_SERVERS", NOBODY)
            .env("WRITE__LOCAL__KAFKA__BOOTSTRAP_SERVERS", NOBODY)
            .env("FETCH_ALLOW_CCX", allow)
            .output()
            .expect("the binary starts");
        serde_json::from_str::<Value>(&text(&output.stdout)).expect("JSON")
    };
    let found = check(&format!("http://{address}/uploads"));
    assert_eq!(verdict(&found, "object store"), "ok", "{found}");
    let [rules] = findings(&found, "rules")[..] else { panic!("no rules: {found}") };
    let said = rules["more"].to_string();
    assert!(said.contains("not looked at: the objects"), "{rules}");
    assert_eq!(rules["facts"]["rules"], 11);
    drop(store);
    let found = check(&format!("http://{address}/uploads"));
    assert_eq!(verdict(&found, "object store"), "would fail", "{found}");
    let found = check("https://*.s3.eu-west-1.amazonaws.com");
    assert_eq!(verdict(&found, "object store"), "ok", "{found}");
}
