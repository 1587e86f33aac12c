"""The script that a team writes for the same rows: pandas reads the orders of a day, validates them, and a load job
replaces the day's partition. Arguments: `ndjson`, `csv`, `query` or `topic`, where to read, the day (20261121), the URL
of BigQuery, the table (project.dataset.table). Prints the number of rows."""

import io
import sys

import pandas as pd
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

how, where, day, url, table = sys.argv[1:]
COLUMNS = ["order_id", "placed_at", "customer", "amount", "voucher", "shipped_at"]
TYPES = {"order_id": str, "voucher": str}
SCHEMA = [
    bigquery.SchemaField("order_id", "STRING"),
    bigquery.SchemaField("placed_at", "TIMESTAMP"),
    bigquery.SchemaField("customer", "INTEGER"),
    bigquery.SchemaField("amount", "NUMERIC"),
    bigquery.SchemaField("voucher", "STRING"),
    bigquery.SchemaField("shipped_at", "TIMESTAMP"),
]
QUERY = """SELECT 'o-' || id AS order_id, placed_at, customer, amount, voucher, shipped_at FROM orders
WHERE placed_at >= %(first)s AND placed_at < %(after)s"""


def lines_of_topic(bootstrap, topic):
    """The values of all records, a line each."""
    from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "pandas", "enable.auto.commit": False, "enable.partition.eof": True})
    partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
    lines, ended = io.BytesIO(), 0
    while ended < len(partitions):
        for message in consumer.consume(10_000, 0.5):
            if message.error() and message.error().code() == KafkaError._PARTITION_EOF:
                ended += 1
            elif message.error():
                sys.exit(str(message.error()))
            else:
                lines.write(message.value() + b"\n")
    consumer.close()
    lines.seek(0)
    return lines


def read():
    if how == "csv":
        return pd.read_csv(where, dtype=TYPES)
    if how == "query":
        import sqlalchemy

        first = pd.Timestamp(day, tz="UTC")
        engine = sqlalchemy.create_engine(where.replace("postgres://", "postgresql+psycopg://"))
        return pd.read_sql(QUERY, engine, params={"first": first, "after": first + pd.Timedelta(days=1)})
    source = lines_of_topic(*where.rsplit("/", 1)) if how == "topic" else where
    return pd.read_json(source, lines=True, dtype=TYPES, convert_dates=False)


def validated(orders):
    """The orders that keep to the contract. Ends with what does not."""
    for column in ("placed_at", "shipped_at"):
        orders[column] = pd.to_datetime(orders[column], utc=True, format="ISO8601")
    first = pd.Timestamp(day, tz="UTC")
    is_wrong = (
        ~orders["order_id"].str.fullmatch("o-[0-9]+")
        | orders["placed_at"].isna()
        | (orders["placed_at"] < first)
        | (orders["placed_at"] >= first + pd.Timedelta(days=1))
        | orders["customer"].isna()
        | ~(orders["amount"] >= 0)
    )
    if is_wrong.any():
        orders[is_wrong].to_json("rejected.ndjson", orient="records", lines=True)
        sys.exit(f"{is_wrong.sum()} orders are rejected")
    if orders["order_id"].duplicated().any():
        sys.exit("orders are repeated")
    # As floats they would be sent with 17 digits, which NUMERIC does not take.
    orders["amount"] = orders["amount"].map("{:.2f}".format)
    return orders[COLUMNS]


client = bigquery.Client(table.split(".")[0], AnonymousCredentials(), client_options=ClientOptions(api_endpoint=url))
# BigQuery's own default is Parquet, which needs pyarrow; the embedded BigQuery loads CSV and NDJSON.
config = bigquery.LoadJobConfig(schema=SCHEMA, source_format="CSV", write_disposition="WRITE_TRUNCATE")
job = client.load_table_from_dataframe(validated(read()), f"{table}${day}", job_config=config)
print(job.result().output_rows)
