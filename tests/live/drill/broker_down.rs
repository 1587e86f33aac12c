//! The only broker is stopped for a while.

use super::rehearsal::{Drill, WITHIN};
use crate::support::events::Publisher;
use crate::support::kafka::Kafka;
use crate::support::proof::wait;
use crate::support::until::until_true;

#[test]
#[ignore = "takes a while: make drill"]
fn broker_down() {
    let mut kafka = Kafka::start("drill-broker-down");
    let mut drill = Drill::start("broker-down", &kafka);
    let mut publisher = Publisher::new(&kafka, &drill.domain, 62).without_bad();
    publisher.publish(400);
    let mut instance = drill.domain.start_ready();
    wait(&drill.bigquery, &publisher.flush(), WITHIN);
    drill.is_well(&mut instance);

    kafka.stop();
    drill.tell("the broker is down");
    until_true("it is not ready", WITHIN, || {
        instance.get("/readyz").is_some_and(|(status, _)| status != 200)
    });
    drill.fires(&mut instance);
    drill.runs(Some(&instance));
    drill.sees(&instance.process.output());
    drill.runs(None);
    instance.assert_running();

    kafka.start_again();
    drill.tell("the broker is back");
    publisher.publish(400);
    let sent = publisher.flush();
    wait(&drill.bigquery, &sent, WITHIN);
    until_true("it has caught up", WITHIN, || instance.lag() == (4, 0.0));
    drill.runs(Some(&instance));
    instance.stop();
    drill.ends(&[&sent]);
}
