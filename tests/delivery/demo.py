"""Runs every step from a commit to a container that runs by digest, on one machine without a cluster.
The Jenkinsfiles and the image are the real ones; there are two local registries and a bare git
remote; ArgoCD, kubectl and bq are the tests' stand-ins. Prints each step, and fails if one fails."""

import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import remote
from chain import HERE, Chain
from remote import ROOT

CLUSTER, INSTANCE, DOMAIN = "gke-uat", "orders", "ORDERS"
# Without these a container does not start if this machine is itself a container.
PODMAN = ["podman", "--runtime", "runc"]
LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]


def title(text):
    print(f"\n== {text}", flush=True)


def real_nix(chain):
    """Uses the real Nix instead of the tests' stand-in."""
    bin = chain.root / "bin"
    shutil.copytree(HERE / "bin", bin)
    shutil.copy(HERE / "real/nix", bin / "nix")
    chain.environment |= {
        "PATH": f"{bin}:{chain.environment['PATH'].split(':', 1)[1]}",
        "NIX": shutil.which("nix"),
        "STAND_IN": str(ROOT / "tests/offline-nixpkgs"),
        "NIX_CONFIG": os.environ["NIX_CONFIG"],
    }


def podman(*arguments, check=True):
    done = subprocess.run([*PODMAN, *map(str, arguments)], capture_output=True, text=True)
    assert not check or done.returncode == 0, f"podman {arguments}: {done.stderr}"
    return done.stdout.strip()


def run_by_digest(place, digest, env):
    """Starts the container as a node would start the instance's pod, but without Kafka and BigQuery."""
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder).chmod(0o755)
        (pathlib.Path(folder) / ".env").write_text(env)
        podman("pull", "--quiet", "--tls-verify=false", f"{place}@{digest}")
        flags = ["--read-only", "--cap-drop", "ALL", "--user", "65532:65532", "--network", "none", *LIMITS]
        flags += ["--volume", f"{folder}:/etc/generic-consumer:ro", "--env", f"CLUSTER={CLUSTER}", "--env", f"WRITE_ENV={CLUSTER.split('-')[1]}"]
        command = ["run", DOMAIN, "--env-file", "/etc/generic-consumer/.env", "--disable"]
        container = podman("run", "--detach", *flags, f"{place}@{digest}", *command)
        try:
            # The program starts, logs something and keeps running.
            deadline = time.monotonic() + 30
            while not podman("logs", container) and time.monotonic() < deadline:
                time.sleep(0.2)
            state = json.loads(podman("inspect", container))[0]
            assert state["State"]["Running"], subprocess.run([*PODMAN, "logs", container], capture_output=True, text=True)
            assert state["ImageDigest"] == digest, state["ImageDigest"]
            # As the integration test does in a pod: run the program a second time, without a shell.
            print(podman("exec", container, "/proc/1/exe", "config", DOMAIN, "--env-file", "/etc/generic-consumer/.env").splitlines()[-1])
            print(f"container {container[:12]} runs {place}@{state['ImageDigest']}")
        finally:
            podman("rm", "--force", "--time", "5", container)
            podman("rmi", f"{place}@{digest}", check=False)


def main():
    # The image is built from the whole repository.
    remote.PARTS |= {entry.name for entry in ROOT.iterdir()}
    with Chain() as chain:
        real_nix(chain)
        # On a new machine the image job builds and tests everything first.
        chain.patience = 3600
        title("a commit in a bare git remote")
        before = chain.head()
        print(f"{before[:12]} in {chain.bare}")

        title(f"the jobs for {CLUSTER}: image, cluster, deploy, integration")
        began = time.monotonic()
        record = chain.job("release", CLUSTER=CLUSTER, BUILD_IMAGE=True)
        for run in record.runs():
            print(f"{run:16} {record.results()[run.rsplit('-', 1)[0]]}")
        print(f"{time.monotonic() - began:.0f} s")

        title("the same digest in every registry")
        image = chain.image("image-1")
        for place in chain.places():
            assert chain.digest(f"{place}:{image['tag']}") == image["digest"]
            print(f"{place}:{image['tag']} {image['digest']}")

        title("who built it, and of what")
        for kind in ("https://slsa.dev/provenance/v1", "https://cyclonedx.org/bom"):
            key = chain.root / "tests.pub"
            key.write_text(chain.public)
            command = [chain.environment["COSIGN"], "verify-attestation", "--key", key, "--insecure-ignore-tlog", "--type", kind, "--output", "json"]
            signed = json.loads(chain.run(*command, f"{chain.place(CLUSTER)}@{image['digest']}"))
            said = json.loads(base64.b64decode(signed["payload"]))["predicate"]
            print(kind, json.dumps(said["runDetails"]["builder"]) if "runDetails" in said else f"{len(said['components'])} components")

        title("what was rendered and pushed")
        print(chain.run("git", "-C", chain.bare, "log", "--oneline", f"{before}..main"))
        print(chain.run("git", "-C", chain.bare, "diff", "--unified=0", before, "main"))

        title("the container")
        env = chain.file(f"kustomize/overlays/{CLUSTER}/instances/{INSTANCE}/env/.env")
        run_by_digest(chain.place(CLUSTER), image["digest"], env)

        title("one instance pinned to a digest, without a build")
        prior = chain.head()
        chain.job("release", CLUSTER=CLUSTER, INSTANCE=INSTANCE, IMAGE_DIGEST=image["digest"])
        print(chain.run("git", "-C", chain.bare, "log", "--oneline", f"{prior}..main"))


if __name__ == "__main__":
    sys.exit(main())
