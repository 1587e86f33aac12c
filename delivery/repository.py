"""git: makes commits in a temporary working tree and pushes them, even while others push."""

import contextlib
import pathlib
import random
import subprocess
import sys
import time

import temporary
from refusal import Refusal

# Each rejected push means that somebody else's push came first. More than this many in a row must have
# another cause.
ATTEMPTS = 30


def git(folder, *arguments, check=True, timeout=None):
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=timeout)
    except subprocess.TimeoutExpired:
        done = subprocess.CompletedProcess(command, 1, "", f"not finished after {timeout:.0f} s")
    if check and done.returncode != 0:
        raise Refusal(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done


class Unknown(Refusal):
    """A push that may have arrived and may not."""


class Scratch:
    """A temporary working tree."""

    def __init__(self, root):
        self.root = root

    def commit(self, message, paths):
        """The new commit; None if nothing changed."""
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
        """A temporary working tree with `onto` checked out. If the process is killed, a folder under
        TMPDIR is left; the next run removes git's record of it."""
        git(self.root, "worktree", "prune")
        try:
            with temporary.folder("gitops.") as folder:
                git(self.root, "worktree", "add", "--quiet", "--detach", str(folder / "tree"), onto)
                yield Scratch(folder / "tree")
        finally:
            git(self.root, "worktree", "prune", check=False)

    def resolve(self, revision):
        return git(self.root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").stdout.strip()

    def fetch(self, remote, branch):
        # No branch of the remote is noted here: the fetch of a run that was killed may still be noting it.
        git(self.root, "fetch", "--quiet", "--no-tags", "--refmap=", remote, f"refs/heads/{branch}")
        return self.resolve("FETCH_HEAD")

    def create_branch(self, name, commit):
        git(self.root, "branch", "--", name, commit)

    def push(self, remote, branch, make, before=lambda made, onto: None):
        """Makes a commit on the branch's newest state and pushes it. If another push comes first, the
        commit is made again on top of that one, so that kustomize/ is rendered from both changes.
        Calls `before` with every commit that it is about to push. Returns the commit (None if nothing
        changed) and the commit that it is based on."""
        for attempt in range(ATTEMPTS):
            onto = self.fetch(remote, branch)
            made = make(onto)
            if not made:
                return None, onto
            before(made, onto)
            pushed = git(self.root, "push", "--quiet", remote, f"{made}:refs/heads/{branch}", check=False)
            if pushed.returncode == 0:
                return made, onto
            # The push may have arrived although its answer was lost.
            try:
                now = self.fetch(remote, branch)
            except Refusal as refusal:
                raise Unknown(f"the push of {made} to {remote} {branch} failed ({pushed.stderr.strip()}), and whether it has arrived cannot be seen ({refusal}): look for it on the branch.") from None
            if git(self.root, "merge-base", "--is-ancestor", made, now, check=False).returncode == 0:
                return made, onto
            if now == onto:
                raise Refusal(f"the push to {remote} {branch} was rejected: {pushed.stderr.strip()}")
            print(f"another push to {branch} came first: trying again (attempt {attempt + 1} failed)", file=sys.stderr)
            # Two that were rejected at the same time should not try again at the same time.
            time.sleep(random.uniform(0, 1))
        raise Refusal(f"other pushes to {branch} came first {ATTEMPTS} times: try again when there are fewer.")
