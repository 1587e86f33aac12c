"""Measures the program beside CCX's own service: the same events about the same archives, the same rules, the same
Kafka and the same S3 server, one after the other.

    cost.py PROGRAM ARCHIVES [--events 1000] [--kinds good] [--output FILE]

Prints a table; the output is JSON. PROGRAM has to be built as it is shipped (`cargo build --profile dist`).
"""

import argparse
import json
import pathlib
import tempfile

import measure
import run_theirs

EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples/ccx"
TOPIC = "platform.upload.ccx"
ROWS = (
    ("reports", "reports", 1),
    ("dead letters", "dead_letters", 1),
    ("CPU seconds per 1,000 archives", "cpu_ms_per_event", 1),
    ("peak memory, MiB", "peak_mib", 1),
    ("archives a second", "per_second", 1),
    ("CPU seconds to start", "cpu_seconds_to_start", 2),
)


def ours(program, contracts, event):
    """The program's command: the example, with the topics and addresses of this run."""
    allowed = "/".join(event["url"].split("/", 4)[:4])

    def command(environment):
        # A contract says which topic is read.
        for contract in (EXAMPLE / "contracts/ccx").iterdir():
            text = contract.read_text().replace(f"address: {TOPIC}", f"address: {environment['IN_TOPIC']}")
            (contracts / contract.name).write_text(text)
        settings = {
            "CONTRACTS_DIR": contracts.parent,
            "RULE_SETS_DIR": EXAMPLE / "contracts/rules",
            "FETCH_ALLOW_CCX": allowed,
            "OUT_TOPIC_CCX": environment["OUT_TOPIC"],
            "GROUP_ID_CCX": environment["GROUP"],
            # Theirs tells no payload tracker here.
            "TRACKER_TOPIC_CCX": "",
            "METRICS_ADDR_CCX": f"127.0.0.1:{environment['METRICS_PORT']}",
            "CONSUME__LOCAL__BOOTSTRAP_SERVERS": environment["BOOTSTRAP_SERVERS"],
            "WRITE__LOCAL__KAFKA__BOOTSTRAP_SERVERS": environment["BOOTSTRAP_SERVERS"],
        }
        variables = [f"{name}={value}" for name, value in settings.items()]
        return ["env", *variables, program, "CCX", "--env-file", EXAMPLE / ".env"]

    return command


def table(figures):
    lines = ["| | ours | theirs |", "|---|---:|---:|"]
    for name, key, digits in ROWS:
        values = [it[key] for it in figures.values()]
        text = [f"{it:,}" if isinstance(it, int) else f"{it:,.{digits}f}" for it in values]
        lines.append(f"| {name} | {text[0]} | {text[1]} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("archives", type=pathlib.Path, help="the folder that archives.py has written")
    parser.add_argument("--events", type=int, default=1000, help="default: 1000")
    parser.add_argument("--kinds", default="good")
    parser.add_argument("--within", type=int, default=3600, help="seconds for all events of one side")
    parser.add_argument("--output", type=pathlib.Path, help="file for the figures as JSON")
    arguments = parser.parse_args()
    figures = {}
    with (
        measure.peers(arguments.archives, arguments.kinds, arguments.events) as (brokers, events),
        tempfile.TemporaryDirectory(prefix="ccx-contracts-") as folder,
    ):
        contracts = pathlib.Path(folder, "ccx")
        contracts.mkdir()
        program = ours(arguments.program.resolve(), contracts, json.loads(events[0]))
        for side, command in (("ours", program), ("theirs", run_theirs.COMMAND)):
            of_side = measure.run(command, brokers, events, arguments.within)
            figures[side] = of_side | {"per_second": round(of_side["events"] / of_side["seconds"], 1)}
    if arguments.output:
        arguments.output.write_text(json.dumps(figures, indent=1) + "\n")
    print(table(figures))
    if figures["ours"]["reports"] != figures["theirs"]["reports"]:
        raise SystemExit("the sides have not done the same work: the numbers of reports differ")


if __name__ == "__main__":
    main()
