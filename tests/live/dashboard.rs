//! The dashboard in front of real stores: its values are those of the rows, and what it says while a
//! store is away.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::domain::program;
use crate::support::http::get;
use crate::support::postgres::{Postgres, USER};
use crate::support::process::{Process, Start};
use crate::support::timescale::Timescale;
use crate::support::until::{until, until_true};
use crate::support::{folder, ports};

pub const WITHIN: Duration = Duration::from_secs(60);

/// 2026-11-21T10:00:00Z, where a minute begins.
pub const START: i64 = 1_795_255_200_000;
pub const BUCKET: i64 = 10_000;

pub const AGGREGATES: [&str; 5] = ["mean", "sum", "count", "min", "max"];

/// A running dashboard.
pub struct Dashboard {
    port: u16,
    process: Process,
}

impl Dashboard {
    /// `environment`: the sections of the write environment `local` as TOML.
    pub fn start(name: &str, environment: &str, series: &str) -> Self {
        let folder = folder::fresh(&format!("dashboard-{name}"));
        std::fs::write(folder.join("stores.toml"), environment).expect("written");
        std::fs::write(folder.join("series.toml"), series).expect("written");
        let port = ports::free();
        let address = format!("127.0.0.1:{port}");
        let arguments =
            ["dashboard", "--config", "stores.toml", "--series", "series.toml", "--addr", &address];
        let mut process = Process::start(&Start {
            name: "the dashboard",
            log: &folder.join("dashboard.log"),
            program: program().as_os_str(),
            arguments: arguments.map(Into::into).to_vec(),
            variables: vec![("WRITE_ENV".into(), "local".into())],
            folder: Some(&folder),
            input: None,
        });
        until_true("the dashboard is ready", WITHIN, || {
            assert!(process.ended().is_none(), "it has ended:\n{}", process.output());
            get(port, "/readyz").is_some_and(|(status, _)| status == 200)
        });
        Self { port, process }
    }

    pub fn json(&self, path: &str) -> Value {
        let (status, body) = get(self.port, path).expect("an answer");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// The rows' range, with two empty buckets on each side.
    pub fn frame(&self) -> Value {
        let (from, to) = (START - 2 * BUCKET, START + 14 * BUCKET);
        self.json(&format!("/api/series?from={from}&to={to}&bucket={BUCKET}"))
    }

    pub fn stop(mut self) {
        let (status, took) = self.process.stop(WITHIN);
        assert_eq!(status.code(), Some(0), "{}", self.process.output());
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
}

/// A series of PostgreSQL with further keys.
fn series(name: &str, more: &str) -> String {
    format!("[[series]]\nname = \"{name}\"\nstore = \"postgres\"\n{more}\n")
}

/// Each aggregate of `amount` in a table.
fn all_aggregates(table: &str) -> String {
    let one = |aggregate: &&str| {
        let keys = format!("table = \"{table}\"\ntime = \"at\"\nvalue = \"amount\"\n");
        series(aggregate, &format!("{keys}aggregate = \"{aggregate}\""))
    };
    AGGREGATES.iter().map(one).collect()
}

/// Times and values, as an `INSERT` writes them: dense and sparse buckets, one that is empty, rows at
/// both bounds of a bucket.
pub fn points() -> Vec<(i64, f64)> {
    let mut points: Vec<(i64, f64)> = (0..400)
        .map(|n: i64| (START + n * 317 % (12 * BUCKET), f64::from(n as i32 * 37 % 101) / 4.0))
        .filter(|(at, _)| (at - START) / BUCKET != 5)
        .collect();
    points.extend([(START, -3.5), (START + BUCKET - 1, 8.25), (START + BUCKET, 100.0)]);
    points
}

/// What each aggregate of the points is, bucket by bucket.
fn expected(aggregate: &str, points: &[(i64, f64)]) -> BTreeMap<i64, f64> {
    let mut buckets: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for (at, value) in points {
        buckets.entry(at.div_euclid(BUCKET) * BUCKET).or_default().push(*value);
    }
    let aggregated = |values: Vec<f64>| match aggregate {
        "mean" => values.iter().sum::<f64>() / values.len() as f64,
        "sum" => values.iter().sum(),
        "count" => values.len() as f64,
        "min" => values.iter().copied().fold(f64::INFINITY, f64::min),
        "max" => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        other => panic!("{other}"),
    };
    buckets.into_iter().map(|(at, values)| (at, aggregated(values))).collect()
}

/// Compares every bucket of a frame whose series are named by their aggregate.
pub fn compare(frame: &Value, points: &[(i64, f64)]) {
    assert_eq!(frame["partial"], false, "{frame}");
    let times: Vec<i64> = serde_json::from_value(frame["times"].clone()).expect("times");
    assert_eq!(times, (-2..14).map(|n| START + n * BUCKET).collect::<Vec<_>>());
    for line in frame["series"].as_array().expect("series") {
        let aggregate = line["aggregate"].as_str().expect("a name");
        let expected = expected(aggregate, points);
        let values: Vec<Option<f64>> =
            serde_json::from_value(line["values"].clone()).expect("values");
        assert_eq!(values.len(), times.len());
        for (at, value) in times.iter().zip(values) {
            let right = expected.get(at);
            let same = match (value, right) {
                (Some(value), Some(right)) => (value - right).abs() < 1e-9,
                (None, None) => true,
                _ => false,
            };
            assert!(same, "{aggregate} at {at}: {value:?} and not {right:?}");
        }
    }
}

/// The statement that fills a table with the points.
fn insert(table: &str, points: &[(i64, f64)]) -> String {
    let rows = points.iter().map(|(at, value)| format!("(to_timestamp({at} / 1000.0), {value})"));
    format!("INSERT INTO {table} (at, amount) VALUES {}", rows.collect::<Vec<_>>().join(", "))
}

pub fn errors(frame: &Value) -> BTreeMap<String, String> {
    let lines = frame["series"].as_array().expect("series").iter();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    lines.filter_map(|line| Some((text(&line["name"])?, text(&line["error"])?))).collect()
}

fn write_environment(section: &str) -> String {
    format!("[write.local.postgres]\n{section}")
}

#[test]
fn values_are_those_of_the_rows() {
    let server = Postgres::start("dashboard-values");
    let points = points();
    server.query("CREATE TABLE high (at timestamptz, amount numeric(12, 2))");
    // Neither NULL nor what is no number of JSON counts.
    server.query("CREATE TABLE \"odd\"\"one\" (at timestamp, amount double precision)");
    for table in ["high", "\"odd\"\"one\""] {
        server.query(&insert(table, &points));
        let null = format!(
            "INSERT INTO {table} (at, amount) VALUES (to_timestamp({START} / 1000.0), NULL)"
        );
        server.query(&null);
    }
    server.query(&format!(
        "INSERT INTO \"odd\"\"one\" VALUES (to_timestamp({START} / 1000.0), 'NaN'), \
         (to_timestamp({} / 1000.0), '-Infinity')",
        START + 5 * BUCKET
    ));
    server.query(&format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {USER}"));
    let environment = write_environment(&server.section());
    let dashboard = Dashboard::start("values", &environment, &all_aggregates("high"));
    compare(&dashboard.frame(), &points);
    // A range that cuts buckets has whole ones.
    let (from, to) = (START + 1, START + BUCKET + 1);
    let cut = dashboard.json(&format!("/api/series?from={from}&to={to}&bucket={BUCKET}"));
    let mean = expected("mean", &points);
    assert_eq!(cut["series"][0]["values"][0].as_f64(), mean.get(&START).copied());
    assert_eq!(cut["times"].as_array().map(Vec::len), Some(2));
    dashboard.stop();

    let odd: String = all_aggregates("odd\\\"one");
    let dashboard = Dashboard::start("odd", &environment, &odd);
    let frame = dashboard.frame();
    let mut counted = frame.clone();
    // What is counted are values, of whatever kind: the two that are no numbers are among them.
    let lines = counted["series"].as_array_mut().expect("series");
    lines.retain(|line| line["aggregate"] != "count");
    compare(&counted, &points);
    dashboard.stop();
}

#[test]
fn timescaledb_has_the_same_buckets() {
    let server = Timescale::start("dashboard");
    let points = points();
    server.query("CREATE TABLE high (at timestamptz NOT NULL, amount float8)");
    server.query("SELECT create_hypertable('high', 'at')");
    server.query(&insert("high", &points));
    // There is one connection.
    let environment = write_environment(&format!("{}connections = 1\n", server.section()));
    let dashboard = Dashboard::start("timescale", &environment, &all_aggregates("high"));
    compare(&dashboard.frame(), &points);
    dashboard.stop();
}

#[test]
fn a_series_that_cannot_be_read_says_why() {
    let server = Postgres::start("dashboard-errors");
    server.query("CREATE TABLE high (at timestamptz, amount numeric, name text)");
    server.query(&insert("high", &points()));
    server.query("CREATE TABLE secret (at timestamptz, amount numeric)");
    server.query(
        "CREATE VIEW slow AS SELECT at, amount + length(pg_sleep(0.5)::text) AS amount FROM high",
    );
    server.query("CREATE TABLE written (n int)");
    server.query(
        "CREATE FUNCTION writes() RETURNS int LANGUAGE sql VOLATILE SECURITY DEFINER AS \
         $$ INSERT INTO written VALUES (1) RETURNING n $$",
    );
    server.query("CREATE VIEW writing AS SELECT now() AS at, writes() AS amount");
    server.query(&format!("GRANT SELECT ON high, slow, writing TO {USER}"));
    let of = |table: &str, value: &str, time: &str, aggregate: &str| {
        format!(
            "table = \"{table}\"\nvalue = \"{value}\"\ntime = \"{time}\"\naggregate = \"{aggregate}\""
        )
    };
    let file = [
        series("good", &of("high", "amount", "at", "mean")),
        series("counted", &of("high", "name", "at", "count")),
        series("text", &of("high", "name", "at", "mean")),
        series("no_time", &of("high", "amount", "name", "mean")),
        series("no_table", &of("hihg", "amount", "at", "mean")),
        series("no_column", &of("high", "\\\"; DROP TABLE high; --", "at", "mean")),
        series("no_right", &of("secret", "amount", "at", "mean")),
        series("slow", &of("slow", "amount", "at", "mean")),
        series("writing", &of("writing", "amount", "at", "mean")),
    ]
    .concat();
    let section = format!("{}connections = 20\n", server.section());
    let dashboard = Dashboard::start("errors", &write_environment(&section), &file);
    let began = Instant::now();
    let now = server.value("SELECT (extract(epoch FROM now()) * 1000)::int8");
    let now: i64 = now.parse().expect("a number");
    let path =
        format!("/api/series?from={START}&to={}&bucket=31449600000", now.max(START) + 60_000);
    let frame = dashboard.json(&path);
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    let errors = errors(&frame);
    assert_eq!(frame["partial"], true);
    for (name, part) in [
        ("text", "the value column name is text, which is no number"),
        ("no_time", "the time column name is text"),
        ("no_table", "relation \"public.hihg\" does not exist (42P01)"),
        ("no_column", "does not exist (42703)"),
        ("no_right", "permission denied for table secret (42501)"),
        ("slow", "took longer than 4 s"),
        ("writing", "read-only transaction"),
    ] {
        assert!(errors.get(name).is_some_and(|error| error.contains(part)), "{name}: {errors:?}");
    }
    assert_eq!(errors.len(), 7, "{errors:?}");
    // None of them is taken for a store that is away.
    let again = dashboard.json(&path);
    assert_eq!(again["series"][0]["error"], Value::Null, "{again}");
    assert_eq!(server.value("SELECT count(*) FROM written"), "0");
    assert_eq!(server.value("SELECT count(*) FROM high"), points().len().to_string());
    dashboard.stop();
}

#[test]
fn a_store_goes_away_freezes_and_comes_back() {
    let mut server = Postgres::start("dashboard-away");
    let points = points();
    server.query("CREATE TABLE high (at timestamptz, amount float8)");
    server.query(&insert("high", &points));
    server.query(&format!("GRANT SELECT ON high TO {USER}"));
    let environment = write_environment(&server.section());
    let dashboard = Dashboard::start("away", &environment, &all_aggregates("high"));
    compare(&dashboard.frame(), &points);

    server.stop();
    let frame = until("it notices", WITHIN, || {
        Some(dashboard.frame()).filter(|frame| errors(frame).len() == AGGREGATES.len())
    });
    let texts: Vec<String> = errors(&frame).into_values().collect();
    assert!(texts.iter().all(|text| text.starts_with("PostgreSQL ")), "{texts:?}");
    assert!(texts.iter().all(|text| !text.contains("a-secret")), "{texts:?}");
    let began = Instant::now();
    dashboard.frame();
    assert!(began.elapsed() < Duration::from_secs(1), "nobody waits for it");
    server.start_again();
    until_true("it is back", WITHIN, || dashboard.frame()["partial"] == false);
    compare(&dashboard.frame(), &points);

    server.freeze();
    let began = Instant::now();
    let frame = dashboard.frame();
    let took = began.elapsed();
    assert!(took < Duration::from_secs(7), "{took:?}");
    assert_eq!(frame["partial"], true);
    let began = Instant::now();
    let text = errors(&dashboard.frame()).into_values().next().expect("an error");
    assert!(text.contains("no answer within 5 s"), "{text}");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(get(dashboard.port, "/readyz").map(|(status, _)| status), Some(200));
    server.thaw();
    until_true("it is back", WITHIN, || dashboard.frame()["partial"] == false);
    compare(&dashboard.frame(), &points);
    dashboard.stop();
}

#[test]
fn fifty_viewers_are_one_to_the_store() {
    let server = Postgres::start("dashboard-viewers");
    server.query("CREATE TABLE high (at timestamptz, amount float8)");
    server.query(&format!("GRANT SELECT ON high TO {USER}"));
    let one = "table = \"high\"\nvalue = \"amount\"\ntime = \"at\"\naggregate = \"mean\"";
    let dashboard =
        Dashboard::start("viewers", &write_environment(&server.section()), &series("high", one));
    let mut viewers: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", dashboard.port)).expect("accepted");
            stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
            let request = b"GET /api/live?bucket=1000 HTTP/1.1\r\nHost: a\r\n\r\n";
            stream.write_all(request).expect("sent");
            stream
        })
        .collect();
    let mut seen = vec![String::new(); viewers.len()];
    let read = |stream: &mut TcpStream, seen: &mut String, part: &str| {
        let mut bytes = [0; 8192];
        while !seen.contains(part) {
            let count = stream.read(&mut bytes).expect("it goes on");
            assert_ne!(count, 0, "the stream has ended");
            seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    };
    for (stream, seen) in viewers.iter_mut().zip(&mut seen) {
        read(stream, seen, "event: series");
        read(stream, seen, "event: fleet");
    }
    // Each query is a transaction. What a session has done is counted up to a second later.
    let transactions = || -> u64 {
        let sql = "SELECT pg_stat_clear_snapshot(), xact_commit FROM pg_stat_database \
                   WHERE datname = current_database()";
        server.query(sql)[0][1].as_ref().expect("a number").parse().expect("a number")
    };
    let before = transactions();
    let began = Instant::now();
    std::thread::sleep(Duration::from_secs(8));
    let (after, seconds) = (transactions(), began.elapsed().as_secs());
    let most = 2 * (seconds + 3);
    assert!(after > before && after - before <= most, "{} in {seconds} s", after - before);

    // A row is seen by all of them.
    server.query("INSERT INTO high VALUES (now(), 4321.5)");
    for (stream, seen) in viewers.iter_mut().zip(&mut seen) {
        read(stream, seen, "4321.5");
    }
    dashboard.stop();
    for stream in &mut viewers {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("it ends");
    }
}
