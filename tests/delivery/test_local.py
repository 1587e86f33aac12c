"""delivery/local: the local cluster's commands, with programs that stand in for kubectl, kind and the others. The
overlay is built by the real kustomize; no cluster runs."""

import contextlib
import json
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from remote import ROOT, program

ALL = ("kubectl", "kind", "nix", "skopeo")
SERVICES = ["event-api", "producer", "consumer-high", "consumer-low", "dashboard"]
KEYS = ["api-token", "influxdb-admin-password", "influxdb-password", "influxdb-token", "postgres-password"]
WITHIN_SECONDS = 60


def kustomize():
    done = subprocess.run([ROOT / "tests/flake/tools.sh", "kustomize"], capture_output=True, text=True, check=True)
    return f"{done.stdout.strip()}/kustomize"


def free_ports(count):
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def end(child):
    """Ends what a failed test leaves. Killed, it would leave its forwards."""
    if child.poll() is None:
        child.terminate()
        child.communicate(timeout=WITHIN_SECONDS)


class LocalCase(unittest.TestCase):
    """A copy of what the tool reads, whose ports on this machine are free ones."""

    @classmethod
    def setUpClass(cls):
        cls.kustomize = kustomize()

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name).resolve()
        self.root, self.bin = self.folder / "root", self.folder / "bin"
        for part in ("delivery", "kustomize", "nix/local", "examples/streamproc"):
            shutil.copytree(ROOT / part, self.root / part, ignore=shutil.ignore_patterns("__pycache__"))
        self.bin.mkdir()
        script = self.bin / ".fakes"
        script.write_text(f"#!{sys.executable} -B\n" + (ROOT / "tests/delivery/fakes.py").read_text())
        script.chmod(0o755)
        self.environment = {
            "PATH": str(self.bin), "FAKES": str(self.folder), "ROOT": str(self.root), "KUSTOMIZE": self.kustomize,
            "TMPDIR": str(self.folder), "CARGO_TARGET_DIR": str(self.folder / "target"), "HOME": str(self.folder),
        }
        self.move_ports()
        self.installed(*ALL)

    def move_ports(self):
        file = self.root / "nix/local/services.json"
        self.given = json.loads(file.read_text())
        listeners = [one for part in self.parts().values() for one in part["listens"].values()]
        for one, port in zip(listeners, free_ports(len(listeners)), strict=True):
            one["here"] = port
        file.write_text(json.dumps(self.given))

    def parts(self):
        return {**self.given["services"], **self.given["peers"]}

    def here(self, part, listener):
        return self.parts()[part]["listens"][listener]["here"]

    def installed(self, *programs):
        for file in self.bin.iterdir():
            if file.name != ".fakes":
                file.unlink()
        for program in programs:
            # A copy: a symbolic link's name would be the link's target for the interpreter.
            shutil.copy(self.bin / ".fakes", self.bin / program)

    def start(self, *arguments, fails=""):
        command = [sys.executable, "-B", self.root / "delivery/local", *arguments]
        return subprocess.Popen(command, env={**self.environment, "FAILS": fails}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def local(self, *arguments, fails=""):
        child = self.start(*arguments, fails=fails)
        out, err = child.communicate(timeout=WITHIN_SECONDS)
        self.assertEqual(child.returncode, 0, err)
        return out

    def refused(self, *arguments, saying, fails=""):
        child = self.start(*arguments, fails=fails)
        _, err = child.communicate(timeout=WITHIN_SECONDS)
        self.assertEqual(child.returncode, 1, err)
        self.assertNotIn("Traceback", err)
        sentence = err.splitlines()[-1]
        self.assertTrue(sentence.startswith("local: "), err)
        self.assertIn(saying, sentence)

    @contextlib.contextmanager
    def running(self, *arguments, until, fails=""):
        """The lines up to the one that begins with `until`; Ctrl-C at the end."""
        child = self.start(*arguments, fails=fails)
        try:
            lines = []
            while not lines or not lines[-1].startswith(until):
                line = child.stdout.readline()
                if not line:
                    self.fail(f"ended: {lines}, {child.stderr.read()}")
                lines.append(line.rstrip("\n"))
            yield lines
            child.send_signal(signal.SIGINT)
            out, err = child.communicate(timeout=WITHIN_SECONDS)
            self.assertEqual(child.returncode, 0, err)
            lines += out.splitlines()
        finally:
            end(child)

    def calls(self, program=None):
        file = self.folder / "calls"
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [line for line in lines if program in (None, line[0])]

    def forget(self):
        (self.folder / "calls").unlink(missing_ok=True)

    def state(self):
        return json.loads((self.folder / "state.json").read_text())

    def is_off(self, service):
        spec = self.state()["workloads"][f"deployment/{service}"]["spec"]
        return spec["replicas"] == 0 or {"name": "DISABLE", "value": "true"} in spec["template"]["spec"]["containers"][0]["env"]

    def secret(self, key):
        return (self.root / ".local/streamproc" / key).read_text()

    def up(self):
        out = self.local("up")
        self.forget()
        return out


class Beginning(LocalCase):
    def test_from_nothing_to_everything(self):
        out = self.local("up")
        self.assertIn("delivery/local forward dashboard", out)
        self.assertEqual(self.state()["contexts"], ["kind-streamproc"])
        self.assertEqual(self.state()["image"], "docker.io/library/generic-consumer:local from nix")
        waited = [call[7] for call in self.calls("kubectl") if call[5:7] == ["rollout", "status"]]
        self.assertEqual(waited, [*(f"statefulset/{peer}" for peer in self.given["peers"]), *(f"deployment/{one}" for one in SERVICES)])
        # Another time it uses what is there.
        self.forget()
        self.local("up")
        self.assertEqual([call[1] for call in self.calls("kind")], ["load"])

    def test_every_call_names_the_clusters_own_context(self):
        self.local("up")
        for call in self.calls("kubectl"):
            if call[1:3] != ["config", "get-contexts"]:
                self.assertEqual(call[1:5], ["--context", "kind-streamproc", "--namespace", "streamproc"])

    def test_k3d(self):
        self.installed("kubectl", "k3d", "nix", "skopeo")
        self.local("up")
        self.assertEqual(self.state()["contexts"], ["k3d-streamproc"])
        self.assertTrue(self.state()["image"].endswith("from nix"))
        self.local("delete")
        self.assertEqual(self.state()["contexts"], [])

    def test_two_clusters(self):
        self.installed(*ALL, "k3d")
        self.local("create")
        self.local("--with", "k3d", "create")
        self.refused("deploy", saying="say which with `--with kind` or `--with k3d`")
        self.local("--with", "k3d", "deploy")
        self.refused("create", saying="there is a cluster `streamproc` of kind already")

    def test_passwords_are_made_once_and_stay_with_the_cluster(self):
        self.up()
        first = {key: self.secret(key) for key in KEYS}
        self.assertEqual(len(set(first.values())), len(KEYS))
        self.assertEqual(first["influxdb-token"], f"streamproc:{first['influxdb-password']}")
        # A token of the event API has 16 characters at least.
        self.assertGreaterEqual(len(first["api-token"]), 16)
        for key in KEYS:
            self.assertEqual((self.root / ".local/streamproc" / key).stat().st_mode & 0o777, 0o600)
        shutil.rmtree(self.root / ".local")
        self.local("deploy")
        self.assertEqual({key: self.secret(key) for key in KEYS}, first)
        applied = (self.folder / "applied.yaml").read_text()
        self.assertIn("kind: Secret", applied)
        self.assertNotIn(first["postgres-password"], applied)
        self.local("delete")
        self.assertEqual(list((self.root / ".local/streamproc").iterdir()), [])

    def test_nothing_prints_a_secret(self):
        out = self.up()
        with self.running("take", "consumer-high", until="Ctrl-C") as lines:
            pass
        for key in KEYS:
            self.assertNotIn(self.secret(key), out + "\n".join(lines))

    def test_a_service_that_does_not_become_ready(self):
        self.refused("up", saying="consumer-high is not ready: `kubectl --context kind-streamproc --namespace streamproc logs deployment/consumer-high`",
                     fails="deployment/consumer-high")

    def test_an_edit_of_the_example_that_was_not_rendered(self):
        self.up()
        file = self.root / "examples/streamproc/.env"
        file.write_text(file.read_text().replace("amount > 5", "amount > 6"))
        self.refused("deploy", saying="examples/streamproc/.env differs from its copy in the overlay: `nix run .#render` first")
        self.assertEqual([call[5] for call in self.calls("kubectl") if call[1] == "--context"], ["get"])


class Building(LocalCase):
    def test_cargo_and_docker_where_there_is_no_nix(self):
        self.installed("kubectl", "kind", "cargo", "docker", "strip")
        self.up()
        self.assertEqual(self.state()["image"], "docker.io/library/generic-consumer:local from docker")

    def test_cargo_and_podman(self):
        self.installed(*ALL, "cargo", "podman")
        self.local("create")
        self.local("load", "--from", "cargo")
        self.assertEqual(self.state()["image"], "docker.io/library/generic-consumer:local from podman")

    def test_redeploy(self):
        self.up()
        self.local("redeploy", "consumer-high")
        order = [" ".join(call[5:8] if call[0] == "kubectl" else call[:2]) for call in self.calls()][2:]
        self.assertEqual(order, ["nix --extra-experimental-features", "skopeo --insecure-policy", "kind load",
                                 "rollout restart deployment/consumer-high", "rollout status deployment/consumer-high"])

    def test_a_program_that_the_base_cannot_run(self):
        self.installed("kubectl", "kind", "cargo", "docker")
        self.local("create")
        self.refused("load", saying="Build with nix (`--from nix`). It says: GLIBC_2.99 not found", fails="version")

    def test_leaves_no_files(self):
        self.up()
        self.assertEqual([file.name for file in self.folder.iterdir() if file.name.startswith("local-image")], [])


class Forwarding(LocalCase):
    def setUp(self):
        super().setUp()
        self.up()

    def test_a_peer(self):
        with self.running("forward", "timescaledb", until="Ctrl-C") as lines:
            port = self.here("timescaledb", "postgres")
            socket.create_connection(("127.0.0.1", port)).close()
            self.assertIn(f"  export WRITE__LOCAL__POSTGRES__URL=postgres://streamproc@127.0.0.1:{port}/streamproc", lines)
            self.assertIn(f'  export WRITE__LOCAL__POSTGRES__PASSWORD="$(cat {self.root}/.local/streamproc/postgres-password)"', lines)
        # Nothing listens there any more.
        with self.assertRaises(OSError):
            socket.create_connection(("127.0.0.1", port))

    def test_kafka_by_the_listener_that_sends_clients_back(self):
        with self.running("forward", "kafka", until="Ctrl-C"):
            call = next(call for call in self.calls("kubectl") if "port-forward" in call)
            self.assertEqual(call[-2:], ["service/kafka", f"{self.here('kafka', 'kafka')}:19092"])

    def test_the_page(self):
        with self.running("forward", "dashboard", until="Ctrl-C") as lines:
            self.assertEqual(lines[0], f"dashboard http: http://127.0.0.1:{self.here('dashboard', 'http')}")

    def test_a_port_in_use(self):
        with socket.create_server(("127.0.0.1", self.here("kafka", "kafka"))):
            self.refused("forward", "kafka", saying=f"port {self.here('kafka', 'kafka')} of this machine is in use, and kafka has to have it")
        # Where nobody expects the usual port, another one serves.
        usual = self.here("timescaledb", "postgres")
        with socket.create_server(("127.0.0.1", usual)), self.running("forward", "timescaledb", until="Ctrl-C") as lines:
            self.assertNotIn(f":{usual}", "\n".join(lines))

    def test_a_forward_that_ends_is_started_again(self):
        with self.running("forward", "dashboard", until="Ctrl-C"):
            forwarding = lambda: len(self.calls("forwarding"))
            self.assertEqual(forwarding(), 1)
            subprocess.run(["sh", "-c", f"kill {self.pid_of_forward()}"], check=True)
            deadline = time.monotonic() + WITHIN_SECONDS
            while forwarding() < 2 and time.monotonic() < deadline:
                time.sleep(0.1)
            self.assertEqual(forwarding(), 2)

    def pid_of_forward(self):
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (process / "cmdline").read_bytes().decode().split("\0")
                if "port-forward" in command and str(self.bin / "kubectl") in command:
                    return process.name
        self.fail("no forward runs")

    def test_what_cannot_be_forwarded(self):
        self.refused("forward", "dashboard", saying="the ports of dashboard cannot be forwarded", fails="service/dashboard")
        self.refused("forward", "producer", saying="producer has no ports")


class TakingAPlace(LocalCase):
    def setUp(self):
        super().setUp()
        self.up()

    def variables(self, lines):
        return dict(line.strip().removeprefix("export ").split("=", 1) for line in lines if line.startswith("  export "))

    def test_a_consumer(self):
        with self.running("take", "consumer-high", until="Ctrl-C") as lines:
            self.assertTrue(self.is_off("consumer-high"))
            self.assertEqual(self.variables(lines), {
                "CONSUME__LOCAL__BOOTSTRAP_SERVERS": f"127.0.0.1:{self.here('kafka', 'kafka')}",
                "WRITE__LOCAL__POSTGRES__URL": f"postgres://streamproc@127.0.0.1:{self.here('timescaledb', 'postgres')}/streamproc",
                "WRITE__LOCAL__POSTGRES__PASSWORD": f'"$(cat {self.root}/.local/streamproc/postgres-password)"',
                "METRICS_ADDR_HIGH": f"127.0.0.1:{self.here('consumer-high', 'metrics')}",
            })
            self.assertIn(f"  cd {self.root}/examples/streamproc", lines)
            self.assertIn(f"  cargo run --manifest-path {self.root}/Cargo.toml -- run HIGH", lines)
        self.assertTrue(self.is_off("consumer-high"))
        self.assertIn("The cluster's consumer-high stays switched off until `delivery/local give-back consumer-high`.", lines)
        self.assertIn("consumer-high  1/1 ready  taken", self.local("status"))
        self.local("give-back", "consumer-high")
        self.assertFalse(self.is_off("consumer-high"))
        self.assertNotIn("taken", self.local("status"))

    def test_the_producer_has_no_switch_and_so_no_pod(self):
        with self.running("take", "producer", until="Ctrl-C") as lines:
            self.assertTrue(self.is_off("producer"))
            api = f"http://127.0.0.1:{self.here('event-api', 'http')}"
            self.assertIn(f"  cargo run --manifest-path {self.root}/Cargo.toml -- produce AMOUNTS --generate --rate 100/s --to-api {api}", lines)
            self.assertEqual(self.variables(lines), {"GENERIC_CONSUMER_API_TOKEN": f'"$(cat {self.root}/.local/streamproc/api-token)"'})
        self.local("give-back", "producer")
        self.assertFalse(self.is_off("producer"))

    def test_the_dashboard_reaches_all_that_its_series_file_names(self):
        with self.running("take", "dashboard", until="Ctrl-C"):
            forwarded = {call[8] for call in self.calls("kubectl") if "port-forward" in call}
            self.assertEqual(forwarded, {f"service/{one}" for one in ("timescaledb", "influxdb", "consumer-high", "consumer-low")})

    def test_every_service_can_be_taken_and_a_deployment_gives_all_back(self):
        for service in SERVICES:
            with self.subTest(service=service), self.running("take", service, until="Ctrl-C"):
                self.assertTrue(self.is_off(service))
        self.local("deploy")
        for service in SERVICES:
            self.assertFalse(self.is_off(service), service)

    def test_a_refusal_leaves_the_cluster_as_it_is(self):
        with socket.create_server(("127.0.0.1", self.here("kafka", "kafka"))):
            self.refused("take", "consumer-high", saying="is in use")
        self.refused("watch", "consumer-high", saying="a watcher is missing: install watchexec")
        self.refused("take", "kafka", saying="there is no service `kafka`: choose one of event-api, producer")
        self.assertFalse(self.is_off("consumer-high"))

    def test_watching_with_watchexec(self):
        self.watches(["watchexec", "--restart"], "watchexec")

    def test_watching_with_cargo_watch(self):
        self.watches(["cargo", "watch", "--workdir"], "cargo", "cargo-watch")

    def watches(self, begins, *programs):
        self.installed(*ALL, *programs)
        child = self.start("watch", "consumer-low")
        try:
            deadline = time.monotonic() + WITHIN_SECONDS
            while not self.calls("watching in"):
                self.assertTrue(child.poll() is None and time.monotonic() < deadline, "nothing is watched")
                time.sleep(0.05)
            self.assertTrue(self.is_off("consumer-low"))
            command = self.calls(programs[0])[0]
            self.assertEqual(command[: len(begins)], begins)
            self.assertIn(str(self.root / "src"), command)
            self.assertIn("run LOW", " ".join(command))
            _, folder, variables = self.calls("watching in")[0]
            self.assertEqual(folder, str(self.root / "examples/streamproc"))
            self.assertEqual(json.loads(variables), {
                "CONSUME__LOCAL__BOOTSTRAP_SERVERS": f"127.0.0.1:{self.here('kafka', 'kafka')}",
                "WRITE__LOCAL__INFLUXDB__URL": f"http://127.0.0.1:{self.here('influxdb', 'http')}",
                "WRITE__LOCAL__INFLUXDB__ALLOW_HTTP": "true",
                "WRITE__LOCAL__INFLUXDB__TOKEN": self.secret("influxdb-token"),
                "METRICS_ADDR_LOW": f"127.0.0.1:{self.here('consumer-low', 'metrics')}",
            })
            child.send_signal(signal.SIGINT)
            out, err = child.communicate(timeout=WITHIN_SECONDS)
            self.assertEqual(child.returncode, 0, err)
            self.assertIn("delivery/local give-back consumer-low", out)
        finally:
            end(child)

    def test_a_watcher_that_fails(self):
        self.installed(*ALL, "watchexec")
        self.refused("watch", "consumer-low", saying="watchexec has ended with 1", fails="watcher")


class WhatIsMissing(LocalCase):
    def test_programs(self):
        self.installed()
        self.refused("deploy", saying="`kubectl` is missing: install it")
        self.installed("kubectl")
        self.refused("create", saying="a tool that makes local clusters is missing: install kind or k3d")
        self.installed("kubectl", "kind", "nix")
        self.local("create")
        self.refused("load", saying="skopeo is missing")
        self.refused("load", "--from", "cargo", saying="a builder of images is missing: install docker or podman")
        self.installed("kubectl", "kind", "docker")
        self.refused("load", saying="`cargo` is missing")

    def test_the_cluster(self):
        (self.folder / "state.json").write_text('{"contexts": []}')
        for command in (["deploy"], ["load"], ["redeploy", "dashboard"], ["forward", "kafka"], ["take", "dashboard"], ["status"]):
            self.refused(*command, saying="there is no cluster `streamproc`: make it with `delivery/local up`")
        self.refused("delete", saying="there is no cluster `streamproc`: nothing is deleted")

    def test_an_answer(self):
        self.local("create")
        self.refused("status", saying="the cluster kind-streamproc does not answer: start Docker", fails="cluster")
        # It can be deleted all the same.
        self.local("delete", fails="cluster")

    def test_the_overlay(self):
        self.local("create")
        self.refused("give-back", "consumer-high", saying="`kubectl --context kind-streamproc …` has failed with 1; what it says is above")
        self.refused("status", saying="bring it there with `delivery/local deploy`")


class Accepted(unittest.TestCase):
    """The program accepts what the pods give it: files as kubelet mounts them, and variables."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        # A volume's files are links into a folder, which is replaced as a whole.
        self.folder = pathlib.Path(folder.name) / "example"
        configuration, data = ROOT / "kustomize/overlays/local/configuration", self.folder / "..data"
        for source, target in ((".env", ".env"), ("series.toml", "series.toml"), ("environments.toml", "config/environments.toml"),
                               ("amounts_v1.yaml", "contracts/streamproc/amounts_v1.yaml")):
            (data / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(configuration / source, data / target)
        for name in (".env", "series.toml", "config", "contracts"):
            (self.folder / name).symlink_to(f"..data/{name}")
        self.tokens = pathlib.Path(folder.name) / "api-token"
        self.tokens.write_text("0123456789abcdef")

    def variables(self, service):
        text = (ROOT / f"kustomize/overlays/local/{service}.yaml").read_text()
        literal = dict(re.findall(r'- name: ([A-Z_]+)\n +value: "?([^"\n]+)"?', text))
        secret = dict.fromkeys(re.findall(r"- name: ([A-Z_]+)\n +valueFrom:", text), "streamproc:a-secret")
        self.assertGreaterEqual(len(literal) + len(secret), 2)
        return {**literal, **secret, **({"API_TOKENS_FILE": str(self.tokens)} if "API_TOKENS_FILE" in literal else {})}

    def test_domains(self):
        for service, domain in (("event-api", "AMOUNTS"), ("consumer-high", "HIGH"), ("consumer-low", "LOW")):
            with self.subTest(service=service):
                done = subprocess.run([program(), "config", domain], cwd=self.folder, env=self.variables(service), capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)
                # They listen for others, not for their own pod alone.
                self.assertIn("0.0.0.0:9464", done.stdout)

    def test_the_dashboard(self):
        variables = {**self.variables("dashboard"), "DASHBOARD_ADDR": "127.0.0.1:0"}
        child = subprocess.Popen([program(), "dashboard", "--series", "series.toml"], cwd=self.folder, env=variables,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        line = child.stdout.readline()
        child.terminate()
        rest, _ = child.communicate(timeout=WITHIN_SECONDS)
        self.assertIn("serving the dashboard", line, rest)
        self.assertIn('"instances":2', line)


if __name__ == "__main__":
    unittest.main()
