//! Measures memory and CPU for a minute while the sink receives requests and acknowledges none.
//! Memory has a bound, and the instance has to stay in its group.

use std::time::Duration;

use serde_json::{Value, json};

use crate::Done;
use crate::events::Drawn;
use crate::feed::{self, Feed};
use crate::measure;
use crate::report;
use crate::sink::Sink;
use crate::support::domain::{Domain, IGNORED, TABLE};
use crate::support::kafka::Kafka;
use crate::support::until::until_true;

const MIB: u64 = 1 << 20;
const WITHIN: Duration = Duration::from_secs(180);
const STALL: Duration = Duration::from_secs(60);
const NEVER: Duration = Duration::from_secs(3_600);

/// Memory that the process may use in addition to the bytes in flight.
const BESIDES: u64 = 64 * MIB;

/// With two kilobytes per event, 240 MB: several times what may be in flight.
const EVENTS: u64 = 120_000;
const BYTES: usize = 2_000;

pub fn run() -> Done {
    let kafka = Kafka::start("stalled");
    let sink = Sink::start();
    let mut rows = Vec::new();
    let mut all = Vec::new();
    for (guarantee, partitions) in [
        ("at-least-once", 1),
        ("at-least-once", 4),
        ("at-least-once", 64),
        ("at-least-once", 1_000),
        ("exactly-once", 1),
        ("exactly-once", 4),
        ("exactly-once", 64),
    ] {
        let name = format!("stalled-{guarantee}-{partitions}");
        let made = Domain::with_partitions(&name, &kafka, &sink.urls(), partitions);
        let drawn = Drawn { padded: Some(("delivery_id", BYTES)), ..Drawn::plain((IGNORED, 0.0)) };
        let feed = Feed { topic: &name, partitions, count: EVENTS, drawn, traced: false };
        feed::fill(&kafka, &made.contract(), &feed);
        for in_flight_mib in [8, 64] {
            made.set("DELIVERY_GUARANTEE", guarantee)
                .set("IN_FLIGHT_BYTES", &format!("{in_flight_mib}MiB"))
                .set("GROUP_ID_DELIVERY", &format!("{name}-{in_flight_mib}"));
            let stall = stall(&made, &kafka, &sink, &format!("{name}-{in_flight_mib}"));
            let bound = in_flight_mib * MIB + BESIDES;
            let verdict = if stall.peak <= bound { "holds" } else { "MISSED" };
            rows.push(vec![
                guarantee.to_owned(),
                partitions.to_string(),
                in_flight_mib.to_string(),
                (stall.peak / MIB).to_string(),
                (bound / MIB).to_string(),
                verdict.to_owned(),
                format!("{:.2}", stall.cpu_per_cent),
            ]);
            println!("{}", rows[rows.len() - 1].join(" "));
            all.push(json!({
                "guarantee": guarantee, "partitions": partitions, "in_flight_mib": in_flight_mib,
                "peak_mib": stall.peak as f64 / MIB as f64, "cpu_per_cent": stall.cpu_per_cent,
                "verdict": verdict,
            }));
        }
    }
    let head = ["guarantee", "partitions", "in flight MiB", "peak MiB", "bound", "", "CPU %"];
    report::table(&head, &rows);
    report::keep("stalled", &Value::Array(all));
    Ok(())
}

struct Stall {
    peak: u64,
    cpu_per_cent: f64,
}

fn stall(domain: &Domain, kafka: &Kafka, sink: &Sink, group: &str) -> Stall {
    sink.reset();
    sink.latency(NEVER);
    let mut instance = domain.start_ready();
    until_true("the sink has received rows", WITHIN, || sink.rows(TABLE).appended > 0);
    // At the limit of bytes in flight the consumer stops reading, and the count stays the same.
    let mut read = -1.0;
    until_true("the consumer pauses", WITHIN, || {
        std::thread::sleep(Duration::from_secs(2));
        let now = instance.metric("generic_consumer_read_records_total").unwrap_or(-1.0);
        std::mem::replace(&mut read, now) == now && now > 0.0
    });
    assert!(read < EVENTS as f64, "the consumer read every event although none was acknowledged");
    let before = measure::cpu_seconds(instance.process.pid());
    std::thread::sleep(STALL);
    instance.assert_running();
    let spent = measure::cpu_seconds(instance.process.pid()) - before;
    assert_eq!(kafka.members(group), Some(1), "members of the group");
    assert_eq!(instance.metric("generic_consumer_rejoins_total").unwrap_or(0.0), 0.0);
    let peak = instance.process.peak_resident().expect("the process is running");
    instance.process.kill();
    sink.latency(Duration::ZERO);
    Stall { peak, cpu_per_cent: spent / STALL.as_secs_f64() * 100.0 }
}
