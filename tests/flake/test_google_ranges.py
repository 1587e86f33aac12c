"""nix/google-ranges, and the file that it writes."""

import importlib.machinery
import importlib.util
import ipaddress
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from tree import ROOT

loader = importlib.machinery.SourceFileLoader("google_ranges", str(ROOT / "nix/google-ranges"))
google_ranges = importlib.util.module_from_spec(importlib.util.spec_from_loader("google_ranges", loader))
loader.exec_module(google_ranges)


def networks(*cidrs):
    return [ipaddress.ip_network(cidr) for cidr in cidrs]


class Subtraction(unittest.TestCase):
    def left(self, wanted, taken):
        return [str(network) for network in google_ranges.without(networks(*wanted), networks(*taken))]

    def test_a_hole(self):
        self.assertEqual(self.left(["10.0.0.0/22"], ["10.0.1.0/24"]), ["10.0.0.0/24", "10.0.2.0/23"])

    def test_the_whole_and_more_than_the_whole(self):
        self.assertEqual(self.left(["10.0.0.0/24", "10.1.0.0/24"], ["10.0.0.0/24"]), ["10.1.0.0/24"])
        self.assertEqual(self.left(["10.0.0.0/24", "10.1.0.0/24"], ["10.0.0.0/16"]), ["10.1.0.0/24"])

    def test_several_holes_in_several_networks(self):
        wanted, taken = ["10.0.0.0/29", "10.0.1.0/29"], ["10.0.0.1/32", "10.0.0.6/32", "10.0.1.0/30", "10.9.0.0/16"]
        left = google_ranges.without(networks(*wanted), networks(*taken))
        addresses = lambda these: {address for network in these for address in network}
        self.assertEqual(addresses(left), addresses(networks(*wanted)) - addresses(networks(*taken[:3])))


class Written(unittest.TestCase):
    def test_from_two_lists(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            shutil.copy(ROOT / "nix/google-ranges", folder)
            prefixes = [{"ipv4Prefix": f"10.{n}.0.0/16"} for n in range(1, 40, 2)] + [{"ipv6Prefix": "2001:db8::/32"}]
            (folder / "goog").write_text(json.dumps({"creationTime": "2030-01-01T00:00:00", "prefixes": prefixes}))
            (folder / "cloud").write_text(json.dumps({"creationTime": "2030-01-01T00:00:00", "prefixes": [{"ipv4Prefix": "10.1.0.0/17", "scope": "x"}]}))
            run = lambda *lists: subprocess.run([sys.executable, folder / "google-ranges", *lists], cwd=folder, capture_output=True, text=True)
            done = run("goog", "cloud")
            self.assertEqual(done.returncode, 0, done.stderr)
            written = json.loads((folder / "google-ranges.json").read_text())
            self.assertEqual((written["published"], written["ranges"][0], len(written["ranges"])), ("2030-01-01T00:00:00", "10.1.128.0/17", 20))
            # An empty list would cut every instance off.
            (folder / "goog").write_text(json.dumps({"creationTime": "2030-01-02T00:00:00", "prefixes": []}))
            self.assertIn("nothing was written", run("goog", "cloud").stderr)
            self.assertEqual(json.loads((folder / "google-ranges.json").read_text()), written)

    def test_the_committed_file(self):
        committed = json.loads((ROOT / "nix/google-ranges.json").read_text())
        self.assertEqual(committed["from"], google_ranges.LISTS)
        self.assertRegex(committed["published"], r"^20\d\d-\d\d-\d\dT")
        ranges = networks(*committed["ranges"])
        self.assertEqual(ranges, list(ipaddress.collapse_addresses(ranges)), "sorted, and none within another")
        self.assertTrue(all(network.is_global for network in ranges))


if __name__ == "__main__":
    unittest.main()
