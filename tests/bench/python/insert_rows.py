"""A simple Python consumer: poll, json.loads, insert_rows_json with 500 rows per call, then commit.
Arguments: bootstrap servers, topic, group, REST endpoint, table, ignored event type. Reads the topic to
its end and prints the counts."""

import json
import sys

from confluent_kafka import Consumer, KafkaError
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

bootstrap, topic, group, rest, table, ignored_type = sys.argv[1:]
client = bigquery.Client(
    project=table.split(".")[0],
    credentials=AnonymousCredentials(),
    client_options=ClientOptions(api_endpoint=rest),
)
consumer = Consumer(
    {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
    }
)
consumer.subscribe([topic])

ignored, written, batch = 0, 0, []


def flush():
    global written, batch
    if batch:
        errors = client.insert_rows_json(table, batch)
        if errors:
            raise SystemExit(f"BigQuery rejected rows: {errors[:3]}")
        written += len(batch)
        batch = []
        consumer.commit(asynchronous=False)


ended = set()
while True:
    message = consumer.poll(1.0)
    if message is None:
        continue
    if message.error():
        if message.error().code() != KafkaError._PARTITION_EOF:
            raise SystemExit(message.error())
        ended.add(message.partition())
        if len(ended) == len(consumer.assignment()):
            break
        continue
    event = json.loads(message.value())
    if event["event_type"] == ignored_type:
        ignored += 1
        continue
    batch.append(event)
    if len(batch) == 500:
        flush()
flush()
consumer.close()
print(json.dumps({"rows": written, "ignored": ignored}))
