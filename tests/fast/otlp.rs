//! Runs that send to an OpenTelemetry collector, which is a few lines here: one that takes all, one that
//! refuses, one that never answers, and none at all. tests/live has a real one.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point;
use prost::Message;

use crate::first_run::{command, folder};

const EVENTS: usize = 40;

/// Paths and bodies of requests.
type Requests = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

#[derive(Clone, Copy, PartialEq)]
enum Answers {
    Ok,
    Unavailable,
    Never,
}

/// A collector by HTTP. It lives as long as the tests.
fn collector(answers: Answers) -> (String, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
    let requests = Requests::default();
    let kept = requests.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let kept = kept.clone();
            std::thread::spawn(move || serve(&stream, answers, &kept));
        }
    });
    (endpoint, requests)
}

fn serve(stream: &TcpStream, answers: Answers, kept: &Requests) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let path = line.split(' ').nth(1)?.to_owned();
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let header = header.trim().to_ascii_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if header.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let status = match answers {
            Answers::Ok => {
                kept.lock().expect("no panic elsewhere").push((path, body));
                "200 OK"
            }
            Answers::Unavailable => "503 Service Unavailable",
            Answers::Never => loop {
                std::thread::park();
            },
        };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        (&*stream).write_all(answer.as_bytes()).ok()?;
    }
}

struct Run {
    code: Option<i32>,
    summary: String,
    log: String,
    took: Duration,
}

/// Runs DELIVERY over the same events until it has caught up.
fn run(folder: &Path, variables: &[(&str, &str)]) -> Run {
    let event = r#"{"event_type":"Nothing"}"#;
    std::fs::write(folder.join("events.ndjson"), format!("{event}\n").repeat(EVENTS))
        .expect("written");
    let arguments = ["DELIVERY", "--until-caught-up", "--events", "events.ndjson"];
    let began = Instant::now();
    let output = command(folder, &arguments).envs(variables.iter().copied()).output();
    let output = output.expect("the binary starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Run {
        code: output.status.code(),
        summary: text(&output.stdout),
        log: text(&output.stderr),
        took: began.elapsed(),
    }
}

fn decoded<M: Message + Default>(requests: &Requests, wanted: &str) -> Vec<M> {
    let requests = requests.lock().expect("no panic elsewhere");
    let bodies = requests.iter().filter(|(path, _)| path == wanted);
    bodies.map(|(_, body)| M::decode(&body[..]).expect("OTLP")).collect()
}

#[test]
fn a_short_run_sends_its_metrics_spans_and_lines_before_it_ends() {
    let folder = folder();
    let (endpoint, requests) = collector(Answers::Ok);
    let run = run(folder.path(), &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
    assert_eq!(run.code, Some(0), "{}{}", run.summary, run.log);
    let metrics = decoded::<ExportMetricsServiceRequest>(&requests, "/v1/metrics");
    let last = metrics.last().expect("metrics, although the interval is a minute");
    let all = &last.resource_metrics[0].scope_metrics[0].metrics;
    let read = all.iter().find(|metric| metric.name == "generic_consumer_read_records_total");
    let Some(Data::Sum(sum)) = read.and_then(|metric| metric.data.clone()) else {
        panic!("{all:?}")
    };
    let value = sum.data_points[0].value;
    assert_eq!(value, Some(number_data_point::Value::AsInt(EVENTS as i64)));

    let traces = decoded::<ExportTraceServiceRequest>(&requests, "/v1/traces");
    let spans = traces.iter().flat_map(|request| &request.resource_spans);
    let spans = spans.flat_map(|resource| &resource.scope_spans).flat_map(|scope| &scope.spans);
    let names: Vec<&str> = spans.map(|span| span.name.as_str()).collect();
    for start in ["process ", "append ", "commit "] {
        assert!(names.iter().any(|name| name.starts_with(start)), "{start}: {names:?}");
    }

    let logs = decoded::<ExportLogsServiceRequest>(&requests, "/v1/logs");
    let records = logs.iter().flat_map(|request| &request.resource_logs);
    let records = records.flat_map(|resource| &resource.scope_logs);
    let bodies: Vec<String> = records
        .flat_map(|scope| &scope.log_records)
        .filter_map(|record| match record.body.clone()?.value? {
            Value::StringValue(text) => Some(text),
            _ => None,
        })
        .collect();
    assert!(bodies.iter().any(|body| body == "consuming"), "{bodies:?}");
    let resource = logs[0].resource_logs[0].resource.clone().expect("a resource");
    let environment = resource.attributes.iter();
    let mut environment = environment.filter(|it| it.key == "deployment.environment.name");
    assert!(environment.next().is_some(), "{resource:?}");
}

/// Neither the work nor the exit code depends on the collector, and the end waits five seconds at most.
#[test]
fn a_collector_that_fails_costs_nothing_but_a_warning() {
    let folder = folder();
    let alone = run(folder.path(), &[]);
    assert_eq!(alone.code, Some(0), "{}{}", alone.summary, alone.log);
    assert!(!alone.log.contains("OpenTelemetry"), "{}", alone.log);
    let away = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        format!("http://{}", listener.local_addr().expect("bound"))
    };
    let endpoints = [
        ("away", away),
        ("refusing", collector(Answers::Unavailable).0),
        ("silent", collector(Answers::Never).0),
    ];
    let counts = |run: &Run| {
        let lines = run.summary.lines().map(str::trim);
        let counted = lines.filter(|line| {
            ["read ", "written ", "ignored ", "dead-lettered "]
                .iter()
                .any(|it| line.starts_with(it))
        });
        // The rate differs from run to run.
        let numbers =
            counted.map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" "));
        numbers.collect::<Vec<_>>()
    };
    for (what, endpoint) in endpoints {
        for protocol in ["grpc", "http/protobuf"] {
            let run = run(
                folder.path(),
                &[
                    ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
                    ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
                ],
            );
            assert_eq!(run.code, Some(0), "{what} {protocol}: {}", run.log);
            assert_eq!(counts(&run), counts(&alone), "{what} {protocol}");
            let longest = alone.took + Duration::from_secs(20);
            assert!(run.took < longest, "{what} {protocol}: {:?}", run.took);
            let warned = |line: &&str| line.contains(r#""level":"WARN""#);
            let warnings = run.log.lines().filter(warned).count();
            assert!((1..=8).contains(&warnings), "{what} {protocol}: {}", run.log);
        }
    }
}

#[test]
fn wrong_variables_are_named_at_the_start_with_all_other_mistakes() {
    let folder = folder();
    let run = run(
        folder.path(),
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "many"),
            ("BATCH_ROWS_DELIVERY", "none"),
        ],
    );
    assert_eq!(run.code, Some(1), "{}", run.log);
    for part in [
        "has 4 mistakes",
        "variable OTEL_EXPORTER_OTLP_ENDPOINT (environment)",
        "accepted  grpc or http/protobuf",
        "found     \"many\"",
        "BATCH_ROWS",
    ] {
        assert!(run.log.contains(part), "{part} is missing in\n{}", run.log);
    }
}

#[test]
fn a_certificate_that_cannot_be_read_is_a_mistake_of_the_configuration() {
    let folder = folder();
    let run = run(
        folder.path(),
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://localhost:1"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "missing.pem"),
        ],
    );
    assert_eq!(run.code, Some(1), "{}", run.log);
    assert!(run.log.contains("missing.pem"), "{}", run.log);
}
