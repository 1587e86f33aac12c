"""Runs Apache Kafka (KRaft, one node) on loopback, with the jars that tests/support/kafka has."""

import contextlib
import os
import pathlib
import random
import socket
import subprocess
import tempfile
import time

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

ROOT = pathlib.Path(__file__).resolve().parents[2]
JARS = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "kafka-4.1.0"
JAVA = ["java", "-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
STARTS_WITHIN = 120
STOPS_WITHIN = 60

PROPERTIES = """\
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
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=4194304
"""


def free_port():
    """A free port below those that Linux gives to outgoing connections."""
    while True:
        port = random.randrange(18_000, 32_000)
        with socket.socket() as it:
            if it.connect_ex(("127.0.0.1", port)) != 0:
                return port


def wait_until(what, true, seconds):
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise SystemExit(f"{what}: not within {seconds} seconds")
        time.sleep(0.2)


@contextlib.contextmanager
def stopped_at_the_end(process, seconds=STOPS_WITHIN):
    """Stops the process with SIGTERM, and with SIGKILL if that does not help."""
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def kafka():
    """The bootstrap servers of a new broker, which ends with the context."""
    if not JARS.is_dir():
        raise SystemExit(f"{JARS} has no Kafka: run `make live` once, or set CARGO_TARGET_DIR")
    with tempfile.TemporaryDirectory(prefix="ccx-kafka-") as folder:
        port, controller = free_port(), free_port()
        properties = pathlib.Path(folder, "server.properties")
        properties.write_text(PROPERTIES.format(port=port, controller=controller, folder=folder))
        classes = ["-cp", f"{JARS}/*"]
        with open(f"{folder}/log", "w") as log:
            format_it = ["kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ"]
            subprocess.run(
                [*JAVA, *classes, *format_it, "-c", properties], stdout=log, stderr=log, check=True
            )
            process = subprocess.Popen(
                [*JAVA, *classes, "kafka.Kafka", properties], stdout=log, stderr=log
            )
            with stopped_at_the_end(process):
                bootstrap = f"127.0.0.1:{port}"
                wait_for_broker(bootstrap)
                yield bootstrap


def wait_for_broker(bootstrap):
    client = Consumer({"bootstrap.servers": bootstrap, "group.id": "ccx-reader", "log_level": 0})

    def responds():
        try:
            return bool(client.list_topics(timeout=1).brokers)
        except KafkaException:
            return False

    wait_until("Kafka responds", responds, STARTS_WITHIN)
    client.close()


def create_topics(bootstrap, *names):
    """Creates topics with one partition."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for answer in admin.create_topics([NewTopic(it, 1, 1) for it in names]).values():
        answer.result()


def wait_for_member(bootstrap, group, alive):
    """Waits until a member of the group has a partition. `alive` raises if none will come."""
    # Freed after its broker has stopped, an admin client of librdkafka can hang; so it ends here.
    admin = AdminClient({"bootstrap.servers": bootstrap})

    def has_partition():
        alive()
        try:
            group_now = admin.describe_consumer_groups([group], request_timeout=10)[group].result()
        except KafkaException:
            # The group's coordinator is not ready.
            return False
        return any(it.assignment and it.assignment.topic_partitions for it in group_now.members)

    wait_until("the consumer has its partition", has_partition, STARTS_WITHIN)


class Reader:
    """Reads topics with one partition from their beginning, and of transactions what is committed."""

    def __init__(self, bootstrap, *topics):
        self.found = {topic: [] for topic in topics}
        self.consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "ccx-reader",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
            }
        )
        self.consumer.assign([TopicPartition(topic, 0, 0) for topic in topics])

    def read(self):
        """The values of each topic up to now."""
        for message in self.consumer.consume(1000, 0.1):
            if message.error():
                raise SystemExit(f"cannot read {message.topic()}: {message.error()}")
            self.found[message.topic()].append(message.value())
        return list(self.found.values())

    def close(self):
        self.consumer.close()
