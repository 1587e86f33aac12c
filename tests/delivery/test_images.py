"""delivery/images.py: an image's program runs as a process, with the image's own libraries, contracts
and environments, and nothing in an image leaves its folder."""

import contextlib
import hashlib
import io
import json
import os
import pathlib
import platform
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import unittest
from unittest import mock

from chain import HERE, Registry
from remote import ROOT, program

sys.path.insert(0, str(ROOT / "delivery"))
import images
from refusal import Refusal

ENV = """\
BQ_TABLE_ORDERS='orders'
IMPORT_PATH_ORDERS='contracts.orders.order_events_v1'
IMPORT_OBJECT_ORDERS='OrderEventsV1Topic'
CONSUME_ENV_ORDERS='uat'
GROUP_ID_ORDERS='orders-uat'
"""


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name).resolve()
        self.root = self.folder / "root"
        self.root.mkdir()


class Extracted(Case):
    def extract(self, *members):
        """Unpacks a layer: (name, content), or (name, type, target) for a link."""
        file = self.folder / "layer.tar"
        with tarfile.open(file, "w") as tar:
            for name, *rest in members:
                info = tarfile.TarInfo(name)
                if len(rest) == 2:
                    info.type, info.linkname = rest
                    tar.addfile(info)
                else:
                    info.size = len(rest[0])
                    tar.addfile(info, io.BytesIO(rest[0]))
        images.extract(file, self.root)

    def refused(self, saying, *members):
        with self.assertRaises(Refusal) as caught:
            self.extract(*members)
        self.assertIn(saying, str(caught.exception))
        self.assertEqual([f.name for f in self.folder.iterdir() if f.name not in ("root", "layer.tar")], [])

    def test_links_stay_in_the_image(self):
        self.extract(("./nix/store/a/file", b"1"), ("./app/config", tarfile.SYMTYPE, "/nix/store/a"), ("./app/other", tarfile.SYMTYPE, "../nix/store/a/file"), ("./app/hard", tarfile.LNKTYPE, "./nix/store/a/file"))
        for path in ("app/config/file", "app/other", "app/hard"):
            self.assertEqual((self.root / path).read_text(), "1")
            self.assertTrue((self.root / path).resolve().is_relative_to(self.root))

    def test_a_later_layer_replaces(self):
        self.extract(("./a", b"1"))
        self.extract(("./a", b"2"))
        self.assertEqual((self.root / "a").read_text(), "2")

    def test_nothing_is_written_outside(self):
        self.refused("our images neither leave their root", ("../evil", b"1"))
        self.refused("leads out of it", ("./out", tarfile.SYMTYPE, "../../"), ("./out/evil", b"1"))
        self.refused("leads out of it", ("./hard", tarfile.LNKTYPE, "../../../etc/passwd"))
        self.refused("nor delete files", ("./.wh.a", b""))


class Running(Case):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.registry = Registry(pathlib.Path(folder.name) / "registry")
        cls.addClassCleanup(cls.registry.stop)
        configuration = pathlib.Path(folder.name) / "registries.conf"
        configuration.write_text(f'[[registry]]\nlocation = "{cls.registry.host}"\ninsecure = true\n')
        # The tests' skopeo does without TLS.
        given = {"CONTAINERS_REGISTRIES_CONF": str(configuration), "SKOPEO": shutil.which("skopeo"), "PATH": f"{HERE / 'bin'}:{os.environ['PATH']}"}
        environment = mock.patch.dict(os.environ, given)
        environment.start()
        cls.addClassCleanup(environment.stop)

    def push(self, entrypoint, architecture="amd64"):
        """Pushes an image of the files under `root`; returns what the flake says of an instance's image."""
        layout = self.folder / "layout"
        (layout / "blobs/sha256").mkdir(parents=True)
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            tar.add(self.root, ".")
        layer = buffer.getvalue()
        config = json.dumps({"architecture": architecture, "os": "linux", "config": {"Entrypoint": [entrypoint], "WorkingDir": "/app"}, "rootfs": {"type": "layers", "diff_ids": [digest(layer)]}}).encode()
        kind = "application/vnd.oci.image"
        entry = lambda data, media: {"mediaType": f"{kind}.{media}", "digest": digest(data), "size": len(data)}
        manifest = json.dumps({"schemaVersion": 2, "mediaType": f"{kind}.manifest.v1+json", "config": entry(config, "config.v1+json"), "layers": [entry(layer, "layer.v1.tar")]}).encode()
        for blob in (layer, config, manifest):
            (layout / "blobs/sha256" / digest(blob)[7:]).write_bytes(blob)
        (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry(manifest, "manifest.v1+json")]}))
        place = f"{self.registry.host}/generic-consumer"
        command = ["skopeo", "--insecure-policy", "copy", "--quiet", "--preserve-digests", f"oci:{layout}", f"docker://{place}:{architecture}"]
        done = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return {"image": place, "digest": digest(manifest)}

    def judge(self, described, arguments, instead=None):
        printed = io.StringIO()
        with images.Images(instead) as judging, contextlib.redirect_stdout(printed):
            done = judging.judge(self.folder, described, arguments, {"WRITE_ENV": "uat"})
            folder = judging.folder
        self.assertFalse(folder.exists())
        return done, folder, printed.getvalue()

    def install(self, file):
        """Puts a program of this machine into the image, with the libraries that it needs, which lie
        where no loader looks by itself."""
        target = self.root / "nix/store/consumer/bin" / file.name
        target.parent.mkdir(parents=True)
        shutil.copy(file, target)
        lib = self.root / "nix/store/glibc/lib"
        lib.mkdir(parents=True)
        for line in subprocess.run(["ldd", file], capture_output=True, text=True, check=True).stdout.splitlines():
            found = next((word for word in line.split() if word.startswith("/")), None)
            if found and "=>" in line:
                shutil.copy(found, lib / line.split()[0])
            elif found:
                (self.root / found.lstrip("/")).parent.mkdir(parents=True)
                shutil.copy(found, self.root / found.lstrip("/"))
        return f"/nix/store/consumer/bin/{file.name}"

    def app(self, contracts=True):
        (self.root / "nix/store/config").mkdir(parents=True)
        shutil.copy(ROOT / "config/environments.toml", self.root / "nix/store/config")
        (self.root / "app").mkdir()
        (self.root / "app/config").symlink_to("/nix/store/config")
        if contracts:
            shutil.copytree(ROOT / "contracts", self.root / "app/contracts")
        (self.folder / "orders.env").write_text(ENV)
        return ["config", "ORDERS", "--env-file", str(self.folder / "orders.env")]

    def test_the_images_own_loader_and_libraries_are_used(self):
        (self.root / "app").mkdir()
        described = self.push(self.install(pathlib.Path(shutil.which("cat"))))
        done, folder, _ = self.judge(described, ["/proc/self/maps"])
        self.assertEqual(done.returncode, 0, done.stderr)
        mapped = {line.split()[5] for line in done.stdout.splitlines() if len(line.split()) == 6 and line.split()[5].startswith("/")}
        code = {path for path in mapped if "/bin/" in path or ".so" in path}
        self.assertGreaterEqual(len(code), 3)
        self.assertEqual([path for path in code if not path.startswith(str(folder))], [])

    def test_the_program_reads_the_images_contracts_and_environments(self):
        arguments = self.app()
        described = self.push(self.install(program()))
        done, _, _ = self.judge(described, arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"CONSUME_ENV_ORDERS +uat")

    def test_it_does_not_find_contracts_of_this_machine(self):
        arguments = self.app(contracts=False)
        described = self.push(self.install(program()))
        here = os.getcwd()
        os.chdir(ROOT)
        self.addCleanup(os.chdir, here)
        done, _, _ = self.judge(described, arguments)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, r"there is no folder /\S+/root/app/contracts")

    def test_another_architecture(self):
        """An agent of another architecture cannot run the program; the same program, built for it, can."""
        arguments = self.app()
        (self.root / "bin").mkdir()
        # The header of an ELF file for a machine that is not this one: S/390, big-endian.
        header = b"\x7fELF\x02\x02\x01" + b"\0" * 9 + struct.pack(">HHIQQQIHHHHHH", 2, 22, 1, 0, 0, 0, 0, 64, 56, 0, 64, 0, 0)
        (self.root / "bin/generic-consumer").write_bytes(header)
        (self.root / "bin/generic-consumer").chmod(0o755)
        described = self.push("/bin/generic-consumer", "s390x")
        with self.assertRaises(Refusal) as caught:
            self.judge(described, arguments)
        self.assertIn(f"the image is for linux/s390x and this machine is {platform.machine()}", str(caught.exception))
        done, _, printed = self.judge(described, arguments, instead=str(program()))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("which may differ from the program of", printed)

    def test_an_image_that_the_registry_lacks(self):
        with self.assertRaises(Refusal) as caught:
            self.judge({"image": f"{self.registry.host}/generic-consumer", "digest": "sha256:" + "0" * 64}, ["config"])
        self.assertIn("cannot fetch the image", str(caught.exception))

    def test_an_image_is_fetched_once(self):
        (self.root / "app").mkdir()
        described = self.push(self.install(pathlib.Path(shutil.which("true"))))
        with images.Images() as judging:
            for _ in range(3):
                self.assertEqual(judging.judge(self.folder, described, [], {}).returncode, 0)
            self.assertEqual(len(list(judging.folder.iterdir())), 1)


if __name__ == "__main__":
    unittest.main()
