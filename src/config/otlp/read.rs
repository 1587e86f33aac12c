//! From the variables to [`OtlpSettings`].

use std::path::PathBuf;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

use super::variable::Reader;
use super::{
    LogSettings, MetricSettings, OtlpSettings, OtlpTarget, Protocol, QueueSettings, Sampler,
    TraceSettings,
};
use crate::config::mistake::Mistake;
use crate::config::secret::Secret;
use crate::config::values::{Wrong, choice, flag, milliseconds, number};
use crate::config::variables::Variables;

const HOUR_MS: u64 = 3_600_000;
const MOST_QUEUED: u64 = 1_000_000;

/// A signal and its part in the names of variables.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Signal {
    Traces,
    Metrics,
    Logs,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
            Self::Logs => "LOGS",
        }
    }

    /// The path that is appended to an endpoint for all signals.
    fn path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
            Self::Logs => "/v1/logs",
        }
    }

    /// The variable of this signal: `OTEL_EXPORTER_OTLP_TRACES_HEADERS`.
    fn own(self, what: &str) -> String {
        format!("OTEL_EXPORTER_OTLP_{}_{what}", self.name())
    }
}

/// The variable of all signals: `OTEL_EXPORTER_OTLP_HEADERS`.
fn general(what: &str) -> String {
    format!("OTEL_EXPORTER_OTLP_{what}")
}

/// What the variables say; `None` where nothing is sent. Where they ask for nothing, the others are not
/// looked at: they may be meant for another program.
pub fn read(variables: &Variables, mistakes: &mut Vec<Mistake>) -> Option<OtlpSettings> {
    let mut reader = Reader::new(variables, mistakes);
    let reader = &mut reader;
    if reader.value("OTEL_SDK_DISABLED", "true or false", flag) == Some(true) {
        return None;
    }
    let traces = target(reader, Signal::Traces).map(|target| TraceSettings {
        target,
        sampler: sampler(reader),
        queue: queue(reader, "BSP", 5_000),
    });
    let metrics = target(reader, Signal::Metrics)
        .map(|target| MetricSettings { target, interval: interval(reader) });
    let logs = target(reader, Signal::Logs)
        .map(|target| LogSettings { target, queue: queue(reader, "BLRP", 1_000) });
    if traces.is_none() && metrics.is_none() && logs.is_none() {
        return None;
    }
    Some(OtlpSettings { resource: resource(reader), traces, metrics, logs })
}

/// Where a signal is sent; `None` if it is not.
fn target(reader: &mut Reader<'_>, signal: Signal) -> Option<OtlpTarget> {
    if !is_sent(reader, signal) {
        return None;
    }
    let protocol = of_signal(reader, signal, "PROTOCOL", "grpc or http/protobuf", |text| {
        choice(text, &[("grpc", Protocol::Grpc), ("http/protobuf", Protocol::HttpProtobuf)])
    });
    let protocol = protocol.unwrap_or(Protocol::HttpProtobuf);
    let gzip = of_signal(reader, signal, "COMPRESSION", "gzip or none", |text| {
        choice(text, &[("gzip", true), ("none", false)])
    });
    let accepted = "milliseconds, from 1 to 3600000";
    let timeout = of_signal(reader, signal, "TIMEOUT", accepted, |text| {
        number(text, 1, HOUR_MS).map(Duration::from_millis)
    });
    Some(OtlpTarget {
        protocol,
        endpoint: endpoint(reader, signal, protocol),
        headers: headers(reader, signal),
        timeout: timeout.unwrap_or(Duration::from_secs(10)),
        gzip: gzip.unwrap_or(false),
        certificate: file(reader, signal, "CERTIFICATE"),
        identity: identity(reader, signal),
    })
}

/// Whether a signal is sent: by its `OTEL_…_EXPORTER`, or else where an endpoint is set.
fn is_sent(reader: &mut Reader<'_>, signal: Signal) -> bool {
    let name = format!("OTEL_{}_EXPORTER", signal.name());
    // Prometheus scrapes in any case.
    let (accepted, known): (&str, &[&str]) = match signal {
        Signal::Metrics => ("otlp, prometheus or none", &["otlp", "prometheus", "none"]),
        Signal::Traces | Signal::Logs => ("otlp or none", &["otlp", "none"]),
    };
    if reader.text(&name).is_none() {
        let (own, general) = (signal.own("ENDPOINT"), general("ENDPOINT"));
        return reader.text(&own).is_some() || reader.text(&general).is_some();
    }
    let sent = reader.value(&name, accepted, |text| {
        let exporters: Vec<&str> = text.split(',').map(str::trim).collect();
        match exporters.iter().all(|exporter| known.contains(exporter)) {
            true => Ok(exporters.contains(&"otlp")),
            false => Err(Wrong::plain()),
        }
    });
    sent.unwrap_or(false)
}

/// The value of a signal's variable, or else of the one for all signals.
fn of_signal<T>(
    reader: &mut Reader<'_>,
    signal: Signal,
    what: &str,
    accepted: &str,
    parse: impl Fn(&str) -> Result<T, Wrong>,
) -> Option<T> {
    let own = signal.own(what);
    let name = if reader.text(&own).is_some() { own } else { general(what) };
    reader.value(&name, accepted, parse)
}

/// The URL to which a signal is sent. One for all signals gets the signal's path appended, where the
/// protocol has paths.
fn endpoint(reader: &mut Reader<'_>, signal: Signal, protocol: Protocol) -> String {
    let accepted = "an http:// or https:// URL with a host, without a query";
    let own = signal.own("ENDPOINT");
    if reader.text(&own).is_some() {
        return reader.value(&own, accepted, url).unwrap_or_default();
    }
    let base = reader.value(&general("ENDPOINT"), accepted, url);
    match protocol {
        Protocol::Grpc => base.unwrap_or_else(|| "http://localhost:4317".to_owned()),
        Protocol::HttpProtobuf => {
            let base = base.unwrap_or_else(|| "http://localhost:4318".to_owned());
            format!("{}{}", base.trim_end_matches('/'), signal.path())
        }
    }
}

fn url(text: &str) -> Result<String, Wrong> {
    let url: http::Uri = text.parse().map_err(Wrong::because)?;
    let authority = url.authority().ok_or_else(Wrong::plain)?;
    if authority.as_str().contains('@') {
        return Err(Wrong::because("credentials belong into OTEL_EXPORTER_OTLP_HEADERS"));
    }
    let is_known = matches!(url.scheme_str(), Some("http" | "https"));
    let is_plain = url.query().is_none() && !authority.host().is_empty();
    if is_known && is_plain { Ok(text.to_owned()) } else { Err(Wrong::plain()) }
}

/// The headers for all signals, and those of the signal, which win.
fn headers(reader: &mut Reader<'_>, signal: Signal) -> Vec<(String, Secret)> {
    let accepted = "names and values, as in `authorization=Bearer%20x,tenant=a`";
    let mut all: Vec<(String, Secret)> = Vec::new();
    for name in [general("HEADERS"), signal.own("HEADERS")] {
        let headers = reader.secret(&name, accepted, |text| {
            let mut headers = pairs(text)?;
            for (name, value) in &mut headers {
                let header: HeaderName = name.parse().map_err(Wrong::because)?;
                *name = header.as_str().to_owned();
                HeaderValue::from_str(value)
                    .map_err(|_| Wrong::because(format!("the value of {name} is no header")))?;
            }
            Ok(headers)
        });
        for (name, value) in headers.unwrap_or_default() {
            all.retain(|(known, _)| *known != name);
            all.push((name, Secret::new(value)));
        }
    }
    all
}

/// `a=1,b=2`, with values in percent encoding.
fn pairs(text: &str) -> Result<Vec<(String, String)>, Wrong> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let pair = |(number, pair): (usize, &str)| {
        let number = number + 1;
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| Wrong::because(format!("pair {number} has no `=`")))?;
        let name = name.trim();
        if name.is_empty() {
            return Err(Wrong::because(format!("pair {number} has no name")));
        }
        let value = percent_decode_str(value.trim()).decode_utf8();
        let value =
            value.map_err(|_| Wrong::because(format!("the value of {name} is not UTF-8")))?;
        Ok((name.to_owned(), value.into_owned()))
    };
    pairs.enumerate().map(pair).collect()
}

fn file(reader: &mut Reader<'_>, signal: Signal, what: &str) -> Option<PathBuf> {
    of_signal(reader, signal, what, "the path of a PEM file", |text| Ok(PathBuf::from(text)))
}

fn identity(reader: &mut Reader<'_>, signal: Signal) -> Option<(PathBuf, PathBuf)> {
    let certificate = file(reader, signal, "CLIENT_CERTIFICATE");
    let key = file(reader, signal, "CLIENT_KEY");
    let accepted = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY, both \
                    or neither";
    let lonely = match (&certificate, &key) {
        (Some(_), None) => "CLIENT_CERTIFICATE",
        (None, Some(_)) => "CLIENT_KEY",
        (None, None) | (Some(_), Some(_)) => return certificate.zip(key),
    };
    reader.mistake(&general(lonely), format!("{lonely} alone"), accepted);
    None
}

fn sampler(reader: &mut Reader<'_>) -> Sampler {
    const NAMES: &[(&str, (bool, Option<f64>))] = &[
        ("always_on", (false, Some(1.0))),
        ("always_off", (false, Some(0.0))),
        ("traceidratio", (false, None)),
        ("parentbased_always_on", (true, Some(1.0))),
        ("parentbased_always_off", (true, Some(0.0))),
        ("parentbased_traceidratio", (true, None)),
    ];
    let accepted = "always_on, always_off, traceidratio, parentbased_always_on, \
                    parentbased_always_off or parentbased_traceidratio";
    let chosen = reader.value("OTEL_TRACES_SAMPLER", accepted, |text| choice(text, NAMES));
    let (parent_based, ratio) = chosen.unwrap_or((true, Some(1.0)));
    let ratio = ratio.unwrap_or_else(|| {
        let ratio = reader.value("OTEL_TRACES_SAMPLER_ARG", "a number from 0 to 1", |text| {
            let ratio: f64 = text.parse().map_err(|_| Wrong::plain())?;
            if (0.0..=1.0).contains(&ratio) { Ok(ratio) } else { Err(Wrong::plain()) }
        });
        ratio.unwrap_or(1.0)
    });
    Sampler { ratio, parent_based }
}

/// The queue of spans (`BSP`) or of log records (`BLRP`).
fn queue(reader: &mut Reader<'_>, which: &str, delay_ms: u64) -> QueueSettings {
    let name = |what: &str| format!("OTEL_{which}_{what}");
    let count = |reader: &mut Reader<'_>, what: &str, most: u64, default: u64| {
        let accepted = format!("a number from 1 to {most}");
        let count = reader.value(&name(what), &accepted, |text| number(text, 1, most));
        count.unwrap_or(default)
    };
    let size = count(reader, "MAX_QUEUE_SIZE", MOST_QUEUED, 2_048);
    let batch = count(reader, "MAX_EXPORT_BATCH_SIZE", size, size.min(512));
    let accepted = "milliseconds, from 0 to 3600000";
    let delay = reader.value(&name("SCHEDULE_DELAY"), accepted, |text| milliseconds(text, HOUR_MS));
    QueueSettings {
        size: size as usize,
        batch: batch as usize,
        delay: delay.unwrap_or(Duration::from_millis(delay_ms)),
    }
}

fn interval(reader: &mut Reader<'_>) -> Duration {
    let accepted = "milliseconds, from 100 to 3600000";
    let interval = reader.value("OTEL_METRIC_EXPORT_INTERVAL", accepted, |text| {
        number(text, 100, HOUR_MS).map(Duration::from_millis)
    });
    let name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    reader.value(name, "cumulative, as Prometheus counts", |text| {
        choice(text, &[("cumulative", ())])
    });
    interval.unwrap_or(Duration::from_secs(60))
}

/// The attributes that are set; the service's name by its own variable wins.
fn resource(reader: &mut Reader<'_>) -> Vec<(String, String)> {
    let accepted = "names and values, as in `deployment.environment.name=prod,team=a`";
    let attributes = reader.value("OTEL_RESOURCE_ATTRIBUTES", accepted, pairs);
    let mut attributes = attributes.unwrap_or_default();
    if let Some(name) = reader.text("OTEL_SERVICE_NAME") {
        attributes.retain(|(known, _)| known != "service.name");
        attributes.push(("service.name".to_owned(), name.to_owned()));
    }
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> (Option<OtlpSettings>, Vec<Mistake>) {
        let variables: Variables =
            variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let mut mistakes = Vec::new();
        (read(&variables, &mut mistakes), mistakes)
    }

    fn settings(variables: &[(&str, &str)]) -> OtlpSettings {
        let (settings, mistakes) = of(variables);
        assert_eq!(mistakes, []);
        settings.expect("something is sent")
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

    #[test]
    fn nothing_is_sent_unless_a_variable_says_so() {
        let unasked = [
            &[][..],
            &[("OTEL_SERVICE_NAME", "a")],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")],
            &[ENDPOINT, ("OTEL_SDK_DISABLED", "true")],
            &[("OTEL_METRICS_EXPORTER", "prometheus")],
            // Meant for another program.
            &[
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
                ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
            ],
        ];
        for variables in unasked {
            assert_eq!(of(variables), (None, Vec::new()), "{variables:?}");
        }
    }

    #[test]
    fn an_endpoint_for_all_signals_gets_their_paths() {
        let all = settings(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector/otlp/")]);
        let endpoint = |target: &OtlpTarget| target.endpoint.clone();
        assert_eq!(endpoint(&all.traces.expect("on").target), "https://collector/otlp/v1/traces");
        assert_eq!(endpoint(&all.metrics.expect("on").target), "https://collector/otlp/v1/metrics");
        let logs = all.logs.expect("on");
        assert_eq!(endpoint(&logs.target), "https://collector/otlp/v1/logs");
        assert_eq!(logs.target.protocol, Protocol::HttpProtobuf);
        assert_eq!(
            logs.queue,
            QueueSettings { size: 2_048, batch: 512, delay: Duration::from_secs(1) }
        );
    }

    #[test]
    fn a_signal_has_variables_of_its_own() {
        let all = settings(&[
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=1,Authorization=Bearer%20general"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "authorization=Bearer%20own"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:1/here"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "250"),
            ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_LOGS_EXPORTER", "none"),
        ]);
        let traces = all.traces.expect("on").target;
        assert_eq!(traces.endpoint, "http://traces:1/here");
        assert_eq!(traces.timeout, Duration::from_millis(250));
        let header = |name: &str, value: &str| (name.to_owned(), Secret::new(value));
        assert_eq!(traces.headers, [header("a", "1"), header("authorization", "Bearer own")]);
        let metrics = all.metrics.expect("on").target;
        assert_eq!((metrics.protocol, metrics.gzip), (Protocol::Grpc, true));
        assert_eq!(metrics.endpoint, "http://collector:4318");
        assert_eq!(metrics.headers[1], header("authorization", "Bearer general"));
        assert_eq!(all.logs, None);
    }

    #[test]
    fn an_exporter_without_an_endpoint_is_this_machine() {
        let all = settings(&[("OTEL_METRICS_EXPORTER", "prometheus,otlp")]);
        assert_eq!((all.traces, all.logs), (None, None));
        assert_eq!(all.metrics.expect("on").target.endpoint, "http://localhost:4318/v1/metrics");
        let grpc =
            settings(&[("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
        assert_eq!(grpc.traces.expect("on").target.endpoint, "http://localhost:4317");
    }

    #[test]
    fn samplers_and_the_resource() {
        for (sampler, argument, parent_based, ratio) in [
            ("", "0.5", true, 1.0),
            ("always_off", "", false, 0.0),
            ("traceidratio", "0.25", false, 0.25),
            ("parentbased_traceidratio", "", true, 1.0),
        ] {
            let all = settings(&[
                ENDPOINT,
                ("OTEL_TRACES_SAMPLER", sampler),
                ("OTEL_TRACES_SAMPLER_ARG", argument),
                ("OTEL_SERVICE_NAME", "deliveries"),
                ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,team=a%2Cb"),
            ]);
            assert_eq!(all.traces.expect("on").sampler, Sampler { ratio, parent_based });
            let attribute = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            let expected = [attribute("team", "a,b"), attribute("service.name", "deliveries")];
            assert_eq!(all.resource, expected);
        }
    }

    #[test]
    fn every_mistake_is_reported_once_with_its_variable() {
        let (_, mistakes) = of(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zip"),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "key.pem"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a"),
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "2"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "200"),
            ("OTEL_BLRP_SCHEDULE_DELAY", "-1"),
        ]);
        let names: Vec<&str> = mistakes.iter().map(|mistake| mistake.key.as_str()).collect();
        let expected = [
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "OTEL_EXPORTER_OTLP_COMPRESSION",
            "OTEL_EXPORTER_OTLP_TIMEOUT",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_EXPORTER_OTLP_HEADERS",
            "OTEL_EXPORTER_OTLP_CLIENT_KEY",
            "OTEL_TRACES_SAMPLER_ARG",
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
            "OTEL_METRIC_EXPORT_INTERVAL",
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
            "OTEL_BLRP_SCHEDULE_DELAY",
            "OTEL_RESOURCE_ATTRIBUTES",
        ];
        assert_eq!(names, expected);
        let text = mistakes[0].to_string();
        assert!(text.contains("variable OTEL_EXPORTER_OTLP_PROTOCOL (environment)"), "{text}");
        assert!(text.contains("found     \"http/json\""), "{text}");
        assert!(text.contains("accepted  grpc or http/protobuf"), "{text}");
    }

    #[test]
    fn wrong_switches_are_mistakes_too() {
        for (name, value) in [
            ("OTEL_SDK_DISABLED", "yes"),
            ("OTEL_TRACES_EXPORTER", "console"),
            ("OTEL_LOGS_EXPORTER", "otlp,console"),
            ("OTEL_METRICS_EXPORTER", "statsd"),
        ] {
            let (settings, mistakes) = of(&[(name, value)]);
            let keys: Vec<&str> = mistakes.iter().map(|mistake| mistake.key.as_str()).collect();
            assert_eq!((settings, keys), (None, vec![name]));
        }
    }

    #[test]
    fn headers_are_never_shown() {
        let (settings, mistakes) = of(&[
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=hidden,b\u{e9}=hidden"),
            ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "authorization=hidden"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://a:hidden@collector"),
        ]);
        let shown = format!("{settings:?}{mistakes:?}");
        assert_eq!(mistakes.len(), 2, "{mistakes:?}");
        assert!(!shown.contains("hidden"), "{shown}");
    }
}
