"""The services that the running image connects to, on loopback: Apache Kafka, the embedded BigQuery and a
stand-in for Google's token services; and podman, which runs the image."""

import http.server
import json
import os
import pathlib
import re
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

from tree import ROOT


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what, seconds, poll):
    """Polls until the result is true; returns it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = poll()
        if result:
            return result
        time.sleep(0.3)
    raise AssertionError(f"{what}: not within {seconds} s")


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def status(port, path):
    """The status of an HTTP response; None if there is none."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


class Process:
    """A running program, with its output in a file."""

    def __init__(self, folder, name, command, **options):
        self.log = pathlib.Path(folder) / f"{name}.log"
        with open(self.log, "wb") as log:
            self.child = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **options)

    def output(self):
        return self.log.read_text(errors="replace")

    def stop(self):
        self.child.terminate()
        try:
            self.child.wait(30)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


class Kafka:
    """One Kafka node (KRaft), from the jars of the live tests. Clients reach it as `alias`, the name
    that a pod's hosts file gives to a broker; the node itself uses the plain address."""

    def __init__(self, folder, alias):
        self.folder = pathlib.Path(folder)
        plain, self.aliased, controller = free_port(), free_port(), free_port()
        self.libraries = jars()
        (self.folder / "server.properties").write_text(
            f"""
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAIN://127.0.0.1:{plain},POD://127.0.0.1:{self.aliased},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAIN://127.0.0.1:{plain},POD://{alias}:{self.aliased}
listener.security.protocol.map=PLAIN:PLAINTEXT,POD:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAIN
log.dirs={self.folder}/kafka-data
# The first producer creates the topic: Kafka's tools are not among these jars.
auto.create.topics.enable=true
num.partitions=3
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=4194304
"""
        )
        properties = str(self.folder / "server.properties")
        format = self.java("kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", properties)
        subprocess.run(format, check=True, capture_output=True, timeout=180)
        self.process = Process(folder, "kafka", self.java("kafka.Kafka", properties))
        until("Kafka listens", 120, lambda: listens(self.aliased))

    def java(self, *arguments):
        return ["java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{self.libraries}/*", *arguments]

    def stop(self):
        self.process.stop()


def jars():
    """The folder of Kafka's jars, fetched if they are missing."""
    pom = ROOT / "tests/support/kafka/pom.xml"
    version = re.search(r"<artifactId>kafka_2.13</artifactId>\s*<version>([^<]+)", pom.read_text())[1]
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    folder = target / f"kafka-{version}"
    if not folder.is_dir():
        subprocess.run([ROOT / "tests/setup/maven.sh", pom, folder], check=True)
    return folder


class BigQuery:
    """The embedded BigQuery, of the program with the feature `local`."""

    def __init__(self, folder, program):
        self.program, self.store = program, pathlib.Path(folder) / "store.sqlite"
        command = [program, "local", "bigquery", "--rest", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--store", self.store]
        self.process = Process(folder, "bigquery", command)
        printed = until("the embedded BigQuery listens", 60, lambda: re.search(r"(?m)^rest (\S+) grpc (\S+)", self.process.output()))
        self.rest, self.storage = f"http://{printed[1]}", f"http://{printed[2]}"

    def rows(self, table):
        done = subprocess.run([self.program, "local", "rows", table, "--store", self.store], capture_output=True, text=True)
        return done.stdout.splitlines() if done.returncode == 0 else []

    def stop(self):
        self.process.stop()


class TokenService:
    """Stands in for Google's two token services; records the requests."""

    def __init__(self):
        self.requests = requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                requests.append((self.path, self.headers.get("Authorization"), body))
                response = {"access_token": "federated", "expires_in": 3600, "token_type": "Bearer"}
                if self.path != "/v1/token":
                    response = {"accessToken": "impersonated", "expireTime": "2100-01-01T00:00:00Z"}
                text = json.dumps(response).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Podman:
    """Runs containers of one image, and removes these containers (by their ids) at the end."""

    # Without these a container does not start if this machine is itself a container.
    LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]

    def __init__(self, archive, tag):
        self.image = f"localhost/generic-consumer-test:{os.getpid()}"
        self.ids = []
        # podman has to run once before there is an image: if it finds one at its first call, it takes
        # this for an old installation and uses CNI for the network.
        self.podman("info", check=True)
        subprocess.run(
            ["skopeo", "--insecure-policy", "copy", "--quiet", f"oci-archive:{archive}:{tag}", f"containers-storage:{self.image}"],
            check=True,
        )

    def podman(self, *arguments, **options):
        return subprocess.run(["podman", "--runtime", "runc", *arguments], capture_output=True, text=True, **options)

    def start(self, flags, arguments):
        done = self.podman("run", "--detach", *self.LIMITS, *flags, self.image, *arguments)
        assert done.returncode == 0, done.stderr
        self.ids.append(done.stdout.strip())
        return self.ids[-1]

    def once(self, flags, arguments, text=""):
        return self.podman("run", "--rm", "--interactive", *self.LIMITS, *flags, self.image, *arguments, input=text)

    def logs(self, container):
        done = self.podman("logs", container)
        return done.stdout + done.stderr

    def inspect(self, container, what):
        return self.podman("inspect", "--format", what, container).stdout.strip()

    def close(self):
        for container in self.ids:
            self.podman("rm", "--force", "--time", "5", container)
        self.podman("rmi", self.image)
