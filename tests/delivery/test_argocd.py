"""What delivery/argocd.py makes of ArgoCD's answers: which end the wait, which fail it, and which are
asked for again."""

import contextlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

from remote import GOOD, IDENTITY, ROOT

sys.path.insert(0, str(ROOT / "delivery"))
import argocd
from refusal import Refusal

# Answers with the next of the files named 0, 1, …; the last one is repeated. `exit` fails, `sleep`
# does not answer.
STAND_IN = """#!{python}
import pathlib, sys, time
here = pathlib.Path({folder!r})
count = int((here / "count").read_text())
(here / "count").write_text(str(count + 1))
answer = (here / str(min(count, len(list(here.glob("[0-9]*"))) - 1))).read_text()
if answer == "sleep":
    time.sleep(600)
sys.exit(answer.removeprefix("exit ")) if answer.startswith("exit ") else print(answer)
"""
LOST = 'exit time="2026-11-28T08:00:0{}Z" level=fatal msg="rpc error: code = Unavailable desc = connection error: \\"EOF\\""'


def resource(kind, health, message="a message"):
    return {"kind": kind, "name": "generic-consumer-orders", "health": {"status": health, "message": message}}


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.git("init", "--quiet", "--initial-branch", "main")
        self.before, self.ours, self.later = (self.commit(name) for name in ("before", "ours", "later"))
        bin = self.root / "bin"
        bin.mkdir()
        (bin / "argocd").write_text(STAND_IN.format(python=sys.executable, folder=str(self.root / "answers")))
        (bin / "argocd").chmod(0o755)
        self.enterContext(mock.patch.dict(os.environ, {"PATH": f"{bin}:{os.environ['PATH']}"}))
        for name, value in {"INTERVAL": 0.01, "CALL": 5, "DEADLINE": 20, "DEGRADED": 0.2}.items():
            self.enterContext(mock.patch.object(argocd, name, value))

    def enterContext(self, manager):
        # Python 3.11 has this method.
        value = manager.__enter__()
        self.addCleanup(manager.__exit__, None, None, None)
        return value

    def git(self, *arguments):
        done = subprocess.run(["git", "-C", self.root, *arguments], capture_output=True, text=True, check=True, env={**os.environ, **IDENTITY})
        return done.stdout.strip()

    def commit(self, name):
        self.git("commit", "--quiet", "--allow-empty", "--message", name)
        return self.git("rev-parse", "HEAD")

    def answer(self, *answers):
        folder = self.root / "answers"
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        (folder / "count").write_text("0")
        for index, each in enumerate(answers):
            (folder / str(index)).write_text(each if isinstance(each, str) else json.dumps({"status": each}))

    def asked(self):
        return int((self.root / "answers/count").read_text())

    def status(self, health="Healthy", revision=None, sync="Synced", resources=(), **others):
        return {
            "sync": {"revision": revision or self.ours, "status": sync},
            "health": {"status": health},
            "resources": list(resources),
            "summary": {"images": [f"registry.example.com/generic-consumer@{GOOD}"]},
            **others,
        }

    def wait(self, *answers, paused=False, seconds=20):
        """What is printed while waiting for an Application that answers like this."""
        self.answer(*answers)
        rollout = argocd.Rollout(self.root, "gke-uat-orders", self.ours, GOOD, paused)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            argocd.wait({rollout.name: rollout.lacks}, seconds)
        return printed.getvalue().splitlines()

    def refused(self, *answers, saying, **options):
        with self.assertRaises(Refusal) as caught:
            self.wait(*answers, **options)
        self.assertIn(saying, str(caught.exception))


class Done(Case):
    def test_at_our_commit_or_a_later_one(self):
        for revision in (self.ours, self.later):
            printed = self.wait(self.status(revision=self.before), self.status("Progressing", revision), self.status(revision=revision))
            self.assertEqual(printed, [f"gke-uat-orders is at {self.before}", "gke-uat-orders is Progressing", "gke-uat-orders: done"])

    def test_not_with_another_image(self):
        other = self.status(summary={"images": ["registry.example.com/generic-consumer@sha256:old"]})
        self.assertIn("runs registry.example.com/generic-consumer@sha256:old", self.wait(other, self.status())[0])

    def test_an_application_that_is_not_there_yet(self):
        missing = 'exit rpc error: code = NotFound desc = applications.argoproj.io "gke-uat-orders" not found'
        self.assertIn("does not exist", self.wait(missing, self.status())[0])


class Lost(Case):
    """What is pushed stays pushed: a call that fails says nothing about the deployment."""

    def test_a_failing_call_is_repeated(self):
        printed = self.wait(*(LOST.format(n) for n in range(5)), self.status())
        # Said once, although each message has another time in it.
        self.assertEqual(printed, ['gke-uat-orders: argocd failed: rpc error: code = Unavailable desc = connection error: "EOF"', "gke-uat-orders: done"])
        self.assertEqual(self.asked(), 6)

    def test_a_call_without_an_answer_is_repeated(self):
        with mock.patch.object(argocd, "CALL", 1):
            self.assertIn("has not answered for 1 s", self.wait("sleep", self.status())[0])

    def test_half_an_answer_is_none(self):
        self.assertIn("answer is incomplete", self.wait('{"status": {"sync"', self.status())[0])

    def test_until_the_deadline(self):
        self.refused(LOST.format(0), seconds=0.5, saying="ArgoCD has not finished after 0 s: gke-uat-orders: argocd failed: rpc error: code = Unavailable")

    def test_before_the_push(self):
        with mock.patch.object(argocd, "READY", 0.5):
            self.answer("exit rpc error: code = Unauthenticated desc = token expired")
            with self.assertRaises(Refusal) as caught:
                argocd.reachable("gke-uat")
            self.assertIn("token expired", str(caught.exception))
            self.answer("exit rpc error: code = PermissionDenied desc = permission denied")
            with self.assertRaises(Refusal) as caught:
                argocd.reachable("gke-uat")
            self.assertIn("cannot read the Application gke-uat-shared", str(caught.exception))


class Suspended(Case):
    scaled = resource("ScaledObject", "Suspended", "ScaledObject is paused")

    def test_of_a_paused_instance(self):
        self.wait(self.status("Suspended", resources=[self.scaled]), paused=True)
        # ArgoCD does not always say which object it is.
        self.wait(self.status("Suspended"), paused=True)

    def test_of_an_instance_that_is_not_paused(self):
        self.refused(self.status("Suspended", resources=[self.scaled]), seconds=0.5, saying="gke-uat-orders is Suspended (ScaledObject generic-consumer-orders: ScaledObject is paused), but this commit pauses nothing")

    def test_of_another_object_than_the_autoscaler(self):
        rollout = resource("Deployment", "Suspended", "Deployment is paused")
        self.refused(self.status("Suspended", resources=[self.scaled, rollout]), paused=True, seconds=0.5, saying="Deployment is paused")

    def test_a_paused_instance_may_be_healthy_too(self):
        self.wait(self.status(), paused=True)


class Failed(Case):
    def operation(self, phase, revision, **others):
        return {"operationState": {"phase": phase, "message": "one or more objects failed to apply", "syncResult": {"revision": revision}, **others}}

    def test_a_sync_that_failed_ends_the_wait(self):
        for phase in ("Failed", "Error"):
            for revision in (self.ours, self.later):
                out = self.status(sync="OutOfSync", revision=revision, **self.operation(phase, revision))
                self.refused(out, saying=f"ArgoCD could not apply {revision} to gke-uat-orders: one or more objects failed to apply")
                self.assertEqual(self.asked(), 1)

    def test_also_if_only_the_operation_names_the_revision(self):
        state = self.operation("Error", "", operation={"sync": {"revision": self.ours}})
        self.refused(self.status(sync="OutOfSync", **state), saying="could not apply")

    def test_not_an_older_one_or_one_that_is_still_tried(self):
        out = self.status(sync="OutOfSync", revision=self.before, **self.operation("Failed", self.before))
        retrying = self.status(sync="OutOfSync", **self.operation("Running", self.ours))
        self.wait(out, retrying, self.status(**self.operation("Succeeded", self.ours)))

    def test_not_if_everything_is_as_it_should_be(self):
        self.wait(self.status(**self.operation("Failed", self.ours)))

    def test_errors_of_the_application_are_shown(self):
        error = {"conditions": [{"type": "ComparisonError", "message": "kustomize build failed"}, {"type": "OrphanedResourceWarning", "message": "no"}]}
        self.assertEqual(self.wait(self.status(sync="Unknown", **error), self.status())[0], "gke-uat-orders is Unknown (kustomize build failed)")


class Degraded(Case):
    exceeded = resource("Deployment", "Degraded", 'Deployment "generic-consumer-orders" exceeded its progress deadline')
    no_metric = resource("ScaledObject", "Degraded", "At least one trigger is falling back")

    def test_a_deployment_for_a_while_ends_the_wait(self):
        self.refused(self.status("Degraded", resources=[self.exceeded]), saying='the rollout of gke-uat-orders has failed: Deployment "generic-consumer-orders" exceeded')
        self.assertGreater(self.asked(), 1)

    def test_a_deployment_for_a_moment_does_not(self):
        degraded, progressing = self.status("Degraded", resources=[self.exceeded]), self.status("Progressing")
        with mock.patch.object(argocd, "DEGRADED", 1000):
            self.wait(degraded, degraded, self.status())
        # The time starts again when it is not Degraded in between.
        with mock.patch.object(argocd.time, "monotonic", side_effect=range(0, 10000, 1)), mock.patch.object(argocd, "DEGRADED", 12):
            self.wait(*[degraded, progressing] * 20, self.status(), seconds=1000)

    def test_an_autoscaler_without_a_metric_does_not(self):
        with mock.patch.object(argocd, "DEGRADED", 0):
            printed = self.wait(self.status("Degraded", resources=[self.no_metric]), self.status("Degraded"), self.status())
        self.assertIn("ScaledObject generic-consumer-orders: At least one trigger is falling back", printed[0])

    def test_what_was_degraded_before_our_commit_does_not(self):
        with mock.patch.object(argocd, "DEGRADED", 0):
            self.wait(self.status("Degraded", self.before, resources=[self.exceeded]), self.status())


class Gone(Case):
    def wait_gone(self, *answers):
        self.answer(*answers)
        with contextlib.redirect_stdout(io.StringIO()):
            argocd.wait(dict([argocd.gone("gke-uat", "orders")]))

    def test_a_lost_answer_is_not_gone(self):
        denied = "exit rpc error: code = PermissionDenied desc = permission denied"
        self.wait_gone(self.status(), LOST.format(0), denied, self.status())
        self.assertEqual(self.asked(), 4)

    def test_a_token_that_sees_nothing_is_not_gone(self):
        with self.assertRaises(Refusal) as caught:
            self.wait_gone("exit rpc error: code = PermissionDenied desc = permission denied")
        self.assertIn("only seems to be deleted", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
