"""The real image and its real bill of materials, built, pushed, signed and verified by delivery/image, with
a registry of this machine and keys of the test."""

import base64
import json
import os
import subprocess
import sys
import unittest
from unittest import mock

from offline import build
from tree import ROOT

sys.path.insert(0, str(ROOT / "tests/delivery"))
import remote
from chain import PASSWORD, Chain
from demo import real_nix


class Signed(unittest.TestCase):
    def setUp(self):
        parts = remote.PARTS | {entry.name for entry in ROOT.iterdir()}
        program = str(build(ROOT, "consumer") / "bin/generic-consumer")
        for patch in (mock.patch.object(remote, "PARTS", parts), mock.patch.dict(os.environ, {"GENERIC_CONSUMER": program})):
            patch.start()
            self.addCleanup(patch.stop)
        self.chain = Chain()
        self.chain.__enter__()
        self.addCleanup(self.chain.__exit__)
        real_nix(self.chain)
        self.clone = self.chain.clone("agent")
        credential = self.chain.root / "auth.json"
        credential.write_text('{"credential": "generic-consumer-registries"}')
        self.chain.environment |= {
            "REGISTRY_AUTH_FILE": str(credential),
            "COSIGN_KEY": str(self.chain.jenkins / "credentials/generic-consumer-signing-key"),
            "COSIGN_PASSWORD": PASSWORD,
            "BUILD_URL": "https://jenkins.example.com/job/generic-consumer/job/image/1/",
        }

    def script(self, *arguments, expect=0):
        done = subprocess.run(["python3", "-B", "delivery/image", *arguments], cwd=self.clone, env=self.chain.environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, expect, done.stderr)
        return done.stderr

    def attested(self, kind, digest):
        command = [self.chain.environment["COSIGN"], "verify-attestation", "--key", self.clone / "nix/keys/tests.pub", "--insecure-ignore-tlog"]
        command += ["--type", kind, "--output", "json", f"{self.chain.place('eks-prod')}@{digest}"]
        (line,) = self.chain.run(*command).splitlines()
        return json.loads(base64.b64decode(json.loads(line)["payload"]))

    def test_from_the_build_to_the_verification(self):
        self.script("build")
        image = json.loads((self.clone / "image.json").read_text())
        self.script("push")
        # Between the push and the signature nobody accepts it.
        self.assertIn("has no signature by a key of nix/keys (tests)", self.script("has", "gke-uat", image["digest"], expect=1))
        self.script("sign")
        for cluster in ("gke-uat", "eks-prod"):
            self.script("has", cluster, image["digest"])
        sbom = self.attested("https://cyclonedx.org/bom", image["digest"])
        self.assertEqual(sbom["subject"][0]["digest"], {"sha256": image["digest"].removeprefix("sha256:")})
        self.assertEqual(sbom["predicate"], json.loads(build(ROOT, "sbom").read_text()))
        provenance = self.attested("https://slsa.dev/provenance/v1", image["digest"])["predicate"]
        self.assertEqual(provenance["buildDefinition"]["resolvedDependencies"][0]["digest"], {"gitCommit": self.chain.head()})
        outputs = {each["name"]: each["digest"]["sha256"] for each in provenance["runDetails"]["byproducts"]}
        for name in ("image", "sbom"):
            path = build(ROOT, name)
            (found,) = [digest for output, digest in outputs.items() if output == path.name]
            self.assertEqual(found, self.chain.run("sha256sum", path).split()[0])


if __name__ == "__main__":
    unittest.main()
