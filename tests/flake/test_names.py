"""The names of metrics, alerts, panels and the runbook's sections hold together: none is of something that is not
there, and nothing that is there has been forgotten."""

import json
import re
import subprocess
import tempfile
import unittest

import grafana
import promtool
import runbook
import tree

# Metrics that no panel shows, and why: the panels about runs show these by kube-state-metrics.
NOT_SHOWN = {
    "generic_consumer_unpacked_bytes_total": "findings and times say more",
    "generic_consumer_api_published_bytes_total": "events are counted",
    "generic_consumer_api_request_seconds": "the broker's part of it is shown",
    "generic_consumer_results_read_records_total": "the lag says it",
    "generic_consumer_results_request_seconds": "requests are counted",
    **{
        f"generic_consumer_transfer_{name}": "the log of a run has it"
        for name in (
            "last_start_timestamp_seconds",
            "last_end_timestamp_seconds",
            "last_success_timestamp_seconds",
            "succeeded",
            "ignored_records",
            "other_day_records",
            "inserted_rows",
            "updated_rows",
            "deleted_rows",
            "billed_bytes",
        )
    },
}
NAMES = r"\bgeneric_consumer_\w+"


def metrics():
    """Name -> type, of the reference, which a test of the program holds to its code."""
    page = (tree.ROOT / "docs/reference/metrics.md").read_text()
    return dict(re.findall(r"(?m)^\| `(generic_consumer_\w+)` \| (\w+)", page))


def series(known):
    """The names that Prometheus has of these metrics -> the metric."""
    found = {name: name for name, kind in known.items() if kind != "histogram"}
    for name, kind in known.items():
        if kind == "histogram":
            found |= {f"{name}_{part}": name for part in ("bucket", "sum", "count")}
    return found


def expressions():
    """Where an expression stands, and the expression."""
    for name, rule in promtool.rules().items():
        yield f"the alert {name}", rule["expr"]
    for row, panel in grafana.panels(grafana.dashboard()):
        for target in panel["targets"]:
            yield f"the panel {panel['title']}", target["expr"]
    for line in runbook.blocks("promql"):
        yield "docs/runbook.md", line


class Names(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.metrics = metrics()
        cls.sections = runbook.sections()
        cls.alerts = set(promtool.rules())
        cls.panels = {panel["title"]: panel for _, panel in grafana.panels(grafana.dashboard())}

    def test_every_metric_of_an_expression_is_there(self):
        self.assertGreater(len(self.metrics), 40)
        known = series(self.metrics)
        for where, expr in expressions():
            with self.subTest(where=where):
                for name in re.findall(NAMES, expr):
                    self.assertIn(name, known, expr)
                # A counter is never compared by itself, and only counters have a rate.
                for name in re.findall(rf"(?:rate|increase)\(({NAMES[2:]})", expr):
                    self.assertIn(self.metrics[known[name]], ("counter", "histogram"), expr)

    def test_every_metric_is_shown(self):
        known = series(self.metrics)
        shown = {known[name] for panel in self.panels.values() for target in panel["targets"] for name in re.findall(NAMES, target["expr"])}
        self.assertEqual(set(self.metrics) - shown, set(NOT_SHOWN))

    def test_kube_state_metrics_that_a_cluster_has_to_have_are_documented(self):
        page = (tree.ROOT / "docs/delivery.md").read_text()
        for where, expr in expressions():
            for name in re.findall(r"\bkube_\w+", expr):
                self.assertIn(f"`{name}`", page, where)

    def test_every_alert_has_a_section_and_every_section_an_alert(self):
        written = {heading for heading in self.sections if heading.startswith("GenericConsumer")}
        self.assertEqual(written, self.alerts)

    def test_a_section_says_what_there_is_to_say(self):
        for alert, rule in promtool.rules().items():
            with self.subTest(alert=alert):
                section = self.sections[alert]
                self.assertTrue(section.strip().startswith(f"*{rule['labels']['severity']}: "), "severity and meaning")
                self.assertRegex(section, r"(?m)^See: ")
                self.assertRegex(section, r"(?m)^Do[:,]")

    def test_a_section_names_the_panels_that_explain_its_alert(self):
        explain = {}
        for title, panel in self.panels.items():
            for link in panel["links"]:
                explain.setdefault(link["title"].removeprefix("Runbook: "), set()).add(title)
        for alert in sorted(self.alerts):
            with self.subTest(alert=alert):
                named = runbook.panels(self.sections[alert])
                # Titles have commas, so the text is compared with the titles that it can be made of.
                titles = sorted((title for title in self.panels if title in named), key=len, reverse=True)
                rest = named
                for title in titles:
                    rest = rest.replace(title, "")
                self.assertEqual(rest.replace(", ", ""), "", f"no panels: {named}")
                for title in explain[alert]:
                    self.assertIn(title, named)

    def test_links_lead_to_sections(self):
        base, refusal = tree.nix(f"(import {tree.ROOT}/nix/gitops.nix).runbook")
        self.assertIsNone(refusal)
        anchors = {runbook.anchor(heading) for heading in self.sections}
        links = [rule["annotations"]["runbook_url"] for rule in promtool.rules().values()]
        links += re.findall(rf"{re.escape(base)}#[\w-]+", json.dumps(grafana.dashboard()))
        self.assertGreaterEqual(len(links), 2 * len(self.alerts))
        for link in links:
            page, _, place = link.partition("#")
            self.assertEqual(page, base)
            self.assertIn(place, anchors)
        self.assertTrue(base.endswith("docs/runbook.md"))

    def test_links_in_the_runbook_lead_somewhere(self):
        for target in re.findall(r"\]\(([^)]+)\)", runbook.FILE.read_text()):
            with self.subTest(link=target):
                path, _, place = target.partition("#")
                page = runbook.FILE.parent / path if path else runbook.FILE
                self.assertTrue(page.is_file(), path)
                if place:
                    headings = re.findall(r"(?m)^#+ (.*)$", page.read_text())
                    self.assertIn(place, {runbook.anchor(heading) for heading in headings})

    def test_queries_of_the_runbook_are_queries(self):
        lines = runbook.blocks("promql")
        self.assertGreater(len(lines), 3)
        rules = [{"record": "tested", "expr": line} for line in lines]
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            json.dump({"groups": [{"name": "runbook", "rules": rules}]}, file)
            file.flush()
            done = subprocess.run([promtool.PROMTOOL, "check", "rules", file.name], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
