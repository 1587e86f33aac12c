//! The topic is deleted and created again while an instance reads it.

use super::rehearsal::{Drill, WITHIN};
use crate::support::domain::PARTITIONS;
use crate::support::events::Publisher;
use crate::support::kafka::shared;
use crate::support::proof::wait;
use crate::support::until::until_true;

#[test]
#[ignore = "takes a while: make drill"]
fn recreated_topic() {
    let kafka = shared();
    let mut drill = Drill::start("recreated-topic", kafka);
    let mut publisher = Publisher::new(kafka, &drill.domain, 64).without_bad();
    publisher.publish(400);
    let old = publisher.flush();
    let mut instance = drill.domain.start_ready();
    wait(&drill.bigquery, &old, WITHIN);
    drill.is_well(&mut instance);

    drill.tell("the topic is deleted and created again");
    kafka.delete_topic(&drill.domain.topic);
    kafka.create_topic(&drill.domain.topic, PARTITIONS);
    drill.since();
    let mut publisher = Publisher::new(kafka, &drill.domain, 65).without_bad();
    publisher.publish(600);
    let new = publisher.flush();
    assert_eq!(instance.process.wait(WITHIN).code(), Some(3));
    drill.fires(&mut instance);
    let said = instance.process.output();
    drill.sees(&said);
    let id = said.split_once("ACCEPT_TOPIC_ID=").expect("the key that accepts it").1;
    let of_id = |it: &char| it.is_ascii_alphanumeric() || "-_".contains(*it);
    let id: String = id.chars().take_while(of_id).collect();
    drill.runs(None);
    drill.sets(&id);
    let mut instance = drill.domain.start_ready();
    until_true("it has caught up", WITHIN, || instance.lag() == (4, 0.0));
    drill.runs(Some(&instance));
    instance.stop();
    drill.ends(&[&old, &new]);
}
