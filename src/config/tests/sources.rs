//! The repository's own configuration, the first `.env` file, defaults, and how files are found.

use super::*;
use crate::config::keys;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_repository_runs_delivery_on_the_embedded_broker_and_bigquery() {
    if !cfg!(feature = "local") {
        let mistakes = load("delivery", &Inputs::at(repository())).expect_err("nothing embedded");
        assert_eq!(mistakes.list.len(), 3, "{mistakes}");
        assert!(mistakes.list.iter().all(|m| m.accepted.contains("without the feature `local`")));
        return;
    }
    let loaded = load("delivery", &Inputs::at(repository())).unwrap_or_else(|all| panic!("{all}"));
    let settings = loaded.settings;
    assert_eq!(settings.domain, "DELIVERY");
    assert_eq!(settings.contract.ignore_events, ["ShippingPricesEstimatedEvent"]);
    assert_eq!(settings.consume.broker, Broker::Embedded);
    assert_eq!(bigquery(&settings).endpoint, Endpoint::Embedded);
    assert_eq!(bigquery(&settings).table.to_string(), "local.events.delivery_events_temp");
}

/// The `.env` file of the system's first description, unchanged.
const FIRST: &str = r#"BQ_TABLE_DELIVERY='delivery_events_temp'
IMPORT_PATH_DELIVERY='contracts.delivery.delivery_events_v10'
IMPORT_OBJECT_DELIVERY='DeliveryEventsV10Topic'
IGNORE_EVENTS_DELIVERY='"[\"ShippingPricesEstimatedEvent\"]"'
CONSUME_ENV_DELIVERY='prod'
GROUP_ID_DELIVERY='test-new-uat-ip'
WRITE_ENV='prod'
"#;

#[test]
fn the_first_env_file_works_with_the_repository_s_environments() {
    let folder = tempfile::tempdir().expect("a folder");
    let env = folder.path().join("first.env");
    std::fs::write(&env, FIRST).expect("written");
    let loaded = load("DELIVERY", &Inputs::at(repository()).env_file(&env))
        .unwrap_or_else(|all| panic!("{all}"));
    let line = format!("{}:4", env.display());
    let ignored = loaded.shown("IGNORE_EVENTS_DELIVERY");
    assert_eq!(ignored, ("[ShippingPricesEstimatedEvent]", LayerKind::EnvFile, line));
    let settings = loaded.settings;
    assert_eq!(settings.contract.import_path, "contracts.delivery.delivery_events_v10");
    assert_eq!(settings.contract.import_object, "DeliveryEventsV10Topic");
    assert_eq!(settings.contract.ignore_events, ["ShippingPricesEstimatedEvent"]);
    assert_eq!(settings.consume.environment, "prod");
    assert_eq!(settings.consume.group_id, "test-new-uat-ip");
    let servers = "prod1:9092,prod2:9092,prod3:9092".to_owned();
    assert_eq!(settings.consume.broker, Broker::Servers(servers));
    assert!(settings.consume.protected);
    assert_eq!(settings.write.environment, "prod");
    assert_eq!(bigquery(&settings).table.table, "delivery_events_temp");
    assert_eq!(bigquery(&settings).endpoint, Endpoint::Google);
}

#[test]
fn defaults_are_as_in_the_reference() {
    let settings = Sources::valid().settings();
    let limits = settings.limits.clone();
    assert_eq!((limits.in_flight_bytes, limits.batch_bytes), (64 << 20, 1 << 20));
    assert_eq!(limits.batch_rows, 10_000);
    assert_eq!(limits.batch_age.as_millis(), 20);
    assert_eq!((limits.commit_interval.as_millis(), limits.drain.as_secs()), (100, 20));
    assert_eq!(settings.metrics_addr.to_string(), "0.0.0.0:9464");
    assert_eq!(settings.dead_letter, DeadLetterTarget::Table);
    assert_eq!(settings.consume.start_from, StartFrom::Earliest);
    assert_eq!(bigquery(&settings).guarantee, Guarantee::ExactlyOnce);
    assert_eq!(settings.write.layout, RowLayout::Columns);
    assert_eq!(bigquery(&settings).partition_by, "_ingested_at");
    assert_eq!(settings.contract.dir, "contracts".into());
    assert!(!settings.accept_changes);
    assert!(settings.write.manage_table && !settings.disabled && !settings.consume.protected);
    assert_eq!(bigquery(&settings).credentials, None);
}

#[test]
fn a_file_that_is_named_has_to_exist() {
    let folder = tempfile::tempdir().expect("a folder");
    let inputs = Inputs::at(folder.path());
    let missing = |mistakes: &Mistakes| {
        mistakes.list.iter().filter(|mistake| mistake.key.contains("absent")).count()
    };
    let default = load("DELIVERY", &inputs).expect_err("nothing is set");
    assert_eq!(missing(&default), 0, "{default}");
    assert_eq!(default.list.len(), 6, "one for each required key: {default}");
    let named = inputs
        .env_file(folder.path().join("absent.env"))
        .file(folder.path().join("absent.toml"))
        .file(folder.path());
    let mistakes = load("DELIVERY", &named).expect_err("two files do not exist, one is a folder");
    assert_eq!(missing(&mistakes), 2, "{mistakes}");
    assert_eq!(mistakes.list.len(), 3, "and no key is reported as missing: {mistakes}");
}

#[test]
fn a_flag_wins_over_the_domain_s_own_key() {
    let mut sources = Sources::valid().variable("DISABLE_DELIVERY", "false");
    assert!(!sources.settings().disabled);
    sources.flags.push(Override { flag: "--disable", key: &keys::DISABLE, value: "true".into() });
    let loaded = sources.load().unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert!(loaded.settings.disabled);
    let shown = ("true", LayerKind::CommandLine, "--disable".to_owned());
    assert_eq!(loaded.shown("DISABLE_DELIVERY"), shown);
}

#[test]
fn an_empty_path_removes_the_credentials() {
    let sources = Sources::valid().env("GOOGLE_APPLICATION_CREDENTIALS='/etc/key.json'");
    assert_eq!(
        bigquery(&sources.settings()).credentials.as_deref(),
        Some(Path::new("/etc/key.json"))
    );
    let emptied = sources.variable("GOOGLE_APPLICATION_CREDENTIALS", "");
    assert_eq!(bigquery(&emptied.settings()).credentials, None);
}

#[test]
fn no_key_is_another_key_with_a_domain_name() {
    let mut hidden = Vec::new();
    for key in keys::ALL {
        for other in keys::ALL {
            let Some(domain) = other.base.strip_prefix(&format!("{}_", key.base)) else { continue };
            assert!(keys::domain(domain).is_err(), "{key:?} hides {other:?}");
            assert!(keys::domain(&format!("{domain}_X")).is_err(), "{key:?} hides {other:?}");
            hidden.push(domain);
        }
    }
    // The message about a domain's name has these.
    assert_eq!(hidden, ["ON_ERROR", "ALLOW"]);
    assert_eq!(keys::owner("FILTER_ON_ERROR_X"), Some("X".to_owned()));
    assert_eq!(keys::owner("FILTER_X"), Some("X".to_owned()));
    assert_eq!(keys::owner("FILTER_ON_ERROR"), None);
}
