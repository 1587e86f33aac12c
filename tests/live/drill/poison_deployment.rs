//! A deployment with a contract that most events do not fit.

use serde_json::json;

use super::rehearsal::{Drill, WITHIN};
use crate::support::domain::TABLE;
use crate::support::events::{Fate, Publisher, count};
use crate::support::kafka::shared;
use crate::support::proof::wait;
use crate::support::until::until_true;

#[test]
fn poison_deployment() {
    let kafka = shared();
    let mut drill = Drill::start("poison-deployment", kafka);
    let mut publisher = Publisher::new(kafka, &drill.domain, 67).without_bad();
    publisher.publish(400);
    let mut instance = drill.domain.start_ready();
    let good = publisher.flush();
    let before = count(&good, |fate| fate.is_row());
    wait(&drill.bigquery, &good, WITHIN);
    drill.is_well(&mut instance);
    instance.stop();
    let right = drill.domain.env_text();

    drill.tell("a contract is deployed that the events do not fit");
    drill.domain.set_contract(&json!({
        "asyncapi": "3.0.0",
        "info": {"title": "wrong", "version": "1"},
        "channels": {"C": {"address": drill.domain.topic, "messages": {"Other": {"payload": {
            "type": "object",
            "required": ["no_such_field"],
            "properties": {"event_type": {"type": "string"}, "no_such_field": {"type": "string"}},
        }}}}},
    }));
    let mut instance = drill.domain.start_ready();
    publisher.publish(400);
    let sent = publisher.flush();
    until_true("most events are dead letters", WITHIN, || {
        drill.bigquery.letters(TABLE).len() > count(&sent, |fate| fate.is_row()) / 3
    });
    drill.fires(&mut instance);
    drill.runs(None);
    drill.runs(None);
    instance.stop();

    drill.tell("the contract from before is deployed");
    for line in right.lines() {
        let (name, value) = line.split_once('=').expect("an assignment");
        drill.domain.set(name, value.trim_matches('\''));
    }
    let mut instance = drill.domain.start_ready();
    publisher.publish(400);
    let all = publisher.flush();
    until_true("the new events are rows", WITHIN, || {
        let rows = |fate: &Fate| fate.is_row();
        let (new, _) = drill.bigquery.fresh_rows(TABLE, 0);
        new as usize >= count(&all, rows) - count(&sent, rows) + before
    });
    until_true("it has caught up", WITHIN, || instance.lag() == (4, 0.0));
    drill.runs(None);
    drill.runs(None);
    instance.stop();
    drill.ends(&[&all]);
}
