"""An optimised Python consumer: it polls batches, parses with json.loads, sets the fields of protobuf
messages itself (C implementation, no ParseDict) and appends to the default stream on one connection,
with up to four requests unacknowledged. It commits once, at the end. Arguments as for insert_rows.py,
with a gRPC endpoint."""

import collections
import datetime
import json
import sys

import grpc
from confluent_kafka import Consumer, KafkaError
from google.cloud.bigquery_storage_v1 import types, writer
from google.cloud.bigquery_storage_v1.services.big_query_write import BigQueryWriteClient
from google.cloud.bigquery_storage_v1.services.big_query_write.transports import BigQueryWriteGrpcTransport
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

bootstrap, topic, group, endpoint, table, ignored_type = sys.argv[1:]
FIELD = descriptor_pb2.FieldDescriptorProto
REQUEST_BYTES = 1 << 20
AHEAD = 4

# A few columns, and the rest of the event as JSON in one column. Our consumer encodes more columns, so
# this favours the Python consumer.
TEXTS = ["event_id", "event_type", "delivery_id", "trace_id", "tenant"]
file = descriptor_pb2.FileDescriptorProto(name="row.proto", package="bench")
message = file.message_type.add(name="Row")
for number, name in enumerate([*TEXTS, "rest"], start=1):
    message.field.add(name=name, number=number, type=FIELD.TYPE_STRING, label=FIELD.LABEL_OPTIONAL)
for number, name in enumerate(["occurred_at", "_ingested_at", "_kafka_partition", "_kafka_offset"], start=20):
    message.field.add(name=name, number=number, type=FIELD.TYPE_INT64, label=FIELD.LABEL_OPTIONAL)
pool = descriptor_pool.DescriptorPool()
pool.Add(file)
Row = message_factory.GetMessageClass(pool.FindMessageTypeByName("bench.Row"))

transport = BigQueryWriteGrpcTransport(channel=grpc.insecure_channel(endpoint, options=[("grpc.max_send_message_length", -1)]))
client = BigQueryWriteClient(transport=transport)
project, dataset, name = table.split(".")
schema = descriptor_pb2.DescriptorProto()
message_type = pool.FindMessageTypeByName("bench.Row")
message_type.CopyToProto(schema)
template = types.AppendRowsRequest(
    write_stream=f"projects/{project}/datasets/{dataset}/tables/{name}/streams/_default",
    proto_rows=types.AppendRowsRequest.ProtoData(writer_schema=types.ProtoSchema(proto_descriptor=schema)),
)
stream = writer.AppendRowsStream(client, template)
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

ignored, written = 0, 0
rows, size = [], 0
on_the_way = collections.deque()
now = int(datetime.datetime.now(datetime.timezone.utc).timestamp() * 1e6)


def send():
    global rows, size
    if rows:
        request = types.AppendRowsRequest(
            proto_rows=types.AppendRowsRequest.ProtoData(rows=types.ProtoRows(serialized_rows=rows))
        )
        on_the_way.append((stream.send(request), len(rows)))
        rows, size = [], 0


def settle(left):
    global written
    if len(on_the_way) > left:
        while len(on_the_way) > left:
            future, count = on_the_way.popleft()
            future.result()
            written += count


ended = set()
while True:
    messages = consumer.consume(1000, 0.5)
    for message in messages:
        if message.error():
            if message.error().code() != KafkaError._PARTITION_EOF:
                raise SystemExit(message.error())
            ended.add(message.partition())
            continue
        event = json.loads(message.value())
        if event["event_type"] == ignored_type:
            ignored += 1
            continue
        row = Row()
        for name in TEXTS:
            value = event.pop(name, None)
            if value is not None:
                setattr(row, name, value)
        row.occurred_at = int(datetime.datetime.fromisoformat(event.pop("occurred_at")).timestamp() * 1e6)
        row._ingested_at = now
        row._kafka_partition = message.partition()
        row._kafka_offset = message.offset()
        row.rest = json.dumps(event)
        data = row.SerializeToString()
        rows.append(data)
        size += len(data)
        if size >= REQUEST_BYTES:
            send()
            settle(AHEAD)
    if ended and len(ended) == len(consumer.assignment()):
        break
send()
settle(0)
consumer.commit(asynchronous=False)
stream.close()
consumer.close()
print(json.dumps({"rows": written, "ignored": ignored}))
