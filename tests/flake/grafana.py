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
    """The expression with Grafana's variables replaced. `$1` is label_replace's, and stays."""
    return re.sub(r"\$(\w+)", lambda found: variables.get(found[1], found[0]), expr)
