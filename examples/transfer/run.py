"""Tells what a transfer is, step by step, on this machine: PostgreSQL with a shop, Kafka, the embedded BigQuery, and the
commands that a person would type. `make transfer-demo` calls it.

    run.py PROGRAM TARGET           the story, then everything stays until Ctrl-C
    run.py PROGRAM TARGET --check   a line for each step; at the end rows are compared with their sources
"""

import argparse
import contextlib
import datetime
import pathlib
import shlex
import shutil
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "shared"))
import check  # noqa: E402
import steps  # noqa: E402
import system  # noqa: E402
from kafka import Kafka  # noqa: E402
from postgres import Postgres  # noqa: E402
from processes import Process, free_port, output, wait_until  # noqa: E402
from story import Story  # noqa: E402

STARTS_WITHIN = 60
# What a person needs for transfers of their own. The rest of this folder tells the story.
FILES = [".env", "config", "contracts", "orders.sql", "shop.sql", "transfers.toml"]
# Events are published in the day that is read, and take this long at most.
PUBLISHED_WITHIN = datetime.timedelta(seconds=90)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path, help="generic-consumer")
    parser.add_argument("target", type=pathlib.Path, help="folder of Kafka's jars and of logs")
    parser.add_argument("--check", action="store_true", help="compare and end")
    return parser.parse_args()


class BigQuery:
    """The embedded BigQuery as a service, which several commands share. Its store is where `local rows` looks for it."""

    def __init__(self, program, home, logs):
        self.address, grpc = (f"http://127.0.0.1:{port}" for port in (free_port(), free_port()))
        self.storage = grpc
        (home / ".local").mkdir()
        addresses = ["--rest", self.address.removeprefix("http://"), "--grpc", grpc.removeprefix("http://")]
        self.process = Process("bigquery", [program, "local", "bigquery", *addresses, "--store", home / ".local/bigquery.sqlite"], logs)
        wait_until("the embedded BigQuery's start", self.answers, STARTS_WITHIN, [self.process])

    def answers(self):
        try:
            self.get("datasets")
            return True
        except OSError:
            return False

    def get(self, path):
        return system.json_of(f"{self.address}/bigquery/v2/projects/local/{path}")

    def tables(self):
        """The names of all tables, also of those that runs have for a while."""
        return [table["tableReference"]["tableId"] for table in self.get("datasets/shop/tables?maxResults=1000").get("tables", [])]

    def stop(self):
        self.process.stop()


class Shop(system.System):
    def start_peers(self):
        # A copy, so that the example's folder stays as it is.
        self.work = self.folder / "shop"
        self.work.mkdir()
        for name in FILES:
            copy = shutil.copytree if (self.home / name).is_dir() else shutil.copy
            copy(self.home / name, self.work / name)
        self.kafka, self.postgres, self.bigquery = super().start_peers([
            # The first event creates the topic.
            ("Kafka", lambda: Kafka(self.folder, self.logs, self.args.target, auto_create=True)),
            ("PostgreSQL", lambda: Postgres(self.folder, self.logs, "shop")),
            ("BigQuery", lambda: BigQuery(self.args.program, self.work, self.logs)),
        ])
        self.variables = {
            "CONSUME__LOCAL__BOOTSTRAP_SERVERS": self.kafka.address,
            "WRITE__LOCAL__POSTGRES__URL": self.postgres.address,
            "WRITE__LOCAL__ENDPOINT__REST": self.bigquery.address,
            "WRITE__LOCAL__ENDPOINT__STORAGE": self.bigquery.storage,
            "SHOP": self.postgres.address,
        }
        self.environment |= self.variables
        programs = [self.args.program.resolve().parent, self.postgres.programs]
        self.environment["PATH"] = ":".join([*map(str, programs), self.environment["PATH"]])

    def open_shop(self):
        """Makes the orders of yesterday and of the two days before."""
        now = datetime.datetime.now(datetime.timezone.utc)
        midnight = datetime.datetime.combine(now.date() + datetime.timedelta(days=1), datetime.time(), datetime.timezone.utc)
        if midnight - now < PUBLISHED_WITHIN:
            self.say("midnight", "is near, and events are published in the day that is read: waiting for the next one")
            time.sleep((midnight - now).total_seconds() + 1)
            now = midnight
        self.today = now.date()
        day = self.today - datetime.timedelta(days=1)
        psql = [self.postgres.programs / "psql", self.postgres.address, "-qX", "-v", "ON_ERROR_STOP=1", "-v", f"day={day} UTC", "-f", "shop.sql"]
        output(psql, cwd=self.work)
        self.say("shop", f"60,000 orders of three days, the last of which is {day}")


def where_to_go_on(shop, story):
    exports = {**shop.variables, "PATH": f"{shop.args.program.resolve().parent}:$PATH"}
    quoted = {name: f'"{value}"' if "$" in value else shlex.quote(value) for name, value in exports.items()}
    (shop.work / "addresses.sh").write_text("".join(f"export {name}={value}\n" for name, value in quoted.items()))
    day = story.days["day"]
    print(f"""
Go on by yourself, in another terminal:
  cd {shop.work} && . ./addresses.sh
  psql "$SHOP" -c "DELETE FROM orders WHERE id = 59999"
  generic-consumer transfer {day} orders truncate transfers.toml
The files are those of {HERE}, for you to copy: transfers.toml, orders.sql, contracts/, config/, .env.
Every key and every exit code: docs/reference/transfer.md. Logs are in {shop.logs}. Ctrl-C ends everything.
""", flush=True)


def run(folder, began, until_end):
    folder.chmod(0o755)  # PostgreSQL's user looks into it
    shop = Shop("transfer-demo", HERE, arguments(), folder, began, until_end)
    shop.start_peers()
    shop.open_shop()
    story = Story(shop)
    if not shop.args.check:
        print("\nThe story takes half a minute. Commands are shown as you would type them in this folder, after `. ./addresses.sh`.")
    steps.tell(shop, story)
    check.orders(shop)
    if shop.args.check:
        check.shipments(shop)
        return
    where_to_go_on(shop, story)
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            for process in shop.processes:
                process.check()
            time.sleep(1)
    print("\nending: BigQuery, PostgreSQL, Kafka", flush=True)


if __name__ == "__main__":
    system.main("transfer-demo", run)
