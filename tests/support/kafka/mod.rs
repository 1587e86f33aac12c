//! Apache Kafka (KRaft, one node): from Maven Central, on free ports, with short timeouts.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::process::{Process, Start};
use super::until::until_true;
use super::{folder, ports};

/// A cold JVM on two busy cores; it takes three seconds on an idle one.
const STARTS_WITHIN: Duration = Duration::from_secs(120);
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);
const STOPS_WITHIN: Duration = Duration::from_secs(60);

/// A broker of its own; its data outlives restarts and goes with the run's folder.
pub struct Kafka {
    folder: PathBuf,
    port: u16,
    libraries: PathBuf,
    process: Option<Process>,
}

impl Kafka {
    /// A fresh cluster, formatted and running.
    pub fn start(name: &str) -> Self {
        let folder = folder::fresh(&format!("kafka-{name}"));
        let (port, controller) = (ports::free(), ports::free());
        let properties = properties(&folder, port, controller);
        std::fs::write(folder.join("server.properties"), properties).expect("written");
        let mut kafka = Self { folder, port, libraries: libraries(), process: None };
        kafka.format();
        kafka.start_again();
        kafka
    }

    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts the broker on the data it has, and waits until it answers.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "the broker is running");
        let mut process = self.java("kafka", "kafka.Kafka", &[self.path("server.properties")]);
        let client: BaseConsumer = self.client().create().expect("a client");
        until_true("Kafka answers", STARTS_WITHIN, || {
            assert!(process.ended().is_none(), "Kafka has ended:\n{}", process.output());
            client.fetch_metadata(None, Duration::from_secs(1)).is_ok_and(|answer| {
                answer.brokers().iter().any(|broker| i32::from(self.port) == broker.port())
            })
        });
        self.process = Some(process);
    }

    /// SIGKILL: what was not flushed is recovered from the log at the next start.
    pub fn kill(&mut self) {
        self.process.take().expect("the broker is running").kill();
    }

    /// A controlled shutdown.
    pub fn stop(&mut self) {
        self.process.take().expect("the broker is running").stop(STOPS_WITHIN);
    }

    /// Creates a topic and waits until its partitions have leaders.
    pub fn create_topic(&self, topic: &str, partitions: i32) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("a client");
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let answers = runtime
            .block_on(admin.create_topics([&new], &AdminOptions::new()))
            .expect("the broker answers");
        for answer in answers {
            answer.unwrap_or_else(|error| panic!("create {topic}: {error:?}"));
        }
        let wanted = usize::try_from(partitions).expect("positive");
        until_true("the topic's leaders", STARTS_WITHIN, || {
            admin.inner().fetch_metadata(Some(topic), Duration::from_secs(5)).is_ok_and(|answer| {
                answer.topics()[0].partitions().iter().filter(|p| p.leader() == 1).count() == wanted
            })
        });
    }

    /// The offset behind the last record of each partition.
    pub fn ends(&self, topic: &str, partitions: i32) -> Vec<i64> {
        let client: BaseConsumer = self.client().create().expect("a client");
        let end = |partition| {
            client.fetch_watermarks(topic, partition, ANSWERS_WITHIN).expect("watermarks").1
        };
        (0..partitions).map(end).collect()
    }

    /// The group's stable offset of each partition, −1 where it has none.
    pub fn committed(&self, group: &str, topic: &str, partitions: i32) -> Vec<i64> {
        let client: BaseConsumer = self
            .client()
            .set("group.id", group)
            .set("isolation.level", "read_committed")
            .create()
            .expect("a client");
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            list.add_partition(topic, partition);
        }
        let answer = client.committed_offsets(list, ANSWERS_WITHIN).expect("offsets");
        let offset = |partition: &Offset| partition.to_raw().filter(|raw| *raw >= 0).unwrap_or(-1);
        answer.elements().iter().map(|element| offset(&element.offset())).collect()
    }

    /// Members of the group; `None` where the broker knows no such group.
    pub fn members(&self, group: &str) -> Option<usize> {
        let client: BaseConsumer = self.client().create().expect("a client");
        let list = client.fetch_group_list(Some(group), ANSWERS_WITHIN).expect("groups");
        let found = list.groups().iter().find(|found| found.name() == group)?;
        (found.state() != "Dead").then(|| found.members().len())
    }

    /// A client's configuration; quick to see that the broker is back.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.bootstrap())
            .set("reconnect.backoff.max.ms", "500")
            .set("log_level", "3");
        config
    }

    fn format(&self) {
        let id = "AAAAAAAAAAAAAAAAAAAAAQ";
        let arguments =
            ["format".into(), "-t".into(), id.into(), "-c".into(), self.path("server.properties")];
        let mut process = self.java("format", "kafka.tools.StorageTool", &arguments);
        let status = process.wait(STARTS_WITHIN);
        assert!(status.success(), "formatting Kafka's storage: {status}\n{}", process.output());
    }

    fn java(&self, name: &str, class: &str, arguments: &[PathBuf]) -> Process {
        let log = self.path(&format!("{name}.log"));
        let mut all: Vec<OsString> = [
            // Small and quick to start: a test's broker moves megabytes, not more.
            "-Xms128m",
            "-Xmx384m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:-UsePerfData",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
            "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config=warn",
            "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaConfig=warn",
            "-cp",
        ]
        .map(OsString::from)
        .to_vec();
        all.push(self.libraries.join("*").into_os_string());
        all.push(class.into());
        all.extend(arguments.iter().map(|argument| argument.as_os_str().to_owned()));
        Process::start(&Start {
            name,
            log: &log,
            program: "java".as_ref(),
            arguments: all,
            variables: Vec::new(),
            folder: Some(&self.folder),
            input: None,
        })
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }
}

/// The broker that the tests share which leave it running; they keep apart by topic and group.
pub fn shared() -> &'static Kafka {
    static SHARED: OnceLock<Kafka> = OnceLock::new();
    SHARED.get_or_init(|| Kafka::start("shared"))
}

/// Kafka's jars, fetched where they are missing. The folder's name carries the version, so that
/// another pin fetches anew.
fn libraries() -> PathBuf {
    static FETCHING: Mutex<()> = Mutex::new(());
    let _one = FETCHING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let support = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/kafka");
    let pom = std::fs::read_to_string(support.join("pom.xml")).expect("pom.xml");
    let version = pom
        .split("<artifactId>kafka_2.13</artifactId>")
        .nth(1)
        .and_then(|rest| rest.split("<version>").nth(1))
        .and_then(|rest| rest.split("</version>").next())
        .expect("pom.xml pins kafka_2.13");
    let into = folder::target().join(format!("kafka-{version}"));
    if !into.is_dir() {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/setup/maven.sh");
        let fetched = Command::new(script).arg(support.join("pom.xml")).arg(&into).output();
        let fetched = fetched.unwrap_or_else(|error| panic!("run {script}: {error}"));
        assert!(
            fetched.status.success(),
            "Apache Kafka cannot be fetched (`make setup` installs what is missing):\n{}",
            String::from_utf8_lossy(&fetched.stderr)
        );
    }
    into
}

fn properties(folder: &Path, port: u16, controller: u16) -> String {
    format!(
        "\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={folder}/data
auto.create.topics.enable=false
# One broker holds everything; few partitions start faster.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# Short timeouts: a killed member is missed, and its transaction given up, within seconds.
group.min.session.timeout.ms=1000
group.initial.rebalance.delay.ms=0
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
controlled.shutdown.enable=true
# The default (128 MiB) does not fit the small heap.
log.cleaner.dedupe.buffer.size=4194304
num.network.threads=2
num.io.threads=4
",
        folder = folder.display()
    )
}
