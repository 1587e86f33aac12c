"""Planted differences are found, all of them and nothing else."""

import copy
import json
import pathlib
import subprocess
import sys

import pytest

import compare

DEGRADED = {
    "rule": "operator_degraded",
    "key": "CLUSTER_OPERATOR_DEGRADED",
    "details": {"operators": [{"name": "dns", "reason": "x"}, {"name": "etcd", "reason": ""}]},
}
OLD = {"rule": "version_old", "key": "CLUSTER_VERSION_OLD", "details": {"version": "4.9.1"}}
RESULTS = {
    "a": {"findings": [DEGRADED, OLD], "error": None},
    "b": {"findings": [], "error": None},
    "c": {"findings": [], "error": "truncated"},
}


@pytest.fixture
def ours():
    return copy.deepcopy(RESULTS)


@pytest.fixture
def theirs():
    return copy.deepcopy(RESULTS)


def kinds(ours, theirs):
    some = compare.compare(ours, theirs).values()
    return [(it.archive, it.kind, it.rule) for differences in some for it in differences]


def test_equal_results_have_no_difference(ours, theirs):
    theirs["a"]["findings"].reverse()
    theirs["c"]["error"] = "Unexpected end"
    assert kinds(ours, theirs) == []


def test_a_finding_of_one_side_only(ours, theirs):
    theirs["b"]["findings"] = [ours["a"]["findings"].pop()]
    assert kinds(ours, theirs) == [
        ("a", "only_theirs_finds", "version_old"),
        ("b", "only_theirs_finds", "version_old"),
    ]
    assert kinds(theirs, ours) == [
        ("a", "only_ours_finds", "version_old"),
        ("b", "only_ours_finds", "version_old"),
    ]


def test_another_key_and_other_details(ours, theirs):
    theirs["a"]["findings"][0]["key"] = "OTHER"
    theirs["a"]["findings"][0]["details"]["operators"][1]["reason"] = None
    differences = compare.compare(ours, theirs)["a"]
    assert [it.kind for it in differences] == ["other_key", "other_details"]
    assert "ours CLUSTER_OPERATOR_DEGRADED, theirs OTHER" in differences[0].text
    assert 'details.operators[1].reason: ours "", theirs null' in differences[1].text


@pytest.mark.parametrize(
    ("one", "other", "place"),
    [
        ({"n": 1}, {"n": True}, "details.n"),
        ({"n": 1}, {"n": "1"}, "details.n"),
        ({"n": 1}, {}, "details.n"),
        ({"n": [1, 2]}, {"n": [2, 1]}, "details.n[0]"),
        ({"n": [1]}, {"n": [1, 2]}, "details.n"),
        ({"n": {"m": []}}, {"n": {"m": {}}}, "details.n.m"),
    ],
)
def test_the_first_place_that_differs(one, other, place):
    assert compare.first_difference(one, other)[0] == place
    assert compare.first_difference(other, one)[0] == place
    assert compare.first_difference(one, one) is None


def test_an_archive_that_one_side_refuses(ours, theirs):
    ours["b"]["error"] = "archive_malformed"
    theirs["c"]["error"] = None
    assert kinds(ours, theirs) == [
        ("b", "only_ours_refuses", None),
        ("c", "only_ours_refuses", None),
    ]
    assert kinds(theirs, ours) == [
        ("b", "only_theirs_refuses", None),
        ("c", "only_theirs_refuses", None),
    ]


def test_an_archive_that_one_side_did_not_run(ours, theirs):
    del theirs["a"]
    ours["b"] = None
    assert kinds(ours, theirs) == [("a", "not_run", None), ("b", "not_run", None)]


def run(folder, ours, theirs, known=None):
    arguments = []
    for name, content in (("ours", ours), ("theirs", theirs), ("known", known)):
        if content is not None:
            (folder / name).write_text(json.dumps(content))
            arguments += ["--known", folder / name] if name == "known" else [folder / name]
    program = pathlib.Path(compare.__file__)
    return subprocess.run([sys.executable, program, *arguments], capture_output=True, text=True)


def test_the_exit_code(tmp_path, ours, theirs):
    assert run(tmp_path, ours, theirs).returncode == 0
    del theirs["a"]["findings"][1]
    done = run(tmp_path, ours, theirs)
    assert done.returncode == 1
    assert "a: only ours has a finding of the rule version_old" in done.stdout
    assert "| a | DIFFERENT | 2 | 1 |" in done.stdout


def test_a_known_difference_has_to_be_there(tmp_path, ours, theirs):
    known = [{"archive": "a", "kind": "only_ours_finds", "rule": "version_old", "why": "So it is."}]
    assert run(tmp_path, ours, theirs, known).returncode == 1
    del theirs["a"]["findings"][1]
    done = run(tmp_path, ours, theirs, known)
    assert done.returncode == 0
    assert "Known: So it is." in done.stdout
    theirs["b"]["error"] = "truncated"
    assert run(tmp_path, ours, theirs, known).returncode == 1
