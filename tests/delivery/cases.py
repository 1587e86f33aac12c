"""What the tests have in common: of delivery/gitops, and of the jobs."""

import json
import unittest

from chain import Chain
from remote import Remote

# An instance that no cluster has.
ENV = """\
BQ_TABLE_PAYMENTS='payments'
IMPORT_PATH_PAYMENTS='contracts.orders.order_events_v1'
IMPORT_OBJECT_PAYMENTS='OrderEventsV1Topic'
IGNORE_EVENTS_PAYMENTS='[]'
CONSUME_ENV_PAYMENTS='uat'
GROUP_ID_PAYMENTS='payments-uat'
"""


class GitopsCase(unittest.TestCase):
    def setUp(self):
        self.remote = Remote()
        self.remote.__enter__()
        self.addCleanup(self.remote.__exit__)
        self.clone = self.remote.clone()
        self.before = self.remote.head()

    def gitops(self, *arguments, text=None):
        code, out, err = self.remote.gitops(self.clone, *arguments, text=text)
        self.assertEqual(code, 0, err)
        return out

    def refused(self, *arguments, saying, text=None):
        """Asserts that nothing is pushed, no files are left, and the error says what is wrong."""
        code, _, err = self.remote.gitops(self.clone, *arguments, text=text)
        self.assertEqual(code, 1, err)
        self.assertIn(saying, err)
        self.assertNotIn("Traceback", err)
        self.untouched()

    def untouched(self):
        self.assertEqual(self.remote.head(), self.before)
        self.assertEqual(self.remote.run("git", "-C", self.clone, "status", "--porcelain"), "")
        self.assertEqual(list((self.remote.root / "scratch").iterdir()), [])

    def release(self, cluster):
        return json.loads(self.remote.file(f"nix/clusters/{cluster}/release.json"))

    def up_to_date(self):
        """Asserts that kustomize/ on the branch is what the data on the branch renders to."""
        folder = self.remote.clone(f"check-{self.remote.head()}")
        expression = f"(import {folder}/nix/manifests {{ root = {folder}; }}).drift"
        done = self.remote.run("nix-instantiate", "--eval", "--strict", "--json", "-E", expression)
        self.assertEqual(json.loads(done), [])


class JobsCase(unittest.TestCase):
    def setUp(self):
        self.chain = Chain()
        self.chain.__enter__()
        self.addCleanup(self.chain.__exit__)

    def release(self, cluster="gke-uat"):
        return json.loads(self.chain.file(f"nix/clusters/{cluster}/release.json"))

    def faults(self, faults):
        return {"ARGOCD_FAULTS": json.dumps(faults)}

    def deploy_an_image(self, cluster="gke-uat"):
        """Pushes an image, and commits that the cluster runs it; returns its digest."""
        digest = self.chain.push_image()
        code, _, err = self.chain.gitops(self.chain.clone("by-hand"), "release", "set", cluster, digest)
        self.assertEqual(code, 0, err)
        return digest
