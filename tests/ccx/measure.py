"""Measures a consumer that turns events about archives into reports: CPU, memory and time until there is a
report or a dead letter for each event.

    measure.py ARCHIVES [--events 300] [--kinds good] [--bootstrap HOST:PORT] [--reports FOLDER] -- COMMAND …

Starts Kafka and an S3 server on loopback, starts COMMAND, publishes the events when it has its partition,
and prints the figures as JSON. COMMAND finds in its environment BOOTSTRAP_SERVERS, IN_TOPIC, OUT_TOPIC,
DEAD_LETTER_TOPIC, GROUP, METRICS_PORT and EXTRACT_FOLDER.
"""

import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import psutil
from confluent_kafka import Producer

import broker

HERE = pathlib.Path(__file__).resolve().parent
MIB = 1024 * 1024


def cpu_seconds(process):
    """User and system time of the process and of its children that have ended, such as `tar`."""
    times = process.cpu_times()
    return times.user + times.system + times.children_user + times.children_system


def own_cpu_seconds(process):
    times = process.cpu_times()
    return times.user + times.system


def peak_mib(process):
    """The most memory that the process itself had (VmHWM), without its children."""
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / MIB
    raise SystemExit("/proc has no VmHWM")


@contextlib.contextmanager
def s3_server(archives, events, kinds, count):
    command = [sys.executable, HERE / "s3_server.py", archives, events, "--kinds", kinds]
    if count:
        command += ["--events", str(count)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with broker.stopped_at_the_end(process):
        if not process.stdout.readline():
            raise SystemExit("the S3 server did not start")
        yield


def publish(bootstrap, topic, lines):
    producer = Producer({"bootstrap.servers": bootstrap})
    for line in lines:
        producer.produce(topic, line)
        producer.poll(0)
    producer.flush()


@contextlib.contextmanager
def peers(archives, kinds, count, bootstrap=None):
    """Kafka and the S3 server; yields the bootstrap servers and the events, one a line."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ccx-events-"))
        events = pathlib.Path(folder, "events.ndjson")
        bootstrap = bootstrap or stack.enter_context(broker.kafka())
        stack.enter_context(s3_server(archives, events, kinds, count))
        yield bootstrap, events.read_text().splitlines()


def run(command, bootstrap, events, seconds, reports=None):
    """Runs the consumer once on new topics and returns the figures. `command` is a list, or makes one of
    the environment."""
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="ccx-measure-"))
        )
        name = f"ccx-{time.time_ns()}"
        topics = {
            "IN_TOPIC": f"{name}-in",
            "OUT_TOPIC": f"{name}-out",
            "DEAD_LETTER_TOPIC": f"{name}-out_dead_letters",
        }
        broker.create_topics(bootstrap, *topics.values())
        environment = os.environ | topics
        environment |= {
            "BOOTSTRAP_SERVERS": bootstrap,
            "GROUP": name,
            "EXTRACT_FOLDER": str(folder),
            "METRICS_PORT": str(broker.free_port()),
        }
        log = stack.enter_context(open(folder / "log", "w+"))
        if callable(command):
            command = command(environment)
        started = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        stack.enter_context(broker.stopped_at_the_end(started, 20))
        process = psutil.Process(started.pid)

        def alive():
            if started.poll() is not None:
                log.seek(0)
                raise SystemExit(f"it has ended ({started.returncode}):\n{log.read()[-4000:]}")

        broker.wait_for_member(bootstrap, name, alive)
        # The consumer may still be starting; its first fetch ends that.
        time.sleep(2)
        before, before_own, begin = cpu_seconds(process), own_cpu_seconds(process), time.monotonic()
        publish(bootstrap, topics["IN_TOPIC"], events)
        results = [topics[it] for it in ("OUT_TOPIC", "DEAD_LETTER_TOPIC")]
        reader = stack.enter_context(contextlib.closing(broker.Reader(bootstrap, *results)))

        def has_all():
            alive()
            return sum(map(len, reader.read())) >= len(events)

        broker.wait_until(f"{len(events)} results", has_all, seconds)
        elapsed = time.monotonic() - begin
        cpu, own, (out, dead) = cpu_seconds(process), own_cpu_seconds(process), reader.read()
        if reports:
            reports.mkdir(parents=True, exist_ok=True)
            (reports / "events.ndjson").write_text("\n".join(events) + "\n")
            for file, values in (("reports", out), ("dead", dead)):
                lines = b"".join(it.rstrip(b"\n") + b"\n" for it in values)
                (reports / f"{file}.ndjson").write_bytes(lines)
        return {
            "events": len(events),
            "reports": len(out),
            "dead_letters": len(dead),
            "seconds": round(elapsed, 1),
            "cpu_seconds_to_start": round(before, 2),
            "cpu_seconds": round(cpu - before, 2),
            "of_these_in_children": round((cpu - before) - (own - before_own), 2),
            "cpu_ms_per_event": round((cpu - before) / len(events) * 1000, 1),
            "peak_mib": round(peak_mib(process), 1),
            "archive_bytes": sum(json.loads(it)["size"] for it in events),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("archives", type=pathlib.Path)
    parser.add_argument("--events", type=int, help="default: one for each archive")
    parser.add_argument("--kinds", default="good")
    parser.add_argument("--bootstrap", help="a running Kafka; default: a new one")
    parser.add_argument("--within", type=int, default=1800, help="seconds for all events")
    parser.add_argument("--reports", type=pathlib.Path, help="folder for what was published")
    parser.add_argument("command", nargs="+", metavar="COMMAND")
    arguments = parser.parse_args()
    with peers(
        arguments.archives, arguments.kinds, arguments.events, arguments.bootstrap
    ) as (bootstrap, events):
        figures = run(arguments.command, bootstrap, events, arguments.within, arguments.reports)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
