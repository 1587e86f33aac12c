"""Debian's promtool on our rules: unit tests in its own notation, made from the cases in alerts/*.yaml.

A case has `series`, in promtool's notation, with a sample every 30 s. `generic_consumer_`, the namespace and the
labels of the instance `orders` are added where a case does not say otherwise. The rule has to fire at each time
of `fires`, with `labels` (by default the instance, or the CronJob), and must not fire at those of `silent`."""

import json
import os
import pathlib
import re
import subprocess
import tempfile

import yaml

import tree

FOLDER = pathlib.Path(__file__).resolve().parent / "alerts"
# It is where Prometheus is.
PROMTOOL = str(pathlib.Path(os.environ.get("PROMETHEUS", "prometheus")).with_name("promtool"))
INSTANCE = "app_kubernetes_io_instance"
USUAL = {
    "kube_deployment": {"deployment": f"{tree.NAME}-orders"},
    "kube_pod": {"pod": f"{tree.NAME}-orders-6f8d9-x2x7k", "container": tree.NAME},
    "kube_cronjob": {"cronjob": "transfer-orders"},
    "": {INSTANCE: "orders", "pod": "a"},
}


def groups(cloud="eks"):
    """The groups of rules that are rendered for a cloud."""
    name = {"eks": "prometheusrule", "gke": "rules"}[cloud]
    return yaml.safe_load((tree.ROOT / f"kustomize/components/monitoring/{cloud}/{name}.yaml").read_text())["spec"]["groups"]


def rules():
    """Name -> rule."""
    found = [rule for group in groups() for rule in group["rules"]]
    assert len({rule["alert"] for rule in found}) == len(found), "two rules with one name"
    return {rule["alert"]: rule for rule in found}


def cases():
    """Name of a rule -> its cases."""
    found = {}
    for file in sorted(FOLDER.glob("*.yaml")):
        # All values are texts: YAML would take the samples `0x40` for a hexadecimal number.
        for alert, some in yaml.load(file.read_text(), yaml.BaseLoader).items():
            assert alert not in found, f"{file.name}: {alert} is in another file too"
            found[alert] = some
    # A rule like another one, on another metric, has its cases.
    for alert, some in found.items():
        if isinstance(some, dict):
            found[alert] = [{**case, "series": {renamed(name, some["instead"]): values for name, values in case["series"].items()}} for case in found[some["as"]]]
    return found


def renamed(name, instead):
    for old, new in instead.items():
        name = name.replace(old, new)
    return name


def usual(name):
    return next(labels for prefix, labels in USUAL.items() if name.startswith(prefix))


def series(written):
    """A series with all its labels."""
    name, _, rest = written.partition("{")
    if not name.startswith("kube_") and name != "up":
        name = f"generic_consumer_{name}"
    labels = {"namespace": tree.NAME, **usual(name), **dict(re.findall(r'(\w+)="([^"]*)"', rest))}
    return name + "{" + ",".join(f'{label}="{value}"' for label, value in labels.items()) + "}"


def filled(text, labels):
    return re.sub(r"{{ \$labels\.(\w+) }}", lambda found: labels[found[1]], text)


def fired(rule, labels):
    return {
        "exp_labels": {**labels, **rule["labels"]},
        "exp_annotations": {name: filled(text, labels) for name, text in rule["annotations"].items()},
    }


def unit_test(rule, case):
    """One case as promtool reads it."""
    by_default = {"cronjob": "transfer-orders"} if "Transfer" in rule["alert"] else {INSTANCE: "orders"}
    labels = case.get("labels", [by_default])
    wanted = [(time, [fired(rule, each) for each in labels]) for time in case.get("fires", [])]
    wanted += [(time, []) for time in case.get("silent", [])]
    return {
        "name": f"{rule['alert']}: {case['case']}",
        "interval": "30s",
        "input_series": [{"series": series(name), "values": values} for name, values in case["series"].items()],
        "alert_rule_test": [{"eval_time": time, "alertname": rule["alert"], "exp_alerts": alerts} for time, alerts in wanted],
    }


def failures(tested):
    """For each pair of a rule and its cases, told by a rule of the same name that may differ: what promtool says
    that is wrong, or None. All of them in a few runs of promtool."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        files = []
        for number, (rule, expected, some) in enumerate(tested):
            rule_file, file = folder / f"{number}.rules.yaml", folder / f"{number}.yaml"
            # JSON is YAML, and quicker to write.
            rule_file.write_text(json.dumps({"groups": [{"name": "tested", "rules": [rule]}]}))
            tests = [unit_test(expected, case) for case in some]
            file.write_text(json.dumps({"rule_files": [rule_file.name], "evaluation_interval": "30s", "tests": tests}))
            files.append(file.name)
        halves = [files[start::2] for start in range(2) if files[start::2]]
        running = [
            subprocess.Popen([PROMTOOL, "test", "rules", *half], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            for half in halves
        ]
        said = {}
        for process in running:
            printed = process.communicate()[0]
            for part in printed.split("Unit Testing:  ")[1:]:
                name, _, rest = part.partition("\n")
                said[name.strip()] = None if rest.strip() == "SUCCESS" else rest
        assert set(said) == set(files), f"promtool has not tested every file: {set(files) - set(said)}"
        return [said[name] for name in files]
