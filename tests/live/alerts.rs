//! The autoscaler's query and the alerts, as they are rendered for the clusters, on a Prometheus that
//! scrapes real instances.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::support::bigquery::EmbeddedBigQuery;
use crate::support::domain::{Domain, Instance};
use crate::support::events::{Fate, Publisher, count};
use crate::support::kafka::shared;
use crate::support::prometheus::{Prometheus, Target};
use crate::support::proof::Guarantee;
use crate::support::until::until_true;

const WITHIN: Duration = Duration::from_secs(60);
pub const INSTANCE: &str = "delivery";
const KUSTOMIZE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/kustomize");

/// A rendered file of `kustomize/`.
pub fn rendered(file: impl AsRef<Path>) -> Value {
    let path = Path::new(KUSTOMIZE).join(file);
    let text = std::fs::read_to_string(path).expect("a rendered file");
    serde_norway::from_str(&text).expect("YAML")
}

/// The query by which an instance is scaled, from its overlay.
fn scaled_by(overlay: &Path) -> String {
    let patches = rendered(overlay.join("kustomization.yaml"))["patches"].clone();
    let patches = patches.as_array().expect("patches").iter();
    patches
        .filter(|patch| patch["target"]["kind"] == "ScaledObject")
        .flat_map(|patch| {
            let operations = patch["patch"].as_str().expect("text");
            serde_norway::from_str::<Vec<Value>>(operations).expect("operations")
        })
        .find(|operation| operation["path"] == "/spec/triggers/0/metadata/query")
        .and_then(|operation| operation["value"].as_str().map(str::to_owned))
        .expect("the overlay sets the query")
}

/// The query for this instance. All instances of all clusters have the same but for their names. The
/// local cluster has no autoscaler.
fn autoscaler() -> String {
    let mut queries = BTreeSet::new();
    let clusters = Path::new(env!("CARGO_MANIFEST_DIR")).join("nix/clusters");
    for cluster in folders(&clusters) {
        let name = cluster.file_name().expect("a cluster");
        let cluster = Path::new(KUSTOMIZE).join("overlays").join(name);
        for overlay in folders(&cluster.join("instances")) {
            let name = overlay.file_name().and_then(|name| name.to_str()).expect("UTF-8");
            let (own, ours) = (format!("\"{name}\""), format!("\"{INSTANCE}\""));
            let query = scaled_by(&overlay);
            assert!(query.contains(&own), "{query} names {name}");
            queries.insert(query.replace(&own, &ours));
        }
    }
    assert_eq!(queries.len(), 1, "{queries:?}");
    queries.pop_first().expect("one query")
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(of).expect("a folder");
    entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir()).collect()
}

/// The labels that a cluster's Prometheus gives to the series of an instance's pod.
pub fn labels(pod: &str) -> BTreeMap<String, String> {
    let monitor = rendered("components/monitoring/eks/podmonitor.yaml");
    let copied = &monitor["spec"]["podTargetLabels"];
    assert_eq!(*copied, serde_json::json!(["app.kubernetes.io/instance"]));
    [
        ("namespace", "generic-consumer"),
        ("pod", pod),
        // What is not allowed in a label's name becomes an underscore.
        ("app_kubernetes_io_instance", INSTANCE),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn target(instance: &Instance) -> Target {
    Target { address: instance.metrics_addr(), labels: labels(instance.process.name()) }
}

/// An alert's expression without its threshold.
fn watched(groups: &Value, alert: &str) -> String {
    let rules = groups[0]["rules"].as_array().expect("rules");
    let rule = rules.iter().find(|rule| rule["alert"] == alert).expect("the alert");
    let (watched, threshold) =
        rule["expr"].as_str().expect("text").rsplit_once(" > ").expect("a threshold");
    assert!(threshold.parse::<u64>().is_ok(), "{alert} compares with {threshold}");
    watched.to_owned()
}

#[test]
fn autoscaler_and_alerts_see_the_lag_and_the_dead_letters() {
    let groups =
        rendered("components/monitoring/eks/prometheusrule.yaml")["spec"]["groups"].clone();
    let on_gke = rendered("components/monitoring/gke/rules.yaml")["spec"]["groups"].clone();
    assert_eq!(groups[0]["rules"], on_gke[0]["rules"], "the alerts of both clouds");
    let query = autoscaler();

    for guarantee in [Guarantee::ExactlyOnce, Guarantee::AtLeastOnce] {
        let name = format!("alerts-{}", guarantee.key());
        let kafka = shared();
        let bigquery = EmbeddedBigQuery::start(&name, "", 1);
        let domain = Domain::new(&name, kafka, &bigquery.urls());
        domain.set("DELIVERY_GUARANTEE", guarantee.key());
        let mut publisher = Publisher::new(kafka, &domain, 1);
        publisher.publish(500);
        let sent = publisher.flush();
        let letters = count(&sent, |fate| matches!(fate, Fate::Letter(_)));
        assert!(letters > 0, "some events are bad");

        let mut first = domain.start_ready();
        let mut second = domain.start_ready();
        until_true("both have partitions", WITHIN, || {
            first.lag() == (2, 0.0) && second.lag() == (2, 0.0)
        });
        // Every dead letter is older than the first scrape: the counters begin above 0.
        let written = |each: &Instance| each.metric(LETTERS).unwrap_or_default();
        until_true("the dead letters are written", WITHIN, || {
            written(&first) + written(&second) == letters as f64
        });
        let prometheus = Prometheus::start(&name, &[target(&first), target(&second)], &groups);
        until_true("the autoscaler sees that nothing is behind", WITHIN, || {
            prometheus.value(&query) == Some(0.0)
        });
        let firing = |alert: &str| {
            let query = format!(
                r#"ALERTS{{alertname="{alert}",alertstate="firing",app_kubernetes_io_instance="{INSTANCE}"}}"#
            );
            prometheus.value(&query) == Some(1.0)
        };
        until_true("dead letters from before the first scrape alert", WITHIN, || {
            firing("GenericConsumerDeadLetters")
        });

        bigquery.freeze();
        publisher.publish(2_000);
        publisher.flush();
        until_true("the autoscaler sees all that is behind", WITHIN, || {
            let lag = first.lag().1 + second.lag().1;
            lag >= 1_000.0 && prometheus.value(&query) == Some(lag)
        });
        let lag = watched(&groups, "GenericConsumerBehind");
        assert_eq!(prometheus.value(&lag), prometheus.value(&query));
        let unsettled = watched(&groups, "GenericConsumerUnsettled");
        until_true("the alert sees what BigQuery does not confirm", WITHIN, || {
            prometheus.value(&unsettled).is_some_and(|seconds| seconds > 2.0)
        });

        // What a stopped instance had is counted by its successor, and once.
        bigquery.thaw();
        second.stop();
        until_true("one instance has every partition and no lag", WITHIN, || {
            first.lag().0 == 4 && prometheus.value(&query) == Some(0.0)
        });
        assert_eq!(prometheus.value(&watched(&groups, "GenericConsumerRejoins")), Some(0.0));
        for alert in ["GenericConsumerBehind", "GenericConsumerUnsettled", "GenericConsumerRejoins"]
        {
            assert!(!firing(alert), "{alert}");
        }
        first.stop();
    }
}

const LETTERS: &str = "generic_consumer_dead_lettered_records_total";
