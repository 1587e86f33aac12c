"""Runs the example StreamProc with a Prometheus that scrapes it, makes some trouble, and draws the Grafana
dashboard with what Prometheus has seen. `make grafana` calls it.

    picture.py PROGRAM INFLUXD TARGET PICTURE [--minutes 6]

The numbers are those of the running program. Only those of kube-state-metrics are made up, because there is no
cluster: a stand-in says that each pod is ready."""

import argparse
import contextlib
import http.server
import pathlib
import signal
import sys
import threading
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
EXAMPLE = ROOT / "examples/streamproc"
for folder in (ROOT / "examples/shared", ROOT / "tests/flake", EXAMPLE):
    sys.path.insert(0, str(folder))
import draw  # noqa: E402
import promtool  # noqa: E402
import run as streamproc  # noqa: E402
import system  # noqa: E402
from processes import Failed, Process, free_port  # noqa: E402
from prometheus import Prometheus  # noqa: E402

NAMESPACE = "generic-consumer"
# $__rate_interval, with a scrape each second.
INTERVAL = "10s"
TRANSFER = """\
[transfer.amounts]
sink = "postgres"
target = "amounts_of_a_day"

[transfer.amounts.source]
kind = "topic"
"""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path, help="generic-consumer")
    parser.add_argument("influxd", help="InfluxDB's server")
    parser.add_argument("target", type=pathlib.Path, help="folder of Kafka's jars and of logs")
    parser.add_argument("picture", type=pathlib.Path, help="the PNG that is written")
    parser.add_argument("--minutes", type=float, default=6, help="how long it runs (6)")
    parser.add_argument("--rate", default="200/s", help="events a second (200/s)")
    parser.set_defaults(check=None)
    return parser.parse_args()


class Scraped(streamproc.StreamProc):
    """StreamProc, with a list of what Prometheus scrapes."""

    def __init__(self, *given):
        super().__init__(*given)
        self.targets = {}

    def start(self, name, *command, **variables):
        for key, address in variables.items():
            if key.startswith("METRICS_ADDR_"):
                domain = key.removeprefix("METRICS_ADDR_").lower()
                instance = "api" if domain == "amounts" else domain
                self.targets[address] = {"namespace": NAMESPACE, promtool.INSTANCE: instance, "pod": name}
        return super().start(name, *command, **variables)

    def start_services(self):
        super().start_services()
        # A third consumer, which writes all events into the embedded BigQuery: only BigQuery has flushes.
        rest, grpc, address = (f"127.0.0.1:{free_port()}" for _ in range(3))
        self.start("bigquery", "local", "bigquery", "--rest", rest, "--grpc", grpc, "--store", self.folder / "rows.sqlite")
        self.start("all", "ALL", METRICS_ADDR_ALL=address, SINK_ALL="bigquery", BQ_TABLE_ALL="amounts", GROUP_ID_ALL="streamproc-all",
                   WRITE__LOCAL__PROJECT="local", WRITE__LOCAL__DATASET="events", WRITE__LOCAL__ENDPOINT__REST=f"http://{rest}",
                   WRITE__LOCAL__ENDPOINT__STORAGE=f"http://{grpc}")
        self.wait_for("consumer ALL", f"http://{address}", f"http://{address}")


class KubeStateMetrics(http.server.BaseHTTPRequestHandler):
    """A stand-in for kube-state-metrics, and for the collector of files of transfers."""

    replicas = {}
    last_success = None
    # The file of a transfer.
    collected = None

    def do_GET(self):
        lines = []
        for instance, pods in self.replicas.items():
            for metric, value in (("status_replicas_available", pods), ("spec_replicas", pods)):
                lines.append(f'kube_deployment_{metric}{{namespace="{NAMESPACE}",deployment="{NAMESPACE}-{instance}"}} {value}')
            for number in range(pods):
                labels = f'namespace="{NAMESPACE}",pod="{NAMESPACE}-{instance}-6f8d9-{number}",container="{NAMESPACE}"'
                lines.append(f"kube_pod_container_status_restarts_total{{{labels}}} 0")
        cron = f'namespace="{NAMESPACE}",cronjob="transfer-amounts"'
        lines.append(f"kube_cronjob_status_active{{{cron}}} 0")
        lines.append(f"kube_cronjob_next_schedule_time{{{cron}}} {time.time() + 3600}")
        if self.last_success:
            lines.append(f"kube_cronjob_status_last_schedule_time{{{cron}}} {self.last_success - 1}")
            lines.append(f"kube_cronjob_status_last_successful_time{{{cron}}} {self.last_success}")
        if self.collected and self.collected.exists():
            # Its last line ends what OpenMetrics is.
            lines += [line for line in self.collected.read_text().splitlines() if not line.startswith("#")]
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        # A scrape that has not waited is one that the next second repeats.
        with contextlib.suppress(BrokenPipeError):
            self.wfile.write(("\n".join(lines) + "\n").encode())

    def log_message(self, *_):
        pass


class Trouble:
    """What happens while it runs, by the part of the time that has passed."""

    def __init__(self, running, folder):
        self.running, self.folder, self.done = running, folder, set()
        rejected = sorted((EXAMPLE / "contracts/streamproc/amounts_v1/reject").glob("*.json"))
        self.letters = folder / "letters.ndjson"
        self.letters.write_text("".join(file.read_text().strip() + "\n" for file in rejected))

    def command(self, name, *arguments):
        """Runs a command of the program to its end."""
        process = Process(name, [self.running.args.program, *arguments], self.running.logs, cwd=EXAMPLE, env=self.running.environment)
        code = process.child.wait(timeout=120)
        if code != 0:
            raise Failed(f"{name} ended with {code}:\n{process.tail()}")

    def always(self):
        """Some events that nobody can read, past the event API and through it."""
        self.command("letters", "produce", "AMOUNTS", self.letters, "--envelope", "--no-validate")
        for _ in range(5):
            asked = urllib.request.Request(f"{self.running.api}/v1/events", b'{"amount": "7.31"}', {"Content-Type": "application/json"})
            try:
                urllib.request.urlopen(asked, timeout=10).close()
            except urllib.error.HTTPError as refused:
                refused.close()

    def steps(self):
        influxdb = self.running.influx.process.child
        return {
            0.20: ("a second pod of HIGH", self.second),
            0.40: ("InfluxDB freezes", lambda: influxdb.send_signal(signal.SIGSTOP)),
            0.60: ("InfluxDB is back", lambda: influxdb.send_signal(signal.SIGCONT)),
            0.75: ("a transfer", self.transfer),
        }

    def second(self):
        address = f"127.0.0.1:{free_port()}"
        self.running.start("high-2", "HIGH", METRICS_ADDR_HIGH=address)
        self.running.wait_for("second pod", f"http://{address}", address)
        KubeStateMetrics.replicas["high"] = 2

    def transfer(self):
        toml = self.folder / "transfers.toml"
        toml.write_text(TRANSFER)
        KubeStateMetrics.collected = self.folder / "amounts.prom"
        self.command("transfer", "transfer", "today", "amounts", "truncate", toml, "--max-rejected", "10%", "--metrics-file", KubeStateMetrics.collected)
        KubeStateMetrics.last_success = time.time()

    def until(self, passed):
        for part, (what, do) in self.steps().items():
            if passed >= part and part not in self.done:
                self.done.add(part)
                self.running.say("trouble", what)
                do()


def run(folder, began, until_end):
    folder.chmod(0o755)  # PostgreSQL's user looks into it
    args = arguments()
    running = Scraped("grafana", EXAMPLE, args, folder, began, until_end)
    running.start_peers()
    running.start_services()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), KubeStateMetrics)
    until_end.callback(server.shutdown)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    KubeStateMetrics.replicas = {"all": 1, "api": 1, "high": 1, "low": 1}
    # The second pod's address is not known yet, so its target is one that is looked for in a file.
    data = folder / "prometheus"
    data.mkdir()
    targets = data / "targets.json"

    def write_targets():
        known = [{"targets": [address], "labels": labels} for address, labels in running.targets.items()]
        known.append({"targets": [f"127.0.0.1:{server.server_port}"], "labels": {}})
        new = targets.with_suffix(".new")
        new.write_text(draw.grafana.json.dumps(known))
        new.rename(targets)

    write_targets()
    prometheus = Prometheus(data, free_port(), groups=promtool.groups(), found_in=targets)
    until_end.callback(prometheus.stop)
    running.say("Prometheus", prometheus.url)
    running.start_producer()
    start, length = time.time(), 60 * args.minutes
    trouble = Trouble(running, folder)
    while (passed := time.time() - start) < length:
        trouble.until(passed / length)
        trouble.always()
        write_targets()
        for process in running.processes:
            process.check()
        time.sleep(2)
    end = time.time()
    asked = draw.asking(prometheus.url, NAMESPACE, ".+", INTERVAL, start, end)
    subtitle = f"StreamProc for {args.minutes:g} minutes: a second pod of HIGH, InfluxDB frozen for a while, some events that the contract refuses (kube-state-metrics is a stand-in)"
    empty = draw.draw(asked, (start, end), args.picture, subtitle)
    running.say("picture", f"{args.picture}; without data: {', '.join(empty) or 'none'}")


if __name__ == "__main__":
    system.main("grafana", run)
