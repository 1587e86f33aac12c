//! Contracts that grow while instances run, with each sink that keeps rows exactly once, and instances
//! that are killed meanwhile.

use std::path::Path;
use std::time::Duration;

use super::verify::assert_whole;
use crate::support::bigquery::EmbeddedBigQuery;
use crate::support::domain::{Domain, Instance};
use crate::support::events::{Feed, Publisher};
use crate::support::kafka::shared;
use crate::support::proof::{Guarantee, prove};
use crate::support::until::until_true;

const WITHIN: Duration = Duration::from_secs(120);

/// Gives the first event type of the contract another field.
fn grow(domain: &Domain, number: usize) {
    let path = domain.folder().join("contracts/delivery/delivery_events_v10.yaml");
    let text = std::fs::read_to_string(&path).expect("the contract");
    let before = "              order_id: {";
    let field = format!("              grown_{number}: {{ type: string }}\n");
    let grown = text.replacen(before, &format!("{field}{before}"), 1);
    assert_ne!(grown, text);
    replace(&path, &grown);
}

fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).expect("written");
    std::fs::rename(new, path).expect("in place");
}

fn taken(instance: &Instance) -> Option<f64> {
    instance.metric("generic_consumer_contract_reloads_total")
}

#[test]
fn contracts_grow_while_events_flow_and_instances_are_killed() {
    let kafka = shared();
    let bigquery = EmbeddedBigQuery::start("reload", "append_delay=0.1:50,flush_lost=0.05", 1);
    let domain = Domain::new("reload", kafka, &bigquery.urls());
    domain.set("CONTRACT_REFRESH_DELIVERY", "1s");
    let mut instances = vec![domain.start_ready(), domain.start_ready()];
    let feed = Feed::start(Publisher::new(kafka, &domain, 7), 200);
    for number in 0..2 {
        grow(&domain, number);
        until_true("both take it over", WITHIN, || {
            instances.iter().all(|one| taken(one) == Some((number + 1) as f64))
        });
    }
    // One is killed in the middle of a takeover, and its successor starts with the new contract.
    grow(&domain, 2);
    until_true("one takes it over", WITHIN, || instances.iter().any(|one| taken(one) == Some(3.0)));
    instances[0].process.kill();
    instances[0] = domain.start_ready();
    let sent = feed.stop();
    prove(&bigquery, &sent, Guarantee::ExactlyOnce, WITHIN);
    for mut instance in instances {
        instance.stop();
    }
    assert_whole(&domain, Guarantee::ExactlyOnce);
}
