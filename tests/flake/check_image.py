"""The image: its files and their owners, its configuration, and that the same inputs give the same
bytes."""

import io
import json
import pathlib
import re
import subprocess
import tarfile
import tempfile
import unittest

from offline import SYSTEM, Checkout, build, nix, overriding
from tree import ROOT

SHELLS = {"sh", "bash", "dash", "ash", "zsh", "busybox", "ksh"}
MANAGERS = {"nix", "nix-env", "apt", "apt-get", "dpkg", "apk", "rpm", "yum", "pip", "cargo", "rustc", "gcc", "cc"}


class Archive:
    """An OCI layout in a tar archive: its manifest, its configuration and the files of its layers."""

    def __init__(self, path):
        with tarfile.open(path) as tar:
            self.blobs = {m.name.rsplit("/")[-1]: tar.extractfile(m).read() for m in tar if m.isfile() and "blobs" in m.name}
            index = json.load(tar.extractfile(tar.getmember("./index.json")))
        self.tag = index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"]
        self.digest = index["manifests"][0]["digest"]
        self.manifest = json.loads(self.blob(self.digest))
        self.config = json.loads(self.blob(self.manifest["config"]["digest"]))
        self.layers = [layer["digest"] for layer in self.manifest["layers"]]

    def blob(self, digest):
        return self.blobs[digest.removeprefix("sha256:")]

    def members(self, digest):
        with tarfile.open(fileobj=io.BytesIO(self.blob(digest))) as tar:
            return [(m, tar.extractfile(m).read() if m.isfile() else b"") for m in tar]

    def files(self):
        return [(m.name.lstrip("./"), m, data) for digest in self.layers for m, data in self.members(digest)]


class Image(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.image = Archive(build(ROOT, "image"))
        cls.version = re.search(r'(?m)^version = "(.*)"', (ROOT / "Cargo.toml").read_text())[1]
        cls.revision = nix("eval", "--raw", f"{ROOT}#contracts.revision", *overriding())

    def test_size(self):
        packed = sum(layer["size"] for layer in self.image.manifest["layers"])
        unpacked = sum(m.size for _, m, _ in self.image.files())
        print(f"\nimage {self.image.digest}: {packed / 1e6:.1f} MB packed, {unpacked / 1e6:.1f} MB unpacked, {len(self.image.layers)} layers")
        self.assertLess(unpacked, 120e6)

    def test_configuration(self):
        config = self.image.config["config"]
        self.assertEqual(config["User"], "65532:65532")
        self.assertEqual(config["WorkingDir"], "/app")
        self.assertRegex(config["Entrypoint"][0], r"^/nix/store/[^/]+/bin/generic-consumer$")
        self.assertEqual(len(config["Entrypoint"]), 1)
        self.assertEqual(self.image.config["created"], "1970-01-01T00:00:01Z")
        self.assertEqual(self.image.tag, self.version)

    def test_labels(self):
        labels = self.image.config["config"]["Labels"]
        self.assertEqual(labels["org.opencontainers.image.version"], self.version)
        self.assertEqual(labels["generic-consumer.contracts.revision"], self.revision)
        self.assertRegex(self.revision, r"^[0-9a-f]{12}$")

    def test_no_git_revision(self):
        head = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        self.assertNotIn(head.stdout.strip()[:12], json.dumps(self.image.config))

    def test_no_shell_and_no_package_manager(self):
        names = {pathlib.PurePath(name).name for name, m, _ in self.image.files() if m.mode & 0o111 and not m.isdir()}
        self.assertIn("generic-consumer", names)
        self.assertEqual(names & (SHELLS | MANAGERS), set())
        programs = [name for name, m, _ in self.image.files() if "/bin/" in name and not m.isdir()]
        self.assertEqual(len(programs), 1, programs)

    def test_nothing_is_privileged_or_writable(self):
        for name, member, _ in self.image.files():
            if not member.issym():
                self.assertEqual(member.mode & 0o6000, 0, name)
                self.assertEqual(member.mode & 0o022, 0, name)
            self.assertEqual((member.uid, member.gid), (0, 0), name)

    def test_certificates(self):
        variable = next(v for v in self.image.config["config"]["Env"] if v.startswith("SSL_CERT_FILE="))
        path = variable.partition("=")[2].lstrip("/")
        data = next(data for name, _, data in self.image.files() if name == path)
        self.assertGreater(data.count(b"BEGIN CERTIFICATE"), 50)

    def test_hosts_come_before_dns(self):
        data = next(data for name, _, data in self.image.files() if name == "etc/nsswitch.conf")
        self.assertEqual(data, b"hosts: files dns\n")

    def test_the_contracts_are_in_one_layer(self):
        layers = [d for d in self.image.layers if any("app/contracts" in m.name for m, _ in self.image.members(d))]
        self.assertEqual(len(layers), 1)
        held = {m.name.lstrip("./") for m, _ in self.image.members(layers[0]) if m.isfile()}
        self.assertEqual({name for name in held if not name.startswith("app/contracts/")}, {"etc/passwd", "etc/group", "etc/nsswitch.conf"})
        documents = {
            str(path.relative_to(ROOT))
            for path in (ROOT / "contracts").rglob("*")
            if path.is_file() and not {"accept", "reject"} & set(path.parts)
        }
        self.assertEqual({name.removeprefix("app/") for name in held if "contracts" in name}, documents)

    def test_a_contract_changes_one_layer(self):
        """Samples, overlays and clusters do not change the image."""
        with Checkout() as checkout:
            (checkout.root / "contracts/returns/return_events_v2/accept/more.json").write_text("{}")
            (checkout.root / "kustomize/base/deployment.yaml").write_text("{}")
            checkout.replace("nix/clusters/gke-prod/release.json", "sha256:0", "sha256:1")
            self.assertEqual(Archive(build(checkout.flake, "image")).digest, self.image.digest)
            checkout.replace("contracts/returns/return_events_v2.yaml", "version: 2.0.0", "version: 2.0.1")
            other = Archive(build(checkout.flake, "image"))
            self.assertEqual(len(set(other.layers) - set(self.image.layers)), 1)
            self.assertNotEqual(
                other.config["config"]["Labels"]["generic-consumer.contracts.revision"], self.revision
            )

    def test_image_with_other_contracts(self):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "flake.nix").write_text(
                f"""{{
                  inputs.consumer.url = "git+file://{ROOT}";
                  outputs = {{ self, consumer }}: {{
                    packages.{SYSTEM}.default = consumer.lib.{SYSTEM}.imageWith {{ contracts = ./contracts; }};
                  }};
                }}"""
            )
            (pathlib.Path(folder) / "contracts").mkdir()
            (pathlib.Path(folder) / "contracts/elsewhere.yaml").write_text("asyncapi: 3.0.0\n")
            arguments = ["build", "--json", "--no-link", f"path:{folder}", *overriding("consumer/nixpkgs")]
            other = Archive(json.loads(nix(*arguments))[0]["outputs"]["out"])
        names = {name for name, m, _ in other.files() if name.startswith("app/contracts/") and m.isfile()}
        self.assertEqual(names, {"app/contracts/elsewhere.yaml"})
        self.assertEqual(len(set(other.layers) - set(self.image.layers)), 1)

    def test_the_same_inputs_give_the_same_bytes(self):
        """Nix builds the image again and fails if a byte differs."""
        nix("build", "--no-link", "--rebuild", f"{ROOT}#image", *overriding())
