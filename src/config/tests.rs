//! Tests of the layers and of every rule about a key.

use super::*;

/// The repository's own files, without the environment of the test run.
#[test]
fn the_repository_runs_delivery_on_the_embedded_peers() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let loaded = load("delivery", &Inputs::at(root)).unwrap_or_else(|all| panic!("{all}"));
    let settings = loaded.settings;
    assert_eq!(settings.domain, "DELIVERY");
    assert_eq!(settings.contract.ignore_events, ["ShippingPricesEstimatedEvent"]);
    assert_eq!(settings.consume.broker, Broker::Embedded);
    assert_eq!(settings.write.endpoint, Endpoint::Embedded);
    assert_eq!(settings.write.table.to_string(), "local.events.delivery_events_temp");
}
