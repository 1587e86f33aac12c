"""delivery/gitops: what it commits, what it refuses, and that an incomplete change is never visible."""

import json
import os
import shlex
import signal
import subprocess
import sys
import unittest

from cases import ENV, GitopsCase
from remote import GITOPS, GOOD, OTHER


class Releases(GitopsCase):
    def test_a_clusters_image(self):
        made = self.gitops("release", "set", "gke-uat", GOOD)
        self.assertEqual(made, self.remote.head())
        self.assertEqual(self.release("gke-uat"), {"digest": GOOD, "pins": {}})
        self.assertEqual(
            self.remote.changed(self.before),
            ["kustomize/overlays/gke-uat/_cluster/kustomization.yaml", "kustomize/overlays/gke-uat/_transfer/kustomization.yaml", "nix/clusters/gke-uat/release.json"],
        )
        self.assertIn(GOOD, self.remote.file("kustomize/overlays/gke-uat/_cluster/kustomization.yaml"))
        self.assertEqual(self.remote.subjects(self.before), [f"gke-uat: image {GOOD}"])
        self.up_to_date()

    def test_one_instance(self):
        self.gitops("release", "set", "gke-uat", GOOD, "--instance", "orders")
        self.assertEqual(self.release("gke-uat")["pins"], {"orders": GOOD})
        self.assertEqual(
            self.remote.changed(self.before),
            ["kustomize/overlays/gke-uat/instances/orders/kustomization.yaml", "nix/clusters/gke-uat/release.json"],
        )
        shown = json.loads(self.after("show", "gke-uat"))
        self.assertEqual((shown["orders"], shown["delivery"]), (GOOD, "sha256:" + "0" * 64))
        self.gitops("release", "unpin", "gke-uat", "orders")
        self.assertEqual(self.remote.changed(self.before), [])

    def after(self, *arguments):
        self.remote.run("git", "-C", self.clone, "pull", "--quiet")
        return self.gitops(*arguments)

    def test_pins_stay_unless_dropped(self):
        self.gitops("release", "set", "eks-uat", GOOD)
        self.assertEqual(list(self.release("eks-uat")["pins"]), ["returns"])
        message = self.remote.run("git", "-C", self.remote.bare, "log", "-1", "--format=%B", "main")
        self.assertIn("Pinned, unchanged: returns", message)
        self.gitops("release", "set", "eks-uat", GOOD, "--drop-pins")
        self.assertEqual(self.release("eks-uat")["pins"], {})
        self.assertEqual(set(json.loads(self.after("show", "eks-uat")).values()), {GOOD})

    def test_an_old_digest_is_a_rollback(self):
        self.gitops("release", "set", "gke-uat", GOOD)
        first = self.remote.head()
        self.gitops("release", "set", "gke-uat", OTHER)
        self.gitops("release", "set", "gke-uat", GOOD)
        self.assertEqual(self.remote.changed(first), [])
        self.up_to_date()

    def test_no_change_makes_no_commit(self):
        self.gitops("release", "set", "gke-uat", GOOD)
        head = self.remote.head()
        self.assertEqual(self.gitops("release", "set", "gke-uat", GOOD), head)
        self.assertEqual(self.remote.head(), head)

    def test_refusals(self):
        self.refused("release", "set", "gke-prd", GOOD, saying="unknown cluster `gke-prd`: the clusters are eks-prod")
        self.refused("release", "set", "../gke-uat", GOOD, saying="unknown cluster")
        for digest in ("latest", "sha256:abc", GOOD.upper(), GOOD + "\n"):
            self.refused("release", "set", "gke-uat", digest, saying="`digest` is not an image digest")
        self.refused("release", "set", "gke-uat", "v1", "--instance", "orders", saying="the pin of `orders` is not an image digest")
        self.refused("release", "set", "gke-uat", GOOD, "--instance", "payments", saying="has no instance `payments`: it has canary, delivery, orders")
        self.refused("release", "unpin", "gke-uat", "payments", saying="has no instance")


class Moves(GitopsCase):
    move = ("instance", "move", "orders", "--from", "gke-prod", "--to", "eks-prod", "--step")

    def test_begin_and_end(self):
        self.gitops("release", "set", "gke-prod", GOOD)
        start = self.remote.head()
        self.gitops(*self.move, "begin")
        here, there = "nix/clusters/gke-prod/instances/orders.env", "nix/clusters/eks-prod/instances/orders.env"
        self.assertEqual(self.remote.file(here), self.remote.file(there))
        self.assertEqual(self.release("eks-prod")["pins"], {"orders": GOOD})
        self.assertEqual((self.release("gke-prod")["paused"], self.release("eks-prod")["arriving"]), (["orders"], ["orders"]))
        for cluster, mark in (("gke-prod", "autoscaling.keda.sh/paused"), ("eks-prod", "path: /spec/maxReplicaCount")):
            overlay = f"kustomize/overlays/{cluster}/instances"
            marked = [f for f in self.remote.files(overlay) if f.endswith("/kustomization.yaml") and mark in self.remote.file(f)]
            self.assertEqual(marked, [f"{overlay}/orders/kustomization.yaml"])
        self.up_to_date()

        self.gitops(*self.move, "end")
        self.assertEqual(self.remote.files(here), [])
        self.assertEqual(self.release("gke-prod"), {"digest": GOOD, "pins": {}})
        self.assertEqual(self.release("eks-prod")["pins"], {"orders": GOOD})
        self.assertEqual(set(self.release("eks-prod")), {"digest", "pins"})
        self.assertEqual(len(self.remote.subjects(start)), 2)
        self.up_to_date()

    def test_undo(self):
        self.gitops(*self.move, "begin")
        self.gitops(*self.move, "undo")
        self.assertEqual(self.remote.changed(self.before), [])

    def test_a_move_that_began_before_there_was_arriving(self):
        """Then both clusters have the instance in `paused`."""
        for step, left in (("end", "eks-prod"), ("undo", "gke-prod")):
            self.gitops(*self.move, "begin")
            self.remote.run("git", "-C", self.clone, "pull", "--quiet", "--ff-only")
            file = self.clone / "nix/clusters/eks-prod/release.json"
            file.write_text(file.read_text().replace('"arriving"', '"paused"'))
            code = "import pathlib, sys; sys.path.insert(0, 'delivery'); import manifests; manifests.render(pathlib.Path.cwd())"
            self.remote.run(sys.executable, "-B", "-c", code, cwd=self.clone)
            self.remote.run("git", "-C", self.clone, "commit", "--quiet", "--all", "--message", "as it was")
            self.remote.run("git", "-C", self.clone, "push", "--quiet", "origin", "HEAD:main")
            self.gitops(*self.move, step)
            self.assertEqual(set(self.release(left)), {"digest", "pins"})
            if step == "end":
                for step in ("begin", "end"):
                    self.gitops("instance", "move", "orders", "--from", "eks-prod", "--to", "gke-prod", "--step", step)

    def test_a_finished_move_can_be_moved_back(self):
        for step in ("begin", "end"):
            self.gitops(*self.move, step)
        back = ("instance", "move", "orders", "--from", "eks-prod", "--to", "gke-prod", "--step")
        for step in ("begin", "end"):
            self.gitops(*back, step)
        self.assertEqual(self.remote.changed(self.before), [])

    def test_refusals(self):
        self.refused(*self.move, "end", saying="has no instance `orders`")
        self.refused("instance", "move", "orders", "--from", "gke-uat", "--to", "eks-prod", "--step", "begin", saying="write to different environments")
        self.refused("instance", "move", "payments", "--from", "gke-prod", "--to", "eks-prod", "--step", "begin", saying="no instance `payments`")
        self.refused("instance", "move", "inventory", "--from", "gke-prod", "--to", "gke-prod", "--step", "begin", saying="duplicate instance")
        # The instance runs on both clusters, but not because of a move.
        self.gitops("instance", "add", "eks-prod", "orders", "-", text=self.remote.file("nix/clusters/gke-prod/instances/orders.env"))
        self.before = self.remote.head()
        self.refused(*self.move, "begin", saying="duplicate instance: eks-prod has `orders`")
        self.refused(*self.move, "end", saying="is not moving between gke-prod and eks-prod")
        self.refused(*self.move, "undo", saying="is not moving")


class Branches(GitopsCase):
    def test_a_local_branch_for_a_merge_request(self):
        made = self.gitops("--branch", "orders-forward", "release", "set", "gke-uat", GOOD, "--instance", "orders")
        self.untouched()
        self.assertEqual(self.remote.run("git", "-C", self.clone, "rev-parse", "orders-forward"), made)

    def test_a_branch_with_an_outdated_kustomize_is_refused(self):
        at = self.clone / "kustomize/base/deployment.yaml"
        at.write_text(at.read_text().replace("maxSurge: 1", "maxSurge: 2"))
        self.remote.run("git", "-C", self.clone, "commit", "--quiet", "--all", "--message", "by hand")
        self.remote.run("git", "-C", self.clone, "push", "--quiet", "origin", "main")
        self.before = self.remote.head()
        self.refused("release", "set", "gke-uat", GOOD, saying="kustomize/base/deployment.yaml: differs")

    def test_users_and_passwords_of_urls_appear_nowhere(self):
        """Neither in an error of git nor in the commit's message."""
        self.gitops("--note", "https://user:hunter2@jenkins.example.com/job/1", "release", "set", "gke-uat", GOOD)
        message = self.remote.run("git", "-C", self.remote.bare, "log", "-1", "--format=%B", "main")
        self.assertIn("https://jenkins.example.com/job/1", message)
        self.assertNotIn("hunter2", message)
        self.before = self.remote.head()
        self.refused("--remote", "http://user:hunter2@127.0.0.1:1/x.git", "release", "set", "gke-uat", GOOD, saying="http://127.0.0.1:1/x.git")
        _, _, err = self.remote.gitops(self.clone, "--remote", "http://user:hunter2@127.0.0.1:1/x.git", "release", "set", "gke-uat", GOOD)
        self.assertNotIn("hunter2", err)

    def test_a_rejected_push_reports_the_reason(self):
        hook = self.remote.bare / "hooks/pre-receive"
        hook.write_text("#!/bin/sh\necho 'main is protected'\nexit 1\n")
        hook.chmod(0o755)
        self.refused("release", "set", "gke-uat", GOOD, saying="main is protected")

    def test_local_changes_are_neither_committed_nor_lost(self):
        file = self.clone / "nix/clusters/gke-uat/instances/orders.env"
        file.write_text("by hand")
        self.gitops("release", "set", "gke-uat", GOOD)
        self.assertEqual(file.read_text(), "by hand")
        self.assertNotIn("by hand", self.remote.file("nix/clusters/gke-uat/instances/orders.env"))

    def overtaken_by(self, *arguments, text=""):
        """Arranges that somebody else's change is pushed just before our first push."""
        other, marker = self.remote.clone("other"), self.remote.root / "overtaken"
        (self.remote.root / "text").write_text(text)
        command = shlex.join(map(str, [*GITOPS, "--repository", other, *arguments]))
        hook = self.clone / ".git/hooks/pre-push"
        hook.write_text(
            f"#!/bin/sh\n[ -e {marker} ] && exit 0\ntouch {marker}\nunset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_PREFIX\n"
            f"exec {command} < {self.remote.root / 'text'} >&2\n"
        )
        hook.chmod(0o755)

    def test_it_starts_again_when_another_push_comes_first(self):
        self.overtaken_by("release", "set", "gke-prod", OTHER)
        code, _, err = self.remote.gitops(self.clone, "release", "set", "gke-uat", GOOD)
        self.assertEqual(code, 0, err)
        self.assertIn("another push to main came first", err)
        self.assertEqual(self.remote.subjects(self.before), [f"gke-prod: image {OTHER}", f"gke-uat: image {GOOD}"])
        self.up_to_date()

    def test_two_changes_that_are_wrong_only_together(self):
        """Each is valid alone and git sees no conflict, but both use the same consumer group."""
        self.overtaken_by("instance", "add", "eks-uat", "payments", "-", text=ENV)
        refunds = ENV.replace("_PAYMENTS", "_REFUNDS")
        code, _, err = self.remote.gitops(self.clone, "instance", "add", "gke-uat", "refunds", "-", text=refunds)
        self.assertEqual(code, 1, err)
        self.assertIn("different domains use the consumer group `payments-uat`", err)
        self.assertEqual(self.remote.subjects(self.before), ["eks-uat/payments: added"])
        self.up_to_date()

    def test_many_pushes_at_once_all_succeed(self):
        """Four clones push to one branch, each a change of another cluster."""
        clusters = ["gke-uat", "eks-uat", "gke-prod", "eks-prod"]
        clones = [self.remote.clone(cluster) for cluster in clusters]
        children = [
            subprocess.Popen([*GITOPS, "--repository", clone, "release", "set", cluster, GOOD], env=self.remote.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            for cluster, clone in zip(clusters, clones)
        ]
        for child in children:
            self.assertEqual(child.wait(120), 0, child.stderr.read())
            child.stderr.close()
        self.assertEqual(sorted(self.remote.subjects(self.before)), sorted(f"{c}: image {GOOD}" for c in clusters))
        for cluster in clusters:
            self.assertEqual(self.release(cluster)["digest"], GOOD)
        self.up_to_date()


class Killed(GitopsCase):
    def test_a_killed_run_leaves_no_incomplete_change(self):
        """Kills the tool when it calls its first program, its second and so on, until a run succeeds."""
        bin = self.remote.root / "bin"
        bin.mkdir()
        for name in ("git", "nix-instantiate"):
            real = self.remote.run("which", name)
            file = bin / name
            file.write_text(
                f"#!{sys.executable}\n"
                "import os, signal, sys\n"
                f"counter = {str(self.remote.root / 'counter')!r}\n"
                "count = int(open(counter).read())\n"
                "open(counter, 'w').write(str(count - 1))\n"
                "if count == 0:\n"
                "    os.kill(os.getppid(), signal.SIGKILL)\n"
                f"os.execv({real!r}, [{real!r}, *sys.argv[1:]])\n"
            )
            file.chmod(0o755)
        environment = {**self.remote.environment, "PATH": f"{bin}:{os.environ['PATH']}"}
        calls = 0
        while True:
            (self.remote.root / "counter").write_text(str(calls))
            command = [*GITOPS, "--repository", self.clone, "release", "set", "gke-uat", GOOD]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, start_new_session=True)
            if done.returncode == 0:
                break
            self.assertEqual(done.returncode, -signal.SIGKILL, done.stderr)
            self.assertEqual(self.remote.run("git", "-C", self.clone, "status", "--porcelain"), "")
            # Nothing or the whole change: the push may have succeeded just before.
            self.assertIn(self.remote.changed(self.before), [[], ["kustomize/overlays/gke-uat/_cluster/kustomization.yaml", "kustomize/overlays/gke-uat/_transfer/kustomization.yaml", "nix/clusters/gke-uat/release.json"]])
            calls += 1
            self.assertLess(calls, 40)
        self.assertGreaterEqual(calls, 8, "the tool was killed less often than it calls git and Nix")
        self.assertEqual(self.release("gke-uat")["digest"], GOOD)
        self.up_to_date()
        # After the killed runs' working trees are deleted, the next run removes git's record of them.
        for left in (self.remote.root / "scratch").iterdir():
            self.remote.run("rm", "-rf", left)
        self.gitops("release", "set", "gke-uat", OTHER)
        self.assertEqual(len(self.remote.run("git", "-C", self.clone, "worktree", "list").splitlines()), 1)


if __name__ == "__main__":
    unittest.main()
