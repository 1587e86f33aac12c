"""Debian's Prometheus, on loopback: for tests that ask it, and for tests/grafana."""

import json
import os
import pathlib
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

PROGRAM = os.environ.get("PROMETHEUS", "prometheus")
READY_WITHIN = 30


class Refused(Exception):
    """It answers that a query is none."""


class Prometheus:
    """Runs in a folder with these groups of rules, and with the targets that a file names, if there is one."""

    def __init__(self, folder, port, groups=(), found_in=None, interval="1s"):
        self.url = f"http://127.0.0.1:{port}"
        folder = pathlib.Path(folder)
        files = [{"files": [str(found_in)], "refresh_interval": "1s"}] if found_in else []
        config = {
            "global": {"scrape_interval": interval, "evaluation_interval": interval},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [{"job_name": "tested", "honor_labels": True, "file_sd_configs": files}],
        }
        # JSON is YAML.
        (folder / "prometheus.yaml").write_text(json.dumps(config))
        (folder / "rules.yaml").write_text(json.dumps({"groups": list(groups)}))
        self.log = (folder / "prometheus.log").open("w")
        self.process = subprocess.Popen(
            [PROGRAM, f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"],
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + READY_WITHIN
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/-/ready", timeout=5).close()
                return
            except OSError:
                ended = self.process.poll() is not None
                if ended or time.monotonic() > deadline:
                    self.stop()
                    raise RuntimeError(f"Prometheus is not ready:\n{(folder / 'prometheus.log').read_text()}") from None
                time.sleep(0.1)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def range(self, query, start, end, step):
        return ask(self.url, query, start, end, step)


def ask(url, query, start, end, step):
    """The series of a query in a time: (labels, [(time, value)])."""
    asked = urllib.parse.urlencode({"query": query, "start": start, "end": end, "step": step})
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query_range?{asked}", timeout=60) as answer:
            found = json.load(answer)["data"]["result"]
    except urllib.error.HTTPError as refusal:
        raise Refused(f"{query}: {json.load(refusal)['error']}") from None
    return [(one["metric"], [(time, float(value)) for time, value in one["values"]]) for one in found]
