"""Runs the rules in CCX's framework on each archive of a folder, without Kafka, and writes what they find
as JSON: {archive: {"findings": [{"rule", "key", "details"}], "error": text or null}}.

    run_theirs.py ARCHIVES THEIRS.json
    run_theirs.py ARCHIVES THEIRS.json --service [--kinds good] [--events 300]

The first runs the engine alone. The second runs the service, `ccx-messaging config.yaml`, with Kafka and
an S3 server on loopback, and prints what it costs.
"""

import argparse
import json
import logging
import pathlib
import sys
import tempfile

import yaml
from insights.core import dr
from insights.core.exceptions import CalledProcessError
from insights_messaging.appbuilder import AppBuilder

import events
import measure

HERE = pathlib.Path(__file__).resolve().parent
# The service; measure.py sets the variables that config.yaml names.
PROGRAM = pathlib.Path(sys.executable).with_name("ccx-messaging")
COMMAND = ["env", f"PYTHONPATH={HERE}", PROGRAM, HERE / "config.yaml"]
# What insights-core puts into a rule's answer itself.
OF_THE_FRAMEWORK = {"type", "error_key"}


def engine(folder):
    """The engine that the service would run, with the rules loaded."""
    config = yaml.safe_load((HERE / "config.yaml").read_text())
    service = config["service"]
    kept = ("format", "target_components", "extract_timeout", "engine")
    config["service"] = {name: service[name] for name in kept} | {"extract_tmp_dir": folder}
    builder = AppBuilder(config | {"service": config["service"] | {"logging": {"version": 1}}})
    return builder.build_app().engine


def findings(report):
    """The findings of a report, in the form and order that `compare.py` expects."""
    found = [
        {
            "rule": it["component"].split(".")[-2],
            "key": it["key"],
            "details": {k: v for k, v in it["details"].items() if k not in OF_THE_FRAMEWORK},
        }
        for it in report["reports"]
    ]
    return sorted(found, key=lambda it: it["rule"])


def reason(error):
    """One line about why there is no report."""
    if isinstance(error, CalledProcessError):
        said = error.output.decode(errors="replace") if error.output else ""
        return f"tar ends with {error.returncode}: {' '.join(said.split())}"
    return f"{type(error).__name__}: {error}".split("\n", 1)[0]


def result(engine, archive):
    try:
        report = json.loads(engine.process(dr.Broker(), str(archive)))
    except Exception as error:
        return {"findings": [], "error": reason(error)}
    # Where it is not that of the rules, the archive was not recognized and no rule ran.
    context = report["analysis_metadata"]["execution_context"]
    return {"findings": findings(report), "error": None, "context": context}


def local(archives):
    """The results of the engine alone."""
    logging.disable(logging.CRITICAL)
    manifest = json.loads((archives / "manifest.json").read_text())
    with tempfile.TemporaryDirectory(prefix="ccx-theirs-") as folder:
        theirs = engine(folder)
        return {it["name"]: result(theirs, archives / it["file"]) for it in manifest["archives"]}


def service(archives, kinds, count, bootstrap, within):
    """The results of the service with Kafka and S3, and the figures of its run."""
    with tempfile.TemporaryDirectory(prefix="ccx-reports-") as folder:
        reports = pathlib.Path(folder)
        with measure.peers(archives, kinds, count, bootstrap) as (brokers, announced):
            figures = measure.run(COMMAND, brokers, announced, within, reports)

        def read(name):
            return [json.loads(it) for it in (reports / f"{name}.ndjson").read_text().splitlines()]

        by_request = {}
        for report in read("reports"):
            found = {"findings": findings(report["Report"]), "error": None}
            by_request[report["RequestId"]] = found
        for dead in read("dead"):
            by_request[dead["request_id"]] = {"findings": [], "error": "dead letter"}
        names = [it["url"].split("?", 1)[0].rsplit("/", 1)[1] for it in read("events")]
        return {
            name: by_request.get(events.request_id(name, number))
            for number, name in enumerate(names)
        }, figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("archives", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--service", action="store_true", help="with Kafka and S3, measured")
    parser.add_argument("--kinds", default="good,odd,broken", help="with --service")
    parser.add_argument("--events", type=int, help="with --service; default: one for each archive")
    parser.add_argument("--bootstrap", help="with --service: a running Kafka; default: a new one")
    parser.add_argument("--within", type=int, default=1800, help="seconds for all events")
    arguments = parser.parse_args()
    sys.path.insert(0, str(HERE))
    if arguments.service:
        results, figures = service(
            arguments.archives,
            arguments.kinds,
            arguments.events,
            arguments.bootstrap,
            arguments.within,
        )
        print(json.dumps(figures, indent=1))
    else:
        results = local(arguments.archives)
    arguments.output.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
