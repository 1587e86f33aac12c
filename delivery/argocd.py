"""Asks ArgoCD, through its command line (ARGOCD_SERVER, ARGOCD_AUTH_TOKEN), whether an Application
runs a commit and is healthy."""

import json
import os
import subprocess
import time

from refusal import Refusal
from repository import git

# Enough for ArgoCD to poll git (every three minutes) and for a rollout to succeed or fail
# (progressDeadlineSeconds: ten minutes).
DEADLINE = float(os.environ.get("ARGOCD_DEADLINE_SECONDS", 1200))
INTERVAL = float(os.environ.get("ARGOCD_INTERVAL_SECONDS", 5))


def application(name):
    """The Application, refreshed from git; None if it does not exist."""
    done = subprocess.run(["argocd", "app", "get", name, "--refresh", "--output", "json"], capture_output=True, text=True)
    if done.returncode == 0:
        return json.loads(done.stdout)
    # ArgoCD also returns "permission denied" for an Application that does not exist.
    if "NotFound" in done.stderr or "not found" in done.stderr or "PermissionDenied" in done.stderr:
        return None
    raise Refusal(f"argocd app get {name}: {done.stderr.strip()}")


def not_running(root, name, commit, digest=None):
    """Why the Application does not run the commit yet, as a sentence; None if it does."""
    found = application(name)
    if found is None:
        return f"{name} does not exist (or ARGOCD_AUTH_TOKEN may not see it)"
    status = found["status"]
    revision = status.get("sync", {}).get("revision", "")
    if revision != commit and git(root, "merge-base", "--is-ancestor", commit, revision, check=False).returncode != 0:
        # Somebody may have pushed after us, and ArgoCD may be at their commit already: fetch it.
        git(root, "fetch", "--quiet", "origin", check=False)
        if git(root, "merge-base", "--is-ancestor", commit, revision, check=False).returncode != 0:
            return f"{name} is at {revision or 'no revision'}"
    if status["sync"].get("status") != "Synced":
        return f"{name} is {status['sync'].get('status')}"
    if status.get("health", {}).get("status") != "Healthy":
        return f"{name} is {status.get('health', {}).get('status')}"
    images = status.get("summary", {}).get("images", [])
    if digest and not any(image.endswith(f"@{digest}") for image in images):
        return f"{name} runs {', '.join(images) or 'no image'}"
    return None


def wait(checks):
    """Calls every check (by the Application's name) until each returns None, for DEADLINE seconds.
    A check returns what it still waits for."""
    deadline = time.monotonic() + DEADLINE
    reasons = {}
    pending = dict(checks)
    while pending:
        for name, check in list(pending.items()):
            reason = check()
            if reason is None:
                print(f"{name}: done", flush=True)
                del pending[name]
            elif reasons.get(name) != reason:
                print(reason, flush=True)
                reasons[name] = reason
        if pending and time.monotonic() > deadline:
            raise Refusal("ArgoCD has not finished after {:.0f} s: {}".format(DEADLINE, "; ".join(reasons[name] for name in pending)))
        if pending:
            time.sleep(INTERVAL)


def running(root, cluster, instances, commit):
    """Waits until the instances (name -> digest) run the commit."""
    wait({f"{cluster}-{name}": (lambda name=name, digest=digest: not_running(root, f"{cluster}-{name}", commit, digest)) for name, digest in instances.items()})


def gone(cluster, instance):
    """Waits until ArgoCD has deleted the instance's Application."""
    name = f"{cluster}-{instance}"
    # Without permission to read Applications, each of them would seem to be deleted.
    if application(f"{cluster}-shared") is None:
        raise Refusal(f"cannot read the Application {cluster}-shared: ARGOCD_AUTH_TOKEN needs the permission to get the project's applications.")
    wait({name: lambda: f"{name} still exists" if application(name) is not None else None})
