//! `SINK=influxdb`: its keys, its section, and the keys of another sink.

use super::*;

const URL: &str = "WRITE__PROD__INFLUXDB__URL";
const BUCKET: &str = "WRITE__PROD__INFLUXDB__BUCKET";
const DATABASE: &str = "WRITE__PROD__INFLUXDB__DATABASE";

/// A valid configuration of DELIVERY that writes to InfluxDB.
fn valid() -> Sources {
    without_bigquery()
        .env("SINK_DELIVERY=influxdb\nINFLUX_MEASUREMENT_DELIVERY=low")
        .variable(URL, "https://influx.example:8086/")
        .variable(BUCKET, "events")
}

/// The same without one key.
pub(super) fn valid_without(base: &str) -> Sources {
    let mut sources = valid();
    let lines: Vec<&str> =
        sources.env_file.lines().filter(|line| !line.starts_with(base)).collect();
    sources.env_file = lines.iter().map(|line| format!("{line}\n")).collect();
    sources
}

/// The same by the API of InfluxDB 1.
fn v1() -> Sources {
    let mut sources = valid().variable("WRITE__PROD__INFLUXDB__API", "v1");
    sources.variables.remove(std::ffi::OsStr::new(BUCKET));
    sources.variable(DATABASE, "telemetry")
}

fn influx(sources: Sources) -> InfluxSettings {
    match sources.settings().write.sink {
        SinkSettings::Influx(settings) => settings,
        _ => panic!("the sink is InfluxDB"),
    }
}

#[test]
fn the_least_that_is_needed() {
    let settings = influx(valid());
    assert_eq!(settings.target(), "events/low");
    assert_eq!(settings.dead_letters(), "low_dead_letters");
    assert_eq!(settings.point, PointRules { tags: Vec::new(), fields: None, time: None });
    let InfluxServer { url, api, gzip } = settings.server;
    assert_eq!((url.as_str(), gzip), ("https://influx.example:8086", false));
    assert!(matches!(api, InfluxApi::V2 { org: None, token: None, .. }));
}

#[test]
fn everything_that_can_be_set() {
    let settings = influx(
        valid()
            .env(r#"INFLUX_TAGS_DELIVERY='["region","address.city"]'"#)
            .env("INFLUX_FIELDS=amount\nINFLUX_TIME=/at/exactly")
            .variable("WRITE__PROD__INFLUXDB__ORG", "acme")
            .variable("WRITE__PROD__INFLUXDB__TOKEN", "s3cret==")
            .variable("WRITE__PROD__INFLUXDB__GZIP", "true"),
    );
    assert_eq!(settings.point.tags, ["region", "address.city"]);
    assert_eq!(settings.point.fields.as_deref(), Some(&["amount".to_owned()][..]));
    assert_eq!(settings.point.time, Some(vec!["at".to_owned(), "exactly".to_owned()]));
    assert!(settings.server.gzip);
    let InfluxApi::V2 { org, token, .. } = settings.server.api else { panic!("v2") };
    assert_eq!(org.as_deref(), Some("acme"));
    assert_eq!(token.map(|token| token.expose().to_owned()).as_deref(), Some("s3cret=="));
}

#[test]
fn version_1_has_databases_and_users() {
    let settings = influx(v1());
    assert_eq!(settings.target(), "telemetry/low");
    let settings = influx(
        v1().variable("WRITE__PROD__INFLUXDB__RETENTION_POLICY", "a_week")
            .variable("WRITE__PROD__INFLUXDB__USER", "writer")
            .variable("WRITE__PROD__INFLUXDB__PASSWORD", "s3cret"),
    );
    assert_eq!(settings.target(), "telemetry/a_week/low");
    let InfluxApi::V1 { login: Some(InfluxLogin { user, password }), .. } = settings.server.api
    else {
        panic!("a login");
    };
    assert_eq!((user.as_str(), password.expose()), ("writer", "s3cret"));
    let alone = v1().variable("WRITE__PROD__INFLUXDB__USER", "writer").mistake();
    assert_eq!(alone.key, "write.prod.influxdb.password");
}

#[test]
fn http_to_another_machine_has_to_be_allowed() {
    for url in ["http://127.0.0.1:8086", "http://[::1]:8086", "http://localhost:8086"] {
        assert_eq!(influx(valid().variable(URL, url)).server.url, url);
    }
    let elsewhere = valid().variable(URL, "http://influx.monitoring:8086");
    let mistake = elsewhere.mistake();
    assert!(mistake.accepted.contains("allow_http = true"), "{mistake}");
    let allowed = elsewhere.variable("WRITE__PROD__INFLUXDB__ALLOW_HTTP", "true");
    assert_eq!(influx(allowed).server.url, "http://influx.monitoring:8086");
}

#[test]
fn values_that_are_refused() {
    for (key, value, accepted) in [
        (URL, "influx:8086", "no scheme or no host"),
        (URL, "https://user:secret@influx:8086", "a user or a password"),
        (URL, "https://influx:8086/api/v2", "must not have a path"),
        ("WRITE__PROD__INFLUXDB__API", "v3", "`v2`"),
        ("WRITE__PROD__INFLUXDB__TOKEN", "secret\u{7f}", "API token"),
        ("WRITE__PROD__INFLUXDB__GZIP", "yes", "`true` or `false`"),
        (BUCKET, "", "a bucket"),
        (DATABASE, "telemetry", "`v1` only"),
        ("WRITE__PROD__INFLUXDB__USER", "writer", "`v1` only"),
    ] {
        let mistake = valid().variable(key, value).mistake();
        assert_eq!(mistake.key, key, "{value}");
        assert!(mistake.accepted.contains(accepted), "{value}: {mistake}");
        assert!(!mistake.to_string().contains("secret"), "{mistake}");
    }
    let mistake = v1().variable("WRITE__PROD__INFLUXDB__TOKEN", "secret").mistake();
    assert!(mistake.accepted.contains("`v2` only"), "{mistake}");
    let mistake = valid().variable("WRITE__PROD__INFLUXDB__BUKET", "x").mistake();
    assert!(mistake.accepted.contains("did you mean `bucket`?"), "{mistake}");
}

#[test]
fn a_key_of_another_sink_is_a_mistake() {
    let mistake = valid().env("PG_TABLE_DELIVERY=t").mistake();
    assert_eq!(mistake.accepted, "this key with SINK_DELIVERY=postgres only");
    let mistake = Sources::valid().env("INFLUX_TAGS_DELIVERY=t").mistake();
    assert_eq!(mistake.accepted, "this key with SINK_DELIVERY=influxdb only");
    influx(valid().env("PG_TABLE=t\nBQ_TABLE=t"));
}

#[test]
fn what_is_missing_is_named() {
    let mut sources = valid();
    sources.variables.remove(std::ffi::OsStr::new(URL));
    sources.variables.remove(std::ffi::OsStr::new(BUCKET));
    sources = sources.variable("WRITE__PROD__INFLUXDB__ORG", "acme");
    let keys: Vec<String> = sources.mistakes().into_iter().map(|mistake| mistake.key).collect();
    assert_eq!(keys, ["write.prod.influxdb.url", "write.prod.influxdb.bucket"]);
}

#[test]
fn secrets_are_not_shown() {
    for (sources, key) in [(valid(), "TOKEN"), (v1(), "PASSWORD")] {
        let sources = sources.variable(&format!("WRITE__PROD__INFLUXDB__{key}"), "s3cret");
        let sources = match key {
            "PASSWORD" => sources.variable("WRITE__PROD__INFLUXDB__USER", "writer"),
            _ => sources,
        };
        assert!(!format!("{:?}", sources.load().expect("valid")).contains("s3cret"));
    }
}
