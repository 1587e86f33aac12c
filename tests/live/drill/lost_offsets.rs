//! The group has lost its offsets while no instance ran.

use super::rehearsal::{Drill, WITHIN};
use crate::support::events::Publisher;
use crate::support::kafka::shared;
use crate::support::proof::wait;
use crate::support::until::until_true;

#[test]
fn lost_offsets() {
    let kafka = shared();
    let mut drill = Drill::start("lost-offsets", kafka);
    let mut publisher = Publisher::new(kafka, &drill.domain, 66).without_bad();
    publisher.publish(400);
    let mut instance = drill.domain.start_ready();
    wait(&drill.bigquery, &publisher.flush(), WITHIN);
    drill.is_well(&mut instance);
    instance.stop();
    publisher.publish(400);
    let sent = publisher.flush();

    drill.tell("nobody has read for a week, and the offsets are gone");
    until_true("the group has no members", WITHIN, || {
        kafka.members(&drill.domain.group).unwrap_or(0) == 0
    });
    kafka.delete_group(&drill.domain.group);
    drill.fires(&mut instance);
    // What check says, where the rows end, the offsets as they were, what check says then.
    drill.runs(None);
    drill.runs(None);
    drill.runs(None);
    let mut instance = drill.domain.start_ready();
    wait(&drill.bigquery, &sent, WITHIN);
    until_true("it has caught up", WITHIN, || instance.lag() == (4, 0.0));
    drill.runs(Some(&instance));
    instance.stop();
    drill.ends(&[&sent]);
}
