"""InfluxDB on a free port of this machine, with data that goes with the run."""

import urllib.parse
import urllib.request

from processes import Process, free_port, wait_until

STARTS_WITHIN = 120


class Influx:
    """InfluxDB 1.8, with the database `streamproc`, which its v2 API calls a bucket."""

    def __init__(self, folder, logs, program):
        self.port, rpc, data = free_port(), free_port(), folder / "influxdb"
        self.address = f"http://127.0.0.1:{self.port}"
        settings = folder / "influxdb.conf"
        settings.write_text(f"""\
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
dir = "{data}/meta"
[data]
dir = "{data}/data"
wal-dir = "{data}/wal"
query-log-enabled = false
[http]
bind-address = "127.0.0.1:{self.port}"
log-enabled = false
[monitor]
store-enabled = false
""")
        self.process = Process("influxdb", [program, "-config", settings], logs)
        wait_until("InfluxDB's start", self.answers, STARTS_WITHIN, [self.process])
        self.query("CREATE DATABASE streamproc")

    def answers(self):
        try:
            with urllib.request.urlopen(f"{self.address}/ping", timeout=5) as answer:
                return answer.status == 204
        except OSError:
            return False

    def query(self, statement):
        """The answer of InfluxQL as JSON text."""
        data = urllib.parse.urlencode({"db": "streamproc", "q": statement}).encode()
        with urllib.request.urlopen(f"{self.address}/query", data=data, timeout=30) as answer:
            return answer.read().decode()

    def stop(self):
        self.process.stop()
