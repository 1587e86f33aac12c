"""ArgoCD, asked through its command line (ARGOCD_SERVER, ARGOCD_AUTH_TOKEN): has it brought a
commit to the cluster, and is what runs there healthy?"""

import json
import os
import subprocess
import time

from refusal import Refusal
from repository import git

# A rollout gives up after ten minutes (progressDeadlineSeconds); ArgoCD polls git every three.
DEADLINE = float(os.environ.get("ARGOCD_DEADLINE_SECONDS", 1200))
INTERVAL = float(os.environ.get("ARGOCD_INTERVAL_SECONDS", 5))


def application(name):
    """The Application as ArgoCD sees it after a look at git, or nothing where there is none."""
    done = subprocess.run(["argocd", "app", "get", name, "--refresh", "--output", "json"], capture_output=True, text=True)
    if done.returncode == 0:
        return json.loads(done.stdout)
    # ArgoCD answers "permission denied" for what does not exist, too.
    if "NotFound" in done.stderr or "not found" in done.stderr or "PermissionDenied" in done.stderr:
        return None
    raise Refusal(f"argocd app get {name}: {done.stderr.strip()}")


def lacks(root, name, commit, digest=None):
    """What is still missing until the Application runs the commit, in words; nothing when it does."""
    found = application(name)
    if found is None:
        return f"{name} does not exist (or ARGOCD_AUTH_TOKEN may not see it)"
    status = found["status"]
    revision = status.get("sync", {}).get("revision", "")
    if revision != commit and git(root, "merge-base", "--is-ancestor", commit, revision, check=False).returncode != 0:
        # Somebody may have pushed after us: then it is on a newer commit that we have not seen.
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


def wait(root, what):
    """Until every (name, question) answers that nothing is lacking."""
    deadline = time.monotonic() + DEADLINE
    said = {}
    pending = dict(what)
    while pending:
        for name, question in list(pending.items()):
            lacking = question()
            if lacking is None:
                print(f"{name}: in place", flush=True)
                del pending[name]
            elif said.get(name) != lacking:
                print(lacking, flush=True)
                said[name] = lacking
        if pending and time.monotonic() > deadline:
            raise Refusal("ArgoCD is not there after {:.0f} s: {}".format(DEADLINE, "; ".join(said[name] for name in pending)))
        if pending:
            time.sleep(INTERVAL)


def running(root, cluster, instances, commit):
    """Waits until the instances (name -> digest) run the commit."""
    wait(root, {f"{cluster}-{name}": (lambda name=name, digest=digest: lacks(root, f"{cluster}-{name}", commit, digest)) for name, digest in instances.items()})


def gone(root, cluster, instance):
    name = f"{cluster}-{instance}"
    # Who may not see anything would take everything for gone.
    if application(f"{cluster}-shared") is None:
        raise Refusal(f"{cluster}-shared cannot be seen: ARGOCD_AUTH_TOKEN has to be allowed to get the project's applications.")
    wait(root, {name: lambda: f"{name} is still there" if application(name) is not None else None})
