"""From a commit to a container that runs by digest, on one machine without a cluster: the real
Jenkinsfiles, the real image, two local registries, a bare git remote; ArgoCD, kubectl and bq are the
tests' own. Says what happens as it happens, and fails where it does not."""

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
# Without these a container does not start where the machine is itself one.
PODMAN = ["podman", "--runtime", "runc"]
LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]


def title(text):
    print(f"\n== {text}", flush=True)


def real_nix(chain):
    """Nix itself in the place of the tests' own."""
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
    """What a node does with a pod of this instance, short of Kafka and BigQuery."""
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder).chmod(0o755)
        (pathlib.Path(folder) / ".env").write_text(env)
        podman("pull", "--quiet", "--tls-verify=false", f"{place}@{digest}")
        flags = ["--read-only", "--cap-drop", "ALL", "--user", "65532:65532", "--network", "none", *LIMITS]
        flags += ["--volume", f"{folder}:/etc/generic-consumer:ro", "--env", f"WRITE_ENV={CLUSTER.split('-')[1]}"]
        command = ["run", DOMAIN, "--env-file", "/etc/generic-consumer/.env", "--disable"]
        container = podman("run", "--detach", *flags, f"{place}@{digest}", *command)
        try:
            # It is up, says so, and stays up.
            deadline = time.monotonic() + 30
            while not podman("logs", container) and time.monotonic() < deadline:
                time.sleep(0.2)
            said = json.loads(podman("inspect", container))[0]
            assert said["State"]["Running"], subprocess.run([*PODMAN, "logs", container], capture_output=True, text=True)
            assert said["ImageDigest"] == digest, said["ImageDigest"]
            # What the integration test does in a pod: the program once more, found without a shell.
            print(podman("exec", container, "/proc/1/exe", "config", DOMAIN, "--env-file", "/etc/generic-consumer/.env").splitlines()[-1])
            print(f"container {container[:12]} runs {place}@{said['ImageDigest']}")
        finally:
            podman("rm", "--force", "--time", "5", container)
            podman("rmi", f"{place}@{digest}", check=False)


def main():
    # The image is built from all of it.
    remote.PARTS |= {entry.name for entry in ROOT.iterdir()}
    with Chain() as chain:
        real_nix(chain)
        # Where nothing is built yet, the image job builds and tests all of it.
        chain.patience = 3600
        title("a commit in a bare git remote")
        before = chain.head()
        print(f"{before[:12]} in {chain.bare}")

        title(f"the chain of jobs, to {CLUSTER}: image, cluster, deploy, integration")
        began = time.monotonic()
        record = chain.job("release", CLUSTER=CLUSTER, BUILD_IMAGE=True)
        for run in record.runs():
            print(f"{run:16} {record.results()[run.rsplit('-', 1)[0]]}")
        print(f"{time.monotonic() - began:.0f} s")

        title("one digest in every registry")
        image = chain.image("image-1")
        for place in chain.places():
            assert chain.digest(f"{place}:{image['tag']}") == image["digest"]
            print(f"{place}:{image['tag']} {image['digest']}")

        title("what was rendered and pushed")
        print(chain.run("git", "-C", chain.bare, "log", "--oneline", f"{before}..main"))
        print(chain.run("git", "-C", chain.bare, "diff", "--unified=0", before, "main"))

        title("the container")
        env = chain.file(f"kustomize/overlays/{CLUSTER}/instances/{INSTANCE}/env/.env")
        run_by_digest(chain.place(CLUSTER), image["digest"], env)

        title("one instance pinned to a digest, no build")
        prior = chain.head()
        chain.job("release", CLUSTER=CLUSTER, INSTANCE=INSTANCE, IMAGE_DIGEST=image["digest"])
        print(chain.run("git", "-C", chain.bare, "log", "--oneline", f"{prior}..main"))


if __name__ == "__main__":
    sys.exit(main())
