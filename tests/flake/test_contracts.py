"""The contracts that go into the image are plain files: no link can bring another file into it."""

import os
import pathlib
import tempfile
import unittest

from tree import ROOT, nix

# As far as nix/contracts.nix uses nixpkgs; nothing is built.
STAND_IN = """{
  lib = { concatStrings = builtins.concatStringsSep ""; cleanSourceWith = given: given.src; };
  runCommand = _: given: _: { inherit (given.passthru) revision; src = toString given.src; };
}"""


def evaluate(contracts):
    return nix(f"import {ROOT}/nix/contracts.nix ({STAND_IN} // {{ contracts = {contracts}; }})")


class Contracts(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.contracts = self.root / "contracts"
        (self.contracts / "orders/v1/accept").mkdir(parents=True)
        (self.contracts / "orders/v1.yaml").write_text("a: 1\n")
        (self.contracts / "orders/v1/accept/x.json").write_text("{}")
        (self.root / "secret").mkdir()
        (self.root / "secret/key").write_text("hunter2")

    def refused(self, *sentences):
        _, refusal = evaluate(self.contracts)
        self.assertIsNotNone(refusal)
        self.assertIn("contracts consist of plain files and folders only; replace each of these by what it leads to, or delete it:", refusal)
        for sentence in sentences:
            self.assertIn(sentence, refusal)
        self.assertNotIn("hunter2", refusal)

    def test_plain_files(self):
        found, refusal = evaluate(self.contracts)
        self.assertIsNone(refusal)
        self.assertEqual(found["src"], str(self.contracts))
        # This repository's own, and a text in the place of a path.
        self.assertIsNone(evaluate(f"{ROOT}/contracts")[1])
        self.assertEqual(evaluate(f'"{self.contracts}"')[0], found)

    def test_links(self):
        for path, target in (
            ("orders/v2.yaml", self.root / "secret/key"),
            ("orders/v2.yaml", "v1.yaml"),
            ("orders/v2.yaml", "/nowhere"),
            ("secret", self.root / "secret"),
            ("orders/again", "../orders"),
            ("orders/accept", self.root / "secret"),
            ("orders/v1/accept/y.json", self.root / "secret/key"),
        ):
            with self.subTest(path=path, target=target):
                link = self.contracts / path
                link.symlink_to(target)
                self.refused(f"contracts/{path} is a symbolic link")
                link.unlink()

    def test_every_one_is_named(self):
        (self.contracts / "a").symlink_to("orders")
        (self.contracts / "orders/b").symlink_to("v1.yaml")
        self.refused("contracts/a is a symbolic link", "contracts/orders/b is a symbolic link")

    def test_a_pipe(self):
        os.mkfifo(self.contracts / "orders/pipe")
        self.refused("contracts/orders/pipe is neither a file nor a folder")

    def test_the_folder_itself(self):
        self.contracts.rename(self.root / "there")
        self.contracts.symlink_to("there")
        self.refused("the folder itself is a symbolic link")


if __name__ == "__main__":
    unittest.main()
