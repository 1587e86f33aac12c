"""Validates and renders the clusters' data with the flake's own code, which uses Nix builtins only:
nix-instantiate evaluates it without nixpkgs and without network."""

import json
import os
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


def validate(root, cluster, instance, judge):
    """Has an instance's .env judged by `generic-consumer config`, with the environment variables that
    its cluster's pods have. `judge` runs the program: the one of the instance's image (images.py)."""
    data = evaluate(root, f"clusters.{cluster}")
    described = data["instances"][instance]
    variables = {**data["env"], **{name: "a-secret" for name in data["secretEnv"]}}
    image = {"image": data["image"], "digest": data["pins"].get(instance, data["digest"])}
    done = judge(root, image, ["config", described["domain"], "--env-file", str(root / described["file"])], variables)
    if done.returncode != 0:
        said = done.stderr.strip().replace(f"{root}/", "")
        raise Refusal(f"{described['file']}: the program refuses this configuration:\n{said}")
