"""The Grafana dashboard as it is rendered: its panels, and their queries as Prometheus gets them."""

import json
import re

import tree

FILE = tree.ROOT / f"kustomize/components/monitoring/grafana/{tree.NAME}.json"


def dashboard():
    return json.loads(FILE.read_text())


def panels(dashboard):
    """(title of the row, panel) of each panel, also of those in folded rows."""
    row = None
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            row = panel["title"]
            yield from ((row, inner) for inner in panel["panels"])
        else:
            yield row, panel


def query(expr, variables):
    """The expression with its variables; `variables` has one for each."""
    return re.sub(r"\$(\w+)\b(?!\")|\$(\w+)", lambda found: variables.get(found[1] or found[2], found[0]), expr)


def expanded(expr, namespace, instance, interval):
    return query(expr, {"namespace": namespace, "instance": instance, "__rate_interval": interval})
