"""Whatever stands in cluster.nix, release.json and a transfer's file, Nix answers with our sentences or renders it: never
with an error of its own."""

import unittest

from tree import ROOT, nix

MUTANTS = f"import {ROOT}/tests/flake/mutants.nix"


def judge(begin=0, end=None):
    return nix(f"{MUTANTS} {{ root = {ROOT}; from = {begin}; until = {'null' if end is None else end}; }}")


class Types(unittest.TestCase):
    def first_that_fails(self, begin, end):
        """Where Nix fails, found by halving: all mutants are evaluated together, which is fast."""
        while end - begin > 1:
            middle = (begin + end) // 2
            begin, end = (begin, middle) if judge(begin, middle)[1] else (middle, end)
        name, _ = nix(f"({MUTANTS} {{ root = {ROOT}; names = true; }})")
        return f"{name[begin]}: {judge(begin, end)[1]}"

    def test_each_value_as_each_other_type(self):
        judged, refusal = judge()
        if refusal:
            names, _ = nix(f"{MUTANTS} {{ root = {ROOT}; names = true; }}")
            self.fail(self.first_that_fails(0, len(names)))
        self.assertGreater(len(judged), 2000)
        for mutant in judged:
            with self.subTest(mutant["name"]):
                if not mutant["sentences"]:
                    self.assertGreater(mutant["files"], 20)
                for sentence in mutant["sentences"]:
                    # Where, what, what to do; nothing that was put in is repeated at length.
                    self.assertRegex(sentence, r"^nix/clusters/[a-z-]+/(cluster\.nix|release\.json|transfers/[a-z-]+\.toml):? [^\n]+[:,] [^\n]+\.$")
                    self.assertLess(len(sentence), 500 if "is not a key of an instance: the keys are" not in sentence else 1500)
        accepted = [mutant["name"] for mutant in judged if not mutant["sentences"]]
        # What may be left out, and what means the same in another type.
        self.assertIn("gke-prod: spec.pauseAutoscaling is missing", accepted)
        self.assertIn("gke-prod: spec.resources.requests.cpu is missing", accepted)
        self.assertIn("gke-prod: release.pins becomes nothing", accepted)
        self.assertNotIn("gke-prod: spec.hosts becomes list", accepted)
        self.assertIn("gke-uat: transfer shop-orders.schedule.suspend is missing", accepted)
        self.assertNotIn("gke-uat: transfer shop-orders.schedule becomes text", accepted)
        self.assertLess(len(accepted), 450)


if __name__ == "__main__":
    unittest.main()
