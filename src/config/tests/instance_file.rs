//! In a cluster, an instance's file holds the keys of its domain and nothing else.

use super::*;
use crate::config::{Endpoint, keys};

const INSTANCE: &str = "\
BQ_TABLE_DELIVERY='delivery_events'
IMPORT_PATH_DELIVERY='contracts.delivery.delivery_events_v10'
IMPORT_OBJECT_DELIVERY='DeliveryEventsV10Topic'
CONSUME_ENV_DELIVERY='prod'
GROUP_ID_DELIVERY='delivery-prod'
";

/// An instance's file, with the files and the environment of a cluster.
pub(super) fn instance() -> Sources {
    let environments = r#"
[consume.prod]
bootstrap_servers = "prod1:9092"
[write.prod]
project = "a-project"
dataset = "a_dataset"
"#;
    let sources = Sources { env_file: INSTANCE.to_owned(), ..Sources::default() };
    let sources = sources.file("environments.toml", environments);
    sources.variable("WRITE_ENV", "prod").variable("CLUSTER", "gke-prod")
}

#[test]
fn keys_of_the_domain_are_accepted_and_the_cluster_is_shown() {
    let loaded = instance().env("BATCH_ROWS='5'").env("PARTITION_BY=_ingested_at").load();
    let loaded = loaded.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!(loaded.shown("CLUSTER").0, "gke-prod");
    assert_eq!(bigquery(&loaded.settings).endpoint, Endpoint::Google);
}

#[test]
fn whatever_belongs_to_the_cluster_is_refused() {
    for line in [
        "WRITE__PROD__ENDPOINT__REST='https://elsewhere.example.com'",
        "write__prod__endpoint__storage='https://elsewhere.example.com'",
        "write.prod.project=another",
        "CONSUME__PROD__BOOTSTRAP_SERVERS='elsewhere:9092'",
        "CONSUME__PROD__PROPERTIES__SASL_PASSWORD='hunter2'",
        "WRITE_ENV=prod",
        "GOOGLE_APPLICATION_CREDENTIALS=/tmp/a.json",
        "METRICS_ADDR=0.0.0.0:1",
        "METRICS_ADDR_DELIVERY=0.0.0.0:1",
        "CONTRACTS_DIR=/tmp",
        "CONTRACTS_DIR_DELIVERY=/tmp",
        "CLUSTER=gke-uat",
        "BQ_TABLE_ORDERS='orders'",
        "SASL_PASSWORD='hunter2'",
        "DEAD_LETTER_DELIVERY='kafka:https://user:hunter2@host'",
    ] {
        let sources = instance().env(line);
        let mistakes = sources.mistakes();
        let (name, _) = line.split_once('=').expect("an assignment");
        let named = mistakes.iter().any(|mistake| mistake.key == name);
        assert!(named, "{line}: {mistakes:#?}");
        let report = sources.load().expect_err("refused").to_string();
        assert!(!report.contains("hunter2"), "{report}");
    }
}

/// A key that is added to the table belongs to the domain or to the cluster: this fails until
/// somebody has decided.
#[test]
fn every_key_belongs_to_the_domain_or_to_the_cluster() {
    let of_the_cluster = [
        "WRITE_ENV",
        "CLUSTER",
        "ENV_FILE",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "CONTRACTS_DIR",
        "RULE_SETS_DIR",
        "API_ADDR",
        "API_TOKENS_FILE",
        "RESULTS_ADDR",
        "RESULTS_STORE",
        "RESULTS_TOKENS_FILE",
        "RESULTS_IDENTITY",
        "SERIES",
        "DASHBOARD_ADDR",
        "METRICS_ADDR",
    ];
    for key in keys::ALL {
        let name = key.name_in("DELIVERY");
        // Not a valid value of any key but a table's and a few others; only who may set it counts.
        let line = format!("{name}='x'");
        let mut sources = instance();
        let kept = sources.env_file.lines().filter(|line| !line.starts_with(&name));
        sources.env_file = kept.map(|line| format!("{line}\n")).collect();
        let mistakes = sources.env(&line).load().err().map(|mistakes| mistakes.list);
        let refused = mistakes
            .unwrap_or_default()
            .iter()
            .any(|mistake| mistake.key == name && mistake.found.contains("cluster"));
        assert_eq!(refused, of_the_cluster.contains(&key.base), "{name}");
    }
}

/// A value with a variable could copy a password of the process to where Kafka and logs show it.
#[test]
fn values_have_no_variables() {
    // Of an earlier line, because a test cannot set variables of its process.
    let hidden = INSTANCE.to_owned() + "IGNORE_EVENTS=hunter2\n";
    for value in ["${IGNORE_EVENTS}", "$IGNORE_EVENTS", "\"a ${IGNORE_EVENTS}\"", "\"a\\$b\""] {
        let file = hidden.clone() + &format!("START_FROM_DELIVERY={value}\n");
        let sources = Sources { env_file: file, ..instance() };
        let mistakes = sources.mistakes();
        let found = mistakes.iter().find(|mistake| mistake.found.contains("variable"));
        assert!(found.is_some_and(|it| it.key == "START_FROM_DELIVERY"), "{value}: {mistakes:?}");
        assert!(!sources.load().expect_err("refused").to_string().contains("hunter2"), "{value}");
    }
    let outside = VALID.replace("'test-new-uat-ip'", "${IGNORE_EVENTS}");
    let outside = Sources { env_file: format!("IGNORE_EVENTS=a\n{outside}"), ..Sources::default() };
    assert_eq!(outside.settings().consume.group_id, "a");
    for line in ["GROUP_ID='a$b'", "GROUP_ID='${X}'", "# costs $5", "GROUP_ID=x # ${X}"] {
        instance().env(line).settings();
    }
}

#[test]
fn another_project_is_refused() {
    let other = |table: &str| {
        let file = INSTANCE.replace("'delivery_events'", &format!("'{table}'"));
        Sources { env_file: file, ..instance() }
    };
    let mistake = other("elsewhere.a_dataset.t").mistake();
    assert_eq!(mistake.key, "BQ_TABLE_DELIVERY");
    assert_eq!(mistake.accepted, "a table of `a-project`, where the cluster `gke-prod` writes");
    for table in ["a-project.a_dataset.t", "another_dataset.t"] {
        other(table).settings();
    }
}

#[test]
fn outside_a_cluster_the_env_file_may_hold_all_keys() {
    Sources::valid().env("METRICS_ADDR='127.0.0.1:1'").env("SOMETHING='else'").settings();
}

#[test]
fn only_the_environment_of_the_process_names_the_cluster() {
    let file = Sources::valid().file("more.toml", "CLUSTER = 'gke-uat'");
    for sources in [Sources::valid().env("CLUSTER=gke-uat"), file] {
        assert_eq!(sources.mistake().key, "CLUSTER");
    }
}

/// A token that goes to an address of somebody else is lost.
#[test]
fn tokens_go_to_google_and_where_files_or_the_environment_point() {
    let [rest, storage] = ["REST", "STORAGE"].map(|leaf| format!("WRITE__PROD__ENDPOINT__{leaf}"));
    let trusted = |sources: Sources| match bigquery(&sources.settings()).endpoint {
        Endpoint::Custom { trusted, .. } => trusted,
        other => panic!("{other:?}"),
    };
    let in_env_file = |rest_url: &str, storage_url: &str| {
        Sources::valid().env(&format!("{rest}={rest_url}")).env(&format!("{storage}={storage_url}"))
    };
    assert!(!trusted(in_env_file(
        "https://elsewhere.example.com",
        "https://elsewhere.example.com"
    )));
    assert!(!trusted(in_env_file(
        "https://googleapis.com.example.com",
        "https://a.googleapis.com"
    )));
    assert!(!trusted(in_env_file("http://127.0.0.1:1", "https://elsewhere.example.com")));
    assert!(trusted(in_env_file(
        "https://bigquery-eu.p.googleapis.com",
        "https://x.googleapis.com"
    )));
    let elsewhere = "https://bigquery.example.com";
    let half = Sources::valid().env(&format!("{rest}={elsewhere}")).variable(&storage, elsewhere);
    assert!(!trusted(half));
    let variables = Sources::valid().variable(&rest, elsewhere).variable(&storage, elsewhere);
    assert!(trusted(variables));
    let file = format!("[write.prod.endpoint]\nrest = '{elsewhere}'\nstorage = '{elsewhere}'");
    assert!(trusted(Sources::valid().file("more.toml", &file)));
}
