"""What the check of examples/ccx finds: nothing where all is as it should be, and each planted difference."""

import json
import pathlib
import sys

import pytest

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
sys.path += [str(EXAMPLES / "ccx"), str(EXAMPLES / "shared")]
import check  # noqa: E402
import uploads  # noqa: E402

COUNT = uploads.BROKEN_EVERY * len(uploads.WRONG)


class Message:
    def __init__(self, key, value, headers):
        self._parts = key.encode(), json.dumps(value).encode(), headers

    def key(self):
        return self._parts[0]

    def value(self):
        return self._parts[1]

    def headers(self):
        return [(name, str(value).encode()) for name, value in self._parts[2].items()]


def report(upload, at, **other):
    event = upload.event({"name": "", "cluster": upload.cluster_id, "bytes": 0}, "")
    value = {
        "cluster": upload.cluster_id,
        "organization": str(event["principal"]),
        "account": str(event["account"]),
        "findings": [{"rule": it} for it in upload.rules],
        "skips": [],
    }
    headers = {"source_partition": at[0], "source_offset": at[1]}
    return Message(upload.cluster_id, value | other, headers)


def letter(upload, at, **other):
    said = {"reason": upload.wrong.reason, "detail": f"so: {upload.wrong.detail}", **other}
    headers = {"partition": at[0], "offset": at[1], **said}
    return Message("", {}, {f"dead_letter.{name}": it for name, it in headers.items()})


@pytest.fixture
def expected():
    return {(number % 4, number // 4): uploads.upload(number) for number in range(COUNT)}


@pytest.fixture
def reports(expected):
    return [report(it, at) for at, it in expected.items() if not it.wrong]


@pytest.fixture
def letters(expected):
    return [letter(it, at) for at, it in expected.items() if it.wrong]


def test_the_same_number_is_the_same_archive():
    one, again = (uploads.upload(13).content() for _ in range(2))
    assert one == again
    assert uploads.upload(13).cluster_id == uploads.upload(13 + uploads.CLUSTERS).cluster_id


def test_all_that_can_be_wrong_is_uploaded_and_each_rule_has_something_to_find(expected):
    assert [it.wrong for it in expected.values() if it.wrong] == uploads.WRONG
    rules = {rule for it in expected.values() if not it.wrong for rule in it.rules}
    assert rules == {it.__name__ for it in uploads.faults.RULES}


def test_what_is_as_expected(expected, reports, letters):
    assert list(check.of_reports(expected, reports)) == []
    assert list(check.of_letters(expected, letters)) == []


@pytest.mark.parametrize(
    ("plant", "says"),
    [
        (lambda some, at, it: some.pop(0), "upload 0 (entrance_unavailable, operator_degraded): 0"),
        (lambda some, at, it: some.append(some[0]), "2 reports instead of 1"),
        (lambda some, at, it: some.append(report(it, (9, 9))), "a record that was not uploaded"),
        (lambda some, at, it: some.__setitem__(0, report(it, at, findings=[])), "`rules`"),
        (lambda some, at, it: some.__setitem__(0, report(it, at, organization="1")), "`organiz"),
        (lambda some, at, it: some.__setitem__(0, report(it, at, skips=[{}])), "`skips`"),
    ],
)
def test_another_report(expected, reports, plant, says):
    plant(reports, *next(iter(expected.items())))
    (difference,) = check.of_reports(expected, reports)
    assert says in difference


@pytest.mark.parametrize(
    ("plant", "says"),
    [
        (lambda some, at, it: some.pop(0), "0 dead letters instead of 1"),
        (lambda some, at, it: some.append(some[0]), "2 dead letters instead of 1"),
        (lambda some, at, it: some.append(letter(it, (0, 0))), "upload 0"),
        (lambda some, at, it: some.__setitem__(0, letter(it, at, reason="empty")), "says empty"),
        (lambda some, at, it: some.__setitem__(0, letter(it, at, detail="x")), "unreadable: x"),
    ],
)
def test_another_dead_letter(expected, letters, plant, says):
    at, wrong = next((at, it) for at, it in expected.items() if it.wrong)
    plant(letters, at, wrong)
    (difference,) = check.of_letters(expected, letters)
    assert says in difference


def test_other_answers_of_the_api(expected, reports, monkeypatch):
    latest = {it.key().decode(): it for it in reports}
    for message in latest.values():
        message.partition, message.offset = lambda: 0, lambda: 7
    answers = {}

    def clusters(count_of):
        return [
            {"cluster": cluster, "findings": count}
            for cluster, it in latest.items()
            if (count := count_of(json.loads(it.value()))) is not None
        ]

    for cluster, message in latest.items():
        value = json.loads(message.value())
        answers[f"clusters/{cluster}/report"] = {
            "report": value,
            "source": {"partition": 0, "offset": 7},
        }
        answers[f"organizations/{value['organization']}/clusters"] = {
            "clusters": clusters(
                lambda it, wanted=value["organization"]: (
                    len(it["findings"]) if it["organization"] == wanted else None
                ),
            )
        }
    for rule in (it.__name__ for it in uploads.faults.RULES):
        answers[f"rules/{rule}/affected"] = {
            "clusters": clusters(
                lambda it, wanted=rule: (
                    sum(one["rule"] == wanted for one in it["findings"]) or None
                ),
            )
        }
    base = "http://x/api/v1/"
    monkeypatch.setattr(check, "asked", lambda url: answers[url.removeprefix(base).split("?")[0]])
    assert check.of_answers("http://x", latest) == []
    for path in answers:
        whole = answers[path]
        answers[path] = {}
        (difference,) = check.of_answers("http://x", latest)
        assert difference
        answers[path] = whole
