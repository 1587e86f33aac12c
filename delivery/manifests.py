"""Validates and renders the clusters' data with the flake's own code, which uses Nix builtins only:
nix-instantiate evaluates it without nixpkgs and without network."""

import json
import os
import pathlib
import re
import shutil
import subprocess

from refusal import Refusal


class Unevaluable(Refusal):
    """Nix fails before it finds the mistakes in the data, for example at a syntax error."""


def evaluate(root, attribute, touched=None, unreadable=None):
    """An attribute of nix/manifests. With `touched` only the mistakes of these clusters are refused;
    clusters in `unreadable` (name -> sentence) are not read.

    Nix reads nothing outside `root`, neither files nor variables: a cluster.nix is code, which could
    copy them into git."""
    root = pathlib.Path(root).resolve()
    expression = '{ root, json }: (import (/. + root + "/nix/manifests") (builtins.fromJSON json // { root = /. + root; }))'
    given = json.dumps({"touched": touched, "unreadable": unreadable or {}})
    done = subprocess.run(
        ["nix-instantiate", "--eval", "--strict", "--json", "--option", "restrict-eval", "true", "-I", f"root={root}"]
        + ["-E", f"{expression}.{attribute}", "--argstr", "root", root, "--argstr", "json", given],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        # Nothing is built, so neither the daemon nor a cache is needed.
        env={**os.environ, "NIX_PATH": "", "NIX_REMOTE": "dummy://", "NIX_CONFIG": "substituters ="},
    )
    if done.returncode == 0:
        return json.loads(done.stdout)
    mistakes = re.search(r"nix/clusters has \d+ mistake\(s\):\n(?:\s+- .*\n?)+", done.stderr)
    if mistakes:
        raise Refusal(mistakes[0].rstrip())
    raise Unevaluable(first_error(done.stderr).replace(f"{root}/", ""))


def first_error(stderr):
    """What Nix reports first, with its place but without the trace."""
    errors = re.findall(r"error: (.+)(?:\s+at (\S+):\n)?", stderr)
    if not errors:
        return stderr.strip()
    message, place = errors[-1]
    return f"{message} at {place}" if place else message


def unreadable(root):
    """Cluster -> sentence, for the clusters that Nix cannot evaluate even alone."""
    # Under any other name nothing is read.
    names = [folder.name for folder in (root / "nix/clusters").iterdir() if re.fullmatch(r"[a-z0-9]+-[a-z0-9]+", folder.name)]
    found = {}
    for name in names:
        try:
            evaluate(root, "warnings", [], {other: "not read" for other in names if other != name})
        except Unevaluable as why:
            found[name] = f"nix/clusters/{name}: Nix cannot evaluate it, correct the file: {why}."
    return found


class Change:
    """The manifests for a change of some clusters. Their mistakes are refused; those of the others do
    not matter, and nothing of the others is rendered."""

    def __init__(self, root, clusters):
        self.root = root
        self.clusters = sorted(clusters)
        self.unreadable = {}

    def evaluate(self, attribute):
        try:
            return evaluate(self.root, attribute, self.clusters, self.unreadable)
        except Unevaluable:
            self.unreadable = unreadable(self.root)
            for cluster in self.clusters:
                if cluster in self.unreadable:
                    raise Refusal(self.unreadable[cluster]) from None
            return evaluate(self.root, attribute, self.clusters, self.unreadable)

    def warnings(self):
        """What is wrong with the other clusters."""
        return self.evaluate("warnings")

    def refuse_drift(self):
        """Refuses a commit whose kustomize/ is out of date: rendering it would include other changes."""
        drift = self.evaluate("drift")
        if drift:
            raise Refusal("kustomize/ is out of date on the branch; render and commit it first:\n  " + "\n  ".join(drift))

    def render(self):
        """Writes the clusters' overlays, and base and components, which all clusters share."""
        tree = self.evaluate("tree")
        for part in ("base", "components", *(f"overlays/{cluster}" for cluster in self.clusters)):
            shutil.rmtree(self.root / "kustomize" / part, ignore_errors=True)
        write(self.root, tree)

    def validate(self, cluster, instance, judge):
        """Has an instance's .env judged by `generic-consumer config`, with the environment variables
        that its cluster's pods have. `judge` runs the program: the one of the instance's image
        (images.py)."""
        data = self.evaluate(f"clusters.{cluster}")
        described = data["instances"][instance]
        variables = {**data["env"], **{name: "a-secret" for name in data["secretEnv"]}}
        image = {"image": data["image"], "digest": data["pins"].get(instance, data["digest"])}
        arguments = ["config", described["domain"], "--env-file", str(self.root / described["file"])]
        done = judge(self.root, image, arguments, variables)
        if done.returncode != 0:
            said = done.stderr.strip().replace(f"{self.root}/", "")
            raise Refusal(f"{described['file']}: the program refuses this configuration:\n{said}")


def render(root):
    """Writes all of kustomize/, as `nix run .#render` does."""
    tree = evaluate(root, "tree")
    shutil.rmtree(root / "kustomize")
    write(root, tree)


def write(root, tree):
    for relative, text in tree.items():
        file = root / "kustomize" / relative
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
