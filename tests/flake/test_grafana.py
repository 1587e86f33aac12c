"""The Grafana dashboard: it is whole, its queries are queries, and its lines are where the alerts begin."""

import re
import socket
import tempfile
import unittest

import grafana
import promtool
import tree
from prometheus import Prometheus, Refused

KNOWN_UNITS = {"short", "s", "bytes", "Bps", "reqps", "percentunit", "currencyUSD"}
VARIABLES = {"namespace", "instance", "datasource", "__rate_interval"}
# An alert without a panel of its own, and why.
WITHOUT_PANEL = set()


def overlap(one, other):
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


class Grafana(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dashboard = grafana.dashboard()
        cls.panels = list(grafana.panels(cls.dashboard))
        cls.rows = [panel for panel in cls.dashboard["panels"] if panel["type"] == "row"]

    def test_the_configmap_has_it_and_the_label(self):
        for cluster in tree.clusters():
            shared = tree.build(tree.ROOT / "kustomize/overlays" / cluster / "shared")
            found = tree.one(shared, "ConfigMap", f"{tree.NAME}-dashboard")
            self.assertEqual(found["metadata"]["labels"]["grafana_dashboard"], "1")
            self.assertEqual(found["data"], {f"{tree.NAME}.json": grafana.FILE.read_text()})
            # kubectl apply writes the whole object into an annotation, which holds 256 KiB.
            self.assertLess(len(grafana.FILE.read_bytes()), 200_000)

    def test_each_row_is_a_question_and_has_panels(self):
        self.assertEqual([panel["type"] for panel in self.dashboard["panels"]][0], "row")
        titles = [row["title"] for row in self.rows]
        self.assertEqual(len(titles), len(set(titles)))
        self.assertEqual({row for row, _ in self.panels}, set(titles))

    def test_ids_are_unique_and_titles_tell_panels_apart(self):
        ids = [panel["id"] for _, panel in self.panels] + [row["id"] for row in self.rows]
        self.assertEqual(len(ids), len(set(ids)))
        titles = [panel["title"] for _, panel in self.panels]
        self.assertEqual(len(titles), len(set(titles)))

    def test_nothing_overlaps(self):
        # As it is opened, and with each row unfolded, where the panels of others move down.
        shown = [panel for panel in self.dashboard["panels"]]
        for group in [shown, *(row["panels"] for row in self.rows)]:
            for number, panel in enumerate(group):
                place = panel["gridPos"]
                self.assertLessEqual(place["x"] + place["w"], 24)
                self.assertGreater(place["w"] * place["h"], 0)
                for other in group[number + 1 :]:
                    self.assertFalse(overlap(place, other["gridPos"]), f"{panel['title']}, {other['title']}")
        for row in self.rows:
            self.assertEqual(row["collapsed"], bool(row["panels"]))

    def test_each_panel_says_what_it_shows(self):
        for _, panel in self.panels:
            with self.subTest(panel=panel["title"]):
                self.assertGreater(len(panel["description"]), 20)
                self.assertTrue(panel["description"].endswith("."))
                self.assertIn(panel["fieldConfig"]["defaults"]["unit"], KNOWN_UNITS)
                self.assertEqual(panel["datasource"], {"type": "prometheus", "uid": "${datasource}"})
                self.assertTrue(panel["targets"])
                references = [target["refId"] for target in panel["targets"]]
                self.assertEqual(len(references), len(set(references)))
                for target in panel["targets"]:
                    self.assertEqual(target["datasource"], panel["datasource"])
                    self.assertTrue(target["legendFormat"])

    def test_the_variables_are_there_and_no_others(self):
        declared = {variable["name"] for variable in self.dashboard["templating"]["list"]}
        self.assertEqual(declared, {"datasource", "namespace", "instance"})
        text = grafana.FILE.read_text()
        # `$1` is label_replace's.
        used = {name for name in re.findall(r"\$\{?(\w+)", text) if not name.isdigit()}
        self.assertEqual(used - {"__all"}, VARIABLES)

    def test_queries_are_of_the_chosen_namespace(self):
        for _, panel in self.panels:
            with self.subTest(panel=panel["title"]):
                for target in panel["targets"]:
                    for name, matchers in re.findall(r"\b(generic_consumer_\w+|kube_\w+|up)(?:\{([^}]*)\})?", target["expr"]):
                        # Where files of transfers are collected, nobody knows.
                        if name.startswith("generic_consumer_transfer_"):
                            continue
                        self.assertIn('namespace="$namespace"', matchers, name)
                        if name.startswith("generic_consumer_"):
                            self.assertIn('app_kubernetes_io_instance=~"$instance"', matchers, name)

    def test_labels_of_legends_are_in_the_result(self):
        for _, panel in self.panels:
            with self.subTest(panel=panel["title"]):
                for target in panel["targets"]:
                    kept = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", target["expr"]))))
                    self.assertLessEqual(set(re.findall(r"{{(\w+)}}", target["legendFormat"])), kept, target["expr"])

    def test_prometheus_understands_every_query(self):
        with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
            free.close()
            running = Prometheus(folder, port)
            variables = {"namespace": "generic-consumer", "instance": "orders|returns", "__rate_interval": "2m"}
            try:
                for _, panel in self.panels:
                    with self.subTest(panel=panel["title"]):
                        for target in panel["targets"]:
                            running.range(grafana.query(target["expr"], variables), 0, 600, 30)
                # A test that cannot fail is none.
                with self.assertRaises(Refused):
                    running.range("sum by (instance (up)", 0, 600, 30)
            finally:
                running.stop()

    def test_lines_are_where_the_alerts_begin(self):
        rules = promtool.rules()
        drawn = 0
        for _, panel in self.panels:
            with self.subTest(panel=panel["title"]):
                steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
                style = panel["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"]["mode"]
                self.assertEqual(style, "line" if len(steps) > 1 else "off")
                named = [link["title"].removeprefix("Runbook: ") for link in panel["links"]]
                for alert in named:
                    self.assertIn(alert, rules)
                if len(steps) > 1:
                    # The rules that compare with a number at their end.
                    limits = [float(found[1]) for alert in named if (found := re.search(r" > ([0-9.]+)$", rules[alert]["expr"]))]
                    self.assertEqual(steps[1], {"color": "red", "value": limits[0]})
                    # A line at 0 says nothing.
                    self.assertGreater(limits[0], 0)
                    drawn += 1
        self.assertGreater(drawn, 12)

    def test_every_alert_has_a_panel_that_explains_it(self):
        named = {link["title"].removeprefix("Runbook: ") for _, panel in self.panels for link in panel["links"]}
        self.assertEqual(set(promtool.rules()) - named, WITHOUT_PANEL)
