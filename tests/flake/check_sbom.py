"""The image's bill of materials: a valid CycloneDX document that lists exactly what is in the image, and
the flake's check of the crates."""

import json
import re
import subprocess
import unittest

from check_image import Archive
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from offline import SYSTEM, Checkout, build, nix, overriding
from tree import ROOT

# Crates that only builds and tests use.
NOT_SHIPPED = {"proptest", "tempfile", "syn", "cc", "pkg-config", "prost-derive", "serde_derive", "openssl-src"}


class Sbom(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.text = build(ROOT, "sbom").read_text()
        cls.bom = json.loads(cls.text)
        cls.image = Archive(build(ROOT, "image"))
        cls.components = {c["bom-ref"]: c for c in cls.bom["components"]}
        cls.crates = {ref: c for ref, c in cls.components.items() if ref.startswith("pkg:cargo/")}
        cls.paths = {ref: c for ref, c in cls.components.items() if ref.startswith("/nix/store/")}

    def test_it_is_valid_by_the_official_schema(self):
        validator = JsonStrictValidator(SchemaVersion.V1_6)
        self.assertIsNone(validator.validate_str(self.text))
        broken = {**self.bom, "components": [{**self.bom["components"][0], "purls": []}]}
        self.assertIsNotNone(validator.validate_str(json.dumps(broken)))

    def test_it_names_the_image(self):
        image = self.bom["metadata"]["component"]
        self.assertEqual(image["hashes"], [{"alg": "SHA-256", "content": self.image.digest.removeprefix("sha256:")}])
        self.assertEqual(image["version"], self.image.tag)
        self.assertEqual(self.components["contracts"]["version"], self.image.config["config"]["Labels"]["generic-consumer.contracts.revision"])

    def test_the_store_paths_are_those_in_the_image(self):
        inside = {"/" + "/".join(name.split("/")[:3]) for name, _, _ in self.image.files() if re.match(r"nix/store/[^/]", name)}
        self.assertEqual(set(self.paths), inside)
        info = json.loads(nix("path-info", "--json", *sorted(self.paths)))
        known = {each["path"]: each["narHash"] for each in info}
        for path, component in self.paths.items():
            properties = {each["name"]: each["value"] for each in component["properties"]}
            self.assertEqual(properties, {"nix:path": path, "nix:narHash": known[path]})
        (librdkafka,) = [c for c in self.paths.values() if c["name"] == "librdkafka"]
        self.assertEqual((librdkafka["version"], librdkafka["purl"]), ("2.12.1", "pkg:nix/librdkafka@2.12.1"))

    def test_the_crates_are_those_in_the_program(self):
        """Those whose paths are in the program's messages: an independent trace of what was compiled into
        it. Not every crate leaves one."""
        program = next(data for name, _, data in self.image.files() if name.endswith("/bin/generic-consumer"))
        traces = {match.decode() for match in re.findall(rb"/(?:vendor|cargo-vendor-dir)/([A-Za-z0-9_.+-]+)/", program)}
        listed = {f"{c['name']}-{c['version']}" for c in self.crates.values()}
        self.assertGreater(len(traces), 30)
        self.assertLessEqual(traces, listed)
        names = {c["name"] for c in self.crates.values()}
        self.assertEqual(names & NOT_SHIPPED, set())
        self.assertLessEqual({"generic-consumer", "rdkafka", "rdkafka-sys", "tokio", "rustls", "ring", "mimalloc"}, names)

    def test_every_crate_has_its_checksum_and_licence(self):
        locked = re.findall(r'name = "(.*)"\nversion = "(.*)"\n(?:source = .*\nchecksum = "(.*)")?', (ROOT / "Cargo.lock").read_text())
        checksums = {(name, version): checksum for name, version, checksum in locked}
        for ref, crate in self.crates.items():
            with self.subTest(ref):
                checksum = checksums[crate["name"], crate["version"]]
                self.assertEqual(crate.get("hashes"), [{"alg": "SHA-256", "content": checksum}] if checksum else None)
                self.assertRegex(crate["licenses"][0]["expression"], r"^[A-Za-z0-9.+() -]+$")
        without = [ref for ref, crate in self.crates.items() if "hashes" not in crate]
        self.assertEqual(without, ["pkg:cargo/generic-consumer@0.1.0"])

    def test_everything_is_reached_from_the_image(self):
        edges = {each["ref"]: each["dependsOn"] for each in self.bom["dependencies"]}
        self.assertEqual(set(edges), {"image", *self.components})
        reached, pending = set(), ["image"]
        while pending:
            ref = pending.pop()
            if ref not in reached:
                reached.add(ref)
                pending += edges[ref]
        self.assertEqual(reached, set(edges))
        self.assertIn("pkg:cargo/rdkafka-sys@4.10.0%2B2.12.1", edges["pkg:cargo/rdkafka@0.39.0"])

    def test_the_same_image_gives_the_same_bytes(self):
        nix("build", "--no-link", "--rebuild", f"{ROOT}#sbom", *overriding())
        self.assertNotIn("timestamp", self.text)

    def test_other_contracts_change_it(self):
        with Checkout() as checkout:
            checkout.replace("contracts/returns/return_events_v2.yaml", "version: 2.0.0", "version: 2.0.1")
            other = json.loads(build(checkout.flake, "sbom").read_text())
        self.assertNotEqual(other["metadata"]["component"]["hashes"], self.bom["metadata"]["component"]["hashes"])
        self.assertNotEqual(other["serialNumber"], self.bom["serialNumber"])
        changed = [c["bom-ref"] for c in other["components"] if c != self.components.get(c["bom-ref"])]
        self.assertEqual(changed, ["contracts"])


class Audit(unittest.TestCase):
    def refused(self, sentence, old, new):
        with Checkout() as checkout:
            checkout.replace("deny.toml", old, new)
            self.assertIn(sentence, checkout.refusal(f"checks.{SYSTEM}.audit"))

    def test_a_licence_that_is_not_allowed(self):
        self.refused("rejected: license is not explicitly allowed", '    "BSL-1.0",\n', "")

    def test_a_banned_crate(self):
        self.refused("crate 'memchr = ", '{ crate = "native-tls" }', '{ crate = "native-tls" }, { crate = "memchr" }')

    def test_make_audit_and_the_flake_use_the_same_rules(self):
        self.assertEqual(subprocess.run([ROOT / "tests/setup/audit.sh"], capture_output=True).returncode, 0)
        build(ROOT, f"checks.{SYSTEM}.audit")
