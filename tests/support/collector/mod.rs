//! Runs an OpenTelemetry Collector, which writes what it receives into a file for each signal.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use super::process::{Process, Start};
use super::until::until_true;
use super::{folder, http, ports};

const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// A running collector.
pub struct Collector {
    grpc: u16,
    http: u16,
    folder: PathBuf,
    process: Process,
}

impl Collector {
    pub fn start(name: &str) -> Self {
        let folder = folder::fresh(&format!("collector-{name}"));
        let (grpc, http) = (ports::free(), ports::free());
        let exporter = |signal: &str| {
            let path = folder.join(signal);
            format!("  file/{signal}: {{ path: {}, flush_interval: 50ms }}\n", path.display())
        };
        let pipeline = |signal: &str| {
            format!("    {signal}: {{ receivers: [otlp], exporters: [file/{signal}] }}\n")
        };
        let signals = ["traces", "metrics", "logs"];
        let configuration = format!(
            "receivers:\n  otlp:\n    protocols:\n      grpc: {{ endpoint: \"127.0.0.1:{grpc}\" }}\n      \
             http: {{ endpoint: \"127.0.0.1:{http}\" }}\nexporters:\n{}service:\n  telemetry: {{ \
             metrics: {{ level: none }} }}\n  pipelines:\n{}",
            signals.map(exporter).concat(),
            signals.map(pipeline).concat(),
        );
        let file = folder.join("collector.yaml");
        std::fs::write(&file, configuration).expect("written");
        let mut process = Process::start(&Start {
            name: "the OpenTelemetry Collector",
            log: &folder.join("collector.log"),
            program: program().as_os_str(),
            arguments: vec!["--config".into(), format!("file:{}", file.display()).into()],
            variables: Vec::new(),
            folder: Some(&folder),
            input: None,
        });
        until_true("the collector listens", STARTS_WITHIN, || {
            assert!(process.ended().is_none(), "the collector has ended:\n{}", process.output());
            let listens = |port| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
            listens(grpc) && http::get(http, "/").is_some()
        });
        Self { grpc, http, folder, process }
    }

    /// The variables that send all signals here by a protocol.
    pub fn variables(&self, protocol: &str) -> Vec<(&'static str, String)> {
        let port = if protocol == "grpc" { self.grpc } else { self.http };
        vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{port}")),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.to_owned()),
        ]
    }

    /// Ends it, so that all that it has received is in its files: until then some of it is in its memory.
    pub fn stop(&mut self) {
        self.process.stop(STARTS_WITHIN);
    }

    /// What has arrived of a signal, by the requests.
    pub fn arrived(&self, signal: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.join(signal)).unwrap_or_default();
        // The last line may still be written.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The spans that have arrived.
    pub fn spans(&self) -> Vec<Value> {
        inner(&self.arrived("traces"), ["resourceSpans", "scopeSpans", "spans"])
    }

    /// The log records that have arrived.
    pub fn logs(&self) -> Vec<Value> {
        inner(&self.arrived("logs"), ["resourceLogs", "scopeLogs", "logRecords"])
    }
}

/// What lists in lists in lists hold.
pub fn inner(requests: &[Value], names: [&str; 3]) -> Vec<Value> {
    let mut values = requests.to_vec();
    for name in names {
        let lists = values.iter().filter_map(|value| value[name].as_array());
        values = lists.flatten().cloned().collect();
    }
    values
}

/// The text of an attribute; numbers are texts in OTLP's JSON too.
pub fn attribute(of: &Value, name: &str) -> Option<String> {
    let all = of["attributes"].as_array()?;
    let found = all.iter().find(|attribute| attribute["key"] == name)?;
    let value = found["value"].as_object()?.values().next()?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// The program, built once.
fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/collector/install.sh");
        let tools = folder::target().join("tools");
        let output = Command::new(script).arg(tools).output().expect("the script starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "the collector is not built:\n{errors}");
        PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
    })
}
