"""git: commits made beside the working tree, and pushed however many others push meanwhile."""

import contextlib
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

from refusal import Refusal

# Each refused push means that somebody else's came through; more than this many in a row is no race.
ATTEMPTS = 30


def git(folder, *arguments, check=True):
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True)
    if check and done.returncode != 0:
        raise Refusal(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done


class Scratch:
    """A working tree of its own."""

    def __init__(self, root):
        self.root = root

    def commit(self, message, paths):
        """The new commit, or nothing where nothing changed."""
        git(self.root, "add", "--all", "--", *paths)
        if git(self.root, "diff", "--cached", "--quiet", check=False).returncode == 0:
            return None
        git(self.root, "commit", "--quiet", "--message", message)
        return git(self.root, "rev-parse", "HEAD").stdout.strip()


class Repository:
    def __init__(self, folder):
        self.root = pathlib.Path(git(folder, "rev-parse", "--show-toplevel").stdout.strip())

    @contextlib.contextmanager
    def scratch(self, onto):
        """`onto`, checked out elsewhere. Whoever is killed in here leaves a folder under TMPDIR and
        nothing else; the next run forgets it."""
        git(self.root, "worktree", "prune")
        folder = pathlib.Path(tempfile.mkdtemp(prefix="gitops.")).resolve()
        try:
            git(self.root, "worktree", "add", "--quiet", "--detach", str(folder / "tree"), onto)
            yield Scratch(folder / "tree")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            git(self.root, "worktree", "prune", check=False)

    def resolve(self, revision):
        return git(self.root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").stdout.strip()

    def fetch(self, remote, branch):
        git(self.root, "fetch", "--quiet", "--no-tags", remote, f"refs/heads/{branch}")
        return self.resolve("FETCH_HEAD")

    def create_branch(self, name, commit):
        git(self.root, "branch", "--", name, commit)

    def push(self, remote, branch, make):
        """Makes a commit on the branch's newest state and pushes it. Who is overtaken makes it anew
        on what the other left, so that what is rendered follows from both changes; answers with the
        commit, if there was anything to commit, and with what it stands on."""
        for attempt in range(ATTEMPTS):
            onto = self.fetch(remote, branch)
            made = make(onto)
            if not made:
                return None, onto
            pushed = git(self.root, "push", "--quiet", remote, f"{made}:refs/heads/{branch}", check=False)
            if pushed.returncode == 0:
                return made, onto
            if self.fetch(remote, branch) == onto:
                raise Refusal(f"the push to {remote} {branch} was refused: {pushed.stderr.strip()}")
            print(f"{branch} has moved on meanwhile: once more (attempt {attempt + 1})", file=sys.stderr)
            # Two that were refused together do not come back together.
            time.sleep(random.uniform(0, 1))
        raise Refusal(f"{branch} moved on {ATTEMPTS} times before the push: try again when it is quieter.")
