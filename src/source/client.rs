//! librdkafka's configuration for each kind of client, and its log messages.

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};

use crate::config::ConsumeSettings;

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

/// The consumer of the domain's topic. The properties that the guarantees rest on are set last and
/// cannot be overridden; the environment's properties may change the others.
pub fn consumer_config(consume: &ConsumeSettings, bootstrap: &str) -> ClientConfig {
    let mut config = base(consume, bootstrap);
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
    apply(&mut config, consume, PRODUCER_ONLY);
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
    let mut config = base(consume, bootstrap);
    apply(&mut config, consume, CONSUMER_ONLY);
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
    let mut config = base(consume, bootstrap);
    config.set("linger.ms", "5");
    // librdkafka refuses larger records itself, by default those above 1,000,000 bytes. This is the
    // most that it takes, so that the topic's limit decides.
    config.set("message.max.bytes", "1000000000");
    apply(&mut config, consume, CONSUMER_ONLY);
    config.set("enable.idempotence", "true").set("acks", "all");
    config
}

fn base(consume: &ConsumeSettings, bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("client.id", format!("generic-consumer-{}", consume.group_id))
        .set("socket.keepalive.enable", "true")
        .set("reconnect.backoff.max.ms", "2000");
    config
}

fn apply(config: &mut ClientConfig, consume: &ConsumeSettings, not: &[&str]) {
    for (name, value) in &consume.properties {
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
