"""Runs Nix with the stand-in for nixpkgs, or with the locked nixpkgs if NIXPKGS=locked."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile

from tree import ROOT

STAND_IN = ROOT / "tests/offline-nixpkgs"
SYSTEM = "x86_64-linux"


def overriding(name="nixpkgs"):
    if os.environ.get("NIXPKGS") == "locked":
        return []
    return ["--no-write-lock-file", "--override-input", name, f"path:{STAND_IN}"]


def nix(*arguments, expect=0):
    """Runs Nix; returns its output, or with `expect=1`, where it has to fail, its errors."""
    done = subprocess.run(["nix", *arguments], capture_output=True, text=True)
    report = f"nix {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert (done.returncode != 0) == (expect != 0), report
    return done.stdout if expect == 0 else done.stderr


def build(flake, attribute, *arguments):
    """Builds an attribute; returns its store path."""
    built = nix("build", "--json", "--no-link", *arguments, f"{flake}#{attribute}", *overriding())
    return pathlib.Path(json.loads(built)[0]["outputs"]["out"])


class Checkout:
    """A flake with copies of the tracked files, for a test to change."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True, check=True)
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.root / name)
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    @property
    def flake(self):
        return f"path:{self.root}"

    def replace(self, relative, old, new):
        path = self.root / relative
        text = path.read_text()
        assert old in text, f"{relative} has no {old!r}: adapt the test"
        path.write_text(text.replace(old, new))

    def refusal(self, attribute):
        return nix("build", "-L", "--no-link", f"{self.flake}#{attribute}", *overriding(), expect=1)
