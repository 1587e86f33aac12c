"""What `CHECK=1 make ccx` compares: each good archive has one report, with what its rules have to find; each broken one
is one dead letter, with its reason; nothing else is there; the payload tracker is told each upload's way; and the results
API answers what the latest reports say."""

import collections
import contextlib
import functools
import json
import urllib.error

import kafka
import system
import uploads
from processes import Failed, wait_until
from topics import DEAD_LETTERS, RESULTS, STATUS

WRITTEN_WITHIN = 60
ANSWERED_WITHIN = 30
TOLD_WITHIN = 30
# Differences that are printed.
SHOWN = 10


def run(ccx):
    """Waits for the last upload, and compares."""
    uploading = ccx.uploads.child
    wait_until("the last upload", lambda: uploading.poll() is not None, ccx.args.check * ccx.args.rate.seconds + 60, ccx.processes)
    if uploading.returncode != 0:
        ccx.uploads.check()
    lines = ccx.uploaded()
    ccx.say("uploaded", f"{len(lines):,} archives")
    wait_until(f"a report or a dead letter for each of {len(lines):,} archives", lambda: sum(ccx.handled()[:2]) >= len(lines), WRITTEN_WITHIN, ccx.processes)
    expected = {(one["partition"], one["offset"]): uploads.upload(one["number"]) for one in lines}
    # Nothing is compacted yet: Kafka leaves the segment alone that is written to.
    reports, letters = kafka.messages(ccx.kafka.address, RESULTS), kafka.messages(ccx.kafka.address, DEAD_LETTERS)
    no_more("the topics", [*of_reports(expected, reports), *of_letters(expected, letters)])
    ccx.say("compared", f"{len(reports):,} reports + {len(letters):,} dead letters = {len(lines):,} archives, each once and as expected")
    # Messages about ends follow the commit.
    told = functools.partial(of_statuses, lines, ccx.kafka.address)
    with contextlib.suppress(Failed):
        wait_until("the last message to the payload tracker", lambda: not any(told()), TOLD_WITHIN, ccx.processes)
    no_more("the payload tracker's messages", list(told()))
    ccx.say("tracker", f"is told the way of each of {len(lines):,} archives")
    latest = {message.key().decode(): message for message in reports}
    wait_until("the results API's answer with the last report", lambda: not of_answers(ccx.results, latest, first_only=True), ANSWERED_WITHIN, ccx.processes)
    no_more("the results API", of_answers(ccx.results, latest))
    ccx.say("the API", f"answers what the latest reports of {len(latest)} clusters say")


def no_more(where, differences):
    if differences:
        more = [f"and {len(differences) - SHOWN} more"] if len(differences) > SHOWN else []
        raise Failed("\n  ".join([f"{where} and what was uploaded differ:", *differences[:SHOWN], *more]))


def found_by_position(expected, found):
    """Yields each upload with its messages, and what is found without an upload as (None, …)."""
    for at, upload in expected.items():
        yield upload, found.pop(at, [])
    for messages in found.values():
        yield None, messages


def of_reports(expected, messages):
    """How the reports differ from what the uploads want."""
    found = collections.defaultdict(list)
    for message in messages:
        headers = dict(message.headers())
        found[int(headers["source_partition"]), int(headers["source_offset"])].append(message)
    for upload, some in found_by_position(expected, found):
        wanted = 0 if upload is None or upload.wrong else 1
        if len(some) != wanted:
            yield f"{named(upload)}: {len(some)} reports instead of {wanted}"
        elif some:
            yield from of_report(upload, some[0])


def of_report(upload, message):
    event = upload.event({"name": "", "cluster": upload.cluster_id, "bytes": 0}, "")
    report = json.loads(message.value())
    wanted = {
        "key": upload.cluster_id,
        "cluster": upload.cluster_id,
        "organization": str(event["principal"]),
        "account": str(event["account"]),
        "rules": upload.rules,
        "skips": [],
    }
    has = {name: report.get(name) for name in wanted}
    has |= {"key": message.key().decode(), "rules": [it["rule"] for it in report["findings"]], "skips": report["skips"]}
    for name in wanted:
        if has[name] != wanted[name]:
            yield f"{named(upload)}: `{name}` of the report is {has[name]} instead of {wanted[name]}"


def of_letters(expected, messages):
    """How the dead letters differ from what the uploads want."""
    found = collections.defaultdict(list)
    for message in messages:
        letter = {name.removeprefix("dead_letter."): value.decode() for name, value in message.headers() if name.startswith("dead_letter.")}
        found[int(letter["partition"]), int(letter["offset"])].append(letter)
    for upload, some in found_by_position(expected, found):
        wrong = upload and upload.wrong
        if len(some) != (1 if wrong else 0):
            reasons = "".join(f" ({it['reason']}: {it['detail']})" for it in some[:1])
            yield f"{named(upload)}: {len(some)} dead letters instead of {1 if wrong else 0}{reasons}"
        elif some and (some[0]["reason"] != wrong.reason or wrong.detail not in some[0]["detail"]):
            yield f"{named(upload)}: the dead letter says {some[0]['reason']}: {some[0]['detail']}; expected: {wrong.reason}: …{wrong.detail}…"


def of_statuses(lines, address):
    """How the messages to the payload tracker differ from what the uploads want."""
    found = collections.defaultdict(list)
    for message in kafka.messages(address, STATUS):
        status = json.loads(message.value())
        found[status["request_id"]].append(status)
    for line in lines:
        upload, some = uploads.upload(line["number"]), found.pop(line["request"], [])
        if upload.wrong and upload.wrong.reason == "invalid_json":
            # It cannot be said whose it is.
            wanted = []
        elif upload.wrong:
            wanted = ["received", "error"]
        else:
            wanted = ["received", "processing", "success"]
        has = [it["status"] for it in some]
        if has != wanted:
            yield f"{named(upload)}: the payload tracker was told {has} instead of {wanted}"
        elif upload.wrong and some and not some[-1]["status_msg"].startswith(upload.wrong.reason):
            yield f"{named(upload)}: the payload tracker was told {some[-1]['status_msg']}"
        organization = str(upload.event({"name": "", "cluster": "", "bytes": 0}, "")["principal"])
        if not upload.wrong and {it.get("org_id") for it in some} != {organization}:
            yield f"{named(upload)}: the payload tracker was told {some} instead of the organization {organization}"
    for request in found:
        yield f"the payload tracker was told of {request}, which was not uploaded"


def named(upload):
    if upload is None:
        return "a record that was not uploaded"
    return f"upload {upload.number} ({upload.wrong.what if upload.wrong else ', '.join(upload.rules) or 'healthy'})"


def of_answers(results, latest, first_only=False):
    """How the answers of the API differ from the latest reports of the topic, or the first difference."""
    some = differences_of_answers(results, latest)
    return list(some) if not first_only else next(([it] for it in some), [])


def differences_of_answers(results, latest):
    by_organization, by_rule = collections.defaultdict(set), collections.defaultdict(set)
    for cluster, message in latest.items():
        report = json.loads(message.value())
        findings = report["findings"]
        by_organization[report["organization"]].add((cluster, len(findings)))
        for rule, count in collections.Counter(it["rule"] for it in findings).items():
            by_rule[rule].add((cluster, count))
        answer = asked(f"{results}/api/v1/clusters/{cluster}/report")
        source = answer.get("source", {})
        if answer.get("report") != report or (source.get("partition"), source.get("offset")) != (message.partition(), message.offset()):
            yield f"the report of {cluster}: it answers {shortened(answer)}; the topic has {shortened(report)}"
    # A rule that finds nothing concerns no cluster.
    for rule in (it.__name__ for it in uploads.faults.RULES):
        by_rule.setdefault(rule, set())
    for what, path, wanted in [
        *((f"the clusters of the organization {it}", f"organizations/{it}/clusters", by_organization[it]) for it in by_organization),
        *((f"the clusters that {it} concerns", f"rules/{it}/affected", by_rule[it]) for it in by_rule),
    ]:
        answer = asked(f"{results}/api/v1/{path}?limit=1000")
        has = {(it["cluster"], it["findings"]) for it in answer.get("clusters", [])} if "clusters" in answer else answer
        if has != wanted:
            yield f"{what}: it answers {shortened(answer)}; the topic has {sorted(wanted)}"


def asked(url):
    """The answer, or what is wrong with it."""
    try:
        return system.json_of(url)
    except urllib.error.HTTPError as error:
        return {"status": error.code, "body": error.read(1000).decode(errors="replace")}


def shortened(document, most=300):
    text = json.dumps(document)
    return text if len(text) <= most else text[:most] + "…"
