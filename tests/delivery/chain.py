"""Runs the jobs: with the runner of Jenkinsfiles, a git remote, two registries, and stand-ins for Nix,
ArgoCD, kubectl and bq."""

import functools
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

from remote import ROOT, Remote, program

HERE = pathlib.Path(__file__).resolve().parent
PASSWORD = "of the tests"


def jars():
    """The folder with Groovy's jars, which are fetched once."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    folder = target / "groovy-4.0.24"
    if not folder.is_dir():
        new = folder.with_name(f"{folder.name}.new.{os.getpid()}")
        command = ["mvn", "-q", "-B", "-f", HERE / "runner/pom.xml", "dependency:copy-dependencies", f"-DoutputDirectory={new}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        new.rename(folder)
    return folder


def tool(script, *arguments):
    """Runs a script that fetches a tool if it is missing; returns the path that the script prints."""
    done = subprocess.run([script, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip().splitlines()[-1]


def key_pair(folder):
    """Makes a pair of keys that sign images; returns the private and the public one."""
    folder.mkdir(parents=True)
    command = [f"{tool(ROOT / 'tests/flake/tools.sh', 'cosign')}/cosign", "generate-key-pair"]
    subprocess.run(command, cwd=folder, env={**os.environ, "COSIGN_PASSWORD": PASSWORD}, check=True, capture_output=True)
    return (folder / "cosign.key").read_text(), (folder / "cosign.pub").read_text()


@functools.cache
def keys():
    """The pair that the jobs of all tests sign with."""
    with tempfile.TemporaryDirectory() as folder:
        return key_pair(pathlib.Path(folder) / "keys")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Registry:
    """Debian's docker-registry, on loopback."""

    def __init__(self, folder):
        self.host = f"127.0.0.1:{free_port()}"
        folder.mkdir()
        configuration = {
            "version": 0.1,
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
            "http": {"addr": self.host},
        }
        (folder / "config.yml").write_text(json.dumps(configuration))
        with open(folder / "log", "wb") as log:
            self.child = subprocess.Popen([tool(HERE / "registry.sh"), "serve", folder / "config.yml"], stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        host, port = self.host.split(":")
        while True:
            with socket.socket() as probe:
                if probe.connect_ex((host, int(port))) == 0:
                    return
            assert time.monotonic() < deadline and self.child.poll() is None, (folder / "log").read_text()
            time.sleep(0.1)

    def stop(self):
        self.child.terminate()
        self.child.wait(30)


class Chain(Remote):
    """A remote whose clusters pull from two local registries, and the jobs that work on it."""

    # How long a chain of jobs may take, in seconds.
    patience = 300

    def __enter__(self):
        super().__enter__()
        self.registries = {cloud: Registry(self.root / f"registry-{cloud}") for cloud in ("gke", "eks")}
        self.peers = self.root / "peers"
        self.jenkins = self.root / "jenkins"
        for folder in (self.peers, self.jenkins, self.jenkins / "workspaces"):
            folder.mkdir()
        private, self.public = keys()
        self.credential("generic-consumer-signing-key", private)
        self.credential("generic-consumer-signing-password", PASSWORD)
        configuration = self.root / "registries.conf"
        configuration.write_text("".join(f'[[registry]]\nlocation = "{r.host}"\ninsecure = true\n' for r in self.registries.values()))
        # The jobs run with the interpreter that runs the tests.
        (self.root / "python").mkdir()
        (self.root / "python/python3").symlink_to(sys.executable)
        self.environment |= {
            "PATH": f"{HERE / 'bin'}:{self.root / 'python'}:{os.environ['PATH']}",
            "CONTAINERS_REGISTRIES_CONF": str(configuration),
            "PEERS": str(self.peers),
            "REMOTE": str(self.bare),
            "PROGRAM": str(program()),
            "KUSTOMIZE": tool(ROOT / "tests/flake/tools.sh", "kustomize") + "/kustomize",
            "SKOPEO": shutil.which("skopeo"),
            "COSIGN": tool(ROOT / "tests/flake/tools.sh", "cosign") + "/cosign",
            "ARGOCD_INTERVAL_SECONDS": "0.05",
            "ARGOCD_DEADLINE_SECONDS": "60",
            "ARGOCD_DEGRADED_SECONDS": "5",
            "INTEGRATION_INTERVAL_SECONDS": "0.05",
            "INTEGRATION_DEADLINE_SECONDS": "3",
        }
        # The jobs set this variable themselves.
        del self.environment["GENERIC_CONSUMER"]
        self.edit("registries and repository of this machine, a key", self.local)
        return self

    def credential(self, id, text):
        """What Jenkins has under this id."""
        file = self.jenkins / "credentials" / id
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)

    def local(self, clone):
        gitops = clone / "nix/gitops.nix"
        gitops.write_text(gitops.read_text().replace("https://git.example.com/data/generic-consumer.git", f"file://{self.bare}"))
        (clone / "nix/keys/tests.pub").write_text(self.public)
        self.local_registries(clone)

    def __exit__(self, *arguments):
        for registry in self.registries.values():
            registry.stop()
        super().__exit__(*arguments)

    def local_registries(self, clone):
        for folder in (clone / "nix/clusters").iterdir():
            file = folder / "cluster.nix"
            lines = file.read_text().splitlines(keepends=True)
            place = self.place(folder.name)
            lines = [f'  image = "{place}";\n' if line.startswith("  image =") else line for line in lines]
            file.write_text("".join(lines))
        self.render(clone)

    def place(self, cluster):
        cloud, env = cluster.split("-")
        return f"{self.registries[cloud].host}/{env}/generic-consumer"

    def places(self):
        return [self.place(f"{cloud}-{env}") for cloud in ("gke", "eks") for env in ("uat", "prod")]

    def render(self, clone):
        """Writes kustomize/, as `nix run .#render` does."""
        code = "import pathlib, sys; sys.path.insert(0, 'delivery'); import manifests; manifests.render(pathlib.Path.cwd())"
        self.run("python3", "-B", "-c", code, cwd=clone)

    def edit(self, message, change):
        """Pushes somebody else's commit, in which `change` edits a clone."""
        clone = self.root / "somebody"
        if not clone.exists():
            self.clone("somebody")
        self.run("git", "-C", clone, "pull", "--quiet", "--ff-only")
        change(clone)
        self.run("git", "-C", clone, "add", "--all")
        self.run("git", "-C", clone, "commit", "--quiet", "--message", message)
        self.run("git", "-C", clone, "push", "--quiet", "origin", "HEAD:main")
        return self.head()

    # Jobs

    def start(self, job, environment=None, **parameters):
        given = [f"{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in parameters.items()]
        command = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", f"{jars()}/*", "groovy.ui.GroovyMain"]
        command += [HERE / "runner/Runner.groovy", self.bare, self.jenkins, job, *given]
        return subprocess.Popen(command, env={**self.environment, **(environment or {})}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def job(self, job, environment=None, fails=False, **parameters):
        """Runs a job to its end; returns what it and the jobs that it started did."""
        before = len(self.record())
        child = self.start(job, environment, **parameters)
        output, _ = child.communicate(timeout=self.patience)
        assert (child.returncode != 0) == fails, f"{job}: {child.returncode}\n{output}\n{self.log()}"
        return Record(self.record()[before:])

    def record(self):
        file = self.jenkins / "record"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def log(self):
        file = self.jenkins / "log"
        return file.read_text() if file.exists() else ""

    def image(self, run):
        return json.loads((self.jenkins / "archive" / run / "image.json").read_text())

    # Registries

    def push_image(self):
        """Builds, pushes and signs an image; returns its digest."""
        return self.image(self.job("image", BUILD_IMAGE=True).runs("image")[0])["digest"]

    def digest(self, reference):
        """The digest that skopeo finds in a registry; None if there is no image."""
        command = ["skopeo", "--insecure-policy", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", f"docker://{reference}"]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else None


class Record:
    """What the runs of jobs did, in order."""

    def __init__(self, entries):
        self.entries = entries

    def of(self, kind, run=None):
        return [e["what"] for e in self.entries if e["kind"] == kind and run in (None, e["run"], e["run"].rsplit("-", 1)[0])]

    def runs(self, job=None):
        return [e["run"] for e in self.entries if e["kind"] == "begin" and job in (None, e["run"].rsplit("-", 1)[0])]

    def jobs(self):
        return [run.rsplit("-", 1)[0] for run in self.runs()]

    def results(self):
        return {e["run"].rsplit("-", 1)[0]: e["what"] for e in self.entries if e["kind"] == "end"}

    def variables(self, job):
        return [e["variables"] for e in self.entries if e["kind"] == "end" and e["run"].rsplit("-", 1)[0] == job][0]
