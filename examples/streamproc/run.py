"""Runs StreamProc on this machine: Kafka, PostgreSQL, InfluxDB, the event API, a producer, the consumers HIGH and LOW,
and the dashboard. `make streamproc` calls it.

    run.py PROGRAM INFLUXD TARGET             until Ctrl-C
    run.py PROGRAM INFLUXD TARGET --check N   N events, then counts are compared; saves a screenshot
"""

import argparse
import contextlib
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "shared"))
import check  # noqa: E402
import system  # noqa: E402
from influx import Influx  # noqa: E402
from kafka import Kafka  # noqa: E402
from postgres import Postgres  # noqa: E402
from processes import Process, free_port, usual_port, wait_until  # noqa: E402

PAGE_PORT = 8090
RATE = "100/s"
POINT_WITHIN = 60


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path, help="generic-consumer")
    parser.add_argument("influxd", help="InfluxDB's server")
    parser.add_argument("target", type=pathlib.Path, help="folder of Kafka's jars, of logs and of the screenshot")
    parser.add_argument("--rate", default=RATE, help=f"events a second (default {RATE})")
    parser.add_argument("--check", type=int, metavar="N", help="stop after N events, compare, save a screenshot")
    return parser.parse_args()


class StreamProc(system.System):
    def start_peers(self):
        self.kafka, self.postgres, self.influx = super().start_peers([
            # The event API's first question creates the topic.
            ("Kafka", lambda: Kafka(self.folder, self.logs, self.args.target, auto_create=True)),
            ("PostgreSQL", lambda: Postgres(self.folder, self.logs, "streamproc")),
            ("InfluxDB", lambda: Influx(self.folder, self.logs, self.args.influxd)),
        ])
        self.environment |= {
            "CONSUME__LOCAL__BOOTSTRAP_SERVERS": self.kafka.address,
            "WRITE__LOCAL__POSTGRES__URL": self.postgres.address,
            "WRITE__LOCAL__INFLUXDB__URL": self.influx.address,
        }

    def start_services(self):
        api, api_metrics = (f"127.0.0.1:{free_port()}" for _ in range(2))
        self.api = f"http://{api}"
        self.start("api", "api", "AMOUNTS", API_ADDR_AMOUNTS=api, METRICS_ADDR_AMOUNTS=api_metrics)
        self.wait_for("event API", f"http://{api_metrics}", self.api)
        series = (HERE / "series.toml").read_text()
        for domain in ("HIGH", "LOW"):
            address = f"127.0.0.1:{free_port()}"
            self.start(domain.lower(), domain, **{f"METRICS_ADDR_{domain}": address})
            usual = dict(line.split("=") for line in (HERE / ".env").read_text().split("\n") if line.startswith("METRICS"))
            series = series.replace(usual[f"METRICS_ADDR_{domain}"].strip("'"), address)
            self.wait_for(f"consumer {domain}", f"http://{address}", f"http://{address}")
        # The chart knows the instances by the ports that they have here.
        declared = self.folder / "series.toml"
        declared.write_text(series)
        page = f"127.0.0.1:{usual_port(PAGE_PORT)}"
        self.page = f"http://{page}"
        self.start("dashboard", "dashboard", "--series", declared, DASHBOARD_ADDR=page)
        self.wait_for("dashboard", self.page, self.page)

    def start_producer(self):
        count = ["--count", self.args.check] if self.args.check else []
        producer = Process("producer", [self.args.program, "produce", "AMOUNTS", "--generate", "--rate", self.args.rate,
                                        "--to-api", self.api, *count], self.logs, cwd=HERE, env=self.environment)
        # It ends with 130 if it is stopped before its last event, which is how this run ends it.
        self.until_end.callback(producer.stop)
        if not self.args.check:
            self.processes.append(producer)
        self.say("producer", f"{self.args.rate}, until it is stopped" if not self.args.check else f"{self.args.check} events, {self.args.rate}")
        return producer

    def has_points(self):
        answer = system.json_of(f"{self.page}/api/series")
        return all(any(value is not None for value in one["values"] or []) for one in answer["series"])

    def written(self):
        """Rows in PostgreSQL and points in InfluxDB."""
        high = int(self.postgres.query("SELECT count(*) FROM high")[0])
        answer = json.loads(self.influx.query('SELECT count("amount") FROM "low"'))
        series = answer["results"][0].get("series")
        return high, series[0]["values"][0][1] if series else 0

    def progress(self):
        # The instances themselves say it, so that this does not wait for a store that is away.
        return ", ".join(map(described, system.json_of(f"{self.page}/api/fleet")["instances"]))


def described(instance):
    if "rows" not in instance or instance["rows"] is None:
        return f"{instance['name']}: {instance['state']}"
    waiting = f", {instance['lag']:,} wait" if instance["lag"] else ""
    return f"{instance['name']}: {instance['rows']:,} rows{waiting}"


def run(folder, began, until_end):
    folder.chmod(0o755)  # PostgreSQL's user looks into it
    args = arguments()
    streamproc = StreamProc("streamproc", HERE, args, folder, began, until_end)
    streamproc.start_peers()
    streamproc.start_services()
    producer = streamproc.start_producer()
    wait_until("a point of each series on the chart", streamproc.has_points, POINT_WITHIN, streamproc.processes)
    streamproc.say("first points", f"open {streamproc.page}")
    if args.check:
        check.run(streamproc, producer)
        return
    print("Ctrl-C ends everything; logs are in " + str(streamproc.logs), flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        streamproc.watch(streamproc.progress)
    print("\nending: producer, dashboard, consumers, event API, then the peers", flush=True)


if __name__ == "__main__":
    system.main("streamproc", run)
