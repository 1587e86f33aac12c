"""Kafka on free ports of this machine, with data that goes with the run, and what a client that is not ours sees there."""

import pathlib

from processes import Failed, Process, free_port, output, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLUSTER_ID = "AAAAAAAAAAAAAAAAAAAAAQ"
JAVA = ["java", "-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"]
STARTS_WITHIN = 120
READ_WITHIN = 60


class Kafka:
    """One KRaft node of the version that tests/support/kafka/pom.xml pins."""

    def __init__(self, folder, logs, target, auto_create=False):
        self.jars, self.port, controller = self.fetched(target), free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        properties = folder / "server.properties"
        properties.write_text(f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://{self.address}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={folder}/kafka
auto.create.topics.enable={str(auto_create).lower()}
num.partitions=4
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
""")
        output(self.java("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", properties))
        self.process = Process("kafka", self.java("kafka.Kafka", properties), logs)
        wait_until("Kafka's start", lambda: "Kafka Server started" in self.process.log.read_text(), STARTS_WITHIN, [self.process])

    @staticmethod
    def fetched(target):
        pom = ROOT / "tests/support/kafka/pom.xml"
        version = pom.read_text().split("<artifactId>kafka_2.13</artifactId>")[1].split("<version>")[1].split("<")[0]
        jars = target / f"kafka-{version}"
        if not jars.is_dir():
            output([ROOT / "tests/setup/maven.sh", pom, jars])
        return jars

    def java(self, program, *arguments):
        return [*JAVA, "-cp", f"{self.jars}/*", program, *arguments]

    def stop(self):
        self.process.stop()


class Reader:
    """Reads topics from their beginning, and of transactions only what is committed."""

    def __init__(self, address, *topics):
        # Only who compares or uploads needs the package.
        import confluent_kafka

        self.topics, self.error = topics, confluent_kafka.KafkaError
        settings = {"bootstrap.servers": address, "group.id": "reader", "enable.auto.commit": False,
                    "isolation.level": "read_committed", "enable.partition.eof": True}
        self.client, self.at_the_end = confluent_kafka.Consumer(settings), set()
        known = self.client.list_topics(timeout=READ_WITHIN).topics
        self.parts = [(topic, part) for topic in topics for part in known[topic].partitions]
        if not self.parts:
            raise Failed(f"there are no topics {', '.join(topics)}")
        beginning = confluent_kafka.OFFSET_BEGINNING
        self.client.assign([confluent_kafka.TopicPartition(topic, part, beginning) for topic, part in self.parts])

    def next(self, seconds):
        """The next message, or None if none comes within this time or all partitions have ended."""
        message = self.client.poll(seconds)
        if message is None:
            return None
        if not message.error():
            return message
        if message.error().code() != self.error._PARTITION_EOF:
            raise Failed(f"reading {', '.join(self.topics)}: {message.error()}")
        self.at_the_end.add((message.topic(), message.partition()))
        return None

    def to_the_end(self):
        """All messages up to the end of each partition."""
        messages = []
        while len(self.at_the_end) < len(self.parts):
            before = len(self.at_the_end)
            message = self.next(READ_WITHIN)
            if message is not None:
                messages.append(message)
            elif len(self.at_the_end) == before:
                raise Failed(f"nothing more came from {', '.join(self.topics)} within {READ_WITHIN} s")
        return messages

    def close(self):
        self.client.close()


def messages(address, *topics):
    """What the topics have now."""
    reader = Reader(address, *topics)
    try:
        return reader.to_the_end()
    finally:
        reader.close()


def create_topics(address, topics):
    """Creates topics of four partitions; each has its settings."""
    from confluent_kafka.admin import AdminClient, NewTopic

    new = [NewTopic(name, 4, 1, config=settings) for name, settings in topics.items()]
    admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
    for answer in admin.create_topics(new).values():
        answer.result()
