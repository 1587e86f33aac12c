"""Runs the real Jenkinsfiles: what they build, push, deploy and refuse, and which jobs wait for which."""

import json
import re
import time
import unittest

from cases import ENV, JobsCase
from remote import GOOD, OTHER, ROOT


class Parameters(unittest.TestCase):
    def test_every_choice_lists_all_clusters(self):
        clusters = sorted(folder.name for folder in (ROOT / "nix/clusters").iterdir())
        lists = [re.findall(r"'([a-z-]+)'", found) for job in (ROOT / "jenkins").iterdir() for found in re.findall(r"choices: (\[.*gke.*?\])", job.read_text())]
        self.assertEqual(len(lists), 6)
        for choices in lists:
            self.assertEqual(sorted(choices), clusters)

    def test_only_release_takes_the_lock(self):
        takers = [job.name for job in [ROOT / "Jenkinsfile", *(ROOT / "jenkins").iterdir()] if re.search(r"\block\(", job.read_text())]
        self.assertEqual(takers, ["release"])


class Image(JobsCase):
    def test_the_digest_is_the_same_everywhere(self):
        record = self.chain.job("image")
        image = self.chain.image("image-1")
        commit = self.chain.head()
        self.assertEqual(image["tag"], f"0.1.0-g{commit[:12]}-c{image['contracts']['revision']}")
        self.assertEqual(image["commit"], commit)
        self.assertEqual(sorted(image["repositories"]), sorted(self.chain.places()))
        for place in self.chain.places():
            self.assertEqual(self.chain.digest(f"{place}:{image['tag']}"), image["digest"])
            self.assertEqual(self.chain.digest(f"{place}@{image['digest']}"), image["digest"])
        self.assertIs(image["unchanged"], False)
        self.assertEqual(record.variables("image")["IMAGE_DIGEST"], image["digest"])
        self.assertEqual(record.of("credentials"), ["generic-consumer-registries"] * 2 + ["generic-consumer-signing-key", "generic-consumer-signing-password"])
        self.assertEqual(record.of("stage"), ["Changes", "Checks", "Build", "Push", "Sign"])

    def test_built_again_without_a_commit(self):
        self.chain.job("image")
        record = self.chain.job("image", BUILD_IMAGE=True)
        first, second = self.chain.image("image-1"), self.chain.image("image-2")
        self.assertEqual((first["digest"], first["tag"]), (second["digest"], second["tag"]))
        self.assertIs(second["unchanged"], True)
        self.assertIn("(nothing changed)", record.variables("image")["DESCRIPTION"])
        self.assertIn("nothing changed: every registry had", self.chain.log())

    def test_a_commit_that_does_not_change_the_image(self):
        """The job makes a new tag with the same digest."""
        self.chain.job("image")
        self.chain.edit("docs", lambda clone: (clone / "jenkins/NOTES").write_text("n"))
        self.chain.job("image")
        first, second = self.chain.image("image-1"), self.chain.image("image-2")
        self.assertEqual(first["digest"], second["digest"])
        self.assertNotEqual(first["tag"], second["tag"])
        self.assertIs(second["unchanged"], True)

    def test_deployments_alone_build_no_image(self):
        built = self.chain.head()
        code, _, err = self.chain.gitops(self.chain.clone(), "release", "set", "gke-uat", GOOD)
        self.assertEqual(code, 0, err)
        since = {"GIT_PREVIOUS_SUCCESSFUL_COMMIT": built}
        record = self.chain.job("image", since)
        self.assertEqual(record.of("skipped"), ["Checks", "Build", "Push", "Sign"])
        self.assertEqual(record.of("archiveArtifacts"), [])
        # With BUILD_IMAGE the job builds an image nevertheless.
        self.assertEqual(self.chain.job("image", since, BUILD_IMAGE=True).of("skipped"), [])
        # It also builds one after any other change.
        self.chain.edit("a contract", lambda clone: (clone / "contracts/x.yaml").write_text("x: 1"))
        self.assertEqual(self.chain.job("image", since).of("skipped"), [])

    def test_a_tag_never_changes_its_image(self):
        self.chain.job("image")
        first = self.chain.image("image-1")
        # In one registry, somebody has pushed another image under the next commit's tag.
        self.chain.edit("a version", lambda clone: self.replace(clone / "Cargo.toml", 'license = "MIT', 'license = "MIT '))
        tag = first["tag"].replace(first["commit"][:12], self.chain.head()[:12])
        place = self.chain.place("eks-prod")
        flags = ["--src-tls-verify=false", "--dest-tls-verify=false", "--quiet"]
        self.chain.run("skopeo", "--insecure-policy", "copy", *flags, f"docker://{place}@{first['digest']}", f"docker://{place}:{tag}")
        self.chain.job("image", fails=True)
        self.assertIn("a tag never changes its image", self.chain.log())
        self.assertIsNone(self.chain.digest(f"{self.chain.place('gke-uat')}:{tag}"), "nothing is pushed anywhere")

    def replace(self, path, old, new):
        text = path.read_text()
        self.assertIn(old, text)
        path.write_text(text.replace(old, new))

    def test_a_failing_check_pushes_nothing(self):
        self.chain.edit("broken", lambda clone: (clone / "Cargo.toml").write_text("broken"))
        record = self.chain.job("image", fails=True)
        self.assertEqual(record.of("stage"), ["Changes", "Checks"])
        self.assertEqual(record.of("archiveArtifacts"), [])


class Chained(JobsCase):
    def test_a_new_image_is_deployed_and_promoted(self):
        record = self.chain.job("release", CLUSTER="gke-uat", BUILD_IMAGE=True, PROMOTE_TO="gke-prod")
        self.assertEqual(record.jobs(), ["release", "image", "cluster", "deploy", "integration", "release", "cluster", "deploy", "integration"])
        digest = self.chain.image("image-1")["digest"]
        for cluster in ("gke-uat", "gke-prod"):
            self.assertEqual(self.release(cluster)["digest"], digest)
        self.assertNotEqual(self.release("eks-prod")["digest"], digest)
        # The lock is held during the three jobs and released before the next cluster's is taken.
        held = [(e["kind"], e["what"]) for e in record.entries if e["kind"] in ("lock", "unlock") or (e["kind"] == "begin" and e["run"][:7] in ("cluster", "deploy-", "integra"))]
        self.assertEqual([kind for kind, _ in held], ["lock", "begin", "begin", "begin", "unlock"] * 2)
        self.assertEqual([what for kind, what in held if kind == "lock"], ["cluster-gke-uat", "cluster-gke-prod"])
        deployed = json.loads((self.chain.jenkins / "archive/deploy-1/deployed.json").read_text())
        self.assertEqual(set(deployed["after"].values()), {digest})
        self.assertNotIn(digest, deployed["before"].values())

    def test_one_instance(self):
        digest = self.chain.push_image()
        record = self.chain.job("release", CLUSTER="gke-uat", INSTANCE="orders", IMAGE_DIGEST=digest)
        self.assertEqual(record.jobs(), ["release", "cluster", "deploy", "integration"])
        self.assertEqual(self.release()["pins"], {"orders": digest})
        self.assertNotEqual(self.release()["digest"], digest)

    def test_a_new_instance_without_an_image(self):
        self.deploy_an_image()
        before = self.release()
        record = self.chain.job("release", CLUSTER="gke-uat", INSTANCE="payments", ADD_INSTANCE_ENV=ENV)
        self.assertEqual(record.jobs(), ["release", "cluster", "deploy", "integration"])
        self.assertEqual(self.release(), before)
        self.assertEqual(self.chain.file("nix/clusters/gke-uat/instances/payments.env") + "\n", ENV)
        # A second time it is a duplicate, unless it replaces the instance.
        self.chain.job("release", fails=True, CLUSTER="gke-uat", INSTANCE="payments", ADD_INSTANCE_ENV=ENV)
        self.assertIn("duplicate instance", self.chain.log())
        changed = ENV.replace("'payments'", "'payments_2'")
        self.chain.job("release", CLUSTER="gke-uat", INSTANCE="payments", ADD_INSTANCE_ENV=changed, REPLACE_INSTANCE=True)
        self.assertIn("payments_2", self.chain.file("nix/clusters/gke-uat/instances/payments.env"))
        self.chain.job("release", CLUSTER="gke-uat", INSTANCE="payments", REMOVE_INSTANCE=True)
        self.assertEqual(self.chain.files("nix/clusters/gke-uat/instances/payments.env"), [])
        self.assertEqual(self.chain.files("kustomize/overlays/gke-uat/instances/payments"), [])

    def test_rollback(self):
        first = self.chain.push_image()
        self.chain.job("release", CLUSTER="gke-uat", IMAGE_DIGEST=first)
        before = self.chain.head()
        self.chain.edit("a change", lambda clone: (clone / "contracts/x.yaml").write_text("x: 1"))
        self.chain.job("release", CLUSTER="gke-uat", BUILD_IMAGE=True)
        self.assertNotEqual(self.release()["digest"], first)
        record = self.chain.job("release", CLUSTER="gke-uat", IMAGE_DIGEST=first)
        self.assertNotIn("image", record.jobs())
        self.assertEqual([f for f in self.chain.changed(before) if "contracts" not in f], [])
        # A digest that the registry does not have is refused.
        head = self.chain.head()
        self.chain.job("release", fails=True, CLUSTER="gke-uat", IMAGE_DIGEST=OTHER)
        self.assertIn(f"does not have {OTHER}", self.chain.log())
        self.assertEqual(self.chain.head(), head)

    def test_bad_data_of_another_cluster(self):
        """It does not keep a release or a rollback of this cluster from its end."""
        first = self.chain.push_image()

        def break_it(clone):
            (clone / "nix/clusters/eks-prod/cluster.nix").write_text("{ writeEnv = ; }")
            (clone / "nix/clusters/gke-prod/release.json").write_text("<<<<<<< HEAD")

        self.chain.edit("bad data", break_it)
        record = self.chain.job("release", CLUSTER="gke-uat", IMAGE_DIGEST=first)
        self.assertEqual(set(record.results().values()), {"SUCCESS"})
        self.assertEqual(self.release()["digest"], first)
        deployed = json.loads((self.chain.jenkins / "archive/deploy-1/deployed.json").read_text())
        self.assertEqual(set(deployed["after"].values()), {first})
        self.assertIn("warning: nix/clusters/eks-prod: Nix cannot evaluate it", self.chain.log())
        self.assertIn("warning: nix/clusters/gke-prod/release.json is not JSON", self.chain.log())
        # The cluster itself is refused, before anything is pushed.
        head = self.chain.head()
        self.chain.job("release", fails=True, CLUSTER="gke-prod", IMAGE_DIGEST=first)
        self.assertEqual(self.chain.head(), head)

    def test_a_failing_integration_test_promotes_nothing(self):
        digest = self.chain.push_image()
        prod = self.release("gke-prod")
        for fault, sentence in (("lost", "does not have each event"), ("twice", "more than once: 200 of 200 events in 201 rows")):
            record = self.chain.job("release", {"CANARY_FAULT": fault}, fails=True, CLUSTER="gke-uat", IMAGE_DIGEST=digest, PROMOTE_TO="gke-prod")
            self.assertEqual(record.results(), {"release": "FAILURE", "cluster": "SUCCESS", "deploy": "SUCCESS", "integration": "FAILURE"})
            self.assertEqual(record.of("unlock"), ["cluster-gke-uat"])
            self.assertIn(sentence, self.chain.log())
        self.assertEqual(self.release("gke-prod"), prod)
        self.chain.job("release", CLUSTER="gke-uat", IMAGE_DIGEST=digest)
        self.assertIn("DELETE FROM", (self.chain.peers / "bq").read_text())

    def test_no_integration_test_if_the_rollout_does_not_get_healthy(self):
        digest = self.chain.push_image()
        faults = self.faults({"gke-uat-orders": ["never-healthy"]}) | {"ARGOCD_DEADLINE_SECONDS": "5"}
        record = self.chain.job("release", faults, fails=True, CLUSTER="gke-uat", IMAGE_DIGEST=digest)
        self.assertEqual(record.jobs(), ["release", "cluster", "deploy"])
        self.assertIn("ArgoCD has not finished after 5 s: gke-uat-orders is Progressing (Deployment generic-consumer-orders: Waiting for rollout to finish)", self.chain.log())

    def test_a_cluster_that_lacks_an_autoscaler(self):
        digest = self.chain.push_image()
        record = self.chain.job("release", {"UNKNOWN_TO_THE_CLUSTER": "keda.sh/v1alpha1"}, fails=True, CLUSTER="gke-uat", IMAGE_DIGEST=digest)
        self.assertEqual(record.jobs(), ["release", "cluster"])
        self.assertIn("gke-uat does not serve keda.sh/v1alpha1: install", self.chain.log())

    def test_parameters_that_contradict_each_other(self):
        head = self.chain.head()
        for sentence, given in {
            "nothing to deploy": {},
            "are separate deployments": {"INSTANCE": "orders", "REMOVE_INSTANCE": True, "MOVE_FROM": "eks-uat", "MOVE_STEP": "end"},
            "ADD_INSTANCE_ENV needs INSTANCE": {"ADD_INSTANCE_ENV": ENV},
            "cannot be combined with IMAGE_DIGEST": {"INSTANCE": "orders", "REMOVE_INSTANCE": True, "IMAGE_DIGEST": GOOD},
            "DROP_PINS needs INSTANCE=ALL": {"INSTANCE": "orders", "DROP_PINS": True, "IMAGE_DIGEST": GOOD},
            "BUILD_IMAGE builds an image and IMAGE_DIGEST names one": {"BUILD_IMAGE": True, "IMAGE_DIGEST": GOOD},
        }.items():
            record = self.chain.job("release", fails=True, CLUSTER="gke-uat", **given)
            self.assertIn(sentence, self.chain.log())
            # At once: no image is built, and no lock is taken.
            self.assertEqual((record.jobs(), record.of("lock")), (["release"], []))
        self.assertEqual(self.chain.head(), head)

    def test_a_cluster_to_promote_to_is_checked_at_the_start(self):
        digest, other = self.deploy_an_image(), "sha256:" + "9" * 64
        head = self.chain.head()
        for sentence, given in {
            "unknown cluster `gke-prd`": {"PROMOTE_TO": "gke-prd", "IMAGE_DIGEST": digest},
            "PROMOTE_TO=gke-uat is the cluster itself": {"PROMOTE_TO": "gke-uat", "IMAGE_DIGEST": digest},
            "PROMOTE_TO needs an image": {"PROMOTE_TO": "gke-prod", "INSTANCE": "payments", "ADD_INSTANCE_ENV": ENV},
            f"does not have {other}: gke-prod could not start it": {"PROMOTE_TO": "gke-prod", "IMAGE_DIGEST": other},
            "PROMOTE_TO=eks-prod has no instance `orders`": {"PROMOTE_TO": "eks-prod", "INSTANCE": "orders", "IMAGE_DIGEST": digest},
        }.items():
            record = self.chain.job("release", fails=True, CLUSTER="gke-uat", **given)
            self.assertIn(sentence, self.chain.log())
            self.assertEqual((record.jobs(), record.of("lock")), (["release"], []))
        # An image that is still to be built: the registry has to answer.
        broken = self.chain.edit("no registry", lambda clone: self.no_registry(clone))
        record = self.chain.job("release", fails=True, CLUSTER="gke-uat", BUILD_IMAGE=True, PROMOTE_TO="eks-prod")
        self.assertEqual(record.jobs(), ["release"])
        self.assertIn("connection refused", self.chain.log())
        self.assertNotEqual(head, broken)
        self.assertEqual(self.chain.head(), broken)

    def no_registry(self, clone):
        file = clone / "nix/clusters/eks-prod/cluster.nix"
        file.write_text(file.read_text().replace(self.chain.place("eks-prod"), "127.0.0.1:9/prod/generic-consumer"))
        self.chain.render(clone)


class Guarded(JobsCase):
    """Who may release, with which credentials, and that nothing goes round the lock."""

    def test_production_needs_an_approval(self):
        digest = self.chain.push_image()
        record = self.chain.job("release", CLUSTER="gke-uat", IMAGE_DIGEST=digest, PROMOTE_TO="gke-prod")
        self.assertEqual(record.of("input"), [f"generic-consumer-approvers: gke-prod: ALL, image {digest}?"])
        # Only production's, before its lock is taken. The runner refuses an input that holds an agent.
        order = [(e["kind"], e["run"]) for e in record.entries if e["kind"] in ("lock", "input")]
        self.assertEqual(order, [("lock", "release-1"), ("input", "release-2"), ("lock", "release-2")])

    def test_without_the_approval_nothing_is_changed(self):
        digest = self.chain.push_image()
        head = self.chain.head()
        record = self.chain.job("release", {"ANSWER": "abort"}, fails=True, CLUSTER="eks-prod", IMAGE_DIGEST=digest)
        self.assertEqual((record.jobs(), record.of("lock")), (["release"], []))
        self.assertEqual(self.chain.head(), head)

    def test_the_approval_says_what_it_is_for(self):
        self.deploy_an_image("gke-prod")
        record = self.chain.job("release", CLUSTER="gke-prod", INSTANCE="orders", REMOVE_INSTANCE=True)
        self.assertEqual(record.of("input"), ["generic-consumer-approvers: gke-prod: orders, remove it?"])

    def test_deploy_runs_only_within_release(self):
        head = self.chain.head()
        # By a person, by another job, and as the rebuilt run of one that `release` had started.
        for environment in ({}, {"REBUILDS_A_RUN_OF": "migrate-1"}, {"REBUILDS_A_RUN_OF": "release-1"}):
            record = self.chain.job("deploy", environment, fails=True, CLUSTER="gke-uat", INSTANCE="orders", REMOVE_INSTANCE=True)
            self.assertEqual((record.of("stage"), record.of("sh"), record.of("credentials")), (["Lock"], [], []))
        self.assertEqual(self.chain.head(), head)

    def test_each_job_gets_its_own_credentials(self):
        digest = self.chain.push_image()
        record = self.chain.job("release", CLUSTER="eks-uat", IMAGE_DIGEST=digest)
        self.assertEqual(
            {job: record.of("credentials", job) for job in record.jobs()},
            {
                "release": ["generic-consumer-registries-read"],
                "cluster": ["generic-consumer-git", "generic-consumer-kubeconfig-eks-uat", "generic-consumer-kubeconfig-argocd", "generic-consumer-argocd"],
                "deploy": ["generic-consumer-git", "generic-consumer-registries-read", "generic-consumer-argocd"],
                "integration": ["generic-consumer-kubeconfig-eks-uat", "generic-consumer-bigquery"],
            },
        )

    def test_every_shell_that_needs_a_parameter_gets_it(self):
        """In a job's first run the shell has none: the jobs pass them on."""
        for job in [ROOT / "Jenkinsfile", *(ROOT / "jenkins").iterdir()]:
            text = job.read_text()
            declared = set(re.findall(r"name: '([A-Z_]+)', (?:choices|defaultValue)", text))
            used = {name for script in re.findall(r"sh\(?\s*'([^\n]*)'", text) for name in re.findall(r"\$\{?([A-Z_]+)", script)}
            passed = set(re.findall(r'"([A-Z_]+)=\$\{params\.\1\}"', text))
            self.assertLessEqual(used & declared, passed, job.name)
            for tool in re.findall(r"sh\(?[^\n]*delivery/(\w+)", text):
                read = set(re.findall(r'(?:parameter|flag|environ\.get|environb?\.get)\(b?"([A-Z_]+)"', (ROOT / "delivery" / tool).read_text()))
                missing = (read & declared) - passed
                # `release` has a check, which reads what the deployment reads.
                self.assertEqual(missing, set(), f"{job.name}: {tool}")


class Rollouts(JobsCase):
    """What ArgoCD may answer after the push, and that the way back is kept."""

    def deployed(self, run="deploy-1"):
        return json.loads((self.chain.jenkins / "archive" / run / "deployed.json").read_text())

    def test_lost_answers_and_moments_of_trouble(self):
        digest = self.chain.push_image()
        faults = self.faults(
            {
                "gke-uat-shared": ["flaky"],
                "gke-uat-orders": ["flaky", "degraded-once"],
                "gke-uat-delivery": ["hangs"],
                "gke-uat-canary": ["no-metric"],
            }
        )
        self.chain.job("release", {**faults, "ARGOCD_CALL_SECONDS": "10"}, CLUSTER="gke-uat", IMAGE_DIGEST=digest)
        for sentence in ("argocd failed: rpc error: code = Unavailable", "argocd has not answered for 10 s", "exceeded its progress deadline", "At least one trigger is falling back"):
            self.assertIn(sentence, self.chain.log())
        self.assertEqual(self.deployed()["state"], "deployed")

    def test_a_sync_that_failed_is_reported_at_once(self):
        digest = self.chain.push_image()
        faults = self.faults({"gke-uat-orders": ["sync-failed"]})
        self.chain.job("release", {**faults, "ARGOCD_DEADLINE_SECONDS": "1200"}, fails=True, CLUSTER="gke-uat", IMAGE_DIGEST=digest)
        self.assertIn(f"ArgoCD could not apply {self.chain.head()} to gke-uat-orders: one or more objects failed to apply", self.chain.log())
        self.the_way_back_is_archived(digest)

    def test_a_rollout_that_failed_is_reported_at_once(self):
        digest = self.chain.push_image()
        faults = self.faults({"gke-uat-orders": ["exceeded"]})
        more = {"ARGOCD_DEADLINE_SECONDS": "1200", "ARGOCD_DEGRADED_SECONDS": "1"}
        self.chain.job("release", faults | more, fails=True, CLUSTER="gke-uat", IMAGE_DIGEST=digest)
        self.assertIn('the rollout of gke-uat-orders has failed: Deployment "generic-consumer-orders" exceeded its progress deadline', self.chain.log())
        self.the_way_back_is_archived(digest)

    def the_way_back_is_archived(self, digest):
        deployed = self.deployed()
        self.assertEqual((deployed["state"], deployed["commit"], deployed["changed"]), ("pushed", self.chain.head(), True))
        self.assertEqual(set(deployed["before"].values()), {"sha256:" + "0" * 64})
        self.assertEqual(set(deployed["after"].values()), {digest})

    def test_an_aborted_wait(self):
        digest = self.chain.push_image()
        faults = self.faults({"gke-uat-orders": ["never-healthy"]})
        child = self.chain.start("release", faults, CLUSTER="gke-uat", IMAGE_DIGEST=digest)
        file = self.chain.jenkins / "workspaces/deploy-1/deployed.json"
        self.until(lambda: file.exists() and json.loads(file.read_text())["state"] == "pushed")
        (self.chain.jenkins / "abort").touch()
        output, _ = child.communicate(timeout=120)
        self.assertNotEqual(child.returncode, 0, output)
        self.the_way_back_is_archived(digest)
        self.assertIn("deploy: aborted", self.chain.log())
        # Nothing is left of it in the machine's temporary folder.
        self.assertEqual(list((self.chain.root / "scratch").iterdir()), [])

    def until(self, condition):
        deadline = time.monotonic() + 120
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def test_nothing_is_pushed_while_argocd_is_away(self):
        digest = self.chain.push_image()
        head = self.chain.head()
        # The job `cluster` before it has seen ArgoCD.
        record = self.chain.job("release", {"ARGOCD_READY_SECONDS": "1", "ARGOCD_AWAY_AFTER": "cluster"}, fails=True, CLUSTER="gke-uat", IMAGE_DIGEST=digest)
        self.assertEqual(record.jobs(), ["release", "cluster", "deploy"])
        self.assertIn("ArgoCD has not finished after 1 s: gke-uat-shared: argocd failed", self.chain.log())
        self.assertEqual(self.chain.head(), head)


class Judged(JobsCase):
    """An .env is judged by the program and the contracts of the image that will run it."""

    elsewhere = ENV.replace("contracts.orders.order_events_v1", "contracts.payments.payment_events_v1")

    def theirs(self):
        """Another repository, with a contract that ours does not have."""
        theirs = self.chain.root / "theirs"
        clone = self.chain.clone("ours")
        self.chain.run("git", "init", "--quiet", "--initial-branch", "main", theirs)
        self.chain.run("cp", "-r", clone / "contracts", theirs)
        (theirs / "contracts/payments").mkdir()
        self.chain.run("cp", clone / "contracts/orders/order_events_v1.json", theirs / "contracts/payments/payment_events_v1.json")
        self.chain.run("git", "-C", theirs, "add", "--all")
        self.chain.run("git", "-C", theirs, "commit", "--quiet", "--message", "payments")
        return f"{theirs}@main"

    def test_an_instance_whose_contract_is_only_elsewhere(self):
        contracts = self.theirs()
        record = self.chain.job("release", CLUSTER="gke-uat", BUILD_IMAGE=True, CONTRACTS=contracts, INSTANCE="payments", ADD_INSTANCE_ENV=self.elsewhere)
        self.assertEqual(record.jobs(), ["release", "image", "cluster", "deploy", "integration"])
        self.assertEqual(self.release()["pins"], {"payments": self.chain.image("image-1")["digest"]})
        self.assertEqual(self.chain.file("nix/clusters/gke-uat/instances/payments.env") + "\n", self.elsewhere)
        # It moves with its image.
        self.chain.job("migrate", INSTANCE="payments", FROM="gke-uat", TO="eks-uat")
        self.assertEqual(self.release("eks-uat")["pins"]["payments"], self.chain.image("image-1")["digest"])

    def test_an_instance_whose_contract_the_image_lacks(self):
        """The checkout has the contract, and the cluster's image does not."""
        self.deploy_an_image()
        self.chain.edit("a contract", self.add_contract)
        head = self.chain.head()
        record = self.chain.job("release", fails=True, CLUSTER="gke-uat", INSTANCE="payments", ADD_INSTANCE_ENV=self.elsewhere)
        self.assertEqual(record.jobs(), ["release"])
        self.assertIn("payments.env: the program refuses this configuration", self.chain.log())
        self.assertIn("no such document", self.chain.log())
        self.assertEqual(self.chain.head(), head)
        # With an image of that commit it can be added.
        self.chain.job("release", CLUSTER="gke-uat", BUILD_IMAGE=True, INSTANCE="payments", ADD_INSTANCE_ENV=self.elsewhere)

    def add_contract(self, clone):
        (clone / "contracts/payments").mkdir()
        self.chain.run("cp", clone / "contracts/orders/order_events_v1.json", clone / "contracts/payments/payment_events_v1.json")

    def test_an_image_that_is_not_there(self):
        """As before the first release, whose digest is a placeholder."""
        record = self.chain.job("release", fails=True, CLUSTER="gke-uat", INSTANCE="payments", ADD_INSTANCE_ENV=ENV)
        self.assertEqual(record.jobs(), ["release"])
        self.assertIn("cannot fetch the image", self.chain.log())

    def test_the_text_arrives_as_it_is(self):
        self.deploy_an_image()
        text = ENV + "# $HOME ${CLUSTER} $$ `id` 'a' \"b\" \\ ä\n"
        self.chain.job("release", CLUSTER="gke-uat", INSTANCE="payments", ADD_INSTANCE_ENV=text.replace("\n", "\r\n"))
        self.assertEqual(self.chain.file("nix/clusters/gke-uat/instances/payments.env") + "\n", text)


class Moved(JobsCase):
    def setUp(self):
        super().setUp()
        self.digest = self.chain.push_image()
        code, _, err = self.chain.gitops(self.chain.clone(), "release", "set", "gke-uat", self.digest)
        self.assertEqual(code, 0, err)

    def move(self, **given):
        return self.chain.job("migrate", INSTANCE="orders", FROM="gke-uat", TO="eks-uat", **given)

    def where(self):
        return [c for c in ("gke-uat", "eks-uat") if self.chain.files(f"nix/clusters/{c}/instances/orders.env")]

    def pods(self, cluster):
        return int((self.chain.peers / f"pods-{cluster}-orders").read_text())

    def test_in_two_commits(self):
        before = self.chain.head()
        # Before the move the instance has been scaled up.
        (self.chain.peers / "pods-gke-uat-orders").write_text("4")
        record = self.move()
        self.assertEqual(self.chain.subjects(before), ["orders: begins to move from gke-uat to eks-uat", "orders: has moved from gke-uat to eks-uat"])
        self.assertEqual(self.where(), ["eks-uat"])
        self.assertEqual(self.release("eks-uat")["pins"]["orders"], self.digest)
        self.assertEqual(len(record.of("input")), 1)
        # Each step holds both clusters' locks; neither is held while a person checks the lag.
        held = 0
        for entry in record.entries:
            held += {"lock": 1, "unlock": -1}.get(entry["kind"], 0)
            if entry["kind"] == "input":
                self.assertEqual(held, 0)
        self.assertEqual(record.of("lock"), ["cluster-eks-uat", "cluster-gke-uat"] * 2)

    def test_while_it_moves(self):
        """The source keeps its pods and is Suspended; the target starts with two and is Healthy."""
        (self.chain.peers / "pods-gke-uat-orders").write_text("4")
        self.move(STEP="begin")
        self.assertEqual((self.pods("gke-uat"), self.pods("eks-uat")), (4, 2))
        self.assertEqual((self.release("gke-uat")["paused"], self.release("eks-uat")["arriving"]), (["orders"], ["orders"]))
        self.assertIn("gke-uat-orders: done", self.chain.log())
        self.move(STEP="end")
        self.assertEqual(self.pods("eks-uat"), 2)
        self.assertNotIn("arriving", self.release("eks-uat"))

    def test_an_autoscaler_that_stays_paused(self):
        """KEDA may keep its condition after the annotation is gone: the job says so, and what to do."""
        self.move(STEP="begin")
        faults = self.faults({"gke-uat-orders": ["keda-keeps-paused"]}) | {"ARGOCD_DEADLINE_SECONDS": "5"}
        self.chain.job("migrate", faults, fails=True, INSTANCE="orders", FROM="gke-uat", TO="eks-uat", STEP="undo")
        self.assertIn("gke-uat-orders is Suspended (ScaledObject generic-consumer-orders: ScaledObject is paused), but this commit pauses nothing in it (docs/delivery.md, Suspended)", self.chain.log())
        self.assertIn("**Suspended**", (ROOT / "docs/delivery.md").read_text())

    def test_an_image_that_the_other_registry_lacks(self):
        code, _, err = self.chain.gitops(self.chain.clone("more"), "release", "set", "gke-uat", OTHER)
        self.assertEqual(code, 0, err)
        record = self.chain.job("migrate", fails=True, INSTANCE="orders", FROM="gke-uat", TO="eks-uat")
        self.assertEqual(record.jobs(), ["migrate", "release"])
        self.assertIn(f"does not have {OTHER}: eks-uat could not start it", self.chain.log())
        self.assertEqual(self.where(), ["gke-uat"])

    def test_aborted_and_undone(self):
        before = self.chain.head()
        self.chain.job("migrate", {"ANSWER": "abort"}, fails=True, INSTANCE="orders", FROM="gke-uat", TO="eks-uat")
        self.assertEqual(self.where(), ["gke-uat", "eks-uat"])
        self.move(STEP="undo")
        self.assertEqual(self.where(), ["gke-uat"])
        self.assertEqual(self.chain.changed(before), [])


class Racing(JobsCase):
    def finish(self, *children):
        for child in children:
            output, _ = child.communicate(timeout=300)
            self.assertEqual(child.returncode, 0, output + self.chain.log())

    def test_two_clusters_at_once(self):
        digest = self.chain.push_image()
        before = self.chain.head()
        self.finish(*(self.chain.start("release", CLUSTER=cluster, IMAGE_DIGEST=digest) for cluster in ("gke-uat", "eks-prod")))
        self.assertEqual(len(self.chain.subjects(before)), 2)
        for cluster in ("gke-uat", "eks-prod"):
            self.assertEqual(self.release(cluster)["digest"], digest)

    def test_one_cluster_twice_at_once(self):
        first = self.chain.push_image()
        self.chain.edit("a change", lambda clone: (clone / "contracts/x.yaml").write_text("x: 1"))
        second = self.chain.push_image()
        start = len(self.chain.record())
        self.finish(*(self.chain.start("release", CLUSTER="gke-uat", IMAGE_DIGEST=digest) for digest in (first, second)))
        events = [e for e in self.chain.record()[start:] if e["kind"] in ("lock", "unlock", "begin")]
        order = [e["kind"] if e["kind"] != "begin" else e["run"].rsplit("-", 1)[0] for e in events if not e["run"].startswith("release") or e["kind"] != "begin"]
        self.assertEqual(order, ["lock", "cluster", "deploy", "integration", "unlock"] * 2)
        # What runs is what the release with the later lock deployed.
        last = [e["what"]["IMAGE_DIGEST"] for e in events if e["kind"] == "begin" and e["run"].startswith("deploy")][-1]
        self.assertEqual(self.release()["digest"], last)


if __name__ == "__main__":
    unittest.main()
