"""delivery/gitops: bad data of one cluster does not keep the others from releases and rollbacks."""

import os
import unittest

from cases import ENV, GitopsCase
from remote import GOOD, OTHER


class OtherClusters(GitopsCase):
    def broken(self, saying):
        """Asserts that a release of gke-uat, and its rollback, succeed with a warning about gke-prod, whose
        files stay as they are, and that a release of gke-prod is refused."""
        self.before = self.remote.push(self.clone)
        for digest in (GOOD, OTHER):
            code, _, err = self.remote.gitops(self.clone, "release", "set", "gke-uat", digest)
            self.assertEqual(code, 0, err)
            self.assertIn("warning: ", err)
            self.assertIn(saying, err)
            self.assertNotIn("Traceback", err)
        self.assertEqual(
            self.remote.changed(self.before),
            ["kustomize/overlays/gke-uat/_cluster/kustomization.yaml", "kustomize/overlays/gke-uat/_transfer/kustomization.yaml", "nix/clusters/gke-uat/release.json"],
        )
        self.before = self.remote.head()
        self.refused("release", "set", "gke-prod", GOOD, saying=saying)
        self.refused("instance", "move", "orders", "--from", "gke-prod", "--to", "eks-prod", "--step", "begin", saying=saying)

    def change(self, name, old, new):
        file = self.clone / "nix/clusters/gke-prod" / name
        text = file.read_text()
        self.assertIn(old, text)
        file.write_text(text.replace(old, new))

    def test_wrong_settings(self):
        self.change("cluster.nix", '"10.10.0.12"', '"999.1.1.1"')
        self.broken('nix/clusters/gke-prod/cluster.nix: hosts.prod2 = "999.1.1.1" is not an IPv4 address')
        self.gitops("instance", "add", "gke-uat", "payments", "-", text=ENV)

    def test_settings_that_nix_cannot_read(self):
        self.change("cluster.nix", "writeEnv =", "writeEnv = ;")
        self.broken("nix/clusters/gke-prod: Nix cannot evaluate it, correct the file: syntax error, unexpected ';'")
        # The place is named, and not the temporary folder.
        _, _, err = self.remote.gitops(self.clone, "release", "set", "gke-prod", GOOD)
        self.assertRegex(err, r" at nix/clusters/gke-prod/cluster\.nix:\d+:\d+\.\n$")

    def test_a_broken_release(self):
        self.change("release.json", '"pins": {}', '"pins": {},')
        self.broken("nix/clusters/gke-prod/release.json is not JSON")

    def test_releases_that_are_none(self):
        """Python edits the file before Nix judges it, and answers with sentences too."""
        good = f'"digest": "{GOOD}"'
        file = self.clone / "nix/clusters/gke-prod/release.json"
        for text in ("[]", "null", "7", '"x"', "{}", '{"digest": []}', f'{{{good}, "pins": []}}', f'{{{good}, "pins": {{"orders": []}}}}', f'{{{good}, "paused": {{}}}}', f'{{{good}, "paused": [[]]}}', f'{{{good}, "arriving": {{}}}}', f'{{{good}, "arriving": [[]]}}', f'{{{good}, "x": 1}}', "[" * 100000):
            file.write_text(text)
            self.before = self.remote.push(self.clone)
            self.refused("release", "set", "gke-prod", GOOD, saying="nix/clusters/gke-prod/release.json")
            if text != f'{{{good}, "x": 1}}':
                self.remote.run("git", "-C", self.clone, "pull", "--quiet")
                self.refused("show", "gke-prod", saying="nix/clusters/gke-prod/release.json")
        file.write_text("<<<<<<< HEAD")
        self.broken("nix/clusters/gke-prod/release.json is not JSON")

    def test_a_wrong_instance(self):
        self.change("instances/orders.env", "BQ_TABLE", "WRITE__PROD__ENDPOINT__REST='https://elsewhere.example.com'\nBQ_TABLE")
        self.broken("sets WRITE__PROD__ENDPOINT__REST, which belongs to the cluster")

    def test_an_instance_that_nix_cannot_read(self):
        (self.clone / "nix/clusters/gke-prod/instances/orders.env").write_bytes(b"\0")
        self.broken("nix/clusters/gke-prod: Nix cannot evaluate it, correct the file: the contents of the file")

    def test_an_instance_that_is_no_text(self):
        (self.clone / "nix/clusters/gke-prod/instances/orders.env").write_bytes(b"\xff\xfe")
        self.broken("nix/clusters/gke-prod/instances/orders.env is not UTF-8")

    def test_an_unknown_cluster(self):
        (self.clone / "nix/clusters/aks-prod").mkdir()
        (self.clone / "nix/clusters/aks-prod/cluster.nix").write_text("}")
        # A name that is no text.
        folder = self.clone / "nix/clusters" / os.fsdecode(b"\xff-prod")
        folder.mkdir()
        (folder / "cluster.nix").write_text("}")
        self.before = self.remote.push(self.clone)
        code, _, err = self.remote.gitops(self.clone, "release", "set", "gke-uat", GOOD)
        self.assertEqual(code, 0, err)
        self.assertIn("warning: nix/clusters/aks-prod", err)
        self.before = self.remote.head()
        self.refused("release", "set", "aks-prod", GOOD, saying="nix/clusters/aks-prod")

    def test_an_outdated_kustomize(self):
        """Somebody has edited the data of another cluster and not rendered it."""
        self.change("release.json", '"sha256:0', '"sha256:1')
        self.before = self.remote.push(self.clone)
        code, _, err = self.remote.gitops(self.clone, "release", "set", "gke-uat", GOOD)
        self.assertEqual(code, 0, err)
        self.assertIn("warning: kustomize/overlays/gke-prod is out of date: run `nix run .#render`.", err)
        self.assertNotIn("kustomize/overlays/gke-prod/_cluster/kustomization.yaml", self.remote.changed(self.before))
        self.before = self.remote.head()
        self.refused("release", "set", "gke-prod", GOOD, saying="kustomize/ is out of date on the branch")

    def test_a_mistake_that_both_share(self):
        """A group of two domains concerns both of their clusters."""
        (self.clone / "nix/clusters/eks-uat/instances/payments.env").write_text(ENV.replace("payments-uat", "orders-uat"))
        self.before = self.remote.push(self.clone)
        for cluster in ("gke-uat", "eks-uat"):
            self.refused("release", "set", cluster, GOOD, saying="different domains use the consumer group `orders-uat`")
        code, _, err = self.remote.gitops(self.clone, "release", "set", "gke-prod", GOOD)
        self.assertEqual(code, 0, err)
        self.assertIn("warning: ", err)


if __name__ == "__main__":
    unittest.main()
