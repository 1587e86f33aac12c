"""The flake's check of the instances, run as a script without building anything: `make nix` builds it."""

import pathlib
import subprocess
import unittest

from tree import ROOT, Copy, nix

# Stands in for the program: it only looks for the contract.
PROGRAM = """#!/bin/sh
env=$4
path=$(sed -n "s/^IMPORT_PATH_[A-Z_]*='\\(.*\\)'/\\1/p" "$env" | tr . /)
if [ ! -e "$path.yaml" ]; then echo "import path $path: no such document" >&2; exit 1; fi
"""
PIN = '"pins": { "orders": "sha256:' + "c" * 64 + '" }'


class InstancesCheck(unittest.TestCase):
    def run_check(self, change):
        with Copy() as copy:
            change(copy)
            place = copy.root / "check"
            for folder in ("bin", "contracts", "build"):
                (place / folder).mkdir(parents=True)
            program = place / "bin/generic-consumer"
            program.write_text(PROGRAM)
            program.chmod(0o755)
            subprocess.run(["cp", "-r", f"{ROOT}/contracts/.", place / "contracts"], check=True)
            subprocess.run(["rm", "-r", place / "contracts/orders"], check=True)
            expression = f"""
              let lib = import {ROOT}/tests/offline-nixpkgs/lib.nix; in
              (import {copy.root}/nix/checks.nix {{
                inherit lib;
                manifests = import {copy.root}/nix/manifests {{ root = {copy.root}; }};
                source = "{copy.root}";
                contracts = "{place}/contracts";
                runCommand = _: _: text: text;
                consumer = {{ outPath = "{place}"; pname = "generic-consumer"; meta = {{ }}; }};
                closureInfo = null; cacert = null; kustomize = null; nixfmt = null; rustfmt = null;
                rustPlatform = null; cargo = null; rustc = null; cargo-deny = null;
                librdkafka = null; default = null; image = null; sbom = null; rendered = null;
              }}).instances"""
            script, refusal = nix(expression)
            assert refusal is None, refusal
            done = subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", script], cwd=place / "build", env={"out": str(place / "out"), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True)
            return done.returncode, done.stdout + done.stderr

    def test_a_contract_that_is_missing(self):
        code, output = self.run_check(lambda copy: None)
        self.assertNotEqual(code, 0)
        for cluster in ("gke-prod", "gke-uat"):
            self.assertIn(f"{cluster}/instances/orders.env: the program refuses", output)

    def test_not_of_a_pinned_instance(self):
        """It runs another image, which has judged its .env."""

        def pin(copy):
            for cluster in ("gke-prod", "gke-uat"):
                copy.replace(f"nix/clusters/{cluster}/release.json", '"pins": {}', PIN)

        code, output = self.run_check(pin)
        self.assertEqual(code, 0, output)
        self.assertIn("orders.env: runs a pinned image, and its contract contracts/orders/order_events_v1 is not here", output)

    def test_a_pinned_instance_whose_contract_is_here_is_judged(self):
        def broken(copy):
            for cluster in ("gke-prod", "gke-uat"):
                copy.path(f"nix/clusters/{cluster}/instances/orders.env").unlink()
            path = copy.path("nix/clusters/eks-uat/instances/returns.env")
            # The program does not find what the check finds.
            path.write_text(path.read_text().replace("contracts.returns", "returns"))

        code, output = self.run_check(broken)
        self.assertNotEqual(code, 0)
        self.assertIn("eks-uat/instances/returns.env: the program refuses", output)


if __name__ == "__main__":
    unittest.main()
