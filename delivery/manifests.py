"""Validates and renders the clusters' data with the flake's own code, which uses Nix builtins only:
nix-instantiate evaluates it without nixpkgs and without network."""

import json
import os
import pathlib
import re
import shutil
import subprocess

from refusal import Refusal


def evaluate(root, attribute):
    expression = f"{{ root }}: (import (/. + root + \"/nix/manifests\") {{ root = /. + root; }}).{attribute}"
    done = subprocess.run(
        ["nix-instantiate", "--eval", "--strict", "--json", "-E", expression, "--argstr", "root", str(root)],
        capture_output=True,
        text=True,
        # Nothing is built, so neither the daemon nor a cache is needed.
        env={**os.environ, "NIX_REMOTE": "dummy://", "NIX_CONFIG": "substituters ="},
    )
    if done.returncode != 0:
        raise Refusal(mistakes_in(done.stderr))
    return json.loads(done.stdout)


def mistakes_in(stderr):
    """The mistakes that the flake reports, without Nix's stack trace; any other error as it is."""
    mistakes = re.search(r"nix/clusters has \d+ mistake\(s\):\n(?:\s+- .*\n?)+", stderr)
    return mistakes[0].rstrip() if mistakes else stderr.strip()


def refuse_drift(root):
    """Refuses a commit whose kustomize/ is out of date: rendering it would include other changes."""
    drift = evaluate(root, "drift")
    if drift:
        raise Refusal("kustomize/ is out of date on the branch; render and commit it first:\n  " + "\n  ".join(drift))


def render(root):
    """Writes kustomize/ as `nix run .#render` does."""
    tree = evaluate(root, "tree")
    shutil.rmtree(root / "kustomize")
    for relative, text in tree.items():
        file = root / "kustomize" / relative
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def validate(root, cluster, instance, program):
    """Runs `generic-consumer config` on an instance's .env, with the environment variables that its
    cluster's pods have."""
    if not program:
        raise Refusal("the program has to validate the instance's .env: set --program or GENERIC_CONSUMER to its path.")
    data = evaluate(root, f"clusters.{cluster}")
    described = data["instances"][instance]
    variables = {**data["env"], **{name: "a-secret" for name in data["secretEnv"]}}
    done = subprocess.run(
        [pathlib.Path(program).resolve(), "config", described["domain"], "--env-file", described["file"]],
        cwd=root,
        env=variables,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise Refusal(f"{described['file']}: the program refuses this configuration:\n{done.stderr.strip()}")
