"""`make audit`: what cargo-deny refuses fails, also where the advisories cannot be reached; and every
Python package that the tests install is pinned with its hash."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from tree import ROOT

# Stands in for cargo-deny: FAILS lists the checks that fail, and `fetch` if the database is away.
DENY = """#!/bin/bash
echo "$*" >> "$CALLS"
for check in $FAILS; do
  case " $* " in *" $check "*) echo "$check: refused" >&2; exit 1 ;; esac
done
"""


def listed(pattern):
    done = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", pattern], capture_output=True, text=True, check=True)
    return [ROOT / name for name in filter(None, done.stdout.split("\0"))]


class Audit(unittest.TestCase):
    def audit(self, fails=""):
        with tempfile.TemporaryDirectory() as folder:
            deny, calls = pathlib.Path(folder) / "cargo-deny", pathlib.Path(folder) / "calls"
            deny.write_text(DENY)
            deny.chmod(0o755)
            environment = {**os.environ, "CARGO_DENY": str(deny), "CALLS": str(calls), "FAILS": fails}
            done = subprocess.run([ROOT / "tests/setup/audit.sh"], env=environment, capture_output=True, text=True)
            return done, calls.read_text().splitlines()

    def test_all_is_checked_where_the_advisories_can_be_reached(self):
        done, calls = self.audit()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(calls, ["--locked check licenses bans sources", "--locked fetch db", "--locked check advisories"])
        self.assertNotIn("NOT CHECKED", done.stderr)

    def test_it_says_that_advisories_were_not_checked(self):
        done, calls = self.audit("fetch")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(calls, ["--locked check licenses bans sources", "--locked fetch db"])
        self.assertIn("fetch: refused", done.stderr)
        self.assertIn("advisories NOT CHECKED: cannot reach the advisory database", done.stderr)

    def test_a_finding_fails(self):
        for fails in ("licenses", "licenses fetch", "advisories"):
            with self.subTest(fails):
                self.assertNotEqual(self.audit(fails)[0].returncode, 0)


class Pinned(unittest.TestCase):
    def test_every_package_has_hashes(self):
        """Each list that pip gets, and next to it the names from which it was made."""
        lists = [file for file in listed("*.txt") if "==" in file.read_text()]
        self.assertGreater(len(lists), 5, lists)
        for file in lists:
            with self.subTest(file.relative_to(ROOT)):
                packages = file.read_text().replace("\\\n", "").splitlines()
                for package in packages:
                    self.assertRegex(package, r"^[A-Za-z0-9._-]+(\[[a-z,]+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}")
                pinned = {re.split(r"[=\[ ]", package)[0].lower() for package in packages}
                wanted = [line for line in file.with_suffix(".in").read_text().splitlines() if not line.startswith("#")]
                self.assertLessEqual({re.split(r"[=<>\[ ]", name)[0].lower() for name in wanted}, pinned)

    def test_every_installation_wants_the_hashes(self):
        scripts = [file for file in listed("*.sh") + [ROOT / "Makefile"] if re.search(r"pip\"? install", file.read_text())]
        self.assertEqual({file.name for file in scripts}, {"venv.sh", "tools.sh"})
        for file in scripts:
            for command in re.findall(r"pip\"? install.*", file.read_text().replace("\\\n", "")):
                self.assertIn("--require-hashes", command)
