//! A write stream of BigQuery has expired, or somebody has finalized it.

use std::time::Duration;

use super::rehearsal::{Drill, WITHIN};
use crate::support::events::Publisher;
use crate::support::kafka::shared;
use crate::support::proof::wait;
use crate::support::until::until_true;

const EXPIRE_AFTER: Duration = Duration::from_secs(3);

#[test]
#[ignore = "takes a while: make drill"]
fn expired_stream() {
    let mut drill = Drill::start("expired-stream", shared());
    drill.bigquery.kill();
    drill.bigquery.set_stream_expiry(EXPIRE_AFTER.as_secs());
    drill.bigquery.start_again();
    let mut publisher = Publisher::new(shared(), &drill.domain, 63).without_bad();
    publisher.publish(400);
    let mut instance = drill.domain.start_ready();
    wait(&drill.bigquery, &publisher.flush(), WITHIN);
    // Long enough for the streams to expire.
    drill.is_well(&mut instance);

    drill.tell("the write streams have expired");
    publisher.publish(400);
    let sent = publisher.flush();
    wait(&drill.bigquery, &sent, WITHIN);
    until_true("it has caught up", WITHIN, || instance.lag() == (4, 0.0));
    drill.fires(&mut instance);
    drill.sees(&instance.process.output());
    drill.runs(Some(&instance));
    instance.stop();
    drill.ends(&[&sent]);
}
