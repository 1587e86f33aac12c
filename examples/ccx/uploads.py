"""Uploads archives of some clusters at a steady pace and announces each on Kafka, until it is stopped. Most are good;
every eighth is broken. The same numbers give the same archives.

    uploads.py S3 KAFKA TOPIC --rate 2/s [--count N]

Prints a line of JSON for each: when it was uploaded, and where its event is.
"""

import argparse
import dataclasses
import functools
import json
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/ccx"))
import bad  # noqa: E402
import events  # noqa: E402
import faults  # noqa: E402
from clusters import Cluster  # noqa: E402
from packing import gz, members, tar  # noqa: E402

SEED = "uploads"
# Each stays with one organization.
CLUSTERS = 3 * events.ORGANIZATIONS
SECONDS = {"s": 1, "min": 60, "h": 3600}
BROKEN_EVERY = 8


@dataclasses.dataclass(frozen=True)
class Upload:
    number: int
    # What is in the archive: the rules that have to find something.
    rules: list
    # What is wrong, and the reason of the dead letter with a word of its detail.
    wrong: "Wrong | None"

    @property
    def cluster_id(self):
        return id_of(self.number % CLUSTERS)

    def content(self):
        """The archive's bytes; None where nothing is uploaded."""
        cluster = cluster_of(self.number % CLUSTERS)
        for fault in faults.RULES:
            if fault.__name__ in self.rules:
                fault(cluster)
        return self.wrong.archive(cluster) if self.wrong else packed(cluster)

    def event(self, entry, url):
        """The event before it becomes bytes."""
        return events.event(entry, self.number, url)

    def record(self, event):
        return self.wrong.record(event) if self.wrong else encoded(event)


def cluster_of(index):
    return Cluster(f"{SEED}-{index}", nodes=5 + index % 3, pods=6 + index % 5)


@functools.cache
def id_of(index):
    return cluster_of(index).id


def packed(cluster):
    return gz(tar(members(cluster)))


def encoded(event):
    return json.dumps(event).encode()


@dataclasses.dataclass(frozen=True)
class Wrong:
    what: str
    reason: str
    detail: str
    archive: callable = packed
    record: callable = encoded


def wrong():
    """All that can be wrong: with the archive, with where it is, and with the event."""
    codes = {
        "truncated-gzip": ("object_unreadable", "archive_truncated"),
        "bad-checksum": ("object_unreadable", "archive_malformed"),
        "not-an-archive": ("object_unreadable", "archive_no_archive"),
        "dot-dot": ("object_unreadable", "archive_bad_name"),
        "empty-object": ("object_unreadable", "archive_empty"),
        "bomb": ("object_too_large", "archive_file_too_large"),
    }
    for name, what, build in bad.broken():
        if name in codes:
            yield Wrong(what, *codes[name], archive=build)
    elsewhere = "http://169.254.169.254/latest/meta-data/"
    yield Wrong("the archive is not there", "object_missing", "404", archive=lambda _: None)
    yield Wrong("the event has another size", "object_mismatch", "the event says",
                record=lambda event: encoded(event | {"size": event["size"] + 1}))
    yield Wrong("the URL leads elsewhere", "object_refused", "169.254.169.254",
                record=lambda event: encoded(event | {"url": elsewhere}))
    yield Wrong("the event has no URL", "missing_field", "url",
                record=lambda event: encoded({name: event[name] for name in event if name != "url"}))
    yield Wrong("the event is cut off", "invalid_json", "", record=lambda event: encoded(event)[:-9])


WRONG = list(wrong())


def upload(number):
    """The upload of this number."""
    turn, rest = divmod(number, BROKEN_EVERY)
    chance = random.Random(f"{SEED}-{number}")
    rules = chance.sample([it.__name__ for it in faults.RULES], chance.choice((0, 1, 1, 2, 4)))
    # The first ones are good.
    return Upload(number, sorted(rules), WRONG[turn % len(WRONG)] if rest == BROKEN_EVERY - 1 else None)


class Rate:
    """Uploads in a second, a minute or an hour, as in `2/s`."""

    def __init__(self, text):
        number, unit = text.split("/")
        # From one upload to the next.
        self.text, self.seconds = text, SECONDS[unit] / float(number)

    @classmethod
    def of(cls, text):
        try:
            return cls(text)
        except (ValueError, KeyError, ZeroDivisionError):
            raise argparse.ArgumentTypeError(f"{text}: expected 2/s, 30/min or 100/h") from None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("s3", help="the S3 server's address")
    parser.add_argument("kafka", help="the brokers")
    parser.add_argument("topic")
    parser.add_argument("--rate", type=Rate.of, required=True, metavar="N/UNIT")
    parser.add_argument("--count", type=int)
    arguments = parser.parse_args()

    import confluent_kafka
    from bucket import Bucket

    bucket, producer = Bucket(arguments.s3), confluent_kafka.Producer({"bootstrap.servers": arguments.kafka})
    number, due = 0, time.monotonic()
    while number != arguments.count:
        one, at, where = upload(number), time.time(), []
        content, cluster = one.content(), one.cluster_id
        # The next archive of a cluster replaces the one before the last, so the server does not fill up.
        entry = {"name": f"{number // CLUSTERS % 2}.tar.gz", "cluster": cluster, "bytes": len(content or b"")}
        if content is None:
            entry["name"] = "missing.tar.gz"
        else:
            bucket.upload(entry, content)
        # With the cluster as the key, its reports stay in the order of its uploads.
        event = one.event(entry, bucket.url(entry))
        producer.produce(arguments.topic, one.record(event), key=cluster,
                         on_delivery=lambda error, message: where.append((error, message)))
        producer.flush()
        (error, message), = where
        if error:
            sys.exit(f"publishing to {arguments.topic}: {error}")
        line = {"number": number, "at": at, "request": event["request_id"], "partition": message.partition(), "offset": message.offset()}
        print(json.dumps(line), flush=True)
        number, due = number + 1, due + arguments.rate.seconds
        time.sleep(max(0, due - time.monotonic()))


if __name__ == "__main__":
    main()
