"""Runs Google's own Python clients against the embedded BigQuery, to show that it behaves as BigQuery
does. The first step that fails ends it with a traceback and exit code 1.
"""

import io
import json
import sys
import uuid

import grpc
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery, bigquery_storage_v1
from google.cloud.bigquery_storage_v1 import types, writer
from google.cloud.bigquery_storage_v1.services.big_query_write import BigQueryWriteClient
from google.cloud.bigquery_storage_v1.services.big_query_write.transports import (
    BigQueryWriteGrpcTransport,
)
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from google_queries import expirations, queries

PROJECT, DATASET = "p", "clients"


def row_class(fields):
    """A protobuf message class with these (name, type, label) fields, and its descriptor."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{uuid.uuid4().hex}.proto", syntax="proto2")
    message = file.message_type.add(name="Row")
    for number, (name, kind, label) in enumerate(fields, start=1):
        message.field.add(name=name, number=number, type=kind, label=label)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    descriptor = pool.FindMessageTypeByName("Row")
    return message_factory.GetMessageClass(descriptor), message


F = descriptor_pb2.FieldDescriptorProto
ROW, DESCRIPTOR = row_class(
    [
        ("id", F.TYPE_INT64, F.LABEL_REQUIRED),
        ("name", F.TYPE_STRING, F.LABEL_OPTIONAL),
        ("amount", F.TYPE_STRING, F.LABEL_OPTIONAL),
        ("at", F.TYPE_INT64, F.LABEL_OPTIONAL),
        ("tags", F.TYPE_STRING, F.LABEL_REPEATED),
        ("extra", F.TYPE_STRING, F.LABEL_OPTIONAL),
    ]
)
SCHEMA = [
    bigquery.SchemaField("id", "INTEGER", mode="REQUIRED"),
    bigquery.SchemaField("name", "STRING"),
    bigquery.SchemaField("amount", "NUMERIC"),
    bigquery.SchemaField("at", "TIMESTAMP"),
    bigquery.SchemaField("tags", "STRING", mode="REPEATED"),
    bigquery.SchemaField("extra", "JSON"),
]


def rows(*ids):
    serialized = [
        ROW(
            id=n,
            name=f"n{n}",
            amount=f"{n}.25",
            at=1_700_000_000_000_000 + n,
            tags=["a", "b"],
            extra='{"k": [1, 2]}',
        ).SerializeToString()
        for n in ids
    ]
    return types.AppendRowsRequest.ProtoData(rows=types.ProtoRows(serialized_rows=serialized))


def open_stream(client, name):
    """Opens a connection; its first request names the stream and contains the schema."""
    template = types.AppendRowsRequest(write_stream=name)
    template.proto_rows = types.AppendRowsRequest.ProtoData(
        writer_schema=types.ProtoSchema(proto_descriptor=DESCRIPTOR)
    )
    return writer.AppendRowsStream(client, template)


def append(stream, data, offset=None):
    request = types.AppendRowsRequest(proto_rows=data)
    if offset is not None:
        request.offset = offset
    return stream.send(request).result(timeout=30)


def jobs(client):
    """Copy and load jobs, and partitions that decorators name."""
    dataset = bigquery.DatasetReference(PROJECT, DATASET)
    name = f"t{uuid.uuid4().hex[:8]}"
    schema = [bigquery.SchemaField("id", "INTEGER"), bigquery.SchemaField("at", "DATE")]
    for table in (name, f"{name}_staged"):
        table = bigquery.Table(dataset.table(table), schema=schema)
        table.time_partitioning = bigquery.TimePartitioning(field="at")
        client.create_table(table)

    def load(table, config, *ids, day="2026-11-21", at_once=False):
        config.write_disposition = config.write_disposition or "WRITE_APPEND"
        lines = [json.dumps({"id": n, "at": day}) for n in ids]
        content = "\n".join(lines).encode()
        size = len(content) if at_once else None
        file, table = io.BytesIO(content), dataset.table(table)
        job = client.load_table_from_file(file, table, size=size, job_config=config)
        job.result(timeout=30)
        return job

    def listed(table):
        rows = client.list_rows(dataset.table(table), selected_fields=schema)
        return sorted(row["id"] for row in rows)

    lines = bigquery.LoadJobConfig(source_format="NEWLINE_DELIMITED_JSON")
    # Without a size the client uploads in several requests, and with one in a single request.
    load(name, lines, 1, 2)
    load(name, lines, 3, day="2026-11-22", at_once=True)
    assert listed(name) == [1, 2, 3], listed(name)
    assert listed(f"{name}$20261121") == [1, 2]
    job = load(f"{name}_staged", lines, 4)
    assert (job.state, job.output_rows, job.input_files) == ("DONE", 1, 1), job
    assert client.get_job(job.job_id).output_rows == 1

    config = bigquery.CopyJobConfig(write_disposition="WRITE_TRUNCATE", labels={"a": "b"})
    staged, day = dataset.table(f"{name}_staged"), dataset.table(f"{name}$20261121")
    job = client.copy_table(staged, day, job_id=f"{name}-copy", job_config=config)
    job.result(timeout=30)
    assert (job.state, job.labels) == ("DONE", {"a": "b"}), job
    assert listed(name) == [3, 4], listed(name)
    try:
        client.copy_table(staged, day, job_id=f"{name}-copy", job_config=config)
        raise AssertionError("a job id was used twice")
    except exceptions.Conflict:
        pass
    other = dataset.table(f"{name}$20261122")
    try:
        client.copy_table(staged, other, job_config=config).result(timeout=30)
        raise AssertionError("rows of another day were copied")
    except exceptions.BadRequest as error:
        assert "different partitions" in str(error), error
    assert listed(name) == [3, 4], listed(name)
    # Into a table that has rows, and into one that does not exist.
    def copied(to, **settings):
        config = bigquery.CopyJobConfig(**settings)
        return client.copy_table(dataset.table(name), dataset.table(to), job_config=config).result(timeout=30)

    for to, settings, wanted in (
        (f"{name}_staged", {"write_disposition": "WRITE_EMPTY"}, exceptions.Conflict),
        (f"{name}_none", {"create_disposition": "CREATE_NEVER"}, exceptions.NotFound),
    ):
        try:
            copied(to, **settings)
            raise AssertionError(f"{settings} was no obstacle")
        except wanted:
            pass
    copied(f"{name}_staged", write_disposition="WRITE_APPEND")
    assert listed(f"{name}_staged") == [3, 4, 4], listed(f"{name}_staged")
    copied(f"{name}_copy")
    assert listed(f"{name}_copy") == [3, 4]
    assert client.get_table(dataset.table(f"{name}_copy")).time_partitioning.field == "at"
    found = [job.job_id for job in client.list_jobs(state_filter="done")]
    assert f"{name}-copy" in found, found
    assert client.cancel_job(f"{name}-copy").state == "DONE"
    client.delete_job_metadata(job)
    try:
        client.get_job(f"{name}-copy")
        raise AssertionError("a deleted job was found")
    except exceptions.NotFound:
        pass


def main(rest, storage):
    client = bigquery.Client(
        project=PROJECT,
        credentials=AnonymousCredentials(),
        client_options=ClientOptions(api_endpoint=f"http://{rest}"),
    )
    channel = grpc.insecure_channel(storage)
    write = BigQueryWriteClient(transport=BigQueryWriteGrpcTransport(channel=channel))

    client.create_dataset(DATASET, exists_ok=True)
    reference = bigquery.DatasetReference(PROJECT, DATASET).table(f"t{uuid.uuid4().hex[:8]}")
    table = bigquery.Table(reference, schema=SCHEMA)
    table.time_partitioning = bigquery.TimePartitioning(field="at")
    table.clustering_fields = ["name"]
    table = client.create_table(table)
    try:
        client.create_table(table)
        raise AssertionError("a table was created twice")
    except exceptions.Conflict:
        pass
    parent = write.table_path(PROJECT, DATASET, reference.table_id)

    def listed():
        return sorted(row["id"] for row in client.list_rows(table))

    # Default stream: rows are visible at once; it has no offsets.
    stream = open_stream(write, f"{parent}/_default")
    append(stream, rows(1, 2))
    append(stream, rows(3))
    stream.close()
    assert listed() == [1, 2, 3], listed()
    first = next(row for row in client.list_rows(table) if row["id"] == 1)
    assert str(first["amount"]) == "1.25", first
    assert first["at"].year == 2023 and first["tags"] == ["a", "b"], first
    assert first["extra"] == {"k": [1, 2]}, first["extra"]

    # Committed stream, with offsets.
    created = write.create_write_stream(
        parent=parent, write_stream=types.WriteStream(type_=types.WriteStream.Type.COMMITTED)
    )
    stream = open_stream(write, created.name)
    assert append(stream, rows(10, 11), 0).append_result.offset == 0
    assert append(stream, rows(12), 2).append_result.offset == 2
    for offset, wanted in ((0, exceptions.AlreadyExists), (9, exceptions.OutOfRange)):
        try:
            append(stream, rows(13), offset)
            raise AssertionError(f"offset {offset} was accepted")
        except wanted:
            pass
    stream.close()
    assert listed() == [1, 2, 3, 10, 11, 12], listed()
    assert write.finalize_write_stream(name=created.name).row_count == 3

    # Buffered stream: rows are invisible until flushed; a second flush changes nothing.
    created = write.create_write_stream(
        parent=parent, write_stream=types.WriteStream(type_=types.WriteStream.Type.BUFFERED)
    )
    assert write.get_write_stream(name=created.name).type_ == types.WriteStream.Type.BUFFERED
    stream = open_stream(write, created.name)

    def flush(offset):
        request = types.FlushRowsRequest(write_stream=created.name, offset=offset)
        return write.flush_rows(request).offset

    append(stream, rows(20, 21, 22), 0)
    assert 20 not in listed()
    assert flush(1) == 1
    assert listed()[-2:] == [20, 21], listed()
    flush(1)
    flush(2)
    assert listed()[-3:] == [20, 21, 22], listed()
    try:
        flush(7)
        raise AssertionError("rows that do not exist were flushed")
    except exceptions.OutOfRange:
        pass
    stream.close()
    assert write.finalize_write_stream(name=created.name).row_count == 3
    stream = open_stream(write, created.name)
    try:
        append(stream, rows(23), 3)
        raise AssertionError("a finalized stream accepted rows")
    except exceptions.InvalidArgument:
        pass
    stream.close()

    # Pending streams: rows are visible once they are committed, those of all streams at once.
    def commit(*streams):
        request = types.BatchCommitWriteStreamsRequest(parent=parent, write_streams=streams)
        return write.batch_commit_write_streams(request)

    pending = []
    for ids in ((30, 31), (32,)):
        created = write.create_write_stream(
            parent=parent, write_stream=types.WriteStream(type_=types.WriteStream.Type.PENDING)
        )
        stream = open_stream(write, created.name)
        append(stream, rows(*ids), 0)
        stream.close()
        pending.append(created.name)
    # One of them is not finalized yet, so none is committed.
    assert write.finalize_write_stream(name=pending[0]).row_count == 2
    committed = commit(*pending)
    assert not committed.commit_time and [error.entity for error in committed.stream_errors] == pending[1:], committed
    assert 30 not in listed()
    write.finalize_write_stream(name=pending[1])
    committed = commit(*pending)
    assert committed.commit_time and not committed.stream_errors, committed
    assert listed()[-3:] == [30, 31, 32], listed()

    # Schema changes and legacy inserts.
    table.schema = [*table.schema, bigquery.SchemaField("added", "FLOAT")]
    table = client.update_table(table, ["schema"])
    assert [field.name for field in client.get_table(table).schema][-1] == "added"
    assert client.insert_rows_json(table, [{"id": 40, "added": 1.5}]) == []
    errors = client.insert_rows_json(table, [{"id": "x"}, {"id": 41, "unknown": 1}])
    assert {error["index"] for error in errors} == {0, 1}, errors
    assert listed()[-1] == 40
    jobs(client)
    queries(client, DATASET)
    expirations(client, DATASET)
    print("google clients: all steps passed")


if __name__ == "__main__":
    assert bigquery_storage_v1
    main(sys.argv[1], sys.argv[2])
