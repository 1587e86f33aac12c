//! The dashboard in front of InfluxDB 1.8: its values are those of the points.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::dashboard::{AGGREGATES, Dashboard, START, WITHIN, compare, errors, points};
use crate::support::influx::Influx;
use crate::support::until::{until, until_true};

/// The measurement, with what has to be quoted in its name.
const MEASUREMENT: &str = "low \"1\"";

/// Writes the points, each with a time of its own: a second one would overwrite the first.
fn write(server: &Influx, points: &[(i64, f64)]) {
    let lines = points.iter().enumerate().map(|(index, (at, value))| {
        let nanoseconds = at * 1_000_000 + i64::try_from(index).expect("few");
        format!("low\\ \"1\" amount={value},name=\"x\" {nanoseconds}\n")
    });
    server.write(&lines.collect::<String>());
}

/// Each aggregate of a field.
fn series(names: &[&str], measurement: &str, value: &str) -> String {
    let one = |name: &&str| {
        let aggregate = if AGGREGATES.contains(name) { name } else { "mean" };
        format!(
            "[[series]]\nname = '{name}'\nstore = 'influxdb'\nmeasurement = '{measurement}'\n\
             value = '{value}'\naggregate = '{aggregate}'\n"
        )
    };
    names.iter().map(one).collect()
}

fn environment(section: &str) -> String {
    format!("[write.local.influxdb]\n{section}")
}

#[test]
fn values_are_those_of_the_points() {
    let mut server = Influx::start("dashboard-values");
    let points = points();
    write(&server, &points);
    let file = format!(
        "{}{}{}",
        series(&AGGREGATES, MEASUREMENT, "amount"),
        series(&["text"], MEASUREMENT, "name"),
        series(&["nothing"], "nosuch", "amount"),
    );
    let environment = environment(&server.section_v1());
    let dashboard = Dashboard::start("influxdb", &environment, &file);
    let mut frame = dashboard.frame();
    let errors_found = errors(&frame);
    assert_eq!(errors_found.len(), 1, "{errors_found:?}");
    let expected = "InfluxDB: the field is no number: only count can be made of it";
    assert_eq!(errors_found["text"], expected);
    let lines = frame["series"].as_array_mut().expect("series");
    let nothing = lines.pop().expect("the last");
    assert!(nothing["values"].as_array().expect("values").iter().all(Value::is_null));
    lines.retain(|line| line["name"] != "text");
    frame["partial"] = Value::Bool(false);
    compare(&frame, &points);

    server.freeze();
    let began = Instant::now();
    let frozen = dashboard.frame();
    assert!(began.elapsed() < Duration::from_secs(7), "{:?}", began.elapsed());
    let text = errors(&frozen)["mean"].clone();
    assert!(text.contains("no answer within 5 s"), "{text}");
    let began = Instant::now();
    dashboard.frame();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    server.thaw();
    until_true("it is back", WITHIN, || errors(&dashboard.frame()).len() == 1);
    server.kill();
    until("it notices", WITHIN, || {
        let text = errors(&dashboard.frame()).get("mean")?.clone();
        text.contains("Connection refused").then_some(())
    });
    server.start_again();
    until_true("it is back", WITHIN, || errors(&dashboard.frame()).len() == 1);
    dashboard.stop();
}

/// A bucket is a database and a retention policy; where it does not exist, that is said.
#[test]
fn a_bucket_stands_for_a_database() {
    let server = Influx::start("dashboard-buckets");
    let points = points();
    write(&server, &points);
    let file = series(&AGGREGATES, MEASUREMENT, "amount");
    let section = server.section().replace("events", "events/autogen");
    let bucket = environment(&format!("{section}token = \"a:b\"\n"));
    let dashboard = Dashboard::start("influxdb-bucket", &bucket, &file);
    compare(&dashboard.frame(), &points);
    dashboard.stop();
    let other = environment(&server.section().replace("events", "other"));
    let dashboard = Dashboard::start("influxdb-other", &other, &file);
    let path = format!("/api/series?from={START}&to={}", START + 60_000);
    let text = errors(&dashboard.json(&path))["mean"].clone();
    assert_eq!(text, "InfluxDB: database not found: other");
    dashboard.stop();
}
