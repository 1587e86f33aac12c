"""Runs the pipeline CCX on this machine: Kafka, an S3 server, the pipeline, the results API, and uploads of archives.
`make ccx` calls it.

    run.py PROGRAM TARGET             until Ctrl-C
    run.py PROGRAM TARGET --check N   N uploads, then reports, dead letters and answers are compared
"""

import argparse
import contextlib
import json
import pathlib
import sys
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "shared"))
import check  # noqa: E402
import kafka  # noqa: E402
import system  # noqa: E402
import uploads  # noqa: E402
from bucket import NAME as BUCKET, Bucket  # noqa: E402
from processes import Failed, Process, free_port, usual_port, wait_until  # noqa: E402
from topics import DEAD_LETTERS, RESULTS, SETTINGS, STATUS, UPLOADS  # noqa: E402

S3_PORT, RESULTS_PORT = 9000, 8082
RATE = "2/s"
STARTS_WITHIN = 60
REPORT_WITHIN = 60


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path, help="generic-consumer")
    parser.add_argument("target", type=pathlib.Path, help="folder of Kafka's jars and of logs")
    parser.add_argument("--rate", type=uploads.Rate.of, default=RATE, help=f"uploads in a second, a minute or an hour (default {RATE})")
    parser.add_argument("--check", type=int, metavar="N", help="stop after N uploads and compare")
    return parser.parse_args()


class S3:
    """moto's S3 server, which keeps everything in memory."""

    def __init__(self, logs):
        port = usual_port(S3_PORT)
        self.address = f"http://127.0.0.1:{port}"
        self.process = Process("s3", [sys.executable, "-B", "-m", "moto.server", "-H", "127.0.0.1", "-p", port], logs)
        wait_until("the S3 server's start", self.answers, STARTS_WITHIN, [self.process])
        Bucket(self.address).create()

    def answers(self):
        try:
            with urllib.request.urlopen(f"{self.address}/moto-api/data.json", timeout=5):
                return True
        except OSError:
            return False

    def stop(self):
        self.process.stop()


class Ccx(system.System):
    def start_peers(self):
        self.kafka, self.s3 = super().start_peers([
            ("Kafka", lambda: kafka.Kafka(self.folder, self.logs, self.args.target)),
            ("S3 server", lambda: S3(self.logs)),
        ])
        kafka.create_topics(self.kafka.address, SETTINGS)
        self.environment |= {
            "CONSUME__LOCAL__BOOTSTRAP_SERVERS": self.kafka.address,
            "WRITE__LOCAL__KAFKA__BOOTSTRAP_SERVERS": self.kafka.address,
            "FETCH_ALLOW_CCX": f"{self.s3.address}/{BUCKET}",
        }

    def start_services(self):
        pipeline, results, metrics = (f"127.0.0.1:{port}" for port in (free_port(), usual_port(RESULTS_PORT), free_port()))
        self.pipeline, self.results = f"http://{pipeline}", f"http://{results}"
        self.start("pipeline", "CCX", METRICS_ADDR_CCX=pipeline)
        self.wait_for("pipeline", self.pipeline, self.pipeline)
        # Its domain could also be written to a table, whose project and dataset nobody asks for here.
        self.start("results", "results", "REPORTS", "--env-file", "results.env", RESULTS_ADDR_REPORTS=results, METRICS_ADDR_REPORTS=metrics,
                   RESULTS_STORE_REPORTS=str(self.folder / "results.sqlite"), WRITE__LOCAL__PROJECT="local", WRITE__LOCAL__DATASET="ccx")
        self.wait_for("results API", f"http://{metrics}", self.results)

    def start_uploads(self):
        count = ["--count", self.args.check] if self.args.check else []
        command = [sys.executable, "-B", HERE / "uploads.py", self.s3.address, self.kafka.address, UPLOADS, "--rate", self.args.rate.text, *count]
        self.uploads = Process("uploads", command, self.logs)
        self.until_end.callback(self.uploads.stop)
        if not self.args.check:
            self.processes.append(self.uploads)
        how_many = f"{self.args.check} archives" if self.args.check else "archives"
        self.say("uploads", f"{how_many} of {uploads.CLUSTERS} clusters, {self.args.rate.text}")

    def uploaded(self):
        """What the uploads have printed: a line for each."""
        return list(map(json.loads, self.uploads.log.read_text().splitlines()))

    def first_report(self):
        """Waits for a report with a finding, and returns it."""
        reader, first = kafka.Reader(self.kafka.address, RESULTS), None
        deadline = time.monotonic() + REPORT_WITHIN
        while True:
            message = reader.next(0.2)
            for process in self.processes:
                process.check()
            if message and not first:
                first = time.time(), time.monotonic()
            if message and json.loads(message.value()).get("findings"):
                break
            if time.monotonic() > deadline:
                raise Failed(f"no report came within {REPORT_WITHIN} s")
        reader.close()
        wait_until("the first upload", self.uploaded, REPORT_WITHIN, self.processes)
        took = first[0] - self.uploaded()[0]["at"]
        self.say("first report", f"{took:.2f} s after its archive was uploaded")
        return json.loads(message.value())

    def handled(self):
        """Reports, dead letters, and how many events wait."""
        status = system.json_of(f"{self.pipeline}/status")
        letters = sum(status["dead_letters"].values())
        return status["rows"], letters, status["lag"]

    def progress(self):
        reports, letters, waiting = self.handled()
        return f"reports: {reports:,}, dead letters: {letters:,}" + (f", waiting: {waiting:,}" if waiting else "")


def where_to_look(ccx, report):
    cluster, organization, rule = report["cluster"], report["organization"], report["findings"][0]["rule"]
    api, brokers = f"{ccx.results}/api/v1", ccx.kafka.address
    print(f"""
The latest report of a cluster, the clusters of its organization, and whom a rule concerns:
  curl {api}/clusters/{cluster}/report
  curl {api}/organizations/{organization}/clusters
  curl {api}/rules/{rule}/affected
All reports, and what became of broken archives:
  kcat -b {brokers} -C -t {RESULTS} -f '%k %s\\n'
  kcat -b {brokers} -C -t {DEAD_LETTERS} -f '%k %h\\n'
What the payload tracker is told of each upload:
  kcat -b {brokers} -C -t {STATUS}
The pipeline's own page is {ccx.pipeline}, and logs are in {ccx.logs}. Ctrl-C ends everything.
""", flush=True)


def run(folder, began, until_end):
    ccx = Ccx("ccx", HERE, arguments(), folder, began, until_end)
    ccx.start_peers()
    ccx.start_services()
    ccx.start_uploads()
    report = ccx.first_report()
    if ccx.args.check:
        check.run(ccx)
        return
    where_to_look(ccx, report)
    with contextlib.suppress(KeyboardInterrupt):
        ccx.watch(ccx.progress)
    print("\nending: uploads, results API, pipeline, then S3 server and Kafka", flush=True)


if __name__ == "__main__":
    system.main("ccx", run)
