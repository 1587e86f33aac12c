"""delivery/deploy where it may die or lose an answer: what is on the branch, and what deployed.json
says about the way back."""

import json
import os
import signal
import subprocess
import sys
import unittest

from cases import JobsCase
from remote import ROOT

# Does what git does, and at a push something more: `before` and `after` kill the program that pushes,
# `lost` loses the answer, `blind` also loses the network, `rejected` does not push.
GIT = """#!{python}
import os, signal, subprocess, sys
real, fault = {real!r}, os.environ.get("PUSH", "")
if sys.argv[3] == "push":
    if fault == "before":
        os.kill(os.getppid(), signal.SIGKILL)
        sys.exit(1)
    if fault != "rejected":
        subprocess.run([real, *sys.argv[1:]], check=True)
    if fault == "after":
        os.kill(os.getppid(), signal.SIGKILL)
        sys.exit(1)
    open({marker!r}, "w").close()
    if fault:
        sys.exit("fatal: the remote end hung up unexpectedly")
    sys.exit(0)
if sys.argv[3] == "fetch" and fault == "blind" and os.path.exists({marker!r}):
    sys.exit("fatal: could not resolve host")
os.execv(real, [real, *sys.argv[1:]])
"""


class Deploy(JobsCase):
    def setUp(self):
        super().setUp()
        self.clone = self.chain.clone()
        self.before = self.chain.head()
        bin = self.chain.root / "git"
        bin.mkdir()
        text = GIT.format(python=sys.executable, real=self.chain.run("which", "git"), marker=str(self.chain.root / "pushed"))
        (bin / "git").write_text(text)
        (bin / "git").chmod(0o755)
        path = f"{bin}:{self.chain.environment['PATH']}"
        self.environment = {**self.chain.environment, "PATH": path, "ARGOCD_AUTH_TOKEN": "a-token", "CLUSTER": "gke-uat"}

    def deploy(self, *arguments, **given):
        command = [sys.executable, "-B", self.clone / "delivery/deploy", *arguments]
        given = {"INSTANCE": "orders", "REMOVE_INSTANCE": "true", **given}
        done = subprocess.run(command, cwd=self.clone, env={**self.environment, **given}, capture_output=True, text=True, timeout=120)
        self.assertNotIn("Traceback", done.stderr)
        return done

    def deployed(self):
        return json.loads((self.clone / "deployed.json").read_text())

    def the_way_back(self, state):
        """Whatever happened, deployed.json has the digests of before, of a commit that is known."""
        deployed = self.deployed()
        self.assertEqual(deployed["state"], state)
        self.assertIn("orders", deployed["before"])
        self.assertNotIn("orders", deployed["after"])
        return deployed["commit"]

    def test_to_the_end(self):
        done = self.deploy()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.the_way_back("deployed"), self.chain.head())
        # The log has it too, before the push.
        self.assertLess(done.stdout.index('"before": {'), done.stdout.index("pushed: "))

    def test_killed_just_before_the_push(self):
        self.assertEqual(self.deploy(PUSH="before").returncode, -signal.SIGKILL)
        self.assertEqual(self.chain.head(), self.before)
        self.the_way_back("pushing")

    def test_killed_just_after_the_push(self):
        self.assertEqual(self.deploy(PUSH="after").returncode, -signal.SIGKILL)
        self.assertEqual(self.the_way_back("pushing"), self.chain.head())
        # Started again it finds nothing to do but to wait; what it removes is gone already.
        self.assertIn("has no instance `orders`", self.deploy().stderr)

    def test_the_answer_of_the_push_is_lost(self):
        done = self.deploy(PUSH="lost")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.chain.subjects(self.before), ["gke-uat/orders: removed"])
        self.assertEqual(self.the_way_back("deployed"), self.chain.head())

    def test_nobody_knows_whether_the_push_has_arrived(self):
        done = self.deploy(PUSH="blind")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(f"the push of {self.chain.head()} to origin main failed", done.stderr)
        self.assertIn("whether it has arrived cannot be seen", done.stderr)
        self.assertEqual(self.the_way_back("pushing"), self.chain.head())

    def test_a_push_that_is_rejected(self):
        done = self.deploy(PUSH="rejected")
        self.assertIn("was rejected: fatal: the remote end hung up", done.stderr)
        self.assertEqual(self.chain.head(), self.before)
        self.the_way_back("not pushed")

    def test_an_earlier_deployments_file_is_not_taken_for_this_ones(self):
        (self.clone / "deployed.json").write_text("{}")
        self.assertEqual(self.deploy(INSTANCE="payments").returncode, 1)
        self.assertFalse((self.clone / "deployed.json").exists())

    def test_an_aborted_wait_keeps_it(self):
        given = {"INSTANCE": "orders", "REMOVE_INSTANCE": "true", "ARGOCD_FAULTS": '{"gke-uat-orders": ["hangs"]}'}
        command = [sys.executable, "-B", self.clone / "delivery/deploy"]
        child = subprocess.Popen(command, cwd=self.clone, env={**self.environment, **given}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for line in child.stdout:
            if line.startswith("pushed: "):
                break
        child.terminate()
        _, err = child.communicate(timeout=60)
        self.assertEqual((child.returncode, err), (1, "deploy: aborted\n"))
        self.assertEqual(self.the_way_back("pushed"), self.chain.head())

    def test_a_check_changes_nothing(self):
        done = self.deploy("check")
        self.assertEqual((done.returncode, done.stdout), (0, "these parameters can be deployed\n"), done.stderr)
        self.assertEqual(self.chain.head(), self.before)
        self.assertEqual(self.chain.run("git", "-C", self.clone, "status", "--porcelain"), "")
        self.assertIn("has no instance `payments`", self.deploy("check", INSTANCE="payments").stderr)


if __name__ == "__main__":
    unittest.main()
