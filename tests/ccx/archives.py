"""Generates archives as the OpenShift insights-operator uploads them, with `manifest.json` in the
same folder. The same seed gives the same bytes.

    archives.py FOLDER [--seed N]
"""

import argparse
import hashlib
import json
import pathlib

import bad
import faults
from clusters import Cluster
from packing import fill, gz, members, tar

SEED = 4100
MIB = 1024 * 1024


def good():
    """The whole archives: name, faults, size to fill up to."""
    yield "healthy", [], 0
    for fault in faults.RULES:
        yield fault.__name__, [fault], 0
    for number, one in enumerate(
        [
            faults.degraded_without_reason,
            faults.almost_degraded,
            faults.almost_unavailable,
            faults.failing_at_install,
            faults.almost_old,
            faults.almost_not_ready,
            faults.almost_control_plane_size,
            faults.control_plane_renamed,
            faults.almost_crashing,
            faults.almost_expired,
            faults.almost_piled_up,
            faults.no_install_plan_items,
            faults.almost_gathering_errors,
            faults.no_version,
            faults.no_gathers,
            faults.no_infrastructure,
            faults.no_nodes,
            faults.no_pods,
            faults.no_operators,
            faults.only_the_id,
            faults.id_with_newline,
        ]
    ):
        # Every third also has a fault that a rule finds, next to the one that no rule finds.
        others = [faults.RULES[number % len(faults.RULES)]] if number % 3 == 0 else []
        yield one.__name__, [*others, one], 0
    yield "everything", list(faults.RULES), 0
    yield "large-1", [faults.operator_degraded, faults.certificate_expired], 1 * MIB
    yield "large-2", [faults.pods_crashing, faults.upgrade_failing, faults.node_not_ready], 2 * MIB
    yield "large-4", list(faults.RULES), 4 * MIB


def archives(seed):
    """All archives, each as (entry of the manifest, bytes)."""
    for number, (name, some, size) in enumerate(good()):
        cluster = Cluster(f"{seed}-{name}", nodes=5 + number % 3, pods=6 + number % 5)
        for fault in some:
            fault(cluster)
        if size:
            fill(cluster, size)
        content = gz(tar(members(cluster)))
        entry = {"kind": "good", "faults": [it.__name__ for it in some], "cluster": cluster.id}
        yield {"name": f"good-{number:02}-{name}", **entry}, content
    for kind, name, about, cluster, content in bad.all_of(seed):
        entry = {"kind": kind, "about": about, "cluster": cluster.id}
        yield {"name": f"{kind}-{name}", **entry}, content


def write(folder, seed=SEED):
    """Writes the archives and `manifest.json`, and returns the manifest."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for entry, content in archives(seed):
        file = f"{entry['name']}.tar.gz"
        (folder / file).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        entries.append({**entry, "file": file, "bytes": len(content), "sha256": digest})
    manifest = {"seed": seed, "archives": entries}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    return manifest


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder")
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    manifest = write(arguments.folder, arguments.seed)["archives"]
    for kind in ("good", "odd", "broken"):
        some = [it["bytes"] for it in manifest if it["kind"] == kind]
        print(f"{len(some)} {kind} archives of {min(some)} to {max(some)} bytes")


if __name__ == "__main__":
    main()
