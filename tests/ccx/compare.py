"""Compares our findings with those of CCX's framework, archive by archive, and says each difference.

    compare.py OURS.json THEIRS.json [--known known_differences.json]

Both files are {archive: {"findings": [{"rule", "key", "details"}], "error": text or null}}. Where both
have an error, they agree that the archive cannot be read. Exit code 1 if there is a difference that
`--known` does not list, or if one that it lists is gone.
"""

import argparse
import collections
import json
import pathlib
import sys

# kind: how to say it.
KINDS = {
    "not_run": "{who} has no result for it",
    "only_ours_refuses": "only ours refuses it: {ours}",
    "only_theirs_refuses": "only theirs refuses it: {theirs}",
    "only_ours_finds": "only ours has a finding of the rule {rule}: {ours}",
    "only_theirs_finds": "only theirs has a finding of the rule {rule}: {theirs}",
    "other_key": "the rule {rule} has another key: ours {ours}, theirs {theirs}",
    "other_details": "the rule {rule} has other details at {place}: ours {ours}, theirs {theirs}",
}

Difference = collections.namedtuple("Difference", "archive kind rule text")


def differ(archive, kind, rule=None, **words):
    return Difference(archive, kind, rule, KINDS[kind].format(rule=rule, **words))


def shown(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}…"


def first_difference(ours, theirs, place="details"):
    """Where two JSON values first differ, with both values there; None if they are equal."""
    # In Python, True equals 1.
    if isinstance(ours, bool) != isinstance(theirs, bool):
        return place, ours, theirs
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted(ours.keys() | theirs.keys()):
            if name not in ours or name not in theirs:
                return f"{place}.{name}", ours.get(name, "nothing"), theirs.get(name, "nothing")
            if found := first_difference(ours[name], theirs[name], f"{place}.{name}"):
                return found
        return None
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (one, other) in enumerate(zip(ours, theirs)):
            if found := first_difference(one, other, f"{place}[{number}]"):
                return found
        return None
    return None if ours == theirs else (place, ours, theirs)


def by_rule(findings):
    """A rule has one finding of an archive at most."""
    rules = {}
    for finding in findings:
        if finding["rule"] in rules:
            raise SystemExit(f"the rule {finding['rule']} has two findings of one archive")
        rules[finding["rule"]] = finding
    return rules


def of_archive(archive, ours, theirs):
    """The differences between two results of one archive."""
    if ours is None or theirs is None:
        return [differ(archive, "not_run", who="ours" if ours is None else "theirs")]
    if ours["error"] and theirs["error"]:
        return []
    if ours["error"]:
        return [differ(archive, "only_ours_refuses", ours=ours["error"])]
    if theirs["error"]:
        return [differ(archive, "only_theirs_refuses", theirs=theirs["error"])]
    differences = []
    ours, theirs = by_rule(ours["findings"]), by_rule(theirs["findings"])
    for rule in sorted(ours.keys() | theirs.keys()):
        one, other = ours.get(rule), theirs.get(rule)
        if other is None:
            differences.append(differ(archive, "only_ours_finds", rule, ours=shown(one)))
        elif one is None:
            differences.append(differ(archive, "only_theirs_finds", rule, theirs=shown(other)))
        else:
            if one["key"] != other["key"]:
                differences.append(
                    differ(archive, "other_key", rule, ours=one["key"], theirs=other["key"])
                )
            if found := first_difference(one["details"], other["details"]):
                place, a, b = found
                differences.append(
                    differ(
                        archive, "other_details", rule, place=place, ours=shown(a), theirs=shown(b)
                    )
                )
    return differences


def compare(ours, theirs):
    """The differences of each archive that one of the two has."""
    return {
        archive: of_archive(archive, ours.get(archive), theirs.get(archive))
        for archive in sorted(ours.keys() | theirs.keys())
    }


def row(archive, ours, theirs, differences, reasons):
    """The archive's line of the table."""
    if differences:
        says = "known" if all(it in reasons for it in differences) else "DIFFERENT"
    elif ours["error"]:
        says = "both refuse"
    else:
        says = "agree"

    def result(it):
        if it is None:
            return "–"
        return f"refused: {it['error'][:70]}" if it["error"] else str(len(it["findings"]))

    return f"| {archive} | {says} | {result(ours)} | {result(theirs)} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("ours", type=pathlib.Path)
    parser.add_argument("theirs", type=pathlib.Path)
    parser.add_argument("--known", type=pathlib.Path, help="differences that have a reason")
    arguments = parser.parse_args()
    ours, theirs = (json.loads(it.read_text()) for it in (arguments.ours, arguments.theirs))
    listed = json.loads(arguments.known.read_text()) if arguments.known else []
    known = {(it["archive"], it["kind"], it.get("rule")): it["why"] for it in listed}

    differences = compare(ours, theirs)
    all_of_them = [it for some in differences.values() for it in some]
    reasons = {it: known[it[:3]] for it in all_of_them if it[:3] in known}
    print("| archive | | findings: ours | theirs |\n|---|---|---|---|")
    for archive, some in differences.items():
        print(row(archive, ours.get(archive), theirs.get(archive), some, reasons))
    print()
    for it in all_of_them:
        why = f" Known: {reasons[it]}" if it in reasons else ""
        print(f"{it.archive}: {it.text}.{why}")
    gone = sorted(known.keys() - {it[:3] for it in all_of_them}, key=str)
    for archive, kind, rule in gone:
        print(
            f"{archive}: the known difference {kind}{f' of {rule}' if rule else ''} is gone; take it off the list."
        )
    unknown = len(all_of_them) - len(reasons)
    agreed = sum(not some for some in differences.values())
    refused = sum(
        bool(not some and ours[archive]["error"]) for archive, some in differences.items()
    )
    findings = sum(
        len(ours[archive]["findings"]) for archive, some in differences.items() if not some
    )
    print(
        f"{len(differences)} archives: {agreed} agree ({findings} findings; {refused} that both refuse), "
        f"{len(reasons)} known and {unknown} other differences, {len(gone)} known ones gone."
    )
    sys.exit(1 if unknown or gone else 0)


if __name__ == "__main__":
    main()
