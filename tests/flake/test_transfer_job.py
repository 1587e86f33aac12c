"""delivery/transfer-job: a Job for past days, from the CronJob that the cluster has."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import kubernetes_validate
from tree import ROOT, build, one

# Answers with the CronJob in a file, or refuses.
KUBECTL = """#!/bin/sh
echo "$@" >> "$FAKE/calls"
if [ ! -e "$FAKE/cronjob.json" ]; then echo 'cronjobs.batch "transfer-x" not found' >&2; exit 1; fi
cat "$FAKE/cronjob.json"
"""


class TransferJob(unittest.TestCase):
    def run_it(self, cluster, transfer, *days, deployed=True):
        """(exit code, standard output, standard error, the calls of kubectl, the CronJob)."""
        with tempfile.TemporaryDirectory() as folder:
            fake = pathlib.Path(folder)
            (fake / "kubectl").write_text(KUBECTL)
            (fake / "kubectl").chmod(0o755)
            cron = None
            place = ROOT / f"kustomize/overlays/{cluster}/transfers/transfer-{transfer}"
            if deployed and place.is_dir():
                cron = one(build(place), "CronJob")
                (fake / "cronjob.json").write_text(json.dumps(cron))
            environment = {**os.environ, "PATH": f"{fake}:{os.environ['PATH']}", "FAKE": str(fake)}
            done = subprocess.run([ROOT / "delivery/transfer-job", cluster, transfer, *days], capture_output=True, text=True, env=environment)
            calls = (fake / "calls").read_text() if (fake / "calls").exists() else ""
        return done.returncode, done.stdout, done.stderr, calls, cron

    def job(self, *arguments):
        code, output, errors, _, cron = self.run_it(*arguments)
        self.assertEqual(code, 0, errors)
        job = json.loads(output)
        kubernetes_validate.validate({**job, "metadata": {**job["metadata"], "name": "x"}}, "1.37", strict=True)
        return job, cron["spec"]["jobTemplate"]

    def arguments(self, job):
        return job["spec"]["template"]["spec"]["containers"][0]["args"]

    def test_one_day(self):
        job, template = self.job("gke-prod", "shop-orders", "20261121")
        arguments = self.arguments(job)
        self.assertEqual(arguments[:5], ["transfer", "20261121", "shop-orders", "truncate", "transfer.toml"])
        # The date is given: the Job's name says nothing.
        self.assertNotIn("--job", arguments)
        self.assertEqual(arguments[arguments.index("--max-rejected") + 1], "0.1%")
        self.assertEqual(job["metadata"], {"generateName": "transfer-shop-orders-20261121-", "namespace": "generic-consumer", "labels": template["metadata"]["labels"]})
        # Nothing but the arguments differs.
        job["spec"]["template"]["spec"]["containers"][0]["args"] = template["spec"]["template"]["spec"]["containers"][0]["args"]
        self.assertEqual(job["spec"], template["spec"])

    def test_a_range_in_mode_truncate_is_a_pod_for_each_day(self):
        job, template = self.job("gke-prod", "shop-orders", "20261230", "20270102")
        spec = job["spec"]
        self.assertEqual((spec["completionMode"], spec["completions"], spec["parallelism"]), ("Indexed", 4, 1))
        self.assertEqual(spec["activeDeadlineSeconds"], 4 * template["spec"]["activeDeadlineSeconds"])
        self.assertEqual(self.arguments(job)[1], "20261230+$(JOB_COMPLETION_INDEX)")

    def test_a_range_in_mode_delta_is_one_run(self):
        job, template = self.job("gke-uat", "shop-orders", "20261101", "20261130")
        arguments = self.arguments(job)
        self.assertEqual(arguments[1], "20261130")
        self.assertEqual(arguments[-2:], ["--delta-start-date", "20261101"])
        self.assertNotIn("--delta-days", arguments)
        self.assertNotIn("completions", job["spec"])
        self.assertEqual(job["spec"]["template"]["spec"]["initContainers"], template["spec"]["template"]["spec"]["initContainers"])

    def test_it_asks_the_cluster_by_its_context(self):
        _, _, _, calls, _ = self.run_it("eks-prod", "returns-daily", "20261121")
        self.assertEqual(calls, "--context eks-prod --namespace generic-consumer get cronjob transfer-returns-daily --output json\n")

    def test_mistakes(self):
        for arguments, sentence in (
            (("gke-prd", "shop-orders", "20261121"), "unknown cluster `gke-prd`: the clusters are eks-prod"),
            (("gke-prod", "orders", "20261121"), "gke-prod has no transfer `orders`: it has shop-orders."),
            (("gke-prod", "shop-orders", "20261345"), "`20261345` is no day: write YYYYMMDD."),
            (("gke-prod", "shop-orders", "yesterday"), "`yesterday` is no day"),
            (("gke-prod", "shop-orders", "20261121", "20261120"), "the last day 20261120 is before the first one 20261121."),
            (("gke-prod", "shop-orders", "20200101", "20261120"), "more than one Job may have (366)"),
        ):
            code, output, errors, calls, _ = self.run_it(*arguments)
            self.assertEqual((code, output, calls), (1, "", ""), errors)
            self.assertIn(f"transfer-job: {sentence}" if sentence[0] != "m" else sentence, errors)

    def test_a_transfer_that_is_not_deployed(self):
        code, output, errors, _, _ = self.run_it("gke-prod", "shop-orders", "20261121", deployed=False)
        self.assertEqual((code, output), (1, ""))
        self.assertIn("cannot read the CronJob transfer-shop-orders of gke-prod", errors)


if __name__ == "__main__":
    unittest.main()
