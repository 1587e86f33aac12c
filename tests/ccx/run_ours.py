"""Runs `generic-consumer rules test` on each archive of a folder and writes what it finds as JSON, as
`run_theirs.py` does.

    run_ours.py PROGRAM RULES ARCHIVES OURS.json
"""

import argparse
import json
import pathlib
import re
import subprocess
import tempfile

import events

# The program's name of what is wrong with an archive; without it, something else is wrong.
REFUSED = re.compile(r"\(archive_\w+\)")


def result(program, rules, archive, event):
    """The program's result for an archive, with its error where it has no report."""
    command = [program, "rules", "test", rules, archive, "--event", event, "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        refused = REFUSED.search(done.stderr)
        if not refused:
            raise SystemExit(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stderr}")
        return {"findings": [], "error": refused[0].strip("()")}
    report = json.loads(done.stdout)
    found = [{name: it[name] for name in ("rule", "key", "details")} for it in report["findings"]]
    return {
        "findings": sorted(found, key=lambda it: it["rule"]),
        "error": None,
        "skips": report.get("skips", []),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("program")
    parser.add_argument("rules")
    parser.add_argument("archives", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    arguments = parser.parse_args()
    manifest = json.loads((arguments.archives / "manifest.json").read_text())
    results = {}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as event:
        for number, entry in enumerate(manifest["archives"]):
            event.seek(0)
            event.truncate()
            json.dump(events.event(entry, number, "http://127.0.0.1/x"), event)
            event.flush()
            results[entry["name"]] = result(
                arguments.program, arguments.rules, arguments.archives / entry["file"], event.name
            )
    arguments.output.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
