"""Reads what the tests check: the data under nix/clusters, kustomize's output, and what Nix evaluates."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
KUSTOMIZE = os.environ.get("KUSTOMIZE", "kustomize")
NAME = "generic-consumer"


def nix(expression):
    """(value of the expression, None), or (None, the error)."""
    done = subprocess.run(
        ["nix-instantiate", "--eval", "--strict", "--json", "-E", expression],
        capture_output=True,
        text=True,
        env={**os.environ, "NIX_CONFIG": "substituters =", "NIX_REMOTE": "dummy://"},
    )
    return (json.loads(done.stdout), None) if done.returncode == 0 else (None, done.stderr)


def evaluate(root, attribute):
    return nix(f"(import {root}/nix/manifests {{ root = {root}; }}).{attribute}")


def clusters():
    """Cluster -> names of its instances, from the folders."""
    found = {}
    for folder in sorted((ROOT / "nix/clusters").iterdir()):
        if folder.is_dir():
            found[folder.name] = sorted(f.stem for f in (folder / "instances").glob("*.env"))
    return found


def transfers():
    """Cluster -> names of its transfers, from the folders."""
    return {name: sorted(f.stem for f in (ROOT / f"nix/clusters/{name}/transfers").glob("*.toml")) for name in clusters()}


def spec(cluster):
    value, refusal = nix(f"import {ROOT}/nix/clusters/{cluster}/cluster.nix")
    assert refusal is None, refusal
    return value


def release(cluster):
    return json.loads((ROOT / f"nix/clusters/{cluster}/release.json").read_text())


def build(folder, command=None):
    """The objects that kustomize builds from a folder."""
    done = subprocess.run([*(command or [KUSTOMIZE, "build"]), folder], capture_output=True, text=True)
    assert done.returncode == 0, f"{folder}: {done.stderr}"
    return [thing for thing in yaml.safe_load_all(done.stdout) if thing]


def overlays():
    """The folders that kustomize builds: argocd, the local cluster, and each cluster with its parts."""
    yield ROOT / "kustomize/argocd"
    yield ROOT / "kustomize/overlays/local"
    for cluster, instances in clusters().items():
        overlay = ROOT / "kustomize/overlays" / cluster
        yield overlay
        yield overlay / "shared"
        for instance in instances:
            yield overlay / "instances" / instance
        for transfer in transfers()[cluster]:
            yield overlay / f"transfers/transfer-{transfer}"


def is_hook(thing):
    """Whether ArgoCD applies it before a deployment, and not with it."""
    return "argocd.argoproj.io/hook" in thing["metadata"].get("annotations", {})


def key(thing):
    return thing["kind"], thing["metadata"]["name"]


def one(things, kind, name=None):
    found = [t for t in things if t["kind"] == kind and (name is None or t["metadata"]["name"] == name)]
    assert len(found) == 1, f"{kind} {name}: {[key(t) for t in things]}"
    return found[0]


class Copy:
    """A copy of the files that evaluation reads, for a test to change and render."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        for part in ("nix", "config", "contracts", "kustomize", "examples", "transfers"):
            shutil.copytree(ROOT / part, self.root / part)
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def path(self, relative):
        return self.root / relative

    def replace(self, relative, old, new):
        path = self.path(relative)
        text = path.read_text()
        assert old in text, f"{relative} has no {old!r}: adapt the test"
        path.write_text(text.replace(old, new))

    def refusal(self):
        value, refusal = evaluate(self.root, "tree")
        assert refusal is not None, f"evaluated: {len(value)} files"
        return refusal

    def render(self):
        """Writes kustomize/ as `nix run .#render` does."""
        tree, refusal = evaluate(self.root, "tree")
        assert refusal is None, refusal
        shutil.rmtree(self.root / "kustomize")
        for relative, text in tree.items():
            path = self.root / "kustomize" / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def build(self, relative):
        return build(self.root / "kustomize" / relative)


class RefusalCase(unittest.TestCase):
    def refused(self, change, *sentences):
        """Asserts that the data is refused after the change; returns the sentences."""
        with Copy() as copy:
            change(copy)
            # Nix indents the text of an error, but does not wrap its lines.
            refusal = copy.refusal()
        for sentence in sentences:
            self.assertIn(sentence, refusal)
        return refusal
