"""Property: what Nix reads in an instance's file is what the program reads, so that no key can hide from
the flake's rules. SEED repeats a run."""

import json
import os
import pathlib
import random
import re
import subprocess
import tempfile
import unittest

from remote import ROOT, program

SEED = int(os.environ.get("SEED") or random.randrange(1 << 32))
BASE = ["BQ_TABLE_X='t'", "IMPORT_PATH_X='contracts.orders.order_events_v1'", "IMPORT_OBJECT_X='OrderEventsV1Topic'", "CONSUME_ENV_X='uat'"]
# What the two readers could understand differently.
PIECES = ["'", '"', "\\", "$", "${HOME}", "#", " ", "\t", "=", "a", "b", "A=", "\n", "\r", "\u00a0", "\u00e9", "\ufeff", "export ", "\\n", '\\"', "\\'", "\nSTART_FROM_X='latest'\n", "\nDISABLE=1", "#'", " #", "\\'\n", "\u2028", "\x0b"]


class Dotenv(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(SEED)
        self.keys = json.loads(self.evaluate(f"(import {ROOT}/nix/manifests/keys.nix).instance"))

    def evaluate(self, expression):
        done = subprocess.run(["nix-instantiate", "--eval", "--strict", "--json", "-E", expression], capture_output=True, env={**os.environ, "NIX_REMOTE": "dummy://", "NIX_CONFIG": "substituters ="})
        self.assertEqual(done.returncode, 0, f"SEED={SEED}: {done.stderr.decode(errors='replace')}")
        return done.stdout

    def file(self):
        lines = list(BASE)
        soup = "".join(self.random.choice(PIECES) for _ in range(self.random.randrange(1, 8)))
        quote = self.random.choice(["'", '"', ""])
        lines.insert(self.random.randrange(len(lines) + 1), f"GROUP_ID_X={self.random.choice(['', ' '])}{quote}g{soup}{quote}")
        return "\n".join(lines) + "\n"

    def test_nix_reads_what_the_program_reads(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            files = []
            for number in range(1500):
                path = folder / f"{number:04}"
                path.write_text(self.file(), encoding="utf-8", newline="")
                files.append(path)
            read = json.loads(self.evaluate(f'map (name: import {ROOT}/nix/manifests/dotenv.nix (builtins.readFile ({folder} + "/${{name}}"))) (builtins.attrNames (builtins.readDir {folder}))'))
            allowed = {name for base in self.keys for name in (base, f"{base}_X")}
            compared = 0
            for path, found in zip(files, read, strict=True):
                names = [one["name"] for one in found["assignments"]]
                # The others are refused, whatever the program thinks of them.
                if found["faults"] or not set(names) <= allowed or len(set(names)) < len(names):
                    continue
                done = subprocess.run([program(), "config", "X", "--env-file", path], cwd=ROOT, env={"WRITE_ENV": "uat"}, capture_output=True, text=True)
                text = f"SEED={SEED}: {path.read_text()!r}: {found}\n{done.stdout}{done.stderr}"
                self.assertNotIn("not an assignment", done.stderr, text)
                self.assertNotIn("unknown key", done.stderr, text)
                self.assertNotIn("not set in any layer", done.stderr, text)
                if done.returncode == 0:
                    shown = dict(re.findall(r"(?m)^(\S+) +(.*?) +\.env file +\S+$", done.stdout))
                    # The program removes blanks around values, which the flake refuses where it matters.
                    # It shows what is not seen.
                    values = {one["name"]: one["value"].strip().replace("\ufeff", r"\u{feff}").replace("\u2028", r"\u{2028}") for one in found["assignments"]}
                    self.assertEqual(shown, values, text)
                    compared += 1
        self.assertGreater(compared, 50, f"SEED={SEED}")


if __name__ == "__main__":
    unittest.main()
