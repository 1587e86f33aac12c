"""The templates have the properties of properties/, and each property fails when what it is about
is broken."""

import ipaddress
import pathlib
import subprocess
import sys
import tempfile
import unittest

import properties
from mutations import MUTATIONS, broken
from properties import CHECKS
from templates import FOLDER, NAMES, Refused, Stack, Stacks, load

CERTIFICATE = "arn:aws:acm:eu-west-1:111122223333:certificate/a-certificate"
KAFKA = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:generic-consumer/kafka-AbCdEf"
PUSHER = "arn:aws:iam::111122223333:role/jenkins"
# Choices that add or leave out resources.
VARIANTS = {
    "as it is": {},
    "everything": {
        "base": {"PusherArn": PUSHER, "Prod1Address": "10.110.0.11", "Prod2Address": "10.110.0.12", "Prod3Address": "10.110.0.13", "UatAddress": "10.120.0.11"},
        "eks": {"PublicAccessCidrs": "203.0.113.0/24,198.51.100.7/32", "ApiClientCidr": "10.0.0.0/16"},
        "ecs": {"KafkaSecretArn": KAFKA, "EventApi": "true", "CertificateArn": CERTIFICATE},
    },
    "one NAT gateway": {"base": {"NatPerZone": "false"}},
    "a public event API": {"ecs": {"EventApi": "true", "CertificateArn": CERTIFICATE, "ApiScheme": "internet-facing"}},
}


def complaints(check, templates=None):
    """What a check says about the templates in any variant, with an error as one more sentence."""
    said = []
    for variant, given in VARIANTS.items():
        try:
            said += [f"{variant}: {sentence}" for sentence in check(Stacks(templates, **given))]
        except (AssertionError, KeyError, IndexError, TypeError, ValueError, Refused) as error:
            said.append(f"{variant}: {type(error).__name__}: {error}")
    return said


class Properties(unittest.TestCase):
    maxDiff = None

    def test_the_templates_have_them(self):
        for check in CHECKS:
            with self.subTest(check.__name__):
                self.assertEqual(complaints(check), [])

    def test_every_property_is_broken_on_purpose(self):
        self.assertEqual(sorted(check.__name__ for check in CHECKS), sorted(MUTATIONS))

    def test_each_notices_what_breaks_it(self):
        for check in CHECKS:
            for name, path, value in MUTATIONS[check.__name__]:
                with self.subTest(check.__name__, template=name, path=path):
                    said = complaints(check, broken(name, path, value))
                    self.assertTrue(said, "the property holds although the template is broken")
                    # A sentence of its own, not a template that could not be read.
                    self.assertTrue([s for s in said if not s.split(": ")[1].endswith("Error")], said)
        # No line asks for something that no template could lack.
        for file in pathlib.Path(properties.__file__).parent.glob("*.py"):
            for number, line in enumerate(file.read_text().splitlines(), 1):
                if "from unless(" in line:
                    self.assertIn((str(file), number), properties.complained, line.strip())


class Linter(unittest.TestCase):
    def test_it_refuses(self):
        """As run.sh calls it, it fails at errors and at warnings."""
        text = (FOLDER / "base.yaml").read_text()
        error = text.replace("ImageTagMutability: IMMUTABLE", "ImageTagMutability: SOMETIMES")
        warning = text.replace("\nConditions:\n", "  Unused:\n    Type: String\n    Default: x\n\nConditions:\n")
        for broken_text, rule in ((error, "E3030"), (warning, "W2001")):
            self.assertNotEqual(broken_text, text)
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                file.write(broken_text)
                file.flush()
                done = subprocess.run([pathlib.Path(sys.executable).with_name("cfn-lint"), "--regions", "eu-west-1", "--template", file.name], capture_output=True, text=True)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(rule, done.stdout)


class Parameters(unittest.TestCase):
    def test_defaults(self):
        """Everything that has no default is an output of base.yaml, or the reader has to choose it."""
        outputs = set(load("base")["Outputs"])
        chosen = {
            "base": set(),
            "eks": {"AdminArn"},
            "ecs": {"Instance", "Domain", "Image", "ProbeImage", "ConfigurationKey", "GoogleKeySecretArn"},
        }
        for name in NAMES:
            needed = {key for key, value in load(name).get("Parameters", {}).items() if "Default" not in value}
            self.assertEqual(needed - outputs, chosen[name], name)

    def test_refused_values(self):
        refused = {
            "base": {"Environment": "UAT", "VpcCidr": "10.0.0.0/8", "PusherArn": "jenkins", "UatAddress": "uat.example.com", "NatPerZone": "yes", "LogRetentionDays": "5"},
            "eks": {"Environment": "eks-uat", "KubernetesVersion": "latest", "NodesMinimum": "1", "ApiClientCidr": "0.0.0.0/0", "AdminArn": "admin", "KeyArn": "a-key", "SecretPrefix": ""},
            "ecs": {"Domain": "returns", "Instance": "Returns", "Cpu": "100", "BrokerCidr": "0.0.0.0/0", "ApiPort": "80", "EventApi": "yes"},
        }
        for name, values in refused.items():
            for parameter, value in values.items():
                with self.subTest(name, parameter=parameter), self.assertRaises(Refused):
                    Stacks(**{name: {parameter: value}})

    def test_the_role_for_pushing_exists_only_for_somebody(self):
        self.assertNotIn("PushRole", Stacks().base.resources)
        self.assertNotIn("PushRoleArn", Stacks().base.outputs)
        self.assertIn("PushRole", Stack(load("base"), PusherArn=PUSHER).resources)

    def test_the_networks_do_not_overlap(self):
        stacks = Stacks()
        network = ipaddress.ip_network(stacks.base.parameters["VpcCidr"])
        subnets = [ipaddress.ip_network(s["Properties"]["CidrBlock"]) for s in stacks.base.of_type("AWS::EC2::Subnet").values()]
        for index, subnet in enumerate(subnets):
            self.assertTrue(subnet.subnet_of(network), subnet)
            self.assertFalse([other for other in subnets[:index] if other.overlaps(subnet)], subnet)
        services = ipaddress.ip_network(stacks.eks.parameters["ServiceCidr"])
        self.assertFalse(services.overlaps(network))
        # The brokers of the examples, and what stands next to them.
        for broker in ("10.110.0.11", "10.120.0.11", "10.10.0.11", "10.20.0.11"):
            self.assertNotIn(ipaddress.ip_address(broker), network)
            self.assertNotIn(ipaddress.ip_address(broker), services)
