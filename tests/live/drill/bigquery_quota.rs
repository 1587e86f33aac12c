//! BigQuery refuses every append for a while, because a quota is used up.

use super::rehearsal::{Drill, WITHIN};
use crate::support::events::Publisher;
use crate::support::kafka::shared;
use crate::support::proof::wait;
use crate::support::until::until_true;

/// How long the quota takes to refill, in milliseconds.
const REFILLS_AFTER: u64 = 30_000;

#[test]
#[ignore = "takes a while: make drill"]
fn bigquery_quota() {
    let mut drill = Drill::start("bigquery-quota", shared());
    let mut publisher = Publisher::new(shared(), &drill.domain, 61).without_bad();
    publisher.publish(400);
    let mut instance = drill.domain.start_ready();
    wait(&drill.bigquery, &publisher.flush(), WITHIN);
    drill.is_well(&mut instance);

    drill.tell("the quota of BigQuery is used up");
    drill.bigquery.kill();
    drill.bigquery.set_faults(&format!("quota=1:{REFILLS_AFTER}"));
    drill.bigquery.start_again();
    publisher.publish(400);
    let sent = publisher.flush();
    until_true("it says that it is throttled", WITHIN, || {
        instance.get("/readyz").is_some_and(|(_, said)| said.contains("throttled"))
    });
    drill.fires(&mut instance);
    drill.runs(Some(&instance));
    drill.sees(&instance.process.output());
    drill.runs(None);
    instance.assert_running();

    wait(&drill.bigquery, &sent, WITHIN);
    until_true("it has caught up", WITHIN, || instance.lag() == (4, 0.0));
    drill.tell("the quota is refilled");
    drill.runs(Some(&instance));
    instance.stop();
    drill.ends(&[&sent]);
}
