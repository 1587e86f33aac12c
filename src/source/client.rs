//! librdkafka's configuration for each kind of client, and its log messages.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};

use crate::config::{ConsumeSettings, KafkaServer, Secret};

/// Properties that only a consumer has; a producer would warn about each.
const CONSUMER_ONLY: &[&str] = &[
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "max.poll.interval.ms",
    "queued.min.messages",
    "queued.max.messages.kbytes",
    "fetch.wait.max.ms",
    "fetch.queue.backoff.ms",
    "fetch.message.max.bytes",
    "max.partition.fetch.bytes",
    "fetch.max.bytes",
    "fetch.min.bytes",
    "fetch.error.backoff.ms",
    "check.crcs",
    "client.rack",
];

/// Properties that only a producer has.
const PRODUCER_ONLY: &[&str] = &[
    "acks",
    "request.required.acks",
    "linger.ms",
    "queue.buffering.max.ms",
    "queue.buffering.max.messages",
    "queue.buffering.max.kbytes",
    "batch.num.messages",
    "batch.size",
    "compression.codec",
    "compression.type",
    "compression.level",
    "message.timeout.ms",
    "delivery.timeout.ms",
    "request.timeout.ms",
    "retries",
    "message.send.max.retries",
    "partitioner",
    "sticky.partitioning.linger.ms",
    "transaction.timeout.ms",
];

/// For how long a topic that the broker does not know may still be created. Then its records are
/// refused, before whoever waits for them gives up; librdkafka's own default is half a minute.
pub const TOPIC_MAY_COME: (&str, &str) = ("topic.metadata.propagation.max.ms", "5000");

/// The consumer of the domain's topic. The properties that the guarantees rest on are set last and
/// cannot be overridden; the environment's properties may change the others.
pub fn consumer_config(consume: &ConsumeSettings, bootstrap: &str) -> ClientConfig {
    let mut config = base(&consume.group_id, bootstrap);
    // After finding its queue full, librdkafka waits this long before it fetches again. With its
    // default of 1,000 ms, a consumer slower than the broker idled two thirds of the time.
    config.set("fetch.queue.backoff.ms", "2");
    // Prefetched records of all partitions together, not counted in the bytes in flight. Two
    // megabytes stay in the processor's caches between librdkafka's thread and ours
    // (docs/performance.md), and are still a fifth of a second of what one append connection takes.
    config.set("queued.max.messages.kbytes", "2048");
    config.set("fetch.max.bytes", "4194304");
    config.set("fetch.message.max.bytes", "1048576");
    config.set("fetch.wait.max.ms", "100");
    // A member that dies keeps its partitions for this long, and nobody reads them. librdkafka's own
    // default is 45 s. Heartbeats come from a thread that is never busy with records.
    config.set("session.timeout.ms", "10000");
    // A running group finds added partitions this often; librdkafka's own default is five minutes.
    config.set("topic.metadata.refresh.interval.ms", "60000");
    apply(&mut config, &consume.properties, PRODUCER_ONLY);
    config
        .set("group.id", &consume.group_id)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("isolation.level", "read_committed")
        // `Source::has_read_to` finds the end without an event for it.
        .set("enable.partition.eof", "false")
        // Every assignment names its offsets. One that the broker no longer has is reported, not
        // replaced by another.
        .set("auto.offset.reset", "error");
    config
}

/// The producer that commits offsets in transactions, without its `transactional.id`.
pub fn transactional_config(consume: &ConsumeSettings, bootstrap: &str) -> ClientConfig {
    let mut config = base(&consume.group_id, bootstrap);
    apply(&mut config, &consume.properties, CONSUMER_ONLY);
    // If a process dies during a commit, the next owner waits until the broker aborts the
    // transaction: this long, and up to ten seconds more, how often the broker looks for them.
    config.set("transaction.timeout.ms", "10000");
    // While the broker still writes the markers of one transaction it refuses the next, as in a
    // drain with two commits in a row. The second took 105 ms with librdkafka's 100 ms between two
    // tries, and takes 8 ms with 5.
    config.set("retry.backoff.ms", "5");
    config.remove("message.timeout.ms");
    config.remove("delivery.timeout.ms");
    config
}

/// A producer of records: `produce` and the dead-letter topic.
pub fn producer_config(consume: &ConsumeSettings, bootstrap: &str) -> ClientConfig {
    let mut config = base(&consume.group_id, bootstrap);
    config.set("linger.ms", "5");
    // librdkafka refuses larger records itself, by default those above 1,000,000 bytes. This is the
    // most that it takes, so that the topic's limit decides.
    config.set("message.max.bytes", "1000000000");
    apply(&mut config, &consume.properties, CONSUMER_ONLY);
    config.set("enable.idempotence", "true").set("acks", "all");
    config
}

/// The producer of the event API. A record is not larger than [`largest_message`], and is given up
/// after `timeout`.
pub fn publisher_config(
    consume: &ConsumeSettings,
    bootstrap: &str,
    timeout: Duration,
) -> ClientConfig {
    let mut config = producer_config(consume, bootstrap);
    config.set(TOPIC_MAY_COME.0, TOPIC_MAY_COME.1);
    // The API limits the bytes that wait. librdkafka would refuse a part of a request's events.
    config.set("queue.buffering.max.messages", "100000000");
    config.set("queue.buffering.max.kbytes", "2097151");
    config.set("message.max.bytes", largest_message(consume).to_string());
    config.remove("delivery.timeout.ms");
    config.set("message.timeout.ms", timeout.as_millis().to_string());
    config
}

/// The producer of messages that are given up after `timeout`, and sooner where many wait.
pub fn notice_config(
    consume: &ConsumeSettings,
    bootstrap: &str,
    timeout: Duration,
) -> ClientConfig {
    let mut config = publisher_config(consume, bootstrap, timeout);
    config.set("queue.buffering.max.messages", "10000");
    config.set("queue.buffering.max.kbytes", "16384");
    config
}

/// Bytes of the largest message: librdkafka's own default, which every topic takes that is not
/// limited further, or what the environment's properties say.
pub fn largest_message(consume: &ConsumeSettings) -> usize {
    let property = consume.properties.get("message.max.bytes");
    property.and_then(|value| value.expose().trim().parse().ok()).unwrap_or(1_000_000)
}

/// The producer of rows for another topic, without its `transactional.id`. `group` is the one whose
/// records become the rows.
pub fn rows_config(server: &KafkaServer, group: &str) -> ClientConfig {
    let mut config = base(group, &server.bootstrap);
    // Whoever waits for rows flushes them.
    config.set("linger.ms", "5");
    // Where Java's producers put the same key.
    config.set("partitioner", "murmur2_random");
    // The settings limit what is in flight; librdkafka would refuse a part of a batch.
    config.set("queue.buffering.max.messages", "10000000");
    config.set("queue.buffering.max.kbytes", "2097151");
    // The topic's limit decides, as in `producer_config`.
    config.set("message.max.bytes", "1000000000");
    apply(&mut config, &server.properties, CONSUMER_ONLY);
    // How long a transaction may stay open if its owner dies and nobody takes its partition over. So
    // long a reader of committed records waits behind it.
    config.set("transaction.timeout.ms", ROWS_TRANSACTION.as_millis().to_string());
    // As long as the broker is away, librdkafka keeps the records of the transaction.
    config.set("message.timeout.ms", ROWS_TRANSACTION.as_millis().to_string());
    config.remove("delivery.timeout.ms");
    config.set("retry.backoff.ms", "5");
    config.set(TOPIC_MAY_COME.0, TOPIC_MAY_COME.1);
    config
}

/// How long a transaction of rows may take.
const ROWS_TRANSACTION: Duration = Duration::from_secs(30);

/// A client that reads offsets which transactions have stored in a group, and never joins it.
pub fn offsets_config(server: &KafkaServer, group: &str) -> ClientConfig {
    let mut config = base(group, &server.bootstrap);
    apply(&mut config, &server.properties, PRODUCER_ONLY);
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        // Not before pending transactions have ended.
        .set("isolation.level", "read_committed");
    config
}

/// A client that reads a topic of the cluster that rows are written to.
pub fn reader_config(server: &KafkaServer, group: &str) -> ClientConfig {
    let mut config = offsets_config(server, group);
    config.set("enable.auto.offset.store", "false").set("auto.offset.reset", "error");
    config
}

fn base(group: &str, bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("client.id", format!("generic-consumer-{group}"))
        .set("socket.keepalive.enable", "true")
        .set("reconnect.backoff.max.ms", "2000");
    config
}

fn apply(config: &mut ClientConfig, properties: &BTreeMap<String, Secret>, not: &[&str]) {
    for (name, value) in properties {
        if !not.contains(&name.as_str()) {
            config.set(name, value.expose());
        }
    }
}

/// Logs a message of librdkafka's. It never holds a record's value.
pub fn log_line(level: RDKafkaLogLevel, facility: &str, message: &str) {
    use RDKafkaLogLevel as Level;
    match level {
        Level::Emerg | Level::Alert | Level::Critical | Level::Error => {
            tracing::error!(target: "librdkafka", facility, "{message}");
        }
        Level::Warning => tracing::warn!(target: "librdkafka", facility, "{message}"),
        Level::Notice | Level::Info => tracing::info!(target: "librdkafka", facility, "{message}"),
        Level::Debug => tracing::debug!(target: "librdkafka", facility, "{message}"),
    }
}
