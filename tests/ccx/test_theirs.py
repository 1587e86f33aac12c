"""The rules of insights-core find exactly the faults that an archive was given."""

import json

import pytest

import faults

RULES = {it.__name__ for it in faults.RULES}
ALSO = {"degraded_without_reason": "operator_degraded"}
SOME = ("good-00-", "good-09-", "good-12-", "good-21-", "good-31-", "good-33-")


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    import run_theirs

    return run_theirs.engine(str(tmp_path_factory.mktemp("extracted")))


def test_the_rules_find_the_faults(folder, engine):
    import run_theirs

    for entry in json.loads((folder / "manifest.json").read_text())["archives"]:
        if entry["name"].startswith(SOME):
            expected = {ALSO.get(it, it) for it in entry["faults"]} & RULES
            result = run_theirs.result(engine, folder / entry["file"])
            assert result["error"] is None
            assert {it["rule"] for it in result["findings"]} == expected, entry["name"]


def test_what_is_no_archive_has_a_reason(folder, engine):
    import run_theirs

    result = run_theirs.result(engine, folder / "broken-not-an-archive.tar.gz")
    assert result == {
        "findings": [],
        "error": 'InvalidContentType: Invalid content type: "text/html"',
    }
