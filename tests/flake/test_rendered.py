"""Kustomize's output for the committed tree is what the data asks for."""

import hashlib
import json
import shutil
import subprocess
import sys
import unittest

import promtool
import tree
from tree import NAME, ROOT, Copy, build, one


def container(things):
    return one(things, "Deployment")["spec"]["template"]["spec"]["containers"][0]


def variables(things):
    return {entry["name"]: entry for entry in container(things)["env"]}


class EveryInstance(unittest.TestCase):
    """Each instance, built alone as ArgoCD does."""

    @classmethod
    def setUpClass(cls):
        cls.built = {}
        for cluster, instances in tree.clusters().items():
            for instance in instances:
                folder = ROOT / "kustomize/overlays" / cluster / "instances" / instance
                # What is looked at before: test_check.py.
                cls.built[cluster, instance] = [thing for thing in build(folder) if not tree.is_hook(thing)]

    def each(self):
        for (cluster, instance), things in self.built.items():
            with self.subTest(cluster=cluster, instance=instance):
                pod = one(things, "Deployment")["spec"]["template"]["spec"]
                yield cluster, instance, things, pod

    def test_there_are_some(self):
        self.assertGreaterEqual(len(self.built), 8)
        self.assertGreaterEqual(len({instance for _, instance in self.built}), 3)
        self.assertEqual({cluster for cluster, _ in self.built}, {"gke-prod", "gke-uat", "eks-prod", "eks-uat"})

    def test_objects(self):
        for cluster, instance, things, _ in self.each():
            kinds = sorted(thing["kind"] for thing in things if thing["kind"] != "ConfigMap")
            self.assertEqual(kinds, ["Deployment", "NetworkPolicy", "PodDisruptionBudget", "ScaledObject"])
            for thing in things:
                self.assertEqual(thing["metadata"]["namespace"], NAME)
                self.assertIn(instance, thing["metadata"]["name"])

    def test_it_runs_its_domain_with_its_own_env(self):
        for cluster, instance, things, pod in self.each():
            domain = instance.upper().replace("-", "_")
            self.assertEqual(
                container(things)["args"], ["run", domain, "--env-file", "/etc/generic-consumer/.env"]
            )
            name = {v["name"]: v for v in pod["volumes"]}["env"]["configMap"]["name"]
            source = (ROOT / f"nix/clusters/{cluster}/instances/{instance}.env").read_text()
            self.assertEqual(one(things, "ConfigMap", name)["data"], {".env": source})
            # The name ends in kustomize's hash, so that a changed file causes a rollout.
            self.assertRegex(name, rf"^{NAME}-env-{instance}-[a-z0-9]{{10}}$")
            self.assertEqual(mounts(things)["env"], "/etc/generic-consumer")

    def test_it_selects_only_its_own_pods(self):
        for _, instance, things, _ in self.each():
            labels = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/instance": instance}
            spec = one(things, "Deployment")["spec"]
            self.assertEqual(spec["selector"], {"matchLabels": labels})
            self.assertEqual(spec["template"]["metadata"]["labels"], labels)

    def test_write_env_comes_from_the_cluster(self):
        for cluster, _, things, _ in self.each():
            self.assertEqual(variables(things)["WRITE_ENV"], {"name": "WRITE_ENV", "value": cluster.split("-")[1]})

    def test_the_program_learns_the_clusters_name(self):
        """By which it knows that its `.env` may not say where it writes."""
        for cluster, _, things, _ in self.each():
            self.assertEqual(variables(things)["CLUSTER"], {"name": "CLUSTER", "value": cluster})
        summary, _ = tree.evaluate(ROOT, "clusters")
        for cluster in tree.clusters():
            # `generic-consumer config` validates the instances in this environment.
            self.assertLessEqual({"CLUSTER": cluster, "WRITE_ENV": cluster.split("-")[1]}.items(), summary[cluster]["env"].items())

    def test_host_aliases(self):
        for cluster, _, _, pod in self.each():
            hosts = {name: alias["ip"] for alias in pod["hostAliases"] for name in alias["hostnames"]}
            self.assertEqual(hosts, tree.spec(cluster)["hosts"])
            self.assertEqual(set(hosts), {"prod1", "prod2", "prod3", "uat"})

    def test_image_by_digest(self):
        for cluster, instance, things, _ in self.each():
            release = tree.release(cluster)
            digest = release["pins"].get(instance, release["digest"])
            self.assertEqual(container(things)["image"], f"{tree.spec(cluster)['image']}@{digest}")

    def test_credentials(self):
        for cluster, _, things, pod in self.each():
            given = tree.spec(cluster)["credentials"]
            volumes = {volume["name"]: volume for volume in pod["volumes"]}
            if "workloadIdentity" in given:
                self.assertNotIn("GOOGLE_APPLICATION_CREDENTIALS", variables(things))
                self.assertNotIn("google", volumes)
                continue
            account = given["externalAccount"]
            path = variables(things)["GOOGLE_APPLICATION_CREDENTIALS"]["value"]
            self.assertEqual(path, mounts(things)["google"] + "/credentials.json")
            sources = volumes["google"]["projected"]["sources"]
            token = next(s["serviceAccountToken"] for s in sources if "serviceAccountToken" in s)
            name = next(s["configMap"]["name"] for s in sources if "configMap" in s)
            file = json.loads(one(things, "ConfigMap", name)["data"]["credentials.json"])
            self.assertEqual(file["type"], "external_account")
            self.assertEqual(file["audience"], account["audience"])
            self.assertEqual(token["audience"], "https:" + account["audience"])
            self.assertEqual(file["credential_source"], {"file": mounts(things)["google"] + "/" + token["path"]})
            self.assertIn(account["serviceAccount"], file["service_account_impersonation_url"])
            self.assertNotIn("private_key", file)

    def test_secrets_stay_secrets(self):
        for cluster, _, things, _ in self.each():
            given = tree.spec(cluster)
            for name, place in given.get("secretEnv", {}).items():
                secret, key = place.split("/")
                self.assertEqual(
                    variables(things)[name],
                    {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}},
                )
            for name, value in given.get("env", {}).items():
                self.assertEqual(variables(things)[name], {"name": name, "value": value})

    def test_rollout(self):
        for _, _, things, pod in self.each():
            spec = one(things, "Deployment")["spec"]
            self.assertNotIn("replicas", spec, "the autoscaler sets the replicas")
            self.assertEqual(spec["strategy"], {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}})
            self.assertEqual(spec["minReadySeconds"], 10)
            self.assertEqual(pod["terminationGracePeriodSeconds"], 90)
            budget = one(things, "PodDisruptionBudget")["spec"]
            self.assertEqual(budget["maxUnavailable"], 1)
            self.assertEqual(budget["selector"], spec["selector"])
            spread = pod["topologySpreadConstraints"]
            self.assertEqual(len(spread), 1)
            self.assertEqual(spread[0]["topologyKey"], "topology.kubernetes.io/zone")
            self.assertEqual((spread[0]["minDomains"], spread[0]["whenUnsatisfiable"]), (2, "DoNotSchedule"))
            # Another instance's pods do not count.
            self.assertEqual(spread[0]["labelSelector"], spec["selector"])

    def test_pod_security_is_restricted(self):
        for _, _, things, pod in self.each():
            self.assertEqual(pod["securityContext"]["runAsUser"], 65532)
            self.assertIs(pod["securityContext"]["runAsNonRoot"], True)
            self.assertEqual(pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
            self.assertIs(pod["automountServiceAccountToken"], False)
            for each in pod["containers"]:
                context = each["securityContext"]
                self.assertIs(context["allowPrivilegeEscalation"], False)
                self.assertIs(context["readOnlyRootFilesystem"], True)
                self.assertEqual(context["capabilities"], {"drop": ["ALL"]})
            self.assertFalse([v for v in pod["volumes"] if "hostPath" in v])
            self.assertNotIn("hostNetwork", pod)

    def test_probes(self):
        for _, _, things, _ in self.each():
            paths = {
                probe: container(things)[f"{probe}Probe"]["httpGet"] for probe in ("startup", "liveness", "readiness")
            }
            self.assertEqual(paths["liveness"], {"path": "/livez", "port": "metrics"})
            self.assertEqual(paths["startup"], paths["liveness"])
            self.assertEqual(paths["readiness"], {"path": "/readyz", "port": "metrics"})
            self.assertEqual(container(things)["ports"], [{"name": "metrics", "containerPort": 9464}])

    def test_all_instances_share_the_service_account(self):
        for _, _, _, pod in self.each():
            self.assertEqual(pod["serviceAccountName"], NAME)

    def test_autoscaling_by_our_lag(self):
        metrics = (ROOT / "src/telemetry/metrics.rs").read_text()
        self.assertIn("lag_records", metrics)
        for cluster, instance, things, _ in self.each():
            scaled = one(things, "ScaledObject")["spec"]
            self.assertEqual(scaled["scaleTargetRef"]["name"], one(things, "Deployment")["metadata"]["name"])
            self.assertEqual((scaled["minReplicaCount"], scaled["maxReplicaCount"]), (2, 4))
            self.assertNotIn("idleReplicaCount", scaled, "it never scales to zero")
            behavior = scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
            self.assertGreaterEqual(behavior["scaleDown"]["stabilizationWindowSeconds"], 900)
            self.assertEqual([t["type"] for t in scaled["triggers"]], ["prometheus"])
            trigger = scaled["triggers"][0]
            self.assertEqual(trigger["metadata"]["serverAddress"], tree.spec(cluster)["prometheus"])
            self.assertIn("generic_consumer_lag_records{", trigger["metadata"]["query"])
            self.assertIn(f'app_kubernetes_io_instance="{instance}"', trigger["metadata"]["query"])
            self.assertEqual("authenticationRef" in trigger, cluster.startswith("gke"))

    def test_dns_is_asked_of_the_clusters_resolver_only(self):
        for cluster, _, things, _ in self.each():
            policy = one(things, "NetworkPolicy")["spec"]
            dns = [rule for rule in policy["egress"] if 53 in [port["port"] for port in rule["ports"]]]
            self.assertEqual(len(dns), 1)
            self.assertEqual(dns[0]["ports"], [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}])
            pods, *addresses = dns[0]["to"]
            self.assertEqual(
                pods,
                {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                    "podSelector": {"matchExpressions": [{"key": "k8s-app", "operator": "In", "values": ["kube-dns", "node-local-dns"]}]},
                },
            )
            wanted = [{"ipBlock": {"cidr": f"{ip}/32"}} for ip in tree.spec(cluster).get("dnsAddresses", [])]
            self.assertEqual(addresses, wanted)

    def test_https_only_to_googles_apis(self):
        published = json.loads((ROOT / "nix/google-ranges.json").read_text())["ranges"]
        known = {"restricted": ["199.36.153.4/30"], "private": ["199.36.153.8/30"], "public": published}
        for cluster, _, things, _ in self.each():
            policy = one(things, "NetworkPolicy")["spec"]
            self.assertEqual([to for to, port in reach(policy) if port == 443], known[tree.spec(cluster).get("googleApis", "public")])

    def test_stores(self):
        with tree.Copy() as copy:
            copy.replace("nix/clusters/gke-uat/cluster.nix", 'googleApis = "restricted";', 'googleApis = "restricted"; stores = [ "10.30.0.5:5432" "10.30.0.6:8086" "52.216.0.0/15:443" ];')
            copy.render()
            things = copy.build("overlays/gke-uat")
        policies = [thing["spec"] for thing in things if thing["kind"] == "NetworkPolicy"]
        self.assertTrue(policies)
        written = (("10.30.0.5/32", 5432), ("10.30.0.6/32", 8086), ("52.216.0.0/15", 443))
        allowed = [{"to": [{"ipBlock": {"cidr": cidr}}], "ports": [{"port": port, "protocol": "TCP"}]} for cidr, port in written]
        for policy in policies:
            self.assertEqual([rule for rule in policy["egress"] if rule in allowed], allowed)

    def test_nothing_is_open_to_everywhere(self):
        for _, _, things, _ in self.each():
            for rule in one(things, "NetworkPolicy")["spec"]["egress"]:
                self.assertTrue(rule["to"], "a rule without addresses allows all of them")
                for to in rule["to"]:
                    self.assertGreaterEqual(int(to.get("ipBlock", {"cidr": "/32"})["cidr"].split("/")[1]), 13)

    def test_network_policy(self):
        for cluster, _, things, _ in self.each():
            policy = one(things, "NetworkPolicy")["spec"]
            self.assertEqual(policy["podSelector"], one(things, "Deployment")["spec"]["selector"])
            self.assertEqual(policy["policyTypes"], ["Ingress", "Egress"])
            addresses = {f"{ip}/32" for ip in tree.spec(cluster)["hosts"].values()}
            self.assertEqual({to for to, port in reach(policy) if port == 9092}, addresses)
            metadata = {(to, port) for to, port in reach(policy) if to.startswith("169.254.169.")}
            gke = cluster.startswith("gke")
            self.assertEqual({("169.254.169.252/32", 988), ("169.254.169.252/32", 80)} <= metadata, gke)
            self.assertEqual(bool(metadata), gke)
            scraper = policy["ingress"][0]["from"][0]["namespaceSelector"]["matchLabels"]
            self.assertEqual(scraper["kubernetes.io/metadata.name"], "gmp-system" if gke else "monitoring")
            self.assertEqual(len(policy["ingress"]), 1)


def mounts(things):
    return {mount["name"]: mount["mountPath"] for mount in container(things)["volumeMounts"]}


def reach(policy):
    """(CIDR, port) of every address that a rule names."""
    for rule in policy["egress"]:
        for to in rule["to"]:
            for port in rule["ports"] if "ipBlock" in to else []:
                yield to["ipBlock"]["cidr"], port["port"]


class EveryCluster(unittest.TestCase):
    def test_it_has_exactly_its_instances(self):
        for cluster, instances in tree.clusters().items():
            with self.subTest(cluster=cluster):
                things = build(ROOT / "kustomize/overlays" / cluster)
                names = sorted(t["metadata"]["name"] for t in things if t["kind"] == "Deployment")
                self.assertEqual(names, [f"{NAME}-{instance}" for instance in instances])
                folders = ROOT / "kustomize/overlays" / cluster / "instances"
                self.assertEqual(sorted(f.name for f in folders.iterdir()), instances)

    def test_one_service_account_per_cluster(self):
        for cluster in tree.clusters():
            with self.subTest(cluster=cluster):
                things = build(ROOT / "kustomize/overlays" / cluster)
                account = one(things, "ServiceAccount")
                self.assertEqual(account["metadata"]["name"], NAME)
                annotations = account["metadata"].get("annotations", {})
                given = tree.spec(cluster)["credentials"].get("workloadIdentity")
                self.assertEqual(annotations.get("iam.gke.io/gcp-service-account"), given)
                self.assertEqual(annotations.get("eks.amazonaws.com/role-arn"), tree.spec(cluster).get("awsRole"))

    def test_what_is_shared(self):
        for cluster in tree.clusters():
            with self.subTest(cluster=cluster):
                things = build(ROOT / "kustomize/overlays" / cluster / "shared")
                labels = one(things, "Namespace")["metadata"]["labels"]
                self.assertEqual(labels["pod-security.kubernetes.io/enforce"], "restricted")
                monitor = one(things, "PodMonitoring" if cluster.startswith("gke") else "PodMonitor")
                self.assertEqual(monitor["spec"]["selector"], {"matchLabels": {"app.kubernetes.io/name": NAME}})
                self.assertIn("app.kubernetes.io/instance", json.dumps(monitor["spec"]))
                rules = one(things, "Rules" if cluster.startswith("gke") else "PrometheusRule")
                self.assertEqual(rules["spec"]["groups"], promtool.groups("gke" if cluster.startswith("gke") else "eks"))
                secrets = {t["metadata"]["name"] for t in things if t["kind"] == "ExternalSecret"}
                wanted = {place.split("/")[0] for place in tree.spec(cluster).get("secretEnv", {}).values()}
                self.assertEqual(secrets, wanted)

    def test_kubectl_renders_the_same(self):
        kubectl = shutil.which("kubectl")
        if not kubectl:
            print("\nkubectl is missing: kubectl kustomize was not compared", file=sys.stderr)
            return
        for folder in tree.overlays():
            with self.subTest(folder=folder):
                self.assertEqual(build(folder), build(folder, [kubectl, "kustomize"]))

    def test_the_version_that_argocd_bundles(self):
        version = subprocess.run([tree.KUSTOMIZE, "version"], capture_output=True, text=True, check=True).stdout
        self.assertEqual(version.strip(), "v5.8.1")


class Changes(unittest.TestCase):
    """Which instances restart after a change of the data, and which do not."""

    def pods(self, copy, cluster="gke-prod"):
        things = copy.build(f"overlays/{cluster}")
        return {
            t["metadata"]["name"].removeprefix(f"{NAME}-"): hashlib.sha256(
                json.dumps(t["spec"]["template"], sort_keys=True).encode()
            ).hexdigest()
            for t in things
            if t["kind"] == "Deployment"
        }

    def restarted(self, change, cluster="gke-prod"):
        with Copy() as copy:
            before = self.pods(copy, cluster)
            change(copy)
            copy.render()
            after = self.pods(copy, cluster)
            return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))

    def test_an_env_restarts_only_its_instance(self):
        change = lambda copy: copy.replace("nix/clusters/gke-prod/instances/orders.env", "order_events'", "orders'")
        self.assertEqual(self.restarted(change), ["orders"])

    def test_the_clusters_digest_restarts_all_instances(self):
        change = lambda copy: copy.replace("nix/clusters/gke-prod/release.json", "sha256:0", "sha256:f")
        self.assertEqual(self.restarted(change), tree.clusters()["gke-prod"])
        change = lambda copy: copy.replace("nix/clusters/gke-prod/release.json", "sha256:0", "sha256:f")
        self.assertEqual(self.restarted(change, "gke-uat"), [])

    def test_a_pin_restarts_one_instance(self):
        pin = '"pins": { "orders": "sha256:' + "c" * 64 + '" }'
        change = lambda copy: copy.replace("nix/clusters/gke-prod/release.json", '"pins": {}', pin)
        self.assertEqual(self.restarted(change), ["orders"])

    def test_adding_an_instance_does_not_restart_the_others(self):
        def add(copy):
            source = copy.path("nix/clusters/eks-prod/instances/returns.env").read_text()
            text = source.replace("RETURNS", "RETURNS_TEST").replace("returns-prod", "returns-test").replace("return_events'", "return_test'")
            copy.path("nix/clusters/gke-prod/instances/returns-test.env").write_text(text)

        self.assertEqual(self.restarted(add), ["returns-test"])

    def scaled(self, copy, cluster, instance="orders"):
        """The annotations of an instance's ScaledObject, and its least and greatest number of pods."""
        thing = one(copy.build(f"overlays/{cluster}/instances/{instance}"), "ScaledObject")
        return thing["metadata"].get("annotations", {}), thing["spec"]["minReplicaCount"], thing["spec"]["maxReplicaCount"]

    def moving(self, copy):
        """What `delivery/gitops instance move orders --step begin` writes."""
        source = copy.path("nix/clusters/gke-prod/instances/orders.env")
        copy.path("nix/clusters/eks-prod/instances/orders.env").write_text(source.read_text())
        copy.replace("nix/clusters/gke-prod/release.json", '"pins": {}', '"pins": {}, "paused": ["orders"]')
        copy.replace("nix/clusters/eks-prod/release.json", '"pins": {}', '"pins": {}, "arriving": ["orders"]')

    def test_a_move_between_clusters(self):
        """The source keeps its pods, whose number is not known here. The target has no number yet, so
        it is held at two; it is not created paused, because KEDA may report that for ever."""
        with Copy() as copy:
            self.moving(copy)
            copy.render()
            self.assertEqual(self.scaled(copy, "gke-prod"), ({"autoscaling.keda.sh/paused": "true"}, 2, 4))
            self.assertEqual(self.scaled(copy, "eks-prod"), ({}, 2, 2))
            self.assertEqual(self.scaled(copy, "eks-prod", "returns"), ({}, 2, 4))

    def test_a_move_to_a_cluster_that_pauses_everything(self):
        with Copy() as copy:
            self.moving(copy)
            copy.replace("nix/clusters/eks-prod/cluster.nix", "  resources =", "  pauseAutoscaling = true;\n  resources =")
            copy.render()
            self.assertEqual(self.scaled(copy, "eks-prod"), ({"autoscaling.keda.sh/paused-replicas": "2"}, 2, 4))
            self.assertEqual(self.scaled(copy, "eks-prod", "returns"), ({"autoscaling.keda.sh/paused": "true"}, 2, 4))

    def test_which_instances_are_suspended(self):
        with Copy() as copy:
            self.moving(copy)
            copy.replace("nix/clusters/eks-uat/cluster.nix", "  resources =", "  pauseAutoscaling = true;\n  resources =")
            clusters, refusal = tree.evaluate(copy.root, "clusters")
            self.assertIsNone(refusal)
            suspended = {name: cluster["suspended"] for name, cluster in clusters.items()}
            self.assertEqual(suspended, {"gke-prod": ["orders"], "gke-uat": [], "eks-prod": [], "eks-uat": tree.clusters()["eks-uat"]})

    def test_one_autoscaler_can_pause_alone(self):
        with Copy() as copy:
            copy.replace("nix/clusters/gke-prod/release.json", '"pins": {}', '"pins": {}, "paused": ["orders"]')
            copy.render()
            for name, paused in (("orders", {"autoscaling.keda.sh/paused": "true"}), ("delivery", None)):
                scaled = one(copy.build(f"overlays/gke-prod/instances/{name}"), "ScaledObject")
                self.assertEqual(scaled["metadata"].get("annotations"), paused)

    def test_a_key_comes_from_external_secrets_only(self):
        with Copy() as copy:
            copy.replace(
                "nix/clusters/gke-uat/cluster.nix",
                'credentials.workloadIdentity = "generic-consumer@acme-data-uat.iam.gserviceaccount.com";',
                'credentials.key = { store = "google"; remoteKey = "consumer-key"; };',
            )
            copy.render()
            things = copy.build("overlays/gke-uat")
            secret = one(things, "ExternalSecret")
            self.assertEqual(secret["spec"]["target"]["name"], "google-credentials")
            for name in ("delivery", "orders"):
                pod = one(things, "Deployment", f"{NAME}-{name}")["spec"]["template"]["spec"]
                volumes = {v["name"]: v for v in pod["volumes"]}
                self.assertEqual(
                    volumes["google"]["projected"]["sources"], [{"secret": {"name": "google-credentials"}}]
                )
            self.assertNotIn("annotations", one(things, "ServiceAccount")["metadata"])
