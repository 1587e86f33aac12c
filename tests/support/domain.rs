//! A domain in its own folder (contract, `.env`, environments), and the instances that run it.

use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use generic_consumer::contract::{self, Contract};

use super::bigquery::{DATASET, PROJECT, Urls};
use super::kafka::Kafka;
use super::process::{Process, Start};
use super::until::until_true;
use super::{folder, http, ports};

pub const PARTITIONS: i32 = 4;
pub const TABLE: &str = "delivery_events";
pub const IGNORED: &str = "ShippingPricesEstimatedEvent";

const DOCUMENT: &str = "delivery_events_v10";
const CHANNEL: &str = "DeliveryEventsV10Topic";

/// The longest time from a process's start until it is ready. Partitions of a killed member are
/// assigned after its session timeout (6 s), and their committed offsets are available after its
/// transaction times out (10 s, and the broker checks every second).
const READY_WITHIN: Duration = Duration::from_secs(90);

/// The domain DELIVERY of one test. The topic and the group have the test's name.
pub struct Domain {
    pub topic: String,
    pub group: String,
    folder: PathBuf,
    keys: RefCell<Vec<(String, String)>>,
    started: Cell<u32>,
}

/// A running `generic-consumer DELIVERY`.
pub struct Instance {
    pub process: Process,
    metrics: u16,
}

/// The binary that cargo built for this test or benchmark.
pub fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_generic-consumer"))
}

impl Domain {
    /// Creates the topic and the folder.
    pub fn new(name: &str, kafka: &Kafka, bigquery: &Urls) -> Self {
        Self::with_partitions(name, kafka, bigquery, PARTITIONS)
    }

    pub fn with_partitions(name: &str, kafka: &Kafka, bigquery: &Urls, partitions: i32) -> Self {
        let write = format!(
            r#"
[write.live]
project = "{PROJECT}"
dataset = "{DATASET}"
[write.live.endpoint]
rest = "{rest}"
storage = "{storage}"
"#,
            rest = bigquery.rest,
            storage = bigquery.storage,
        );
        Self::writing(name, kafka, partitions, &write, &[("BQ_TABLE_DELIVERY", TABLE)])
    }

    /// A domain whose sink is a PostgreSQL server. `section` has the keys of `[write.<env>.postgres]`.
    pub fn on_postgres(name: &str, kafka: &Kafka, section: &str) -> Self {
        Self::on_postgres_with_partitions(name, kafka, section, PARTITIONS)
    }

    pub fn on_postgres_with_partitions(
        name: &str,
        kafka: &Kafka,
        section: &str,
        partitions: i32,
    ) -> Self {
        let write = format!("[write.live.postgres]\n{section}\n");
        let keys = [("SINK_DELIVERY", "postgres"), ("PG_TABLE_DELIVERY", TABLE)];
        Self::writing(name, kafka, partitions, &write, &keys)
    }

    /// A domain whose sink is an InfluxDB server. `section` has the keys of `[write.<env>.influxdb]`.
    pub fn on_influx(name: &str, kafka: &Kafka, section: &str) -> Self {
        Self::on_influx_with_partitions(name, kafka, section, PARTITIONS)
    }

    pub fn on_influx_with_partitions(
        name: &str,
        kafka: &Kafka,
        section: &str,
        partitions: i32,
    ) -> Self {
        let write = format!("[write.live.influxdb]\n{section}\n");
        let keys = [("SINK_DELIVERY", "influxdb"), ("INFLUX_MEASUREMENT_DELIVERY", TABLE)];
        Self::writing(name, kafka, partitions, &write, &keys)
    }

    /// A domain that writes to a topic of a Kafka cluster, the same or another: to `<name>-out`, which
    /// is created with that of its dead letters.
    pub fn on_kafka(name: &str, kafka: &Kafka, out: &Kafka) -> Self {
        Self::on_kafka_with(name, kafka, out, PARTITIONS, &[])
    }

    /// The same with so many partitions to read, and properties of the topics that are written to.
    pub fn on_kafka_with(
        name: &str,
        kafka: &Kafka,
        out: &Kafka,
        partitions: i32,
        properties: &[(&str, &str)],
    ) -> Self {
        let topic = format!("{name}-out");
        out.create_topic_with(&topic, PARTITIONS, properties);
        out.create_topic_with(&format!("{topic}_dead_letters"), 1, properties);
        let servers = out.bootstrap();
        let write = format!("[write.live.kafka]\nbootstrap_servers = \"{servers}\"\n");
        let keys = [("SINK_DELIVERY", "kafka"), ("OUT_TOPIC_DELIVERY", topic.as_str())];
        Self::writing(name, kafka, partitions, &write, &keys)
    }

    fn writing(
        name: &str,
        kafka: &Kafka,
        partitions: i32,
        write: &str,
        sink: &[(&str, &str)],
    ) -> Self {
        kafka.create_topic(name, partitions);
        let folder = folder::fresh(&format!("domain-{name}"));
        copy_contract(&folder.join("contracts/delivery"), name);
        std::fs::create_dir(folder.join("config")).expect("a folder");
        let environments = format!(
            r#"
[consume.live]
bootstrap_servers = "{bootstrap}"
[consume.live.properties]
# The group removes a killed member after six seconds.
"session.timeout.ms" = "6000"
"heartbeat.interval.ms" = "1000"
{write}"#,
            bootstrap = kafka.bootstrap(),
        );
        std::fs::write(folder.join("config/environments.toml"), environments).expect("written");
        let keys = [
            ("IMPORT_PATH_DELIVERY", format!("contracts.delivery.{DOCUMENT}")),
            ("IMPORT_OBJECT_DELIVERY", CHANNEL.to_owned()),
            ("IGNORE_EVENTS_DELIVERY", format!(r#""[\"{IGNORED}\"]""#)),
            ("CONSUME_ENV_DELIVERY", "live".to_owned()),
            ("GROUP_ID_DELIVERY", name.to_owned()),
            ("WRITE_ENV", "live".to_owned()),
        ];
        let sink = sink.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let keys = sink.chain(keys).map(|(name, value)| (name.to_owned(), value)).collect();
        let name = name.to_owned();
        let (keys, started) = (RefCell::new(keys), Cell::new(0));
        Self { topic: name.clone(), group: name, folder, keys, started }
    }

    /// Sets a key of the `.env` for instances that are started from now on.
    pub fn set(&self, key: &str, value: &str) -> &Self {
        let mut keys = self.keys.borrow_mut();
        keys.retain(|(name, _)| name != key);
        keys.push((key.to_owned(), value.to_owned()));
        self
    }

    pub fn contract(&self) -> Contract {
        let path = format!("contracts.delivery.{DOCUMENT}");
        contract::load(&self.folder.join("contracts"), &path, CHANNEL, &[])
            .unwrap_or_else(|error| panic!("the contract loads: {error:?}"))
    }

    /// Replaces the contract by a document with the channel `C`.
    pub fn set_contract(&self, document: &serde_json::Value) -> &Self {
        self.file("contracts/own.json", &document.to_string());
        self.unset("IGNORE_EVENTS_DELIVERY");
        self.set("IMPORT_PATH_DELIVERY", "contracts.own").set("IMPORT_OBJECT_DELIVERY", "C")
    }

    /// Starts an instance and does not wait until it is ready.
    pub fn start(&self) -> Instance {
        self.start_with(&[])
    }

    /// Like [`Self::start`], with variables of its own.
    pub fn start_with(&self, variables: &[(&str, &str)]) -> Instance {
        let metrics = ports::free();
        let address = format!("127.0.0.1:{metrics}");
        let mut all = vec![("METRICS_ADDR", address.as_str())];
        all.extend_from_slice(variables);
        Instance { process: self.run(&["DELIVERY"], &all), metrics }
    }

    /// Starts an instance and waits until it is ready.
    pub fn start_ready(&self) -> Instance {
        let mut instance = self.start();
        instance.wait_ready();
        instance
    }

    /// Starts the consumer's binary with these arguments in the domain's folder.
    pub fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Process {
        self.run_on(arguments, variables, None)
    }

    /// Like `run`, with a file as its standard input.
    pub fn run_on(
        &self,
        arguments: &[&str],
        variables: &[(&str, &str)],
        input: Option<&Path>,
    ) -> Process {
        self.launch(program(), arguments, variables, input)
    }

    /// Starts any program in the domain's folder, with its `.env`, as an instance is started.
    pub fn launch(
        &self,
        program: &Path,
        arguments: &[&str],
        variables: &[(&str, &str)],
        input: Option<&Path>,
    ) -> Process {
        let env = self.env_text();
        // Replaced atomically: the instance started just before may be reading it.
        let new = self.folder.join(".env.new");
        std::fs::write(&new, env).expect("written");
        std::fs::rename(&new, self.folder.join(".env")).expect("in place");
        let number = self.started.get() + 1;
        self.started.set(number);
        let name = format!("{}-{number}", self.group);
        let anywhere = [("METRICS_ADDR", "127.0.0.1:0"), ("NO_COLOR", "1")];
        let variables = anywhere.iter().chain(variables);
        Process::start(&Start {
            name: &name,
            log: &self.folder.join(format!("{name}.log")),
            program: program.as_os_str(),
            arguments: arguments.iter().map(OsString::from).collect(),
            variables: variables.map(|(name, value)| (name.into(), value.into())).collect(),
            folder: Some(&self.folder),
            input,
        })
    }

    /// The text of the `.env`.
    pub fn env_text(&self) -> String {
        let mut env = String::new();
        for (name, value) in self.keys.borrow().iter() {
            writeln!(env, "{name}='{value}'").expect("a string");
        }
        env
    }

    /// Removes a key of the `.env` for instances that are started from now on.
    pub fn unset(&self, key: &str) -> &Self {
        self.keys.borrow_mut().retain(|(name, _)| name != key);
        self
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a file into the domain's folder.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::write(&path, text).expect("written");
        path
    }
}

impl Instance {
    pub fn wait_ready(&mut self) {
        let what = format!("{} is ready", self.process.name());
        let (process, metrics) = (&mut self.process, self.metrics);
        until_true(&what, READY_WITHIN, || {
            assert!(process.ended().is_none(), "the instance has ended");
            http::get(metrics, "/readyz").is_some_and(|(status, _)| status == 200)
        });
    }

    /// Panics if the process has ended.
    pub fn assert_running(&mut self) {
        let status = self.process.ended();
        assert!(status.is_none(), "{} has ended: {status:?}", self.process.name());
    }

    /// Whether it has ended because a call of librdkafka's did not come back.
    pub fn has_hung(&mut self) -> bool {
        self.process.ended().is_some_and(|status| status.code() == Some(3))
            && self.process.output().contains("has not come back from a call")
    }

    /// Sends SIGTERM, and asserts that it exits with 0 within 30 s.
    pub fn stop(&mut self) {
        let (status, took) = self.process.stop(Duration::from_secs(60));
        self.assert_stopped(status, took);
    }

    /// Like [`Self::stop`], but it may hang instead, and end by itself.
    pub fn stop_or_hang(&mut self, patience: Duration) {
        let (status, took) = self.process.stop(patience);
        match self.has_hung() {
            true => println!("{} hung when it was to stop", self.process.name()),
            false => self.assert_stopped(status, took),
        }
    }

    /// Like [`Self::stop_or_hang`], but what is in flight may not be settled within the drain's limit. Then it
    /// says so with its exit code, and the next owner reads that again.
    pub fn stop_as_far_as_possible(&mut self, patience: Duration) {
        let (status, took) = self.process.stop(patience);
        let is_undrained = status.code() == Some(4);
        if is_undrained || self.has_hung() {
            println!("{} left work behind or hung: {status}", self.process.name());
            return;
        }
        self.assert_stopped(status, took);
    }

    fn assert_stopped(&self, status: ExitStatus, took: Duration) {
        assert_eq!(status.code(), Some(0), "{} after SIGTERM", self.process.name());
        assert!(took < Duration::from_secs(30), "SIGTERM took {took:?}");
    }

    /// Where it publishes its metrics.
    pub fn metrics_addr(&self) -> String {
        format!("127.0.0.1:{}", self.metrics)
    }

    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        http::get(self.metrics, path)
    }

    /// The sum of a metric over its labels; `None` if the instance does not respond.
    pub fn metric(&self, name: &str) -> Option<f64> {
        Some(self.series(name)?.iter().sum())
    }

    /// The partitions that it has by its own account; none if it does not respond.
    pub fn partitions(&self) -> i32 {
        self.metric("generic_consumer_assigned_partitions").unwrap_or(0.0) as i32
    }

    /// Number of partitions with a lag, and their sum; none if the instance does not respond.
    pub fn lag(&self) -> (usize, f64) {
        let lags = self.series("generic_consumer_lag_records").unwrap_or_default();
        (lags.len(), lags.iter().sum())
    }

    /// The value of each of a metric's series.
    fn series(&self, name: &str) -> Option<Vec<f64>> {
        let (_, page) = self.get("/metrics")?;
        let values = page.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let at_end = rest.starts_with([' ', '{']);
            at_end.then(|| rest.rsplit(' ').next()?.parse::<f64>().ok()).flatten()
        });
        Some(values.collect())
    }
}

/// Copies the repository's delivery contract, and gives it this topic.
fn copy_contract(into: &Path, topic: &str) {
    std::fs::create_dir_all(into).expect("a folder");
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts/delivery");
    for file in [format!("{DOCUMENT}.yaml"), "delivery_types.yaml".to_owned()] {
        let text = std::fs::read_to_string(from.join(&file)).expect("the contract");
        let renamed = text.replace("address: delivery.events.v10", &format!("address: {topic}"));
        std::fs::write(into.join(file), renamed).expect("written");
    }
}
