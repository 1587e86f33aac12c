"""Two Python consumers that write to PostgreSQL with psycopg 3. Arguments: `executemany` or `copy`, bootstrap
servers, topic, group, the database's URI, ignored event type. Reads the topic to its end and prints the counts.

`executemany` inserts 500 rows at a time, as consumers of this kind usually do; `copy` copies 10,000 at a time.
A few columns get fields of their own and the rest of the event is JSON in one column. Our consumer fills more
columns, so this favours the Python consumers."""

import json
import sys

import psycopg
from confluent_kafka import Consumer, KafkaError

how, bootstrap, topic, group, url, ignored_type = sys.argv[1:]
TEXTS = ["event_id", "event_type", "delivery_id", "trace_id", "tenant"]
COLUMNS = [*TEXTS, "occurred_at", "_kafka_partition", "_kafka_offset", "rest"]
TABLE = f"python_{how}"
BATCH = {"executemany": 500, "copy": 10_000}[how]
INSERT = f"INSERT INTO {TABLE} ({', '.join(COLUMNS)}) VALUES ({', '.join(['%s'] * len(COLUMNS))})"
COPY = f"COPY {TABLE} ({', '.join(COLUMNS)}) FROM STDIN"

database = psycopg.connect(url)
database.execute(
    f"CREATE TABLE IF NOT EXISTS {TABLE} ({', '.join(f'{name} text' for name in TEXTS)}, occurred_at timestamptz,"
    " _kafka_partition int8, _kafka_offset int8, rest jsonb)"
)
database.commit()
consumer = Consumer(
    {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
        "fetch.queue.backoff.ms": 2,
    }
)
consumer.subscribe([topic])

ignored, written, batch = 0, 0, []


def flush():
    global written, batch
    if batch:
        with database.cursor() as cursor:
            if how == "copy":
                with cursor.copy(COPY) as copy:
                    for row in batch:
                        copy.write_row(row)
            else:
                cursor.executemany(INSERT, batch)
        database.commit()
        written += len(batch)
        batch = []
        consumer.commit(asynchronous=False)


ended = set()
while not ended or len(ended) < len(consumer.assignment()):
    for message in consumer.consume(500, 0.5):
        if message.error():
            if message.error().code() != KafkaError._PARTITION_EOF:
                raise SystemExit(message.error())
            ended.add(message.partition())
            continue
        event = json.loads(message.value())
        if event["event_type"] == ignored_type:
            ignored += 1
            continue
        row = [event.pop(name, None) for name in TEXTS]
        row += [event.pop("occurred_at"), message.partition(), message.offset(), json.dumps(event)]
        batch.append(row)
    # Between two calls: a commit is of all that they have returned.
    if len(batch) >= BATCH:
        flush()
flush()
consumer.close()
print(json.dumps({"rows": written, "ignored": ignored}))
