"""Query jobs and tables that expire, with Google's own client."""

import datetime
import decimal
import time
import uuid

from google.api_core import exceptions
from google.cloud import bigquery

UTC = datetime.timezone.utc


def queries(client, dataset):
    """SELECT with joins, aggregates and windows, and statements that change rows."""
    orders, items = (f"{client.project}.{dataset}.{name}_{uuid.uuid4().hex[:8]}" for name in ("orders", "items"))
    client.create_table(
        bigquery.Table(
            orders,
            schema=[
                bigquery.SchemaField("id", "INTEGER", mode="REQUIRED"),
                bigquery.SchemaField("at", "TIMESTAMP"),
                bigquery.SchemaField("amount", "NUMERIC"),
                bigquery.SchemaField("note", "STRING"),
            ],
        )
    )
    schema = [bigquery.SchemaField("order_id", "INTEGER"), bigquery.SchemaField("item", "STRING"), bigquery.SchemaField("tags", "STRING", mode="REPEATED")]
    client.create_table(bigquery.Table(items, schema=schema))

    def run(sql, **settings):
        job = client.query(sql, job_config=bigquery.QueryJobConfig(use_legacy_sql=False, **settings))
        return job, [tuple(row) for row in job.result(timeout=30)]

    job, _ = run(
        f"INSERT INTO `{orders}` (id, `at`, amount, note) VALUES (1, TIMESTAMP '2026-11-21 08:00:00.000001+00:00', "
        "NUMERIC '1.10', 'first'), (2, TIMESTAMP '2026-11-21 09:00:00+00:00', NUMERIC '2.20', NULL), "
        "(3, TIMESTAMP '2026-11-22 00:00:00+00:00', NUMERIC '3.30', 'it\\'s')"
    )
    assert (job.num_dml_affected_rows, job.statement_type) == (3, "INSERT"), job.num_dml_affected_rows
    run(f"INSERT INTO `{items}` (order_id, item, tags) VALUES (1, 'x', ['a']), (1, 'y', ['b', 'c']), (9, 'z', NULL)")

    # What a cell of each type becomes in Python.
    _, found = run(f"SELECT * FROM `{orders}` WHERE id = 1")
    at = datetime.datetime(2026, 11, 21, 8, 0, 0, 1, UTC)
    assert found == [(1, at, decimal.Decimal("1.1"), "first")], found
    _, found = run(f"SELECT tags FROM `{items}` ORDER BY item")
    assert found == [(["a"],), (["b", "c"],), ([],)], found

    _, found = run(
        f"SELECT o.id, COUNT(i.order_id) AS items, SUM(o.amount) AS amount FROM `{orders}` AS o "
        f"LEFT JOIN `{items}` AS i ON i.order_id = o.id GROUP BY o.id HAVING COUNT(*) > 0 ORDER BY o.id"
    )
    assert [row[:2] for row in found] == [(1, 2), (2, 0), (3, 0)], found
    _, found = run(f"SELECT MIN(`at`), MAX(amount), COUNTIF(note IS NULL) FROM `{orders}` WHERE id > @id", query_parameters=[
        bigquery.ScalarQueryParameter("id", "INT64", 1),
    ])
    assert found == [(datetime.datetime(2026, 11, 21, 9, tzinfo=UTC), decimal.Decimal("3.3"), 1)], found
    _, found = run(
        f"SELECT id, ROW_NUMBER() OVER (ORDER BY `at` DESC) AS newest, LAG(id) OVER (ORDER BY id) AS previous "
        f"FROM `{orders}` WHERE TRUE QUALIFY newest < 3 ORDER BY id"
    )
    assert found == [(2, 2, 1), (3, 1, 2)], found
    # A page at a time.
    job = client.query(f"SELECT id FROM `{orders}` ORDER BY id")
    pages = [[row.id for row in page] for page in job.result(page_size=2).pages]
    assert pages == [[1, 2], [3]], pages
    assert [row.id for row in client.query_and_wait(f"SELECT id FROM `{orders}` WHERE id < 3 ORDER BY id")] == [1, 2]

    job, _ = run(
        f"MERGE `{orders}` AS target USING (SELECT 2 AS id, NUMERIC '9.99' AS amount UNION ALL SELECT 4, NUMERIC '4') AS source "
        "ON target.id = source.id WHEN MATCHED THEN UPDATE SET amount = source.amount "
        "WHEN NOT MATCHED THEN INSERT (id, amount) VALUES (source.id, source.amount) "
        "WHEN NOT MATCHED BY SOURCE AND target.`at` >= TIMESTAMP '2026-11-22 00:00:00+00:00' THEN DELETE"
    )
    stats = job.dml_stats
    assert (stats.inserted_row_count, stats.updated_row_count, stats.deleted_row_count) == (1, 1, 1), stats
    assert (job.num_dml_affected_rows, job.statement_type) == (3, "MERGE"), job.num_dml_affected_rows
    _, found = run(f"SELECT id, amount FROM `{orders}` ORDER BY id")
    assert found == [(1, decimal.Decimal("1.1")), (2, decimal.Decimal("9.99")), (4, decimal.Decimal("4"))], found
    job, _ = run(f"UPDATE `{orders}` SET note = 'all' WHERE TRUE")
    assert job.num_dml_affected_rows == 3
    job, _ = run(f"DELETE FROM `{orders}` WHERE id = 4")
    assert job.num_dml_affected_rows == 1
    assert client.get_table(orders).num_rows == 2

    # What is wrong is said where it is, by the job or at once.
    for sql, wanted in ((f"SELECT nothing FROM `{orders}`", exceptions.BadRequest), (f"SELECT 1 FROM `{orders}_x`", exceptions.NotFound)):
        try:
            client.query(sql).result(timeout=30)
            raise AssertionError(f"{sql} was answered")
        except wanted:
            pass


def expirations(client, dataset):
    """A table that expires is gone by itself, and its expiration can be changed."""
    name = f"{client.project}.{dataset}.expires_{uuid.uuid4().hex[:8]}"
    table = bigquery.Table(name, schema=[bigquery.SchemaField("id", "INTEGER")])
    table.expires = datetime.datetime.now(UTC) + datetime.timedelta(days=1)
    table = client.create_table(table)
    assert abs(table.expires - datetime.datetime.now(UTC) - datetime.timedelta(days=1)) < datetime.timedelta(minutes=1)
    table.expires = None
    stale, table = table, client.update_table(table, ["expires"])
    assert table.expires is None
    try:
        client.update_table(stale, ["expires"])
        raise AssertionError("a table was changed that had changed meanwhile")
    except exceptions.PreconditionFailed:
        pass
    table.expires = datetime.datetime.now(UTC) + datetime.timedelta(seconds=2)
    client.update_table(table, ["expires"])
    deadline = time.monotonic() + 30
    while True:
        try:
            client.get_table(name)
        except exceptions.NotFound:
            break
        assert time.monotonic() < deadline, "the table has not expired"
        time.sleep(0.1)
    assert name.split(".")[-1] not in [table.table_id for table in client.list_tables(dataset)]
