"""Starts what the dashboard shows: PostgreSQL and InfluxDB with known points, a consumer on the embedded
broker, and `generic-consumer dashboard` in front of them. All of it on loopback, in one folder.
"""

import glob
import math
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
STEP = 2_000  # milliseconds between two points
SPAN = 6 * 3_600_000  # how far back points go

SERIES = """
[[series]]
name = "high"
label = "High"
store = "postgres"
table = "public.high"
time = "at"
value = "amount"
aggregate = "mean"

[[series]]
name = "low"
label = "Low"
store = "influxdb"
measurement = "low"
value = "amount"
aggregate = "mean"

[[instance]]
name = "delivery"
url = "http://127.0.0.1:{instance}"

[[instance]]
name = "gone"
url = "http://127.0.0.1:{gone}"
"""

STORES = """
[write.local.postgres]
url = "postgres://postgres@127.0.0.1:{postgres}/postgres?sslmode=disable"

[write.local.influxdb]
url = "http://127.0.0.1:{influxdb}"
api = "v1"
database = "streamproc"
"""

INFLUXDB = """
reporting-disabled = true
bind-address = "127.0.0.1:{backup}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
[http]
bind-address = "127.0.0.1:{influxdb}"
log-enabled = false
[monitor]
store-enabled = false
"""

CONSUMER = """
IMPORT_PATH_DELIVERY='contracts.delivery.delivery_events_v10'
IMPORT_OBJECT_DELIVERY='DeliveryEventsV10Topic'
IGNORE_EVENTS_DELIVERY='["ShippingPricesEstimatedEvent"]'
BQ_TABLE_DELIVERY='delivery_events'
CONSUME_ENV='local'
GROUP_ID_DELIVERY='streamproc-delivery'
WRITE_ENV='local'
CONSUME__LOCAL__BOOTSTRAP_SERVERS='embedded'
WRITE__LOCAL__PROJECT='local'
WRITE__LOCAL__DATASET='events'
WRITE__LOCAL__ENDPOINT__REST='embedded'
WRITE__LOCAL__ENDPOINT__STORAGE='embedded'
"""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def amount(name, at):
    """Returns the value of a point: none in every 17th minute."""
    if at // 60_000 % 17 == (0 if name == "high" else 5):
        return None
    base, phase = (7.5, 0) if name == "high" else (2.6, 1)
    return round(base + 0.8 * math.sin(at / 97_000 + phase) + 0.3 * math.sin(at / 13_000 + 2 * phase), 4)


def points(name, start, end):
    """Returns the points from `start` to before `end`."""
    first = -(-start // STEP) * STEP
    return [(at, amount(name, at)) for at in range(first, end, STEP) if amount(name, at) is not None]


def means(name, times, bucket):
    """Returns what a dashboard has to show for buckets of the past."""
    values = []
    for at in times:
        found = [value for _, value in points(name, at, at + bucket)]
        values.append(sum(found) / len(found) if found else None)
    return values


class Real:
    """All processes. Tests stop and start stores."""

    def __init__(self, program):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="dashboard-"))
        self.folder.chmod(0o755)
        self.processes = {}
        names = ("postgres", "influxdb", "backup", "instance", "gone", "dashboard")
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        self.program = str(pathlib.Path(program).resolve())
        self.written = int(time.time() * 1000) - SPAN
        self.ending = threading.Event()
        self.paused = threading.Event()
        try:
            self.start_all()
        except BaseException:
            self.stop()
            raise

    def start_all(self):
        self.set_up_postgres()
        self.start_postgres()
        self.start_influxdb()
        self.sql("CREATE TABLE high (at timestamptz PRIMARY KEY, amount double precision)")
        self.http("influxdb", "/query", {"q": "CREATE DATABASE streamproc"}, b"")
        self.write()
        threading.Thread(target=self.keep_writing, daemon=True).start()
        consumer = self.folder / "consumer"
        consumer.mkdir()
        (consumer / ".env").write_text(CONSUMER)
        variables = {"CONTRACTS_DIR": str(ROOT / "contracts"), "METRICS_ADDR": f"127.0.0.1:{self.ports['instance']}"}
        self.start("consumer", [self.program, "DELIVERY"], consumer, variables)
        (self.folder / "series.toml").write_text(SERIES.format(**self.ports))
        (self.folder / "stores.toml").write_text(STORES.format(**self.ports))
        address = f"127.0.0.1:{self.ports['dashboard']}"
        arguments = ["dashboard", "--config", "stores.toml", "--series", "series.toml", "--addr", address]
        self.start("dashboard", [self.program, *arguments], self.folder, {"WRITE_ENV": "local"})
        self.url = f"http://{address}"
        self.wait("dashboard", lambda: self.http("dashboard", "/readyz"))
        self.wait("consumer", lambda: b'"rows":336' in self.http("instance", "/status"))

    def set_up_postgres(self):
        binaries = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[4]))
        self.binaries = binaries[-1] if binaries else os.path.dirname(shutil.which("initdb"))
        self.as_server = []
        if os.getuid() == 0:  # PostgreSQL refuses to run as root
            user = pwd.getpwnam("postgres")
            self.as_server = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        data = self.folder / "postgres"
        data.mkdir()
        if self.as_server:
            os.chown(data, user.pw_uid, user.pw_gid)
        initdb = [f"{self.binaries}/initdb", "-D", str(data), "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8"]
        subprocess.run([*self.as_server, *initdb], check=True, capture_output=True, cwd="/")

    def start_postgres(self):
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off", "port": self.ports["postgres"]}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        data = str(self.folder / "postgres")
        self.start("postgres", [*self.as_server, f"{self.binaries}/postgres", "-D", data, *options], "/")
        self.wait("postgres", lambda: self.sql("SELECT 1"))

    def start_influxdb(self):
        folder = self.folder / "influxdb"
        folder.mkdir(exist_ok=True)
        (folder / "influxdb.conf").write_text(INFLUXDB.format(folder=folder, **self.ports))
        self.start("influxdb", [os.environ.get("INFLUXD", "influxd"), "-config", str(folder / "influxdb.conf")], folder)
        self.wait("influxdb", lambda: self.http("influxdb", "/ping") is not None)

    def start(self, name, command, folder, variables=None):
        log = open(self.folder / f"{name}.log", "ab")
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LC_ALL": "C.UTF-8", **(variables or {})}
        self.processes[name] = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)

    def wait(self, name, holds, patience=60):
        end = time.monotonic() + patience
        while True:
            try:
                if holds():
                    return
            except (OSError, subprocess.SubprocessError):
                pass
            log = self.folder / f"{name}.log"
            assert self.processes[name].poll() is None, f"{name} has ended:\n{log.read_text()}"
            assert time.monotonic() < end, f"{name} is not ready:\n{log.read_text()}"
            time.sleep(0.1)

    def end(self, name):
        """Ends a process and waits for it."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGINT if name == "postgres" else signal.SIGTERM)
        return process.wait(timeout=30)

    def stop(self):
        self.ending.set()
        for process in self.processes.values():
            process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def sql(self, statement):
        url = f"postgres://postgres@127.0.0.1:{self.ports['postgres']}/postgres"
        command = [f"{self.binaries}/psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", url]
        done = subprocess.run(command, input=statement, capture_output=True, text=True, check=True, cwd="/", timeout=20)
        return done.stdout or "done"

    def http(self, name, path, parameters=None, body=None):
        query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[name]}{path}{query}", body, timeout=10) as answer:
            return answer.read()

    def write(self):
        """Writes the points that are due to both stores. Those that a store misses are written later."""
        now = int(time.time() * 1000)
        high, low = points("high", self.written, now), points("low", self.written, now)
        if high:
            rows = ", ".join(f"(to_timestamp({at / 1000}), {value})" for at, value in high)
            self.sql(f"INSERT INTO high VALUES {rows} ON CONFLICT DO NOTHING")
        if low:
            lines = "\n".join(f"low amount={value} {at}" for at, value in low)
            self.http("influxdb", "/write", {"db": "streamproc", "precision": "ms"}, lines.encode())
        self.written = now

    def keep_writing(self):
        while not self.ending.wait(0.5):
            if self.paused.is_set():
                continue
            try:
                self.write()
            except (OSError, subprocess.SubprocessError):
                pass  # a test has stopped a store
