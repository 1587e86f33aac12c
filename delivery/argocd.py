"""Asks ArgoCD, through its command line (ARGOCD_SERVER, ARGOCD_AUTH_TOKEN), whether an Application
runs a commit and is healthy. docs/adr/0013-waiting-for-argocd.md says which answers end the wait."""

import json
import os
import re
import subprocess
import time

from refusal import Refusal
from repository import git

# Enough for ArgoCD to poll git (every three minutes) and for a rollout to succeed or fail
# (progressDeadlineSeconds: ten minutes).
DEADLINE = float(os.environ.get("ARGOCD_DEADLINE_SECONDS", 1200))
INTERVAL = float(os.environ.get("ARGOCD_INTERVAL_SECONDS", 5))
# For one call: `argocd app get --refresh` waits for ArgoCD's controller, however long that is down.
CALL = float(os.environ.get("ARGOCD_CALL_SECONDS", 60))
# A Deployment that has been Degraded for this long stays so. In a rollback it is for some seconds,
# until Kubernetes has noticed the new rollout.
DEGRADED = float(os.environ.get("ARGOCD_DEGRADED_SECONDS", 120))
# Before anything is pushed: how long ArgoCD may be away.
READY = float(os.environ.get("ARGOCD_READY_SECONDS", 120))


class NoAnswer(Exception):
    """ArgoCD did not answer this call. The next one may succeed."""


def application(name, timeout=CALL):
    """The Application, refreshed from git; None if it does not exist."""
    command = ["argocd", "app", "get", name, "--refresh", "--output", "json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise NoAnswer(f"{name}: argocd has not answered for {timeout:.0f} s") from None
    if done.returncode != 0:
        # ArgoCD also returns "permission denied" for an Application that does not exist.
        if re.search(r'code = (NotFound|PermissionDenied)\b|applications\.argoproj\.io "[^"]*" not found', done.stderr):
            return None
        raise NoAnswer(f"{name}: argocd failed: {message_of(done.stderr)}")
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise NoAnswer(f"{name}: argocd's answer is incomplete") from None


def message_of(stderr):
    """The message of argocd's last log line, without its time, which differs in every call."""
    line = (stderr.strip().splitlines() or ["no message"])[-1]
    found = re.search(r'msg="((?:[^"\\]|\\.)*)"', line)
    return found[1].replace('\\"', '"') if found else line


def at_or_after(root, revision, commit):
    """Whether a revision is our commit or a later one: somebody may have pushed after us."""
    if not revision or revision == commit:
        return revision == commit
    if git(root, "cat-file", "-e", f"{revision}^{{commit}}", check=False).returncode != 0:
        git(root, "fetch", "--quiet", "origin", check=False, timeout=CALL)
    return git(root, "merge-base", "--is-ancestor", commit, revision, check=False).returncode == 0


class Rollout:
    """An Application that has to run a commit, with a digest if it is an instance's. `paused` says
    that the commit pauses its autoscaler, whose health ArgoCD then reports as Suspended."""

    def __init__(self, root, name, commit, digest=None, paused=False):
        self.root, self.name, self.commit, self.digest, self.paused = root, name, commit, digest, paused
        self.degraded_since = None

    def lacks(self, timeout=CALL):
        """What is still missing, as a sentence; None if nothing is. Refuses what will not succeed."""
        found = application(self.name, timeout)
        if found is None:
            return f"{self.name} does not exist (or ARGOCD_AUTH_TOKEN may not see it)"
        status = found.get("status") or {}
        missing, broken = self.missing(status)
        if missing:
            self.refuse_failed_sync(status)
        self.refuse_broken(broken)
        return missing

    def missing(self, status):
        """(the sentence or None, the message of a Deployment that is broken at our commit or None)."""
        sync = status.get("sync") or {}
        if not at_or_after(self.root, sync.get("revision"), self.commit):
            return f"{self.name} is at {sync.get('revision') or 'no revision'}{conditions(status)}", None
        if sync.get("status") != "Synced":
            return f"{self.name} is {sync.get('status')}{conditions(status)}", None
        health = (status.get("health") or {}).get("status")
        causes = [r for r in status.get("resources") or [] if (r.get("health") or {}).get("status") == health]
        if health == "Suspended" and not (self.paused and all(r.get("kind") == "ScaledObject" for r in causes)):
            return f"{self.name} is Suspended{because(causes)}, but this commit pauses nothing in it (docs/delivery.md, Suspended)", None
        if health not in ("Healthy", "Suspended"):
            broken = [r["health"].get("message") or "no message" for r in causes if r.get("kind") == "Deployment"]
            return f"{self.name} is {health}{because(causes)}", broken[0] if health == "Degraded" and broken else None
        images = (status.get("summary") or {}).get("images") or []
        if self.digest and not any(image.endswith(f"@{self.digest}") for image in images):
            return f"{self.name} runs {', '.join(images) or 'no image'}", None
        return None, None

    def refuse_failed_sync(self, status):
        """ArgoCD has tried our commit as often as the ApplicationSet says, and does not try it again."""
        operation = status.get("operationState") or {}
        if operation.get("phase") not in ("Failed", "Error"):
            return
        tried = (operation.get("syncResult") or {}).get("revision")
        tried = tried or ((operation.get("operation") or {}).get("sync") or {}).get("revision")
        if at_or_after(self.root, tried, self.commit):
            raise Refusal(f"ArgoCD could not apply {tried} to {self.name}: {operation.get('message') or 'no message'}")

    def refuse_broken(self, message):
        """Only a Deployment ends the wait, and only after a while: an autoscaler is Degraded until
        there is a metric, and a Deployment for some seconds after a rollback."""
        if message is None:
            self.degraded_since = None
            return
        now = time.monotonic()
        self.degraded_since = self.degraded_since or now
        if now - self.degraded_since >= DEGRADED:
            raise Refusal(f"the rollout of {self.name} has failed: {message}")


def because(resources):
    """Which objects have the Application's health. ArgoCD does not always say."""
    named = [f"{r.get('kind')} {r.get('name')}: {r['health'].get('message') or 'no message'}" for r in resources]
    return f" ({'; '.join(named)})" if named and len(named) <= 3 else ""


def conditions(status):
    """What ArgoCD reports as errors of the Application, such as manifests that it cannot build."""
    messages = [c.get("message", "") for c in status.get("conditions") or [] if c.get("type", "").endswith("Error")]
    return f" ({'; '.join(messages)})" if messages else ""


def wait(checks, seconds=DEADLINE, done="done"):
    """Calls every check (by the Application's name) until each returns None. A check gets the seconds
    that its call may take, and returns what it still waits for. A call that ArgoCD does not answer is
    repeated: what is pushed stays pushed, so one lost answer says nothing."""
    deadline = time.monotonic() + seconds
    reasons = {}
    pending = dict(checks)
    while True:
        for name, check in list(pending.items()):
            left = deadline - time.monotonic()
            try:
                # Each is asked at least once, even if the others have used up the time.
                reason = check(max(1, min(CALL, left)))
            except NoAnswer as lost:
                reason = str(lost)
            if reason is None:
                print(f"{name}: {done}", flush=True)
                del pending[name]
            elif reasons.get(name) != reason:
                print(reason, flush=True)
                reasons[name] = reason
        left = deadline - time.monotonic()
        if not pending:
            return
        if left <= 0:
            raise Refusal("ArgoCD has not finished after {:.0f} s: {}".format(seconds, "; ".join(reasons[name] for name in pending)))
        time.sleep(min(INTERVAL, left))


def reachable(*clusters):
    """Refuses if ArgoCD does not answer, or shows us nothing: better before the push than after it."""
    for cluster in clusters:
        name = f"{cluster}-shared"

        def visible(timeout, name=name):
            if application(name, timeout) is None:
                raise Refusal(f"cannot read the Application {name}: ARGOCD_AUTH_TOKEN needs the permission to get the project's applications, and the job `cluster` creates them.")

        wait({name: visible}, READY, "ArgoCD answers")


def gone(cluster, instance):
    """A check that waits until ArgoCD has deleted the instance's Application."""
    name = f"{cluster}-{instance}"

    def check(timeout):
        if application(name, timeout) is not None:
            return f"{name} still exists"
        # Without permission to read Applications, each of them would seem to be deleted.
        if application(f"{cluster}-shared", timeout) is None:
            raise Refusal(f"cannot read the Application {cluster}-shared, so {name} only seems to be deleted: ARGOCD_AUTH_TOKEN needs the permission to get the project's applications.")
        return None

    return name, check
