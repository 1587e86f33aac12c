"""The ApplicationSet: one Application an instance, one for what a cluster shares."""

import json
import unittest

import tree
from tree import ROOT, build, one


def matching(pattern):
    """Folders that the git generator finds; ArgoCD's patterns are those of a shell here."""
    return sorted(str(f.relative_to(ROOT)) for f in ROOT.glob(pattern) if f.is_dir())


def applications(generators):
    """(name, path) of each Application, as the matrix of a list and of git folders yields them."""
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

    def test_one_application_an_instance(self):
        wanted = []
        for cluster, instances in tree.clusters().items():
            overlay = f"kustomize/overlays/{cluster}"
            wanted.append((f"{cluster}-shared", f"{overlay}/shared"))
            wanted += [(f"{cluster}-{i}", f"{overlay}/instances/{i}") for i in instances]
        self.assertEqual(sorted(applications(self.set["generators"])), sorted(wanted))

    def test_names_and_paths_are_the_generators(self):
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

    def test_an_instance_that_is_gone_takes_its_objects_along(self):
        self.assertEqual(self.template["metadata"]["finalizers"], ["resources-finalizer.argocd.argoproj.io"])

    def test_the_project_allows_what_is_rendered_and_where(self):
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
