"""Measures transfers of a day into the embedded BigQuery next to `bq load`, Google's Python client and a script with
pandas, with the same rows: rows a second, CPU seconds and peak memory of the client. `make bench-transfer` calls it.

    run.py PROGRAM TARGET [--rows N] [--rounds N]

The BigQuery is a process of its own, whose CPU seconds have a column of their own. Rounds take turns; what is printed is
the median, with the least and the most. After each run the table has to have all rows."""

import argparse
import datetime
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT / "examples/shared"))
import kafka  # noqa: E402
import system  # noqa: E402
from postgres import Postgres  # noqa: E402
from processes import Failed, Process, ends_with_parent, free_port, output, wait_until  # noqa: E402

EXAMPLE = ROOT / "examples/transfer"
TOPIC = "shop.orders"
TICKS = os.sysconf("SC_CLK_TCK")
# Google's command line has the description of its API with it, which other servers than Google's do not give.
DISCOVERY = "platform/bq/discovery_next/bigquery.json"
SCHEMA = [
    {"name": "order_id", "type": "STRING"},
    {"name": "placed_at", "type": "TIMESTAMP"},
    {"name": "customer", "type": "INTEGER"},
    {"name": "amount", "type": "NUMERIC"},
    {"name": "voucher", "type": "STRING"},
    {"name": "shipped_at", "type": "TIMESTAMP"},
]
TRANSFER = """
[transfer.{name}]
contract = "contracts.shop.orders_v1"
channel = "Orders"
target = "ours_{name}"
{key}
[transfer.{name}.source]
{source}
"""
# The days of a topic are those of its records, which are told apart by their positions.
KEY = 'date_column = "placed_at"\nkey = ["order_id"]'
SOURCES = {
    "ndjson": 'kind = "files"\nfiles = ["orders-{date}.ndjson"]\nformat = "ndjson"',
    "csv": 'kind = "files"\nfiles = ["orders-{date}.csv"]\nformat = "csv"',
    "query": 'kind = "query"\nsql = "orders.sql"',
    "topic": 'kind = "topic"',
}
SHOP = """
CREATE TABLE orders (id bigint PRIMARY KEY, placed_at timestamptz NOT NULL, customer int NOT NULL, amount numeric(10, 2) NOT NULL,
  voucher text, shipped_at timestamptz);
INSERT INTO orders SELECT n, timestamptz '{day} 00:00Z' + n * interval '1 day' / {rows}, 1 + n * 7919 % 2500, 5 + n * 104729 % 20000 / 100.0,
  CASE WHEN n % 9 = 0 THEN 'SPRING' WHEN n % 100 = 7 THEN 'say "hi", ' || n END, CASE WHEN n % 2 = 0 THEN timestamptz '{day} 00:00Z' + n * interval '1 second' / 100 END
FROM generate_series(0::bigint, {rows} - 1) AS n;
CREATE INDEX ON orders (placed_at);
ANALYZE orders;
"""
TIME = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS {}"
EXPORT = f"SELECT 'o-' || id AS order_id, {TIME.format('placed_at', 'placed_at')}, customer, amount, voucher, {TIME.format('shipped_at', 'shipped_at')} FROM orders ORDER BY id"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path, help="generic-consumer")
    parser.add_argument("target", type=pathlib.Path, help="folder of Kafka's jars and of logs")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


class Bench(system.System):
    def prepare(self):
        self.work = self.folder / "work"
        self.work.mkdir()
        self.day = datetime.datetime.now(datetime.timezone.utc).date() - datetime.timedelta(days=1)
        self.date = f"{self.day:%Y%m%d}"
        self.kafka, self.postgres = self.start_peers([
            ("Kafka", lambda: kafka.Kafka(self.folder, self.logs, self.args.target)),
            ("PostgreSQL", lambda: Postgres(self.folder, self.logs, "shop")),
        ])
        rest, grpc = (f"127.0.0.1:{free_port()}" for _ in range(2))
        self.url = f"http://{rest}"
        self.bigquery = Process("bigquery", [self.args.program, "local", "bigquery", "--rest", rest, "--grpc", grpc, "--store", self.work / "store.sqlite"], self.logs)
        self.until_end.callback(self.bigquery.stop)
        wait_until("the embedded BigQuery's start", self.answers, 60, [self.bigquery])
        self.environment |= {
            "CONSUME_ENV": "local", "CONSUME__LOCAL__BOOTSTRAP_SERVERS": self.kafka.address, "WRITE_ENV": "local",
            "WRITE__LOCAL__PROJECT": "local", "WRITE__LOCAL__DATASET": "bench", "WRITE__LOCAL__POSTGRES__URL": self.postgres.address,
            "WRITE__LOCAL__POSTGRES__SSLMODE": "disable", "WRITE__LOCAL__ENDPOINT__REST": self.url, "WRITE__LOCAL__ENDPOINT__STORAGE": f"http://{grpc}",
            "GROUP_ID_TOPIC": "bench", "PYTHONWARNINGS": "ignore",
        }
        shutil.copytree(EXAMPLE / "contracts", self.work / "contracts")
        shutil.copy(EXAMPLE / "orders.sql", self.work)
        (self.work / "transfers.toml").write_text("".join(TRANSFER.format(name=name, source=source, key="" if name == "topic" else KEY) for name, source in SOURCES.items()))
        self.make_rows()
        self.make_tables()

    def answers(self):
        try:
            return bool(self.call("datasets"))
        except OSError:
            return False

    def call(self, path, body=None):
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(f"{self.url}/bigquery/v2/projects/local/{path}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=300) as answer:
            return json.load(answer)

    def make_rows(self):
        """The same orders in PostgreSQL, in two files and on a topic."""
        psql = [self.postgres.programs / "psql", self.postgres.address, "-qAtX", "-v", "ON_ERROR_STOP=1"]
        output([*psql, "-c", SHOP.format(day=self.day, rows=self.args.rows)])
        self.files = {kind: self.work / f"orders-{self.date}.{kind}" for kind in ("ndjson", "csv")}
        exports = {"csv": f"COPY ({EXPORT}) TO STDOUT (FORMAT csv, HEADER)",
                   "ndjson": f"COPY (SELECT json_strip_nulls(row_to_json(it)) FROM ({EXPORT}) AS it) TO STDOUT (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')"}
        for kind, copy in exports.items():
            output([*psql, "-o", self.files[kind], "-c", copy])
            self.say(kind, f"{self.files[kind].stat().st_size / 1e6:,.1f} MB, {self.args.rows:,} rows")
        from confluent_kafka import Producer

        kafka.create_topics(self.kafka.address, {TOPIC: {}})
        producer = Producer({"bootstrap.servers": self.kafka.address, "linger.ms": 50, "queue.buffering.max.messages": 1_000_000})
        begin = int(datetime.datetime.combine(self.day, datetime.time(), datetime.timezone.utc).timestamp() * 1000)
        with self.files["ndjson"].open("rb") as lines:
            for number, line in enumerate(lines):
                producer.produce(TOPIC, line.rstrip(b"\n"), timestamp=begin + number * 86_400_000 // self.args.rows)
                if number % 10_000 == 0:
                    producer.poll(0)
        if producer.flush(120):
            raise Failed("Kafka does not take the orders")

    def make_tables(self):
        self.call("datasets", {"datasetReference": {"projectId": "local", "datasetId": "bench"}})
        for name in ("pandas_ndjson", "pandas_csv", "pandas_query", "pandas_topic", "bq_ndjson", "bq_csv", "client_ndjson", "client_csv"):
            reference = {"projectId": "local", "datasetId": "bench", "tableId": name}
            self.call("datasets/bench/tables", {"tableReference": reference, "schema": {"fields": SCHEMA}, "timePartitioning": {"type": "DAY", "field": "placed_at"}})

    def contenders(self):
        """Source, who, table, command."""
        places = {**{kind: str(path) for kind, path in self.files.items()}, "query": self.postgres.address, "topic": f"{self.kafka.address}/{TOPIC}"}
        found = []
        for kind, place in places.items():
            found.append((kind, "transfer", f"ours_{kind}", [self.args.program.resolve(), "transfer", self.date, kind, "truncate", "transfers.toml"]))
            if kind in self.files:
                form = {"ndjson": "NEWLINE_DELIMITED_JSON", "csv": "CSV"}[kind]
                if bq := self.bq():
                    header = ["--skip_leading_rows=1"] if kind == "csv" else []
                    schema = ",".join(f"{column['name']}:{column['type']}" for column in SCHEMA)
                    found.append((kind, "bq load", f"bq_{kind}", [*bq, "load", "--replace", f"--source_format={form}", *header, f"bench.bq_{kind}${self.date}", place, schema]))
                found.append((kind, "google-cloud-bigquery", f"client_{kind}", [sys.executable, HERE / "load_file.py", place, form, self.date, self.url, f"local.bench.client_{kind}"]))
            found.append((kind, "pandas", f"pandas_{kind}", [sys.executable, HERE / "pandas_orders.py", kind, place, self.date, self.url, f"local.bench.pandas_{kind}"]))
        return found

    def bq(self):
        """Google's command line, if this machine has it."""
        if not (found := shutil.which("bq")):
            return None
        discovery = pathlib.Path(found).resolve().parents[1] / DISCOVERY
        token = self.work / "token"
        token.write_text("none is needed\n")
        self.environment |= {"CLOUDSDK_CONFIG": str(self.work), "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(token), "CLOUDSDK_CORE_DISABLE_PROMPTS": "1"}
        return [found, "--api", self.url, "--project_id", "local", *(["--discovery_file", discovery] if discovery.is_file() else [])]

    def measured(self, who, table, command):
        """Seconds, CPU seconds of the client and of BigQuery, and the peak MiB of one of the client's processes."""
        log = (self.logs / f"{table}.log").open("w")
        began, served = time.monotonic(), self.served()
        child = subprocess.Popen(list(map(str, command)), cwd=self.work, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=ends_with_parent())
        _, status, usage = os.wait4(child.pid, 0)
        took, served = time.monotonic() - began, self.served() - served
        log.close()
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise Failed(f"{who} ended with {child.returncode}. The end of {log.name}:\n{pathlib.Path(log.name).read_text()[-2000:]}")
        answer = self.call("queries", {"query": f"SELECT COUNT(*) FROM `local.bench.{table}`", "useLegacySql": False})
        rows = int(answer["rows"][0]["f"][0]["v"])
        if rows != self.args.rows:
            raise Failed(f"{who} has written {rows:,} rows instead of {self.args.rows:,}")
        return took, usage.ru_utime + usage.ru_stime, served, usage.ru_maxrss / 1024

    def served(self):
        """CPU seconds of BigQuery up to now."""
        fields = pathlib.Path(f"/proc/{self.bigquery.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


def table_of(bench, results):
    print(f"\n{bench.args.rows:,} rows, {bench.args.rounds} rounds, {datetime.date.today()}; median (least – most)\n")
    print("| source | who | thousand rows/s | client's CPU s | BigQuery's CPU s | client's peak MiB |")
    print("|---|---|---:|---:|---:|---:|")
    for (kind, who), runs in results.items():
        took, own, served, peak = zip(*runs, strict=True)
        rates = [bench.args.rows / seconds / 1000 for seconds in took]
        print(f"| {kind} | {who} | {spread(rates, 0)} | {spread(own, 1)} | {spread(served, 1)} | {spread(peak, 0)} |")


def spread(values, places):
    return f"{statistics.median(values):.{places}f} ({min(values):.{places}f} – {max(values):.{places}f})"


def run(folder, began, until_end):
    folder.chmod(0o755)  # PostgreSQL's user looks into it
    bench = Bench("bench-transfer", HERE, arguments(), folder, began, until_end)
    bench.prepare()
    contenders, results = bench.contenders(), {}
    if not shutil.which("bq"):
        bench.say("bq", "is not installed (Google Cloud CLI): only the Python client's load job is measured")
    for number in range(bench.args.rounds):
        # Each round in another order, because the machine's speed changes.
        turned = contenders[number % len(contenders):] + contenders[: number % len(contenders)]
        for kind, who, table, command in turned:
            one = bench.measured(who, table, command)
            results.setdefault((kind, who), []).append(one)
            bench.say(f"round {number + 1}", f"{kind:<7} {who:<22} {one[0]:6.1f} s, CPU {one[1]:.1f} s, BigQuery's {one[2]:.1f} s, {one[3]:,.0f} MiB")
    table_of(bench, {(kind, who): results[kind, who] for kind, who, _, _ in contenders})


if __name__ == "__main__":
    system.main("bench-transfer", run)
