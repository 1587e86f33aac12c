"""What ArgoCD runs before it deploys an instance: the program's `check`, with the new `.env` and the new
credentials, and nothing that runs already."""

import unittest

import tree
from tree import NAME, ROOT, Copy, build, one

HOOK = "argocd.argoproj.io/hook"
POLICY = "argocd.argoproj.io/hook-delete-policy"
WAVE = "argocd.argoproj.io/sync-wave"


class EveryCheck(unittest.TestCase):
    """The hooks of each instance, built alone as ArgoCD does."""

    @classmethod
    def setUpClass(cls):
        cls.built = {}
        for cluster, instances in tree.clusters().items():
            for instance in instances:
                cls.built[cluster, instance] = build(ROOT / "kustomize/overlays" / cluster / "instances" / instance)

    def each(self):
        for (cluster, instance), things in self.built.items():
            with self.subTest(cluster=cluster, instance=instance):
                yield cluster, instance, [t for t in things if tree.is_hook(t)], [t for t in things if not tree.is_hook(t)]

    def test_each_instance_is_checked_before_it_is_deployed(self):
        for cluster, instance, hooks, _ in self.each():
            kinds = sorted(thing["kind"] for thing in hooks)
            maps = 2 if "externalAccount" in tree.spec(cluster)["credentials"] else 1
            self.assertEqual(kinds, ["ConfigMap"] * maps + ["Job", "NetworkPolicy"])
            for thing in hooks:
                notes = thing["metadata"]["annotations"]
                # Created anew, so that the report of the last one stays until the next deployment.
                self.assertEqual((notes[HOOK], notes[POLICY]), ("PreSync", "BeforeHookCreation"))
                # What the Job needs is there before it.
                self.assertEqual(notes.get(WAVE, "0"), "0" if thing["kind"] == "Job" else "-1")
                self.assertEqual(thing["metadata"]["namespace"], NAME)
                # Without a hash: a hook of another name would stay for ever.
                self.assertRegex(thing["metadata"]["name"], rf"^check(-env|-credentials)?-{instance}$")
                self.assertLess(len(thing["metadata"]["name"]), 64)

    def test_it_checks_the_new_instance(self):
        for cluster, instance, hooks, things in self.each():
            job = one(hooks, "Job")["spec"]
            pod = job["template"]["spec"]
            [check] = pod["containers"]
            runs = one(things, "Deployment")["spec"]["template"]["spec"]
            [container] = runs["containers"]
            domain = instance.upper().replace("-", "_")
            self.assertEqual(check["args"], ["check", domain, "--env-file", "/etc/generic-consumer/.env"])
            # As what will run: the same image and pins, variables, secrets, limits and addresses.
            for part in ("image", "env", "resources", "securityContext", "volumeMounts", "name"):
                self.assertEqual(check[part], container[part], part)
            for part in ("hostAliases", "serviceAccountName", "securityContext", "automountServiceAccountToken", "enableServiceLinks"):
                self.assertEqual(pod[part], runs[part], part)
            for probe in ("livenessProbe", "readinessProbe", "startupProbe", "ports"):
                self.assertNotIn(probe, check)
            source = (ROOT / f"nix/clusters/{cluster}/instances/{instance}.env").read_text()
            volumes = {volume["name"]: volume for volume in pod["volumes"]}
            env = one(hooks, "ConfigMap", volumes["env"]["configMap"]["name"])
            self.assertEqual(env["data"], {".env": source})

    def test_it_reads_no_object_that_is_deployed_after_it(self):
        """Those of the last deployment are there, and the first one has none."""
        for cluster, _, hooks, things in self.each():
            later = {tree.key(thing) for thing in things}
            pod = one(hooks, "Job")["spec"]["template"]["spec"]
            sources = [source for volume in pod["volumes"] for source in volume.get("projected", {}).get("sources", [volume])]
            names = [source["configMap"]["name"] for source in sources if "configMap" in source]
            self.assertEqual(len(names), 2 if "externalAccount" in tree.spec(cluster)["credentials"] else 1)
            for name in names:
                self.assertNotIn(("ConfigMap", name), later)
                one(hooks, "ConfigMap", name)
            if len(names) == 2:
                [volume] = [v["projected"] for v in one(things, "Deployment")["spec"]["template"]["spec"]["volumes"] if "projected" in v]
                [used] = [source["configMap"]["name"] for source in volume["sources"] if "configMap" in source]
                [mine] = [name for name in names if name.startswith("check-credentials")]
                self.assertEqual(one(hooks, "ConfigMap", mine)["data"], one(things, "ConfigMap", used)["data"])

    def test_it_ends_in_time_and_is_not_repeated_for_nothing(self):
        for _, _, hooks, _ in self.each():
            job = one(hooks, "Job")["spec"]
            self.assertEqual((job["backoffLimit"], job["activeDeadlineSeconds"]), (2, 300))
            self.assertEqual(job["template"]["spec"]["restartPolicy"], "Never")
            self.assertNotIn("ttlSecondsAfterFinished", job)
            ends = [rule["onExitCodes"] for rule in job["podFailurePolicy"]["rules"] if rule["action"] == "FailJob"]
            # 2: a change that nobody has accepted; 64: a wrong command line. 1 may be an outage.
            self.assertEqual(ends, [{"containerName": NAME, "operator": "In", "values": [2, 64]}])
            [check] = job["template"]["spec"]["containers"]
            self.assertEqual(check["terminationMessagePolicy"], "FallbackToLogsOnError")
        exits = (ROOT / "docs/reference/check.md").read_text()
        for code in (0, 1, 2, 64):
            self.assertIn(f"\n| {code} |", exits)

    def test_it_is_none_of_the_instances_pods(self):
        """Its budget would otherwise block drains, and its monitor would look for metrics."""
        for _, instance, hooks, things in self.each():
            labels = one(hooks, "Job")["spec"]["template"]["metadata"]["labels"]
            self.assertEqual(labels, {"app.kubernetes.io/name": f"{NAME}-check", "app.kubernetes.io/instance": instance})
            for thing in things:
                selector = thing.get("spec", {}).get("selector") or thing.get("spec", {}).get("podSelector")
                if selector:
                    self.assertFalse(selector["matchLabels"].items() <= labels.items(), tree.key(thing))

    def test_it_reaches_what_the_instance_reaches_and_nobody_reaches_it(self):
        for _, _, hooks, things in self.each():
            mine, theirs = one(hooks, "NetworkPolicy")["spec"], one(things, "NetworkPolicy")["spec"]
            self.assertEqual(mine["podSelector"]["matchLabels"], one(hooks, "Job")["spec"]["template"]["metadata"]["labels"])
            self.assertEqual(mine["egress"], theirs["egress"])
            self.assertEqual(mine["policyTypes"], ["Ingress", "Egress"])
            self.assertEqual(mine.get("ingress", []), [])

    def test_transfers_and_shared_objects_have_none(self):
        for cluster in tree.clusters():
            parts = [f"transfers/transfer-{name}" for name in tree.transfers()[cluster]] + ["shared"]
            for part in parts:
                things = build(ROOT / "kustomize/overlays" / cluster / part)
                self.assertEqual([tree.key(thing) for thing in things if tree.is_hook(thing)], [])


class Choices(unittest.TestCase):
    def test_a_cluster_may_leave_it_out(self):
        with Copy() as copy:
            copy.replace("nix/clusters/gke-uat/cluster.nix", "  resources =", "  check = false;\n  resources =")
            copy.render()
            things = copy.build("overlays/gke-uat")
            self.assertFalse([tree.key(thing) for thing in things if tree.is_hook(thing)])
            self.assertTrue([t for t in copy.build("overlays/gke-prod") if tree.is_hook(t)])

    def test_a_pinned_instance_is_checked_with_its_pin(self):
        digest = "sha256:" + "1" * 64
        with Copy() as copy:
            copy.replace("nix/clusters/gke-uat/release.json", '"pins": {}', f'"pins": {{ "orders": "{digest}" }}')
            copy.render()
            things = copy.build("overlays/gke-uat/instances/orders")
        [check] = one(things, "Job")["spec"]["template"]["spec"]["containers"]
        self.assertTrue(check["image"].endswith(f"@{digest}"), check["image"])

    def test_an_instance_accepts_what_a_run_would_alter_in_its_file(self):
        """The program reads the key; it is rendered with the file."""
        with Copy() as copy:
            path = copy.path("nix/clusters/gke-uat/instances/orders.env")
            path.write_text(path.read_text() + "ACCEPT_CHANGES_ORDERS='true'\n")
            copy.render()
            things = copy.build("overlays/gke-uat/instances/orders")
        self.assertIn("ACCEPT_CHANGES_ORDERS='true'", one(things, "ConfigMap", "check-env-orders")["data"][".env"])


if __name__ == "__main__":
    unittest.main()
