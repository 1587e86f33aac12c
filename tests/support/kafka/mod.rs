//! Runs Apache Kafka (KRaft, one node) from Maven Central, on free ports and with short timeouts.

pub mod command_line;
mod jars;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::process::{Process, Start};
use super::signal::Signal;
use super::until::{until, until_true};
use super::{folder, ports};

/// For a JVM that starts cold on two busy cores; on idle ones it takes three seconds.
const STARTS_WITHIN: Duration = Duration::from_secs(120);
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);
const STOPS_WITHIN: Duration = Duration::from_secs(60);

/// Whom the second listener of a guarded cluster lets in.
pub const USER: &str = "consumer";
pub const PASSWORD: &str = "a-secret";

/// A broker. Its data survives restarts and is deleted with the run's folder.
pub struct Kafka {
    folder: PathBuf,
    port: u16,
    libraries: PathBuf,
    process: Option<Process>,
}

impl Kafka {
    /// Formats and starts a new cluster.
    pub fn start(name: &str) -> Self {
        Self::start_with(name, |_, _| String::new())
    }

    /// Starts a new cluster with a second listener, which lets in [`USER`] alone, who may do nothing.
    /// It creates topics that somebody asks for.
    pub fn start_guarded(name: &str) -> (Self, u16) {
        let guarded = ports::free();
        let kafka = Self::start_with(name, |port, controller| {
            format!(
                "\
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},GUARDED://127.0.0.1:{guarded}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},GUARDED://127.0.0.1:{guarded}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,GUARDED:SASL_PLAINTEXT
listener.name.guarded.sasl.enabled.mechanisms=PLAIN
listener.name.guarded.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}=\"{PASSWORD}\";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
auto.create.topics.enable=true
"
            )
        });
        (kafka, guarded)
    }

    /// `more`: properties that win over the usual ones, for the broker's port and the controller's.
    fn start_with(name: &str, more: impl FnOnce(u16, u16) -> String) -> Self {
        let folder = folder::fresh(&format!("kafka-{name}"));
        let (port, controller) = (ports::free(), ports::free());
        let properties = properties(&folder, port, controller) + &more(port, controller);
        std::fs::write(folder.join("server.properties"), properties).expect("written");
        let mut kafka = Self { folder, port, libraries: jars::broker(), process: None };
        kafka.format();
        kafka.start_again();
        kafka
    }

    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts the broker with its existing data, and waits until it responds.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "the broker is running");
        let mut process = self.java("kafka", "kafka.Kafka", &[self.path("server.properties")]);
        let client: BaseConsumer = self.client().create().expect("a client");
        until_true("Kafka responds", STARTS_WITHIN, || {
            assert!(process.ended().is_none(), "Kafka has ended:\n{}", process.output());
            client.fetch_metadata(None, Duration::from_secs(1)).is_ok_and(|answer| {
                answer.brokers().iter().any(|broker| i32::from(self.port) == broker.port())
            })
        });
        self.process = Some(process);
    }

    /// Sends SIGKILL. The broker recovers from its log at the next start.
    pub fn kill(&mut self) {
        self.process.take().expect("the broker is running").kill();
    }

    /// Stops its process from running, with its connections open.
    pub fn freeze(&self) {
        self.process.as_ref().expect("the broker is running").signal(Signal::STOP);
    }

    pub fn thaw(&self) {
        self.process.as_ref().expect("the broker is running").signal(Signal::CONT);
    }

    /// Stops the broker with a controlled shutdown.
    pub fn stop(&mut self) {
        self.process.take().expect("the broker is running").stop(STOPS_WITHIN);
    }

    /// Creates a topic and waits until its partitions have leaders.
    pub fn create_topic(&self, topic: &str, partitions: i32) {
        self.create_topic_with(topic, partitions, &[]);
    }

    /// The same with properties of the topic.
    pub fn create_topic_with(&self, topic: &str, partitions: i32, properties: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("a client");
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        let new = properties.iter().fold(new, |new, (name, value)| new.set(name, value));
        let answers = runtime()
            .block_on(admin.create_topics([&new], &AdminOptions::new()))
            .expect("the broker answers");
        for answer in answers {
            answer.unwrap_or_else(|error| panic!("create {topic}: {error:?}"));
        }
        let wanted = usize::try_from(partitions).expect("positive");
        until_true("the topic's partitions have leaders", STARTS_WITHIN, || {
            admin.inner().fetch_metadata(Some(topic), Duration::from_secs(5)).is_ok_and(|answer| {
                answer.topics()[0].partitions().iter().filter(|p| p.leader() == 1).count() == wanted
            })
        });
    }

    /// Deletes a topic and waits until it is gone.
    pub fn delete_topic(&self, topic: &str) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("a client");
        let answers = runtime()
            .block_on(admin.delete_topics(&[topic], &AdminOptions::new()))
            .expect("the broker answers");
        for answer in answers {
            answer.unwrap_or_else(|error| panic!("delete {topic}: {error:?}"));
        }
        until_true("the topic is gone", STARTS_WITHIN, || {
            admin.inner().fetch_metadata(Some(topic), Duration::from_secs(5)).is_ok_and(|answer| {
                answer.topics().iter().all(|it| it.error().is_some() || it.partitions().is_empty())
            })
        });
    }

    /// Deletes a group without members with its offsets, as offset retention does.
    pub fn delete_group(&self, group: &str) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("a client");
        let answers = runtime()
            .block_on(admin.delete_groups(&[group], &AdminOptions::new()))
            .expect("the broker answers");
        for answer in answers {
            answer.unwrap_or_else(|error| panic!("delete the group {group}: {error:?}"));
        }
    }

    /// Deletes all records of a topic before these offsets, as retention does.
    pub fn delete_records(&self, topic: &str, before: &[i64]) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("a client");
        let mut offsets = TopicPartitionList::new();
        for (partition, offset) in (0..).zip(before) {
            offsets
                .add_partition_offset(topic, partition, Offset::Offset(*offset))
                .expect("an offset");
        }
        runtime()
            .block_on(admin.delete_records(&offsets, &AdminOptions::new()))
            .expect("the broker answers");
    }

    /// Adds partitions to a topic, up to this number.
    pub fn add_partitions(&self, topic: &str, partitions: usize) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("a client");
        let new = NewPartitions::new(topic, partitions);
        let answers = runtime()
            .block_on(admin.create_partitions([&new], &AdminOptions::new()))
            .expect("the broker answers");
        for answer in answers {
            answer.unwrap_or_else(|error| panic!("partitions of {topic}: {error:?}"));
        }
    }

    /// Cuts a partition's log off after this many bytes, while the broker is stopped: what an unclean
    /// leader election or a restored disk does to it.
    pub fn cut_off(&self, topic: &str, partition: i32, keep: u64) {
        assert!(self.process.is_none(), "the broker is running");
        let folder = self.path("data").join(format!("{topic}-{partition}"));
        for entry in std::fs::read_dir(&folder).expect("the partition's folder") {
            let path = entry.expect("an entry").path();
            match path.extension().and_then(|it| it.to_str()) {
                Some("log") => {
                    let log = std::fs::File::options().write(true).open(&path).expect("the log");
                    log.set_len(keep).expect("cut off");
                }
                Some("index" | "timeindex" | "txnindex" | "snapshot") => {
                    std::fs::remove_file(&path).expect("removed");
                }
                _ => {}
            }
        }
        for checkpoint in ["recovery-point-offset-checkpoint", "replication-offset-checkpoint"] {
            let _ = std::fs::remove_file(self.path("data").join(checkpoint));
        }
        // Without it the broker takes the log for cleanly closed and does not read it again.
        let _ = std::fs::remove_file(self.path("data").join(".kafka_cleanshutdown"));
    }

    /// The offset after the last record of each partition.
    pub fn ends(&self, topic: &str, partitions: i32) -> Vec<i64> {
        let client: BaseConsumer = self.client().create().expect("a client");
        let end = |partition| {
            client.fetch_watermarks(topic, partition, ANSWERS_WITHIN).expect("watermarks").1
        };
        (0..partitions).map(end).collect()
    }

    /// The group's committed offset of each partition, −1 if there is none. Waits until no commit
    /// of an offset is pending in a transaction.
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
        // A new cluster has no coordinator before somebody asks for one.
        let answer = until("the group's offsets are read", ANSWERS_WITHIN, || {
            client.committed_offsets(list.clone(), ANSWERS_WITHIN).ok()
        });
        let offset = |partition: &Offset| partition.to_raw().filter(|raw| *raw >= 0).unwrap_or(-1);
        answer.elements().iter().map(|element| offset(&element.offset())).collect()
    }

    /// The number of the group's members; `None` if the broker does not know the group.
    pub fn members(&self, group: &str) -> Option<usize> {
        let client: BaseConsumer = self.client().create().expect("a client");
        let list = client.fetch_group_list(Some(group), ANSWERS_WITHIN).expect("groups");
        let found = list.groups().iter().find(|found| found.name() == group)?;
        (found.state() != "Dead").then(|| found.members().len())
    }

    /// The members of a group that the broker removed because their sessions timed out.
    pub fn timed_out(&self, group: &str) -> Vec<String> {
        let end = format!(" in group {group} has failed, removing it from the group.");
        let log = self.process.as_ref().map(Process::output).unwrap_or_default();
        let members = log.lines().filter_map(|line| line.strip_suffix(&end));
        members.filter_map(|line| Some(line.rsplit_once(' ')?.1.to_owned())).collect()
    }

    /// A client's configuration, which makes it reconnect soon after the broker restarts.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.bootstrap())
            .set("reconnect.backoff.max.ms", "500")
            .set("log_level", "3");
        config
    }

    fn format(&self) {
        // Clusters are told apart by their ids.
        let mut bits = rand::random::<[u8; 16]>();
        bits[0] &= 0x7f;
        let id = URL_SAFE_NO_PAD.encode(bits);
        let arguments =
            ["format".into(), "-t".into(), id.into(), "-c".into(), self.path("server.properties")];
        let mut process = self.java("format", "kafka.tools.StorageTool", &arguments);
        let status = process.wait(STARTS_WITHIN);
        assert!(status.success(), "formatting Kafka's storage: {status}\n{}", process.output());
    }

    fn java(&self, name: &str, class: &str, arguments: &[PathBuf]) -> Process {
        let log = self.path(&format!("{name}.log"));
        let mut all: Vec<OsString> = [
            // A small heap and a quick start: a test's broker handles megabytes only.
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

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime")
}

/// The broker shared by the tests that do not stop it; each uses its own topics and groups.
pub fn shared() -> &'static Kafka {
    static SHARED: OnceLock<Kafka> = OnceLock::new();
    SHARED.get_or_init(|| Kafka::start("shared"))
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
# There is one broker only, and with few partitions it starts faster.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# Short timeouts: a killed member is removed, and its transaction aborted, within seconds.
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
