"""Serves the dashboard's page with generated data, and fails in the ways the page must handle.

`mock.py --port 8080` serves until it is interrupted. `POST /mock` with a JSON object sets fields of
`Faults`, for example: curl -d '{"away": ["low"]}' localhost:8080/mock
"""

import argparse
import dataclasses
import json
import math
import pathlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PAGE = pathlib.Path(__file__).resolve().parents[2] / "src/serve/dashboard/page"
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:"
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
ASSETS = {path.name: path for path in [*PAGE.glob("*.*"), *PAGE.glob("uplot/uPlot.*")]}
ASSETS["uPlot-LICENSE.txt"] = PAGE / "uplot/LICENSE"
SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
BUCKETS = [f * unit for unit in (SECOND, MINUTE) for f in (1, 2, 5, 10, 15, 30)] + [HOUR, 2 * HOUR, 6 * HOUR, 12 * HOUR, DAY]
SERIES = [
    {"name": "high", "label": "High", "unit": "", "aggregate": "mean", "source": "postgres public.high"},
    {"name": "low", "label": "Low", "unit": "", "aggregate": "mean", "source": "influxdb low"},
]


@dataclasses.dataclass
class Faults:
    away: list = dataclasses.field(default_factory=list)  # names of series whose store does not answer
    empty: bool = False  # no events at all
    delay: float = 0  # seconds before each answer
    status: int = 200  # of /api/series and /api/fleet
    stream: bool = True  # False ends the open streams and refuses new ones
    silent: bool = False  # the stream stays open without events
    count: int = 2  # number of series
    units: list = dataclasses.field(default_factory=list)  # of the first series
    fleet: list | None = None  # instances instead of the generated ones


def value(index, at, bucket):
    """Returns the mean of one bucket: a smooth curve, and every 17th bucket empty."""
    if (at // bucket + index * 5) % 17 == 0:
        return None
    base = 7.5 if index % 2 == 0 else 2.6
    wave = math.sin(at / 97_000 + index) + 0.4 * math.sin(at / 13_000 + 2 * index)
    return round(base + index // 2 * 0.9 + 0.8 * wave, 4)


class Mock:
    """The server. Tests change `faults` while it runs."""

    def __init__(self, port=0, tick=0.5):
        self.faults, self.tick, self.requests = Faults(), tick, []
        handler = type("BoundHandler", (Handler,), {"mock": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.faults.stream = False
        self.server.shutdown()
        self.server.server_close()

    def names(self):
        more = [{"name": f"area-{i}", "label": f"Area {i}", "unit": "", "aggregate": "mean", "source": f"postgres public.area_{i}"}
                for i in range(3, self.faults.count + 1)]
        series = [*SERIES, *more][: self.faults.count]
        units = [*self.faults.units, *[""] * self.faults.count]
        return [{**one, "unit": unit} for one, unit in zip(series, units)]

    def series(self, start, end, bucket):
        first = start // bucket * bucket
        times = list(range(first, end, bucket))
        series = []
        for index, one in enumerate(self.names()):
            away = one["name"] in self.faults.away
            values = [None if self.faults.empty else value(index, at, bucket) for at in times]
            store = "InfluxDB" if "influxdb" in one["source"] else "PostgreSQL"
            error = f"{store} has not answered for 12 s: connection refused"
            series.append({**one, "values": None if away else values, "error": error if away else None})
        return {"from": start, "to": end, "bucket": bucket, "times": times, "series": series,
                "partial": any(one["error"] for one in series)}

    def fleet(self):
        if self.faults.fleet is not None:
            return {"instances": self.faults.fleet}
        now = int(time.time() * 1000)
        rows = now // 10 % 10_000_000
        high = {
            "name": "high", "url": "http://127.0.0.1:9465", "domain": "HIGH", "state": "running", "detail": None,
            "topic": "amounts", "sink": "postgres streamproc.public.high", "group": "streamproc-high",
            "started": now - 11_520_000, "version": "0.1.0",
            "partitions": [{"partition": 0, "lag": 12}, {"partition": 1, "lag": 3}, {"partition": 2, "lag": None}],
            "lag": 15, "rows": rows, "rows_per_second": 98.2, "ignored": {"filter": 60_412},
            "dead_letters": {"wrong_type": 31, "filter_error": 7, "invalid_json": 2},
        }
        low = {
            **high, "name": "low", "url": "http://127.0.0.1:9466", "domain": "LOW", "sink": "influxdb streamproc low",
            "group": "streamproc-low", "partitions": [{"partition": 3, "lag": 0}], "lag": 0, "rows_per_second": 101.0,
            "dead_letters": {}, "ignored": {"filter": 120_345},
        }
        if "low" in self.faults.away:
            low |= {"state": "paused", "detail": "InfluxDB has not answered for 12 s: connection refused", "lag": 4821, "rows_per_second": 0}
        return {"instances": [high, low]}


class Handler(BaseHTTPRequestHandler):
    mock: Mock
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle(self):
        try:
            super().handle()
        except OSError:
            pass  # the page ended the connection

    def do_GET(self):
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        self.mock.requests.append((url.path, query))
        if url.path == "/":
            self.file(PAGE / "index.html")
        elif url.path.removeprefix("/assets/") in ASSETS and url.path.startswith("/assets/"):
            self.file(ASSETS[url.path.removeprefix("/assets/")])
        elif url.path == "/api/live":
            self.live(int(query["bucket"]))
        elif url.path in ("/api/series", "/api/fleet"):
            time.sleep(self.mock.faults.delay)
            if self.mock.faults.status != 200:
                self.problem(self.mock.faults.status, "the test says so")
            elif url.path == "/api/fleet":
                self.json(self.mock.fleet())
            else:
                self.series(query)
        else:
            self.problem(404, f"there is no {url.path}")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.mock.faults = dataclasses.replace(self.mock.faults, **json.loads(body or "{}"))
        self.json(dataclasses.asdict(self.mock.faults))

    def series(self, query):
        now = int(time.time() * 1000)
        end = int(query.get("to", now))
        start = int(query.get("from", end - 15 * MINUTE))
        if end <= start:
            return self.problem(400, "`to` must be later than `from`")
        bucket = int(query.get("bucket", next((b for b in BUCKETS if b * 200 >= end - start), DAY)))
        self.json(self.mock.series(start, end, bucket))

    def live(self, bucket):
        if not self.mock.faults.stream:
            return self.problem(503, "the stream is switched off")
        self.head(200, "text/event-stream", [("connection", "close")])
        self.close_connection = True
        while self.mock.faults.stream:
            now = int(time.time() * 1000)
            if not self.mock.faults.silent:
                self.event("series", self.mock.series(now - 3 * bucket, now, bucket))
                self.event("fleet", self.mock.fleet())
            self.wfile.write(b": heartbeat\n\n")
            self.wfile.flush()
            time.sleep(self.mock.tick)

    def event(self, name, data):
        self.wfile.write(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode())

    def json(self, data, status=200, kind="application/json"):
        body = json.dumps(data).encode()
        self.head(status, kind, [("content-length", str(len(body)))])
        self.wfile.write(body)

    def problem(self, status, detail):
        self.json({"title": "the request failed", "detail": detail}, status, "application/problem+json")

    def file(self, path):
        body = path.read_bytes()
        self.head(200, TYPES.get(path.suffix, "text/plain; charset=utf-8"), [("content-length", str(len(body)))])
        self.wfile.write(body)

    def head(self, status, kind, more):
        self.send_response(status)
        for name, text in [("content-type", kind), ("cache-control", "no-store"), ("content-security-policy", POLICY), *more]:
            self.send_header(name, text)
        self.end_headers()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8080)
    running = Mock(parser.parse_args().port)
    print(running.url, flush=True)
    threading.Event().wait()
