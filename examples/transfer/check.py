"""Compares the tables with their sources, row by row."""

import datetime
import decimal
import json

import kafka
from processes import Failed, output

TOPIC = "shop.shipments.v1"
ORDERS = """
SELECT json_build_object('order_id', 'o-' || id, 'placed_at', to_char(placed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
  'customer', customer, 'amount', amount::text, 'voucher', voucher,
  'shipped_at', to_char(shipped_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
FROM orders
"""


def orders(shop):
    """Each order of the shop is a row, once, and nothing else is there."""
    columns = ["order_id", "placed_at", "customer", "amount", "voucher", "shipped_at"]
    expected = [row_of(json.loads(line), columns) for line in shop.postgres.query(ORDERS)]
    same("orders", expected, [row_of(row, columns) for row in rows(shop, "orders", columns)])
    shop.say("compared", f"{len(expected):,} orders in PostgreSQL = {len(expected):,} rows, each once")


def shipments(shop):
    """Each record, as a client that is not ours reads it, is a row, once."""
    columns = ["event_type", "order_id", "weight_grams", "signed_by", "_kafka_partition", "_kafka_offset", "_kafka_timestamp"]
    expected = []
    for message in kafka.messages(shop.kafka.address, TOPIC):
        at = datetime.datetime.fromtimestamp(message.timestamp()[1] / 1000, datetime.timezone.utc)
        event = {**json.loads(message.value()), "_kafka_partition": message.partition(), "_kafka_offset": message.offset()}
        expected.append(row_of({**event, "_kafka_timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}, columns))
    same("shipments", expected, [row_of(row, columns) for row in rows(shop, "shipments", columns)])
    shop.say("compared", f"{len(expected):,} records on the topic = {len(expected):,} rows, each once")


def rows(shop, table, columns):
    command = [shop.args.program.resolve(), "local", "rows", table, "--columns", ",".join(columns), "--format", "json"]
    return map(json.loads, output(command, cwd=shop.work, env=shop.environment).splitlines())


def row_of(row, columns):
    # 5 and 5.00 are the same amount.
    values = {**row, "amount": decimal.Decimal(str(row["amount"])).normalize()} if row.get("amount") is not None else row
    return tuple(str(values.get(column)) for column in columns)


def same(table, expected, found):
    if sorted(expected) != sorted(found):
        missing, more = set(expected) - set(found), set(found) - set(expected)
        raise Failed(f"{table} has {len(found):,} rows instead of {len(expected):,}; missing: {sorted(missing)[:3]}; too many: {sorted(more)[:3]}")
