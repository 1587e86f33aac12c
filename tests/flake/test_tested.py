"""What the fast tests read of examples/ is among the files with which the flake runs them."""

import re
import unittest

from tree import ROOT


class Tested(unittest.TestCase):
    def test_the_flake_has_the_examples_that_the_fast_tests_read(self):
        package = (ROOT / "nix/package.nix").read_text()
        listed = re.findall(r'"([^"]+)"', re.search(r"tested = \[(.*?)\];", package, re.DOTALL)[1])
        read = set()
        for file in (ROOT / "tests/fast").rglob("*.rs"):
            read.update(re.findall(r'"/?(examples/[a-z]+/[A-Za-z.]+)[/"]', file.read_text()))
        self.assertIn("examples/transfer/contracts", read)
        for path in sorted(read):
            self.assertTrue((ROOT / path).exists(), path)
            self.assertTrue(any(path == one or path.startswith(f"{one}/") for one in listed), f"{path}: nix/package.nix")
