"""A git remote with this repository's files, and clones of it, as build agents have them."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
GITOPS = [sys.executable, "-B", ROOT / "delivery/gitops"]
# The files and folders that the tool and the jobs read.
PARTS = {"nix", "config", "contracts", "transfers", "examples", "kustomize", "delivery", "jenkins", "Jenkinsfile", "Cargo.toml", "flake.nix", "flake.lock"}
GOOD, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
IDENTITY = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "a test"), ("EMAIL", "test@example.com"))}


def program():
    """Path of the debug build; it validates an .env as the image's program does."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    path = pathlib.Path(os.environ.get("GENERIC_CONSUMER") or target / "debug/generic-consumer")
    assert path.is_file(), f"{path} is missing: run cargo build"
    return path


class Remote:
    """A bare repository with one commit: the working tree's tracked files."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        self.environment = {**os.environ, **IDENTITY, "GENERIC_CONSUMER": str(program()), "TMPDIR": str(self.root / "scratch")}
        (self.root / "scratch").mkdir()
        self.bare = self.root / "remote.git"
        first = self.root / "first"
        listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True, check=True)
        for name in filter(None, listed.stdout.split("\0")):
            if name.split("/")[0] in PARTS and (ROOT / name).is_file():
                (first / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, first / name)
        self.run("git", "init", "--quiet", "--initial-branch", "main", first)
        self.run("git", "-C", first, "add", "--all", "--force")
        self.run("git", "-C", first, "commit", "--quiet", "--message", "as it is")
        self.run("git", "clone", "--quiet", "--bare", first, self.bare)
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def run(self, *command, **options):
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment, **options)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout.strip()

    def clone(self, name="clone"):
        folder = self.root / name
        self.run("git", "clone", "--quiet", self.bare, folder)
        return folder

    def head(self):
        return self.run("git", "-C", self.bare, "rev-parse", "main")

    def file(self, path, revision="main"):
        return self.run("git", "-C", self.bare, "show", f"{revision}:{path}")

    def files(self, path, revision="main"):
        return self.run("git", "-C", self.bare, "ls-tree", "-r", "--name-only", revision, path).splitlines()

    def changed(self, since, until="main"):
        return self.run("git", "-C", self.bare, "diff", "--name-only", since, until).splitlines()

    def subjects(self, since):
        return self.run("git", "-C", self.bare, "log", "--reverse", "--format=%s", f"{since}..main").splitlines()

    def gitops(self, clone, *arguments, text=None):
        """Runs the tool, with a text or bytes on standard input; returns its exit code, standard output
        and standard error."""
        given = text.encode() if isinstance(text, str) else text
        done = subprocess.run([*GITOPS, "--repository", clone, *arguments], capture_output=True, env=self.environment, input=given)
        return done.returncode, done.stdout.decode().strip(), done.stderr.decode()

    def push(self, clone, message="by hand"):
        """Commits and pushes what was changed in a clone by hand."""
        self.run("git", "-C", clone, "add", "--all")
        self.run("git", "-C", clone, "commit", "--quiet", "--message", message)
        self.run("git", "-C", clone, "push", "--quiet", "origin", "HEAD:main")
        return self.head()
