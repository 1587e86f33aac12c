"""The generated archives."""

import base64
import hashlib
import json
import tarfile

import pytest

import archives
import events
import faults
from clusters import Cluster


@pytest.fixture(scope="module")
def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())["archives"]


def of_kind(manifest, kind):
    return [it for it in manifest if it["kind"] == kind]


def test_the_same_seed_gives_the_same_bytes(manifest):
    again = archives.archives(archives.SEED)
    digests = [hashlib.sha256(content).hexdigest() for _, content in again]
    assert digests == [it["sha256"] for it in manifest]


def test_another_seed_gives_other_clusters():
    assert Cluster("1-healthy").encoded() != Cluster("2-healthy").encoded()


def test_there_are_as_many_as_are_asked_for(manifest):
    assert len(of_kind(manifest, "good")) >= 30
    assert len(of_kind(manifest, "broken")) >= 8
    assert len({it["name"] for it in manifest}) == len(manifest)
    sizes = [it["bytes"] for it in of_kind(manifest, "good")]
    assert min(sizes) < 1_000 and max(sizes) > 4_000_000


@pytest.mark.parametrize("rule", [it.__name__ for it in faults.RULES])
def test_each_rule_has_archives_with_and_without_its_fault(manifest, rule):
    with_it = [it for it in of_kind(manifest, "good") if rule in it["faults"]]
    assert 1 < len(with_it) < len(of_kind(manifest, "good")) / 2


def test_the_good_ones_are_archives(folder, manifest):
    for entry in of_kind(manifest, "good"):
        with tarfile.open(folder / entry["file"], mode="r:gz") as archive:
            names = archive.getnames()
            assert names == sorted(names)
            assert archive.extractfile("config/id").read().decode().strip() == entry["cluster"]


def test_an_event_names_who_sent_the_archive():
    entry = {"name": "a", "bytes": 7, "cluster": "c1"}
    event = events.event(entry, 3, "http://127.0.0.1/a?X-Amz-Signature=s")
    identity = json.loads(base64.b64decode(event["b64_identity"]))["identity"]
    assert identity["internal"]["org_id"] == str(event["principal"])
    assert identity["account_number"] == str(event["account"])
    assert identity["system"]["cluster_id"] == "c1"
    assert event == events.event(entry, 3, event["url"])
    assert event["request_id"] != events.event(entry, 4, event["url"])["request_id"]
