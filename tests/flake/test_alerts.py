"""Every alert fires when it should and is silent when it should not, by promtool; and these cases would notice a
rule that is a little different."""

import re
import unittest

import promtool

# Mutants that no series can tell from their rule.
EQUAL = {
    # Whether lags are there at all is asked, and none is below 0.
    ("GenericConsumerStalled", "max -> sum before by (app_kubernetes_io_instance, partition) (generic_consumer"),
    # The time is there or not; it is compared in another place.
    ("GenericConsumerTransferFailed", "max -> sum before by (cronjob) (kube_cronjob_status_last_schedule_time{namespa"),
}


def everywhere(rule, old, new):
    """What differs, and the rule with a part of its expression replaced."""
    return f"{old} -> {new or 'nothing'}", {**rule, "expr": rule["expr"].replace(old, new)}


def here(rule, found, new):
    """The same at one place, which is told by what follows."""
    expr = rule["expr"]
    follows = expr[found.end() :][:60]
    return f"{found[0].strip()} -> {new.strip()} before {follows}", {**rule, "expr": expr[: found.start()] + new + expr[found.end() :]}


def seconds(time):
    return int(time[:-1]) * {"s": 1, "m": 60, "h": 3600}[time[-1]]


def end(text, at):
    """Where the bracket that opens there is closed."""
    depth = 0
    for place in range(at, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if depth == 0:
            return place + 1
    raise ValueError(text)


def mutants(rule):
    """Rules that differ from this one in one thing: (what differs, rule)."""
    expr = rule["expr"]
    wait = seconds(rule["for"])
    for other in {wait + 60, max(0, wait - 60)} - {wait}:
        yield f"for: {rule['for']} -> {other}s", {**rule, "for": f"{other}s"}
    for found in re.finditer(r" (>|<|>=|==) ([0-9.]+)(?![\w.])", expr):
        comparison, number = found.groups()
        value = float(number)
        larger = max(value * 1.5, value + 1) if value.is_integer() else value * 1.5
        others = [larger, value / 2] if value else [1]
        for other in others:
            yield here(rule, found, f" {comparison} {other:g}")
        for other in {">": ["<", ">="], "==": ["!="], "<": [">"], ">=": ["<"]}[comparison]:
            # A share or a quantile is never exactly its limit.
            if other != ">=" or (value.is_integer() and "histogram_quantile" not in expr):
                yield here(rule, found, f" {other} {number}")
    for window in sorted(set(re.findall(r"\[(\w+)\]", expr))):
        for other in (seconds(window) // 2, seconds(window) * 2):
            yield everywhere(rule, f"[{window}]", f"[{other}s]")
    for found in re.finditer(r' offset (\w+)', expr):
        yield here(rule, found, " offset 1m")
    # Of each metric, one matcher less; wherever it stands.
    for matcher in sorted(set(re.findall(r'\w+=~?"[^"]*"', expr))):
        without = re.sub(f",{re.escape(matcher)}|{re.escape(matcher)},|{re.escape(matcher)}", "", expr)
        yield f"{matcher} -> nothing", {**rule, "expr": without}
    for found in re.finditer(r"\b(sum|max|min) (?=by)", expr):
        other = {"sum": "max", "max": "sum", "min": "max"}[found[1]]
        # A sum of what is never negative is 0 where its maximum is.
        if re.match(r" (>|==) 0(?![\w.])", expr[end(expr, expr.index(") (", found.end()) + 2) :]):
            continue
        yield here(rule, found, f"{other} ")
    for found in re.finditer(r" (unless|and|or) ", expr):
        other = {"unless": "and", "and": "or", "or": "and"}[found[1]]
        yield here(rule, found, f" {other} ")
    for quantile in re.findall(r"histogram_quantile\((0\.\d+)", expr):
        yield everywhere(rule, f"({quantile}", "(0.5")
        yield everywhere(rule, f"({quantile}", "(1")
    for metric in sorted(set(re.findall(r"\b(?:generic_consumer|kube)_\w+|\bup\b(?={)", expr))):
        yield everywhere(rule, metric, f"{metric}_other")


class Alerts(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.rules = promtool.rules()
        cls.cases = promtool.cases()

    def test_every_rule_has_cases_of_both_kinds(self):
        self.assertEqual(set(self.cases), set(self.rules))
        for alert, cases in self.cases.items():
            with self.subTest(alert=alert):
                self.assertTrue([case for case in cases if case.get("fires")], "no case in which it fires")
                self.assertTrue([case for case in cases if not case.get("fires")], "no case in which it stays silent")
                for case in cases:
                    self.assertTrue(case.get("fires") or case.get("silent"), case["case"])
                    self.assertLessEqual(set(case), {"case", "series", "fires", "silent", "labels"}, case["case"])

    def test_every_case(self):
        names = sorted(self.rules)
        wrong = promtool.failures([(self.rules[name], self.rules[name], self.cases[name]) for name in names])
        for name, said in zip(names, wrong, strict=True):
            with self.subTest(alert=name):
                self.assertIsNone(said, said)

    def test_a_rule_that_is_a_little_different_fails(self):
        made = [(name, what, mutant) for name, rule in self.rules.items() for what, mutant in mutants(rule)]
        self.assertGreater(len(made), 10 * len(self.rules))
        wrong = promtool.failures([(mutant, self.rules[name], self.cases[name]) for name, _, mutant in made])
        lived = set()
        for (name, what, mutant), said in zip(made, wrong, strict=True):
            with self.subTest(alert=name, mutant=what):
                self.assertNotIn("parse error", said or "", mutant["expr"])
            if said is None:
                lived.add((name, what))
        self.assertEqual(sorted(lived - EQUAL), [], "no case tells these from the rule")
        self.assertEqual(sorted(EQUAL - lived), [], "these are told apart: take them out of EQUAL")

    def test_both_clouds_have_the_same_rules(self):
        on_gke = [{key: value for key, value in group.items() if key != "interval"} for group in promtool.groups("gke")]
        self.assertEqual(on_gke, promtool.groups("eks"))
