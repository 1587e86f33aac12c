"""What the program says is read as it is meant. A script stands for the program."""

import pytest
import run_ours

REPORT = """{"findings": [
  {"rule": "b", "key": "B", "severity": "low", "details": {"n": 1}},
  {"rule": "a", "key": "A", "severity": "low", "details": {}}
], "skips": [{"rule": "c", "reason": "missing_file", "detail": "no file"}]}"""


@pytest.fixture
def program(tmp_path):
    def written(script):
        path = tmp_path / "program"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return str(path)

    return written


def run(program):
    return run_ours.result(program, "rules", "archive", "event")


def test_a_report(program):
    called = '[ "$*" = "rules test rules archive --event event --format json" ] || exit 9'
    result = run(program(f"{called}\ncat <<'END'\n{REPORT}\nEND"))
    assert result["error"] is None
    assert result["findings"] == [
        {"rule": "a", "key": "A", "details": {}},
        {"rule": "b", "key": "B", "details": {"n": 1}},
    ]
    assert [it["rule"] for it in result["skips"]] == ["c"]


def test_an_archive_that_is_refused(program):
    says = "echo 'error: read the archive a.tar.gz (archive_truncated): it was cut off' >&2; exit 1"
    assert run(program(says)) == {"findings": [], "error": "archive_truncated"}


def test_any_other_failure_is_none_of_the_archive(program):
    with pytest.raises(SystemExit, match="2 mistakes"):
        run(program("echo '2 mistakes in the rules' >&2; exit 1"))
