//! What a real OpenTelemetry Collector receives of a run: the metrics are those of `/metrics`, batches
//! have spans, lines of the log are log records.

use std::collections::BTreeMap;
use std::time::Duration;

use generic_consumer::contract::sample::Samples;
use serde_json::Value;

use crate::support::bigquery::EmbeddedBigQuery;
use crate::support::collector::{Collector, attribute, inner};
use crate::support::domain::{Domain, IGNORED};
use crate::support::events::Publisher;
use crate::support::kafka::shared;
use crate::support::ports;
use crate::support::proof::{Guarantee, prove};
use crate::support::until::{until, until_true};

const WITHIN: Duration = Duration::from_secs(60);

/// Values by metric and labels, as Prometheus writes them: `a_total{b="c"}`.
type Values = BTreeMap<String, f64>;

#[test]
fn a_collector_receives_by_grpc_what_prometheus_scrapes_and_a_span_a_batch() {
    compared("grpc", Guarantee::ExactlyOnce);
}

#[test]
fn a_collector_receives_the_same_by_http() {
    compared("http/protobuf", Guarantee::AtLeastOnce);
}

fn compared(protocol: &str, guarantee: Guarantee) {
    let kafka = shared();
    let name = format!("otel-{}", guarantee.key());
    let mut collector = Collector::start(&name);
    let bigquery = EmbeddedBigQuery::start(&name, "", 1);
    let domain = Domain::new(&name, kafka, &bigquery.urls());
    domain.set("DELIVERY_GUARANTEE", guarantee.key());
    let mut publisher = Publisher::new(kafka, &domain, 7);
    publisher.publish(3_000);
    let sent = publisher.flush();
    let variables = collector.variables(protocol);
    let mut variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    variables.extend([
        ("OTEL_SERVICE_NAME", "deliveries"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=a%20b"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "200"),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "100"),
    ]);
    let mut instance = domain.start_with(&variables);
    let arrived = prove(&bigquery, &sent, guarantee, WITHIN);

    // Nothing more comes, so both are the same once what was counted last has arrived.
    let scraped = || scrape(&instance.get("/metrics").expect("an answer").1);
    until("the collector has what Prometheus has", WITHIN, || {
        let (scraped, received) = (scraped(), received(&collector)?);
        let names = |values: &Values| values.keys().cloned().collect::<Vec<_>>();
        // Ages go on.
        let counted = |values: &Values| {
            let mut values = values.clone();
            values.retain(|name, _| name.contains("_total") || name.contains("_bucket"));
            values
        };
        (names(&scraped) == names(&received) && counted(&scraped) == counted(&received))
            .then_some(())
    });
    let values = received(&collector).expect("metrics");
    assert_eq!(values["generic_consumer_read_records_total"] as usize, sent.len());
    instance.stop();
    collector.stop();

    // Stopping has sent what was left.
    for (signal, list) in
        [("metrics", "resourceMetrics"), ("traces", "resourceSpans"), ("logs", "resourceLogs")]
    {
        let requests = collector.arrived(signal);
        let resource = &requests.first().expect("a request")[list][0]["resource"];
        for (name, value) in [
            ("service.name", "deliveries"),
            ("team", "a b"),
            ("generic_consumer.domain", "DELIVERY"),
        ] {
            assert_eq!(attribute(resource, name).as_deref(), Some(value), "{signal}: {resource}");
        }
    }
    let spans = collector.spans();
    let is_root = |span: &&Value| span["parentSpanId"].as_str().is_none_or(str::is_empty);
    let roots: Vec<&Value> = spans.iter().filter(is_root).collect();
    let rows: usize = roots
        .iter()
        .filter_map(|root| attribute(root, "generic_consumer.rows")?.parse::<usize>().ok())
        .sum();
    assert_eq!(rows, arrived.visible, "the spans of all batches have arrived");
    for root in &roots {
        assert_eq!(root["name"], format!("process {}", domain.topic), "{root}");
        let of_root = |span: &&Value| span["parentSpanId"] == root["spanId"];
        let children: Vec<&str> =
            spans.iter().filter(of_root).filter_map(|span| span["name"].as_str()).collect();
        let has = |start: &str| children.iter().any(|name| name.starts_with(start));
        assert!(has("append ") && has("commit "), "{children:?}");
        let has_rows = attribute(root, "generic_consumer.rows").is_some_and(|rows| rows != "0");
        let is_flushed = guarantee == Guarantee::ExactlyOnce && has_rows;
        assert_eq!(has("flush "), is_flushed, "{children:?}");
    }
    let logs = collector.logs();
    let is_line = |text: &str| logs.iter().any(|log| log["body"]["stringValue"] == text);
    assert!(is_line("consuming") && is_line("stopped"), "{logs:?}");
}

/// The samples of an OpenMetrics text.
fn scrape(text: &str) -> Values {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a sample");
            (name.to_owned(), value.parse().expect("a number"))
        })
        .collect()
}

/// The metrics of the latest request, in the same form.
fn received(collector: &Collector) -> Option<Values> {
    let requests = collector.arrived("metrics");
    let latest = requests.last()?.clone();
    let metrics = inner(&[latest], ["resourceMetrics", "scopeMetrics", "metrics"]);
    let mut values = Values::new();
    for metric in &metrics {
        let name = metric["name"].as_str().expect("a name");
        let number = |point: &Value| {
            let value = point.get("asDouble").or_else(|| point.get("asInt"));
            value.map_or(0.0, number)
        };
        let points = |kind: &str| metric[kind]["dataPoints"].as_array().cloned();
        if let Some(points) = points("sum") {
            assert_eq!(metric["sum"]["isMonotonic"], true, "{metric}");
            assert_eq!(metric["sum"]["aggregationTemporality"], 2, "cumulative: {metric}");
            for point in &points {
                assert!(point["startTimeUnixNano"].as_str().is_some_and(|at| at != "0"), "{point}");
                values.insert(labelled(name, point, None), number(point));
            }
        }
        for point in points("gauge").iter().flatten() {
            values.insert(labelled(name, point, None), number(point));
        }
        for point in points("histogram").iter().flatten() {
            let list = |name: &str| -> Vec<f64> {
                point[name].as_array().into_iter().flatten().map(self::number).collect()
            };
            let sum = point.get("sum").map_or(0.0, self::number);
            let count = point.get("count").map_or(0.0, self::number);
            values.insert(labelled(&format!("{name}_sum"), point, None), sum);
            values.insert(labelled(&format!("{name}_count"), point, None), count);
            let mut below = 0.0;
            let bounds = list("explicitBounds").into_iter().map(|bound| format!("{bound:?}"));
            let bounds = bounds.chain(["+Inf".to_owned()]);
            for (bound, between) in bounds.zip(list("bucketCounts")) {
                below += between;
                values.insert(labelled(&format!("{name}_bucket"), point, Some(&bound)), below);
            }
        }
    }
    Some(values)
}

/// A number of OTLP's JSON, where large ones are texts.
fn number(value: &Value) -> f64 {
    let text = |text: &str| text.parse().ok();
    value.as_f64().or_else(|| value.as_str().and_then(text)).unwrap_or_else(|| panic!("{value}"))
}

fn labelled(name: &str, point: &Value, bound: Option<&str>) -> String {
    let attributes = point["attributes"].as_array().into_iter().flatten();
    let mut labels: Vec<String> = attributes
        .map(|label| {
            let text = |of: &Value| of.as_str().expect("a text").to_owned();
            format!("{}=\"{}\"", text(&label["key"]), text(&label["value"]["stringValue"]))
        })
        .collect();
    labels.extend(bound.map(|bound| format!("le=\"{bound}\"")));
    if labels.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", labels.join(",")) }
}

#[test]
fn a_collector_that_hangs_costs_neither_events_nor_a_long_end() {
    let kafka = shared();
    let bigquery = EmbeddedBigQuery::start("otel-hangs", "", 1);
    let domain = Domain::new("otel-hangs", kafka, &bigquery.urls());
    let mut publisher = Publisher::new(kafka, &domain, 8);
    publisher.publish(500);
    let sent = publisher.flush();
    // It takes connections and never answers.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
    for protocol in ["grpc", "http/protobuf"] {
        let mut instance = domain.start_with(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("OTEL_METRIC_EXPORT_INTERVAL", "200"),
        ]);
        prove(&bigquery, &sent, Guarantee::ExactlyOnce, WITHIN);
        until_true("it is ready", WITHIN, || {
            instance.get("/readyz").is_some_and(|(status, _)| status == 200)
        });
        let began = std::time::Instant::now();
        instance.stop();
        // The drain of nothing, five seconds, and slow cores.
        assert!(began.elapsed() < Duration::from_secs(15), "{protocol}: {:?}", began.elapsed());
    }
}

/// From a client by the event API and Kafka to the rows: one trace, and the batch that is linked to it.
#[test]
fn a_trace_goes_on_from_a_request_to_the_batch_of_its_events() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const CLIENT: &str = "b7ad6b7169203331";
    let kafka = shared();
    let collector = Collector::start("trace");
    let bigquery = EmbeddedBigQuery::start("otel-trace", "", 1);
    let domain = Domain::new("otel-trace", kafka, &bigquery.urls());
    let sent_to = collector.variables("grpc");
    let address = format!("127.0.0.1:{}", ports::free());
    let mut variables: Vec<(&str, &str)> =
        sent_to.iter().map(|(name, value)| (*name, value.as_str())).collect();
    variables.push(("OTEL_BSP_SCHEDULE_DELAY", "100"));
    let instance_variables = variables.clone();
    variables.push(("API_ADDR", &address));
    let mut api = domain.run(&["api", "DELIVERY"], &variables);
    until_true("the API listens", WITHIN, || {
        assert!(api.ended().is_none(), "{}", api.output());
        std::net::TcpStream::connect(&address).is_ok()
    });
    let contract = domain.contract();
    let mut samples = Samples::new(&contract, 1, 1_794_000_000_000);
    let mut samples = std::iter::from_fn(|| samples.event());
    let event = samples.find(|event| event.event_type != IGNORED).expect("a sample").value;
    let request = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request = request
        .post(format!("http://{address}/v1/events"))
        .header("content-type", "application/json")
        .header("traceparent", format!("00-{TRACE}-{CLIENT}-01"))
        .body(event);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let answer = runtime.block_on(request.send()).expect("an answer");
    assert_eq!(answer.status().as_u16(), 202);
    api.stop(WITHIN);
    // The collector writes a moment after it has received.
    until("the request's span is written", WITHIN, || {
        collector.spans().iter().any(|span| span["name"] == "POST /v1/events").then_some(())
    });
    let spans = collector.spans();
    let named = |name: &str| {
        let found = spans.iter().find(|span| span["name"] == name);
        found.unwrap_or_else(|| panic!("no span {name}: {spans:?}"))
    };
    let served = named("POST /v1/events");
    assert_eq!((&served["traceId"], &served["parentSpanId"]), (&TRACE.into(), &CLIENT.into()));
    assert_eq!(attribute(served, "http.response.status_code").as_deref(), Some("202"));
    let send = named(&format!("send {}", domain.topic));
    assert_eq!((&send["traceId"], &send["parentSpanId"]), (&TRACE.into(), &served["spanId"]));

    let mut instance = domain.start_with(&instance_variables);
    let link = until("the batch is linked to the request", WITHIN, || {
        instance.assert_running();
        let spans = collector.spans();
        let mut links = spans.iter().filter_map(|span| span["links"].as_array()).flatten();
        links.next().cloned()
    });
    assert_eq!((&link["traceId"], &link["spanId"]), (&TRACE.into(), &served["spanId"]));
    instance.stop();
}
