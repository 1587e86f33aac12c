"""The ApplicationSet: one Application for each instance, for each transfer, and for each cluster's shared
objects."""

import json
import unittest

import tree
from tree import ROOT, build, one


def matching(pattern):
    """The folders that ArgoCD's git generator finds; the patterns we use are plain globs."""
    return sorted(str(f.relative_to(ROOT)) for f in ROOT.glob(pattern) if f.is_dir())


def applications(generators):
    """(name, path) of each Application that the matrix of clusters and git folders generates."""
    listed, git = generators[0]["matrix"]["generators"]
    for element in listed["list"]["elements"]:
        for directory in git["git"]["directories"]:
            pattern = directory["path"].replace("{{ .cluster }}", element["cluster"])
            assert "{{" not in pattern, pattern
            for path in matching(pattern):
                yield f"{element['cluster']}-{path.rpartition('/')[2]}", path


class ArgoCD(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        things = build(ROOT / "kustomize/argocd")
        cls.project = one(things, "AppProject")["spec"]
        cls.set = one(things, "ApplicationSet")["spec"]
        cls.template = cls.set["template"]

    def test_one_application_for_each_instance_and_transfer(self):
        wanted = []
        for cluster, instances in tree.clusters().items():
            overlay = f"kustomize/overlays/{cluster}"
            wanted.append((f"{cluster}-shared", f"{overlay}/shared"))
            wanted += [(f"{cluster}-{i}", f"{overlay}/instances/{i}") for i in instances]
            wanted += [(f"{cluster}-transfer-{t}", f"{overlay}/transfers/transfer-{t}") for t in tree.transfers()[cluster]]
        found = sorted(applications(self.set["generators"]))
        self.assertEqual(found, sorted(wanted))
        self.assertEqual(len({name for name, _ in found}), len(found))

    def test_names_and_paths_come_from_the_generators(self):
        self.assertIs(self.set["goTemplate"], True)
        self.assertEqual(self.template["metadata"]["name"], "{{ .cluster }}-{{ .path.basenameNormalized }}")
        spec = self.template["spec"]
        self.assertEqual(spec["source"]["path"], "{{ .path.path }}")
        self.assertEqual(spec["destination"]["name"], "{{ .cluster }}")

    def test_sync(self):
        policy = self.template["spec"]["syncPolicy"]
        self.assertLessEqual(
            {"ServerSideApply=true", "PruneLast=true", "RespectIgnoreDifferences=true", "ApplyOutOfSyncOnly=true"},
            set(policy["syncOptions"]),
        )
        self.assertEqual(policy["automated"], {"prune": True, "selfHeal": True})
        ignored = self.template["spec"]["ignoreDifferences"]
        self.assertEqual(ignored, [{"group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/replicas"]}])

    def test_removing_an_instance_deletes_its_objects(self):
        self.assertEqual(self.template["metadata"]["finalizers"], ["resources-finalizer.argocd.argoproj.io"])

    def test_the_project_allows_every_rendered_object(self):
        source = self.template["spec"]["source"]["repoURL"]
        self.assertEqual(self.project["sourceRepos"], [source])
        self.assertEqual({d["name"] for d in self.project["destinations"]}, set(tree.clusters()))
        allowed = {
            (entry["group"], entry["kind"])
            for entry in self.project["clusterResourceWhitelist"] + self.project["namespaceResourceWhitelist"]
        }
        for cluster in tree.clusters():
            for thing in build(ROOT / "kustomize/overlays" / cluster):
                kind = (thing["apiVersion"].rpartition("/")[0], thing["kind"])
                self.assertIn(kind, allowed, json.dumps(thing["metadata"]))
