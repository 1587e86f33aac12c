"""What one part gives is what the next one takes: stacks, Google, cluster.nix, the program, the page."""

import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import yaml
from properties import SERVICE_ACCOUNTS
from templates import GIVEN, ISSUER, NAMES, ROOT, Stack, load

WIRE = ROOT / "infra/wire"
PAGE = (ROOT / "docs/infrastructure.md").read_text()
EKS = [folder.name for folder in sorted((ROOT / "nix/clusters").glob("eks-*"))]
# Key in cluster.nix -> the output that it is.
OUTPUTS = {"image": "base.RepositoryUri", "awsRole": "eks.InstanceRoleArn"}
ACCOUNTS = {"eks-prod": ("444455556666", "100000000001", "acme-data-prod"), "eks-uat": ("777788889999", "100000000002", "acme-data-uat")}


def nix(expression):
    done = subprocess.run(["nix-instantiate", "--eval", "--strict", "--json", "-E", expression], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def outputs(cluster):
    """What the stacks and Google would give for an example cluster."""
    account, project_number, project = ACCOUNTS[cluster]
    environment = cluster.removeprefix("eks-")
    issuer = f"https://{ISSUER}"
    role = f"arn:aws:iam::{account}:role/generic-consumer-{environment}-eks-InstanceRole-EXAMPLE"
    return {
        "base": {"RepositoryUri": f"{account}.dkr.ecr.eu-west-1.amazonaws.com/consumers/generic-consumer", "BucketName": "a-bucket"},
        "eks": {"ClusterName": cluster, "IssuerUrl": issuer, "InstanceRoleArn": role},
        "google": {
            "cluster": cluster,
            "issuer": issuer,
            "audience": f"//iam.googleapis.com/projects/{project_number}/locations/global/workloadIdentityPools/aws-eks/providers/{cluster}",
            "serviceAccount": f"generic-consumer@{project}.iam.gserviceaccount.com",
        },
    }


class Page(unittest.TestCase):
    def test_it_names_every_output_and_no_other(self):
        named = set(re.findall(r"`((?:base|eks|ecs)\.[A-Z]\w+)`", PAGE))
        self.assertEqual(named, {f"{name}.{output}" for name in NAMES for output in load(name)["Outputs"]})

    def test_its_commands_give_parameters_that_exist(self):
        commands = re.findall(r"aws cloudformation deploy --stack-name .*?(?:\n\n|\n```)", PAGE, re.S)
        used = {}
        for command in commands:
            name = re.search(r"infra/aws/(\w+)\.yaml", command)[1]
            overrides = command.split("--parameter-overrides", 1)[1]
            used.setdefault(name, set()).update(re.findall(r"\b([A-Z]\w+)=", overrides))
        self.assertEqual(sorted(used), sorted(NAMES))
        base = set(load("base")["Outputs"])
        for name, given in used.items():
            parameters = load(name)["Parameters"]
            self.assertLessEqual(given, set(parameters), name)
            needed = {key for key, value in parameters.items() if "Default" not in value}
            self.assertLessEqual(needed - base, given, name)

    def test_what_is_taken_from_base_is_an_output_of_it(self):
        """Parameters of eks and ecs with an output's name have the form of that output."""
        base = Stack(load("base"))
        for name in ("eks", "ecs"):
            taken = set(load(name)["Parameters"]) & set(base.outputs)
            self.assertLessEqual({"KeyArn", "BucketName", "PrivateSubnetIds"}, taken)
            for parameter in taken:
                kind = load(name)["Parameters"][parameter]["Type"]
                self.assertEqual(kind.startswith("List<"), "," in base.outputs[parameter], parameter)

    def test_other_pages_point_to_it(self):
        for page in ("README.md", "docs/delivery.md"):
            text = (ROOT / page).read_text()
            self.assertRegex(text, r"\]\((docs/)?infrastructure\.md", page)

    def test_files_that_it_names_exist(self):
        # Not the names of objects in a bucket.
        for path in set(re.findall(r"(?<![\w/])((?:infra|nix|config|docs|delivery)/[\w./-]*\w)", PAGE)):
            if "<" not in path and "…" not in path:
                self.assertTrue((ROOT / path).exists(), path)


class Clusters(unittest.TestCase):
    def test_cluster_nix_has_what_the_tool_writes(self):
        for cluster in EKS:
            spec = nix(f"import {ROOT}/nix/clusters/{cluster}/cluster.nix")
            account = spec["credentials"]["externalAccount"]
            given = outputs(cluster)
            self.assertEqual(spec["image"], given["base"]["RepositoryUri"])
            self.assertEqual(spec["awsRole"], given["eks"]["InstanceRoleArn"])
            self.assertEqual(account, {"audience": given["google"]["audience"], "serviceAccount": given["google"]["serviceAccount"]})

    def test_the_examples_agree_with_the_templates(self):
        base, eks = Stack(load("base")), Stack(load("eks"), **{**GIVEN["eks"], "PrivateSubnetIds": "a,b", "KeyArn": "arn:aws:kms:eu-west-1:111122223333:key/a", "BucketName": "a-bucket"})
        for cluster in EKS:
            spec = nix(f"import {ROOT}/nix/clusters/{cluster}/cluster.nix")
            self.assertTrue(spec["image"].endswith("amazonaws.com/" + base.parameters["RepositoryName"]))
            for secret in spec.get("externalSecrets", {}).values():
                self.assertTrue(secret["remoteKey"].startswith(eks.parameters["SecretPrefix"]), secret)
                self.assertIn(f"name: {secret['store']}", PAGE)
        self.assertIn(eks.outputs["ClusterName"], EKS)

    def test_keys_and_outputs(self):
        """The tool's keys are those of cluster.nix, and its outputs those of the templates."""
        source = WIRE.read_text()
        pairs = dict(re.findall(r'^    "(\w+)": "(\w+)",$', source, re.M))
        self.assertEqual(set(pairs), {*OUTPUTS, "audience", "serviceAccount"})
        for key, output in OUTPUTS.items():
            name, output_name = output.split(".")
            self.assertEqual(pairs[key], output_name)
            self.assertIn(output_name, load(name)["Outputs"])
            self.assertIn(f"| `{key}` |", (ROOT / "docs/delivery.md").read_text())

    def test_the_service_account_is_the_one_that_the_pods_have(self):
        namespace = yaml.safe_load((ROOT / "kustomize/base/shared/namespace.yaml").read_text())["metadata"]["name"]
        account = yaml.safe_load((ROOT / "kustomize/base/shared/serviceaccount.yaml").read_text())["metadata"]["name"]
        self.assertEqual(SERVICE_ACCOUNTS["eks.InstanceRole"], f"{namespace}:{account}")
        self.assertIn(f"subject=system:serviceaccount:{namespace}:{account}\n", (ROOT / "infra/gcp/setup").read_text())

    def test_the_brokers_names(self):
        """base.yaml can make exactly the names that pods have in their hosts files."""
        zones = {r["Properties"]["Name"] for r in load("base")["Resources"].values() if r["Type"] == "AWS::Route53::HostedZone"}
        self.assertEqual(zones, set(nix(f"import {ROOT}/nix/clusters/eks-uat/cluster.nix")["hosts"]))


class Tool(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name) / "clone"
        for part in ("nix", "config", "contracts", "transfers", "kustomize"):
            shutil.copytree(ROOT / part, self.root / part)
        self.file = self.root / "nix/clusters/eks-uat/cluster.nix"
        self.before = self.file.read_text()

    def run_(self, given, *arguments, cluster="eks-uat"):
        files = []
        for name, values in given.items():
            file = self.root.parent / f"{name}.json"
            # As describe-stacks prints a stack's outputs; infra/gcp/setup prints an object.
            content = values if name == "google" or not isinstance(values, dict) else [{"OutputKey": k, "OutputValue": v} for k, v in values.items()]
            file.write_text(json.dumps(content))
            files.append(file)
        return subprocess.run([WIRE, "--repository", self.root, *arguments, cluster, *files], capture_output=True, text=True)

    def changed(self):
        given = outputs("eks-uat")
        given["base"]["RepositoryUri"] = "999900001111.dkr.ecr.eu-central-1.amazonaws.com/a/b"
        given["eks"]["InstanceRoleArn"] = "arn:aws:iam::999900001111:role/another"
        given["google"]["audience"] = given["google"]["audience"].replace("100000000002", "3")
        given["google"]["serviceAccount"] = "generic-consumer@another.iam.gserviceaccount.com"
        return given

    def test_the_examples_are_as_the_outputs_are(self):
        done = self.run_(outputs("eks-uat"), "--check")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.run_(outputs("eks-prod"), "--check", cluster="eks-prod").returncode, 0)
        self.assertEqual(self.file.read_text(), self.before)

    def test_it_writes_four_values_and_nothing_else(self):
        given = self.changed()
        done = self.run_(given)
        self.assertEqual(done.returncode, 0, done.stderr)
        spec = nix(f"import {self.file}")
        self.assertEqual(spec["image"], given["base"]["RepositoryUri"])
        self.assertEqual(spec["awsRole"], given["eks"]["InstanceRoleArn"])
        self.assertEqual(spec["credentials"]["externalAccount"], {key: given["google"][key] for key in ("audience", "serviceAccount")})
        pairs = list(zip(self.before.splitlines(), self.file.read_text().splitlines(), strict=True))
        self.assertEqual(len([1 for old, new in pairs if old != new]), 4)
        self.assertEqual(self.run_(given, "--check").returncode, 0)

    def test_check_changes_nothing(self):
        done = self.run_(self.changed(), "--check")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout.count(" -> "), 4)
        self.assertEqual(self.file.read_text(), self.before)

    def refused(self, saying, change, cluster="eks-uat"):
        given = self.changed()
        change(given)
        done = self.run_(given, cluster=cluster)
        self.assertEqual(done.returncode, 1)
        self.assertIn(saying, done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        self.assertEqual(self.file.read_text(), self.before)

    def test_outputs_of_different_environments(self):
        self.refused("the files are about eks-prod, not eks-uat", lambda given: given.update(outputs("eks-prod")))
        self.refused("the files are about eks-prod", lambda given: given["google"].update(cluster="eks-prod"))
        self.refused("but the cluster's issuer is", lambda given: given["google"].update(issuer="https://oidc.eks.eu-west-1.amazonaws.com/id/A"))
        self.refused("give the outputs of one environment", lambda given: given["eks"].update(RepositoryUri="another"))

    def test_files_that_are_something_else(self):
        self.refused("the files lack IssuerUrl", lambda given: given["eks"].pop("IssuerUrl"))
        self.refused("base.json has no outputs", lambda given: given.update(base="text"))
        self.refused("base.json has no outputs", lambda given: given.update(base=[{"Key": "a"}]))
        self.refused("is missing: copy another cluster's folder", lambda given: (given["eks"].update(ClusterName="eks-test"), given["google"].update(cluster="eks-test")), cluster="eks-test")

    def test_what_the_flake_refuses_is_not_written(self):
        self.refused("is not a provider of a workload identity pool", lambda given: given["google"].update(audience="//another"))

    def test_a_cluster_nix_without_the_line(self):
        self.before = re.sub(r"\n  awsRole = .*", "", self.before)
        self.file.write_text(self.before)
        self.refused('has 0 lines `awsRole = "…";`', lambda given: None)
