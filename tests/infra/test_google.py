"""infra/gcp/setup on a stand-in for Google Cloud: what it makes, that it can be run again at any time,
and what it refuses."""

import copy
import json
import os
import subprocess
import unittest
from concurrent.futures import ThreadPoolExecutor

from google import EMPTY, NUMBER, PROJECT, Google
from templates import ROOT

ISSUER = "https://oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"
OTHER_ISSUER = "https://oidc.eks.eu-west-1.amazonaws.com/id/FEDCBA9876543210FEDCBA9876543210"
SUBJECT = "system:serviceaccount:generic-consumer:generic-consumer"
POOL = f"iam.googleapis.com/projects/{NUMBER}/locations/global/workloadIdentityPools/aws-eks"
CONSUMER = f"generic-consumer@{PROJECT}.iam.gserviceaccount.com"
PUSHER = f"generic-consumer-push@{PROJECT}.iam.gserviceaccount.com"
DONE = {
    "services": [f"{name}.googleapis.com" for name in ("artifactregistry", "bigquery", "bigquerystorage", "cloudresourcemanager", "iam", "iamcredentials", "sts")],
    "accounts": {
        CONSUMER: {"bindings": [{"role": "roles/iam.workloadIdentityUser", "members": [f"principal://{POOL}/subject/{SUBJECT}"]}]},
        PUSHER: {"bindings": []},
    },
    "pools": {"aws-eks": {"state": "ACTIVE", "displayName": "EKS clusters"}},
    "providers": {
        "eks-uat": {
            "state": "ACTIVE",
            "oidc": {"issuerUri": ISSUER, "allowedAudiences": [f"https://{POOL}/providers/eks-uat"]},
            "attributeMapping": {"google.subject": "assertion.sub"},
            "attributeCondition": f"assertion.sub == '{SUBJECT}'",
        }
    },
    "datasets": {"events": {"location": "EU", "access": [{"role": "OWNER", "specialGroup": "projectOwners"}, {"role": "WRITER", "userByEmail": CONSUMER}]}},
    "repositories": {
        "consumers": {
            "format": "DOCKER",
            "dockerConfig": {"immutableTags": True},
            "bindings": [{"role": "roles/artifactregistry.writer", "members": [f"serviceAccount:{PUSHER}"]}],
        }
    },
}


class Setup(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.google = Google()
        self.addCleanup(self.google.close)

    def setup_(self, *arguments, google=None, **given):
        options = {"project": PROJECT, "cluster": "eks-uat", "issuer": ISSUER, **given}
        environment = {**os.environ, "PATH": f"{ROOT}/tests/infra/bin:{os.environ['PATH']}", "GOOGLE": str((google or self.google).port), "SETUP_PAUSE": "0"}
        command = [ROOT / "infra/gcp/setup", *arguments, *(part for name, value in options.items() if value is not None for part in (f"--{name}", value))]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    def succeeds(self, *arguments, **given):
        done = self.setup_(*arguments, **given)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def refused(self, saying, *arguments, code=1, **given):
        before = copy.deepcopy(self.google.state)
        done = self.setup_(*arguments, **given)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(saying, done.stderr)
        self.assertEqual(self.google.state, before)
        self.assertEqual(done.stdout, "")


class FromNothing(Setup):
    def test_what_it_makes(self):
        done = self.succeeds()
        self.assertEqual(self.google.state, DONE)
        self.assertEqual(
            json.loads(done.stdout),
            {
                "cluster": "eks-uat",
                "issuer": ISSUER,
                "audience": f"//{POOL}/providers/eks-uat",
                "serviceAccount": CONSUMER,
                "pusher": PUSHER,
                "repository": f"europe-west1-docker.pkg.dev/{PROJECT}/consumers",
            },
        )

    def test_the_second_run_changes_nothing(self):
        first = self.succeeds()
        self.assertGreater(self.google.changes, 5)
        self.google.forget()
        second = self.succeeds()
        self.assertEqual(self.google.changes, 0)
        self.assertEqual(self.google.state, DONE)
        self.assertEqual(second.stdout, first.stdout)
        self.assertNotIn("change ", second.stderr)
        self.assertEqual(second.stderr.count("unchanged  "), first.stderr.count("change "))

    def test_a_run_that_fails_is_finished_by_the_next(self):
        """At every change: it fails, or it is made and the answer is lost."""
        self.succeeds()
        cases = [(number, moment) for number in range(1, self.google.changes + 1) for moment in ("before", "after")]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            results = dict(zip(cases, pool.map(lambda case: self.interrupted(*case), cases)))
        for case, (runs, state) in results.items():
            with self.subTest(case):
                self.assertEqual([done.returncode for done in runs][-1], 0, runs[-1].stderr)
                self.assertEqual([bool(done.stdout) for done in runs], [False, True][-len(runs) :])
                self.assertEqual(state, DONE)
        # The changes that name an account which has just been made are tried again at once.
        again = {6, 8, 10}
        self.assertEqual([case for case, (runs, _) in results.items() if len(runs) == 2], [case for case in cases if case[0] not in again])

    def interrupted(self, number, moment):
        """A run that fails at this change, and if it has not succeeded all the same, another."""
        google = Google()
        try:
            google.fails = number, moment
            runs = [self.setup_(google=google)]
            if runs[0].returncode != 0:
                google.forget()
                runs.append(self.setup_(google=google))
            return runs, google.state
        finally:
            google.close()

    def test_without_a_cluster(self):
        """For ECS, which has no tokens: no pool, no provider, nobody who may act as the account."""
        done = self.succeeds(cluster=None, issuer=None)
        accounts = {CONSUMER: {"bindings": []}, PUSHER: {"bindings": []}}
        self.assertEqual(self.google.state, {**DONE, "accounts": accounts, "pools": {}, "providers": {}})
        self.assertEqual(sorted(json.loads(done.stdout)), ["pusher", "repository", "serviceAccount"])

    def test_a_plan_changes_nothing(self):
        done = self.succeeds("--plan")
        self.assertIn("would      APIs", done.stderr)
        self.assertEqual(self.google.state, EMPTY)
        self.google.begin({**EMPTY, "services": DONE["services"]})
        done = self.succeeds("--plan")
        self.assertEqual(self.google.changes, 0)
        self.assertEqual(done.stderr.count("would "), 9)
        self.assertIn("providers create-oidc eks-uat", done.stderr)
        self.google.begin(DONE)
        self.assertNotIn("would", self.succeeds("--plan").stderr)
        self.assertEqual(self.google.changes, 0)


class FromSomething(Setup):
    def repaired(self, change, changes=1):
        """Changes what is done; one run repairs it, with so many changes."""
        state = copy.deepcopy(DONE)
        change(state)
        self.google.begin(state)
        self.succeeds()
        self.assertEqual(self.google.state, DONE)
        self.assertEqual(self.google.changes, changes)

    def test_a_cluster_that_was_created_again_has_another_issuer(self):
        self.repaired(lambda state: state["providers"]["eks-uat"]["oidc"].update(issuerUri=OTHER_ISSUER))

    def test_a_provider_that_lets_others_in(self):
        provider = lambda state: state["providers"]["eks-uat"]
        self.repaired(lambda state: provider(state).update(attributeCondition="true"))
        self.repaired(lambda state: provider(state).pop("attributeCondition"))
        self.repaired(lambda state: provider(state)["oidc"].update(allowedAudiences=["sts.amazonaws.com"]))
        self.repaired(lambda state: provider(state)["oidc"].pop("allowedAudiences"))
        self.repaired(lambda state: provider(state).update(attributeMapping={"google.subject": "'everybody'"}))
        self.repaired(lambda state: provider(state)["attributeMapping"].update({"attribute.extra": "assertion.sub"}))

    def test_what_was_deleted_is_taken_back(self):
        self.repaired(lambda state: state["pools"]["aws-eks"].update(state="DELETED"))
        self.repaired(lambda state: state["providers"]["eks-uat"].update(state="DELETED"))

        def both(state):
            state["pools"]["aws-eks"].update(state="DELETED")
            state["providers"]["eks-uat"].update(state="DELETED")
            state["providers"]["eks-uat"]["oidc"].update(issuerUri=OTHER_ISSUER)

        self.repaired(both, changes=3)

    def test_a_binding_with_a_condition_does_not_count(self):
        def conditional(state):
            state["accounts"][CONSUMER]["bindings"][0]["condition"] = {"expression": "request.time < timestamp('2020-01-01T00:00:00Z')"}

        state = copy.deepcopy(DONE)
        conditional(state)
        self.google.begin(state)
        self.succeeds()
        self.assertEqual(len(self.google.state["accounts"][CONSUMER]["bindings"]), 2)

    def test_mutable_tags(self):
        self.repaired(lambda state: state["repositories"]["consumers"]["dockerConfig"].update(immutableTags=False))

    def test_a_dataset_elsewhere_stays_there(self):
        state = copy.deepcopy(DONE)
        state["datasets"]["events"].update(location="europe-west1")
        state["datasets"]["events"]["access"].pop()
        self.google.begin(state)
        self.succeeds()
        self.assertEqual(self.google.state["datasets"]["events"]["location"], "europe-west1")
        self.assertEqual(self.google.changes, 1)

    def test_what_others_have_made_is_left_alone(self):
        state = copy.deepcopy(DONE)
        state["providers"]["eks-prod"] = {"state": "ACTIVE", "oidc": {"issuerUri": OTHER_ISSUER}}
        state["accounts"][CONSUMER]["bindings"].append({"role": "roles/iam.serviceAccountUser", "members": ["user:a@example.com"]})
        state["services"].append("run.googleapis.com")
        state["datasets"]["other"] = {"location": "EU", "access": []}
        self.google.begin(state)
        self.succeeds()
        self.assertEqual(self.google.state, state)
        self.assertEqual(self.google.changes, 0)

    def test_names_that_end_alike_are_not_confused(self):
        state = copy.deepcopy(EMPTY)
        state["pools"]["not-aws-eks"] = {"state": "ACTIVE"}
        state["repositories"]["my-consumers"] = {"format": "NPM", "dockerConfig": {}, "bindings": []}
        self.google.begin(state)
        self.succeeds()
        self.assertEqual(self.google.state["pools"]["aws-eks"], DONE["pools"]["aws-eks"])
        self.assertEqual(self.google.state["repositories"]["consumers"], DONE["repositories"]["consumers"])


class Refusals(Setup):
    def test_arguments(self):
        self.refused("usage:", code=2, project="")
        self.refused("unknown argument: --force", "--force", code=2)
        self.refused("is not the issuer of an EKS cluster", issuer="https://accounts.google.com")
        self.refused("is not the issuer of an EKS cluster", issuer=ISSUER + "/../x")
        self.refused("is named eks-<environment>", cluster="gke-uat")
        self.refused("is named eks-<environment>", cluster=None)
        self.refused("is not the issuer of an EKS cluster", issuer=None)
        self.refused("Google takes 4 to 32 characters", cluster="eks-" + "a" * 29)
        self.refused("4 to 32", pool="eks")
        self.refused("keeps gcp- for itself", pool="gcp-pool")

    def test_what_is_disabled_stays_so(self):
        for kind, name in (("pools", "aws-eks"), ("providers", "eks-uat")):
            state = copy.deepcopy(DONE)
            state[kind][name]["disabled"] = True
            self.google.begin(state)
            self.refused("is disabled: whoever did that had a reason")

    def test_a_repository_for_something_else(self):
        state = copy.deepcopy(DONE)
        state["repositories"]["consumers"]["format"] = "NPM"
        self.google.begin(state)
        self.refused("is not for images")

    def test_another_project(self):
        """What may not be seen is not taken for missing."""
        self.google.begin(DONE)
        self.refused("PERMISSION_DENIED", project="another")
