"""infra/aws/environment-file: every instance's .env as ECS reads it."""

import pathlib
import re
import subprocess
import tempfile
import unittest

from templates import ROOT, load

TOOL = ROOT / "infra/aws/environment-file"


class EnvironmentFile(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def convert(self, source):
        return subprocess.run([TOOL, source, self.folder], capture_output=True, text=True)

    def write(self, text, name="orders.env"):
        file = self.folder / name
        file.write_text(text)
        return file

    def content(self, source):
        done = self.convert(source)
        self.assertEqual(done.returncode, 0, done.stderr)
        return (self.folder / done.stdout.strip()).read_text()

    def test_every_instance(self):
        pattern = load("ecs")["Parameters"]["ConfigurationKey"]["AllowedPattern"]
        files = sorted((ROOT / "nix/clusters").glob("*/instances/*.env"))
        self.assertGreater(len(files), 5)
        for file in files:
            with self.subTest(file=file):
                key = self.convert(file).stdout.strip()
                self.assertRegex(key, pattern)
                wanted = [line for line in file.read_text().splitlines() if "=" in line and not line.startswith("#")]
                # ECS takes a line as it is: no quotes, no comments.
                lines = (self.folder / key).read_text().splitlines()
                self.assertEqual(lines, [re.sub(r"^(\w+)='(.*)'$", r"\1=\2", line) for line in wanted])

    def test_forms(self):
        text = self.content(self.write("# a comment\n\nexport A_ORDERS = 'x y # $z \"q\"' # why\nB_ORDERS=plain # why\n  C_ORDERS=''\n"))
        self.assertEqual(text, 'A_ORDERS=x y # $z "q"\nB_ORDERS=plain\nC_ORDERS=\n')

    def test_the_name_changes_with_the_content_only(self):
        first = self.convert(self.write("A='1'\n")).stdout
        self.assertEqual(self.convert(self.write("# another comment\nA=1\n")).stdout, first)
        self.assertNotEqual(self.convert(self.write("A='2'\n")).stdout, first)

    def test_refusals(self):
        for text, saying in (
            ('A="x"\n', "put the value into single quotes"),
            ("A=a\\nb\n", "put the value into single quotes"),
            ("A=${HOME}\n", "put the value into single quotes"),
            ("A='x\ny'\n", "put the value into single quotes"),
            ("A\n", "not KEY='value'"),
            ("A='1'\nA='2'\n", "A occurs twice"),
            ("WRITE_ENV='prod'\n", "belongs to the cluster"),
            ("GOOGLE_APPLICATION_CREDENTIALS='/x'\n", "belongs to the cluster"),
            ("CONSUME__UAT__PROPERTIES__SASL_PASSWORD='x'\n", "is a secret"),
            ("# nothing\n", "has no keys"),
        ):
            with self.subTest(text=text):
                done = self.convert(self.write(text))
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertIn(saying, done.stderr)
                self.assertFalse((self.folder / "config").exists())
        self.assertIn("is named <instance>.env", self.convert(self.write("A=1\n", "Orders.env")).stderr)
        self.assertIn("No such file", self.convert(self.folder / "missing.env").stderr)
