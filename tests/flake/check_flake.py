"""Each check of the flake fails, with a sentence, when what it checks is broken."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from offline import SYSTEM, Checkout, build, nix, overriding
from tree import ROOT

CHECKS = f"checks.{SYSTEM}"
ORDERS = "nix/clusters/gke-prod/instances/orders.env"


class Refusals(unittest.TestCase):
    def refused(self, attribute, sentence, relative, old, new):
        with Checkout() as checkout:
            checkout.replace(relative, old, new)
            self.assertIn(sentence, checkout.refusal(attribute))

    def test_an_env_that_the_program_refuses(self):
        self.refused(f"{CHECKS}.instances", f"{ORDERS}: the program refuses", ORDERS, "'[]'", "'[oops'")
        self.refused(f"{CHECKS}.instances", f"{ORDERS}: the program refuses", ORDERS, "='prod'", "='staging'")
        self.refused(f"{CHECKS}.instances", f"{ORDERS}: the program refuses", ORDERS, "order_events_v1", "order_events_v2")

    def test_an_outdated_kustomize(self):
        self.refused(
            f"{CHECKS}.up-to-date",
            "kustomize/overlays/gke-prod/_cluster/kustomization.yaml: differs, run `nix run .#render`",
            "nix/clusters/gke-prod/release.json",
            "sha256:0",
            "sha256:1",
        )

    def test_what_belongs_to_the_cluster(self):
        """The address of BigQuery in an instance's file would get Google's bearer token."""
        for attribute in (f"{CHECKS}.instances", f"{CHECKS}.up-to-date", "kustomize"):
            self.refused(attribute, "sets WRITE__PROD__ENDPOINT__REST, which belongs to the cluster", ORDERS, "BQ_TABLE_", "WRITE__PROD__ENDPOINT__REST='https://elsewhere.example.com'\nBQ_TABLE_")

    def test_a_link_among_the_contracts(self):
        with Checkout() as checkout:
            (checkout.root / "contracts/orders/secret.yaml").symlink_to("/etc/passwd")
            (checkout.root / "contracts/returns/again").symlink_to("../orders")
            for attribute in ("contracts", "image"):
                refusal = checkout.refusal(attribute)
                self.assertIn("contracts/orders/secret.yaml is a symbolic link", refusal)
                self.assertIn("contracts/returns/again is a symbolic link", refusal)

    def test_a_link_among_contracts_from_elsewhere(self):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "flake.nix").write_text(
                f"""{{
                  inputs.consumer.url = "git+file://{ROOT}";
                  outputs = {{ self, consumer }}: {{
                    packages.{SYSTEM}.default = consumer.lib.{SYSTEM}.imageWith {{ contracts = ./contracts; }};
                  }};
                }}"""
            )
            contracts = pathlib.Path(folder) / "contracts"
            contracts.mkdir()
            (contracts / "elsewhere.yaml").symlink_to("/etc/passwd")
            arguments = ["build", "--no-link", f"path:{folder}", *overriding("consumer/nixpkgs")]
            self.assertIn("contracts/elsewhere.yaml is a symbolic link", nix(*arguments, expect=1))
            contracts.rename(pathlib.Path(folder) / "there")
            contracts.symlink_to("there")
            self.assertIn("the folder itself is a symbolic link", nix(*arguments, expect=1))

    def test_a_mistake_in_the_data(self):
        self.refused("kustomize", "hosts lacks `prod2`", "nix/clusters/eks-prod/cluster.nix", "    prod2 =", "    # prod2 =")

    def test_a_librdkafka_of_another_version_than_cargos(self):
        self.refused("librdkafka", "asks for 2.13.0: set version", "Cargo.lock", "4.10.0+2.12.1", "4.11.0+2.13.0")

    def test_formatting(self):
        self.refused(f"{CHECKS}.formatting", "render.nix", "nix/render.nix", "runtimeInputs = [ coreutils ];", "runtimeInputs=[coreutils];")
        # rustfmt finds the modules through the crate's root.
        self.refused(f"{CHECKS}.formatting", "src/cli/mod.rs", "src/cli/mod.rs", "pub mod ", "pub  mod ")

    def test_a_shell_or_a_compiler_in_the_closure(self):
        for name in ("bash-5.2", "gcc-14.3.0", "coreutils-9.7"):
            extra = f'cacert\n            (runCommand "{name}" {{ }} "mkdir $out")\n          ];'
            self.refused(f"{CHECKS}.closure", "the image would contain", "nix/checks.nix", "cacert\n          ];", extra)

    def test_a_librdkafka_that_lacks_something(self):
        self.refused(f"{CHECKS}.librdkafka", "librdkafka lacks sasl_gssapi", "nix/checks.nix", "sasl_plain", "sasl_gssapi")

    def test_an_argument_that_nixpkgs_does_not_know(self):
        """The stand-in is as strict about the names of arguments as nixpkgs."""
        self.refused("image", "maxLayer", "nix/image.nix", "created = epoch;", "created = epoch; maxLayer = 10;")


class Outputs(unittest.TestCase):
    def test_drift_needs_no_nixpkgs(self):
        """Evaluated with the locked input, without fetching it."""
        self.assertEqual(json.loads(nix("eval", "--json", f"{ROOT}#lib.drift")), [])
        self.assertEqual(len(json.loads(nix("eval", "--json", f"{ROOT}#lib.clusters"))), 4)

    def test_the_lock_file_is_complete(self):
        locked = json.loads((ROOT / "flake.lock").read_text())["nodes"]["nixpkgs"]["locked"]
        self.assertLessEqual({"rev", "narHash", "lastModified"}, set(locked))

    def test_render_writes_the_committed_tree(self):
        with Checkout() as checkout:
            (checkout.root / "kustomize/base/deployment.yaml").write_text("{}")
            (checkout.root / "kustomize/left-over.yaml").write_text("{}")
            program = ["nix", "run", f"{ROOT}#render", *overriding()]
            subprocess.run(program, cwd=checkout.root, check=True, capture_output=True)
            same = subprocess.run(["diff", "-r", ROOT / "kustomize", checkout.root / "kustomize"], capture_output=True)
            self.assertEqual(same.returncode, 0, same.stdout)
            modes = {path.stat().st_mode & 0o777 for path in (checkout.root / "kustomize").rglob("*.yaml")}
            self.assertEqual(modes, {0o644})

    def test_the_built_tree_has_kustomizes_output(self):
        built = build(ROOT, "kustomize")
        self.assertEqual(
            sorted(path.name for path in built.iterdir()), ["argocd", "base", "components", "overlays", "rendered"]
        )
        self.assertEqual(len(list((built / "rendered").glob("*.yaml"))), 6)

    def test_the_package_brings_completions_and_pages(self):
        share = build(ROOT, "default") / "share"
        for name in (
            "bash-completion/completions/generic-consumer",
            "zsh/site-functions/_generic-consumer",
            "fish/vendor_completions.d/generic-consumer.fish",
        ):
            self.assertIn("until-caught-up", (share / name).read_text(), name)
        # nixpkgs compresses pages.
        pages = {path.name.removesuffix(".gz") for path in (share / "man/man1").iterdir()}
        self.assertLessEqual({"generic-consumer.1", "generic-consumer-check.1"}, pages)
        self.assertFalse((build(ROOT, "consumer") / "share").exists())

    def test_run_does_what_cargo_run_does(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in (".env", "config", "contracts"):
                subprocess.run(["cp", "-r", ROOT / name, folder], check=True)
            program = ["nix", "run", str(ROOT), *overriding(), "--"]

            def run(*arguments):
                done = subprocess.run(
                    [*program, *arguments], cwd=folder, capture_output=True, text=True, env=quiet(), timeout=180
                )
                self.assertEqual(done.returncode, 0, done.stderr)
                return done.stdout

            summary = run("DELIVERY", "--until-caught-up")
            count = {
                name: int(re.search(rf"(?m)^{name} +(\d+)", summary)[1])
                for name in ("read", "written", "ignored", "dead-lettered")
            }
            # The sample events: some are ignored, some are invalid.
            self.assertEqual(count["read"], 400, summary)
            self.assertEqual(count["written"] + count["ignored"] + count["dead-lettered"], 400, summary)
            self.assertGreater(min(count.values()), 0, summary)
            rows = run("local", "rows", "delivery_events_temp", "--limit", "1000").splitlines()
            self.assertEqual(len([row for row in rows if row.startswith("{")]), count["written"])


def quiet():
    """The environment, with the metrics on a free port."""
    return {**os.environ, "METRICS_ADDR": "127.0.0.1:0"}
