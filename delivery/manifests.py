"""The flake's own judgement and rendering, by builtins alone: nix-instantiate, no nixpkgs, no network."""

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
        # Nothing is built, so neither a daemon nor a cache is asked.
        env={**os.environ, "NIX_REMOTE": "dummy://", "NIX_CONFIG": "substituters ="},
    )
    if done.returncode != 0:
        raise Refusal(sentences(done.stderr))
    return json.loads(done.stdout)


def sentences(stderr):
    """The flake's sentences without Nix's frames; all of it where there are none."""
    mistakes = re.search(r"nix/clusters has \d+ mistake\(s\):\n(?:\s+- .*\n?)+", stderr)
    return mistakes[0].rstrip() if mistakes else stderr.strip()


def refuse_drift(root):
    """On a tree that is behind, a deployment would carry somebody else's change along."""
    drift = evaluate(root, "drift")
    if drift:
        raise Refusal("the branch is not in step; render and commit that first:\n  " + "\n  ".join(drift))


def render(root):
    """Writes kustomize/ as `nix run .#render` does."""
    tree = evaluate(root, "tree")
    shutil.rmtree(root / "kustomize")
    for relative, text in tree.items():
        file = root / "kustomize" / relative
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def judge(root, cluster, instance, program):
    """The program's own reading of an instance's .env, in the environment of its cluster's pods."""
    if not program:
        raise Refusal("an instance's .env is judged by the program: say where it is, with --program or GENERIC_CONSUMER.")
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
