"""The policy for images that a cluster may have, and the keys that it and `delivery/image has` trust."""

import json
import pathlib
import unittest

import jsonschema
import tree
from test_schemas import crd
from tree import NAME, ROOT, Copy, RefusalCase, build, evaluate, one

CLUSTER = "nix/clusters/gke-prod"
KEY = """\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEOw0OKRuzeMdVFM7+5TBimIt0MSVm
+2YW4VDQFp6pbEci37cPPv4OZK3VfqsNHH/7XbvtAUz4zlz2fJ0Ru7iltA==
-----END PUBLIC KEY-----
"""
KIND = "NamespacedImageValidatingPolicy"


def with_policy(copy, value='"enforce"', cluster=CLUSTER):
    copy.replace(f"{cluster}/cluster.nix", "  prometheus =", f"  imagePolicy = {value};\n  prometheus =")


class Rendered(unittest.TestCase):
    def policy(self, value='"enforce"', cluster="gke-prod", keys=("first",)):
        with Copy() as copy:
            for key in keys:
                copy.path(f"nix/keys/{key}.pub").write_text(KEY)
            with_policy(copy, value, f"nix/clusters/{cluster}")
            copy.render()
            return one(copy.build(f"overlays/{cluster}/shared"), KIND)

    def test_no_cluster_has_it_unless_it_says_so(self):
        for cluster in tree.clusters():
            self.assertNotIn(KIND, {thing["kind"] for thing in build(ROOT / "kustomize/overlays" / cluster)})

    def test_it_is_valid_by_kyvernos_schema(self):
        schema = crd({"kind": KIND, "apiVersion": "policies.kyverno.io/v1"}, ROOT / "tests/flake/crds")
        validator = jsonschema.Draft202012Validator(schema)
        for cluster in ("gke-uat", "gke-prod", "eks-prod"):
            for value in ('"enforce"', '"audit"'):
                policy = self.policy(value, cluster)
                validator.validate(policy)
        policy["spec"]["attestors"][0]["cosign"]["keys"] = {}
        with self.assertRaises(jsonschema.ValidationError):
            validator.validate(policy)

    def test_what_it_wants(self):
        policy = self.policy(keys=("first", "second"))
        self.assertEqual(policy["metadata"], {"name": NAME, "namespace": NAME})
        spec = policy["spec"]
        self.assertEqual((spec["failurePolicy"], spec["validationActions"]), ("Fail", ["Deny"]))
        self.assertEqual(spec["matchImageReferences"], [{"glob": "*"}])
        self.assertEqual([attestor["cosign"]["key"] for attestor in spec["attestors"]], [{"data": KEY}] * 2)
        types = {each["name"]: each["intoto"]["type"] for each in spec["attestations"]}
        expressions = [each["expression"] for each in spec["validations"]]
        # Each of the three, by either key, of every container.
        self.assertEqual(len(types), 3)
        for name in types:
            wanted = f"verifyAttestationSignatures(image, attestations.{name}, [attestors.key0, attestors.key1]) > 0"
            self.assertEqual(len([each for each in expressions if wanted in each]), 1, name)
        for expression in expressions:
            self.assertTrue(expression.startswith("(images.containers + images.initContainers + images.ephemeralContainers).all(image, "))
        signing, _ = evaluate(ROOT, "signing")
        self.assertTrue(any(f'builder.id == "{signing["builder"]}"' in each and f'repository == "{signing["repository"]}"' in each for each in expressions))

    def test_it_wants_what_the_pipeline_makes(self):
        """The types and the field are the same in delivery/."""
        types = {each["intoto"]["type"] for each in self.policy()["spec"]["attestations"]}
        source = "".join((ROOT / "delivery" / name).read_text() for name in ("signing.py", "provenance.py"))
        for kind in types:
            self.assertIn(f'"{kind}"', source)
        self.assertIn('"externalParameters": {\n                "repository": trusted["repository"]', source)

    def test_what_makes_pods_is_judged_too(self):
        self.assertEqual(self.policy()["spec"]["autogen"]["podControllers"]["controllers"], ["deployments", "cronjobs", "jobs"])

    def test_the_sql_proxy_alone_is_let_in(self):
        """By its digest. Where a cluster has none, nothing is (`test_what_it_wants`)."""
        proxy = "gcr.io/cloud-sql-connectors/cloud-sql-proxy@sha256:" + "a" * 64
        schema = crd({"kind": KIND, "apiVersion": "policies.kyverno.io/v1"}, ROOT / "tests/flake/crds")
        with Copy() as copy:
            copy.path("nix/keys/first.pub").write_text(KEY)
            with_policy(copy, cluster="nix/clusters/eks-prod")
            copy.replace("nix/clusters/eks-prod/cluster.nix", "  prometheus =", f'  sqlProxy = "{proxy}";\n  prometheus =')
            copy.render()
            policy = one(copy.build("overlays/eks-prod/shared"), KIND)
        jsonschema.Draft202012Validator(schema).validate(policy)
        spec = policy["spec"]
        self.assertEqual(spec["matchImageReferences"], [{"expression": f'ref != "{proxy}"'}])
        for each in spec["validations"]:
            self.assertIn(f'.all(image, image == "{proxy}" || ', each["expression"])

    def test_audit_reports_only(self):
        self.assertEqual(self.policy('"audit"')["spec"]["validationActions"], ["Audit"])

    def test_each_cloud_reads_its_own_registry(self):
        self.assertEqual(self.policy(cluster="gke-prod")["spec"]["credentials"], {"providers": ["google"]})
        self.assertEqual(self.policy(cluster="eks-prod")["spec"]["credentials"], {"providers": ["amazon"]})

    def test_the_project_allows_it(self):
        project = one(build(ROOT / "kustomize/argocd"), "AppProject")["spec"]
        self.assertIn({"group": "policies.kyverno.io", "kind": KIND}, project["namespaceResourceWhitelist"])

    def test_only_the_cluster_that_wants_it_changes(self):
        with Copy() as copy:
            copy.path("nix/keys/first.pub").write_text(KEY)
            before, _ = evaluate(copy.root, "tree")
            with_policy(copy)
            after, _ = evaluate(copy.root, "tree")
        changed = {path for path in after if after[path] != before.get(path)}
        self.assertEqual(changed, {f"overlays/gke-prod/shared/{name}.yaml" for name in ("imagepolicy", "kustomization")})


class Refused(RefusalCase):
    def key(self, name, text):
        def change(copy):
            path = copy.path("nix/keys") / name
            path.write_text(text) if text is not None else path.symlink_to("/etc/passwd")

        return change

    def test_a_policy_without_keys(self):
        self.refused(with_policy, f"{CLUSTER}/cluster.nix: imagePolicy needs a public key under nix/keys")

    def test_another_value(self):
        def change(value):
            def apply(copy):
                self.key("first.pub", KEY)(copy)
                with_policy(copy, value)

            return apply

        self.refused(change('"on"'), 'imagePolicy = "on" is not enforce or audit')
        self.refused(change("true"), "imagePolicy is a boolean, not enforce or audit")

    def test_what_is_no_public_key(self):
        private = "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAA==\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n"
        self.refused(self.key("first.pub", private), "nix/keys/first.pub contains a private key: whoever reads this repository can sign with it")
        for text in ("", "hello", KEY.replace("PUBLIC", "OTHER"), KEY.strip(), KEY + KEY, KEY.replace("MFk", 'M"k')):
            self.refused(self.key("first.pub", text), "nix/keys/first.pub is no public key in PEM")
        self.refused(self.key("first.pem", KEY), "nix/keys/first.pem: keys are named <name>.pub")
        self.refused(self.key("First key.pub", KEY), "keys are named <name>.pub")
        self.refused(self.key("link.pub", None), "nix/keys/link.pub is no plain file")

    def test_what_would_not_be_a_text_in_the_policy(self):
        def change(copy):
            self.key("first.pub", KEY)(copy)
            with_policy(copy)
            copy.replace("nix/gitops.nix", "https://jenkins.example.com/job/generic-consumer", 'https://jenkins.example.com/\\" || true || \\"')

        self.refused(change, "nix/gitops.nix: provenance.builder is no URL")


class Trusted(unittest.TestCase):
    def test_the_keys_in_this_repository(self):
        signing, refusal = evaluate(ROOT, "signing")
        self.assertIsNone(refusal)
        keys = sorted(path.stem for path in (ROOT / "nix/keys").glob("*.pub"))
        self.assertEqual([key["name"] for key in signing["keys"]], keys)
        self.assertEqual(json.loads(json.dumps(sorted(signing))), ["builder", "keys", "repository"])

    def test_a_repository_without_the_folder(self):
        with Copy() as copy:
            for path in copy.path("nix/keys").iterdir():
                pathlib.Path(path).unlink()
            copy.path("nix/keys").rmdir()
            signing, refusal = evaluate(copy.root, "signing")
            self.assertIsNone(refusal)
            self.assertEqual(signing["keys"], [])
