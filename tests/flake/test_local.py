"""kustomize/overlays/local: the example StreamProc, with its peers, in a cluster on one's own machine."""

import copy
import json
import pathlib
import re
import shutil
import sys
import tempfile
import unittest
import urllib.parse

import kubernetes_validate
import tree
import yaml
from tree import NAME, ROOT, Copy, build, one

try:
    import tomllib
except ImportError:
    tomllib = None

OVERLAY = ROOT / "kustomize/overlays/local"
EXAMPLE = ROOT / "examples/streamproc"
GIVEN = json.loads((ROOT / "nix/local/services.json").read_text())
SERVICES, PEERS = GIVEN["services"], GIVEN["peers"]
FOLDER = "/etc/streamproc"
sys.path.insert(0, str(ROOT / "delivery"))
from localcluster.credentials import KEYS, Credentials  # noqa: E402
from localcluster.system import System  # noqa: E402


def dotenv(text):
    return dict(re.findall(r"^([A-Z_]+)='(.*)'$", text, re.MULTILINE))


def toml(text):
    """Python 3.10 has no parser: the few lines that the tests need are read by their form."""
    if tomllib:
        return tomllib.loads(text)
    tables = {}
    for block in re.split(r"^\[\[", text, flags=re.MULTILINE)[1:]:
        head, _, body = block.partition("]]")
        tables.setdefault(head, []).append(dict(re.findall(r'^(\w+) = "(.*)"$', body, re.MULTILINE)))
    return tables


class Local(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.things = build(OVERLAY)
        cls.configuration = one(cls.things, "ConfigMap")["data"]
        cls.env = dotenv(cls.configuration[".env"])

    def workload(self, part):
        return one(self.things, "Deployment" if part in SERVICES else "StatefulSet", part)

    def pod(self, part):
        return self.workload(part)["spec"]["template"]["spec"]

    def container(self, part):
        containers = self.pod(part)["containers"]
        self.assertEqual(len(containers), 1)
        return containers[0]

    def variables(self, part):
        """Name -> value, or the key of the Secret in brackets."""
        found = {}
        for entry in self.container(part)["env"]:
            reference = entry.get("valueFrom", {}).get("secretKeyRef")
            if reference:
                self.assertEqual(reference["name"], GIVEN["secret"])
            found[entry["name"]] = f"[{reference['key']}]" if reference else entry["value"]
        return found

    def each(self):
        for part in [*SERVICES, *PEERS]:
            with self.subTest(part=part):
                yield part

    def test_everything_is_there_and_nothing_else(self):
        self.assertEqual(set(SERVICES), {"event-api", "producer", "consumer-high", "consumer-low", "dashboard"})
        self.assertEqual(set(PEERS), {"kafka", "timescaledb", "influxdb"})
        found = sorted(tree.key(thing) for thing in self.things if thing["kind"] != "ConfigMap")
        wanted = [("Namespace", "streamproc"), ("ServiceAccount", NAME)]
        wanted += [("Deployment", name) for name in SERVICES] + [("StatefulSet", name) for name in PEERS]
        wanted += [("Service", name) for name, part in {**SERVICES, **PEERS}.items() if part["listens"]]
        self.assertEqual(found, sorted(wanted))
        for thing in self.things:
            if thing["kind"] != "Namespace":
                self.assertEqual(thing["metadata"]["namespace"], "streamproc")

    def test_what_each_service_runs(self):
        arguments = {part: " ".join(self.container(part)["args"]) for part in SERVICES}
        self.assertEqual(arguments, {
            "event-api": "api AMOUNTS",
            "producer": "produce AMOUNTS --generate --rate 100/s --to-api http://event-api:8080",
            "consumer-high": "run HIGH",
            "consumer-low": "run LOW",
            "dashboard": "dashboard --series series.toml",
        })

    def test_no_secret_is_committed(self):
        """The Secret is named, and made on the developer's machine."""
        self.assertFalse([thing for thing in self.things if thing["kind"] == "Secret"])
        self.assertIn(".local", (ROOT / ".gitignore").read_text().splitlines())
        named = set()
        for part in self.each():
            pod, text = self.pod(part), json.dumps(self.workload(part))
            named |= {value[1:-1] for value in self.variables(part).values() if value.startswith("[")}
            for volume in pod.get("volumes", []):
                if "secret" in volume:
                    self.assertEqual(volume["secret"]["secretName"], GIVEN["secret"])
                    named |= {item["key"] for item in volume["secret"]["items"]}
            for variable, value in self.variables(part).items():
                if re.search("PASSWORD|TOKEN$", variable):
                    self.assertRegex(value, r"^\[.*\]$")
            self.assertNotIn("BEGIN", text)
        # All that is made is used.
        self.assertEqual(named, set(KEYS))

    def test_secrets_of_both_ends_are_the_same(self):
        self.assertEqual(self.variables("timescaledb")["POSTGRES_PASSWORD"], self.variables("consumer-high")["WRITE__LOCAL__POSTGRES__PASSWORD"])
        self.assertEqual(self.variables("producer")["GENERIC_CONSUMER_API_TOKEN"], "[api-token]")
        api = self.variables("event-api")["API_TOKENS_FILE"]
        mounts = {mount["name"]: mount["mountPath"] for mount in self.container("event-api")["volumeMounts"]}
        self.assertEqual(api, mounts["tokens"] + "/api-token")
        # InfluxDB 1.8 takes `user:password` for a token.
        self.assertEqual(self.variables("influxdb")["INFLUXDB_USER_PASSWORD"], "[influxdb-password]")
        self.assertEqual(self.variables("consumer-low")["WRITE__LOCAL__INFLUXDB__TOKEN"], "[influxdb-token]")

    def test_the_secret_that_delivery_local_adds(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for part in ("kustomize/overlays/local", "nix/local"):
                shutil.copytree(ROOT / part, root / part)
            credentials = Credentials(System(root))
            credentials.write({key: f"the {key}" for key in KEYS})
            things = build(credentials.kustomization())
            secret = one(things, "Secret", GIVEN["secret"])
            self.assertEqual(secret["metadata"]["namespace"], "streamproc")
            self.assertEqual(set(secret["data"]), set(KEYS))
            kubernetes_validate.validate(secret, "1.37", strict=True)
            without = [thing for thing in things if thing["kind"] != "Secret"]
            self.assertEqual(without, self.things)

    def test_ports_are_those_that_the_program_listens_on(self):
        for part in SERVICES:
            with self.subTest(service=part):
                variables, container = self.variables(part), self.container(part)
                ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
                listens = SERVICES[part]["listens"]
                self.assertEqual(ports, {name: one["port"] for name, one in listens.items()})
                for name, listener in listens.items():
                    self.assertEqual(variables[listener["variable"]], f"0.0.0.0:{listener['port']}")
                for probe in ("startup", "liveness", "readiness"):
                    if listens:
                        self.assertIn(container[f"{probe}Probe"]["httpGet"]["port"], ports)
                    else:
                        self.assertNotIn(f"{probe}Probe", container)

    def test_a_domains_own_key_is_the_one_that_is_set(self):
        """`METRICS_ADDR_HIGH` of the example's .env would win over `METRICS_ADDR` of the pod."""
        for part in SERVICES:
            for listener in SERVICES[part]["listens"].values():
                variable = listener["variable"]
                if variable in self.env:
                    self.assertEqual(self.env[variable], f"127.0.0.1:{listener['here']}")
                else:
                    self.assertEqual(variable, "DASHBOARD_ADDR")

    def test_services_lead_to_their_pods(self):
        for part in self.each():
            if not {**SERVICES, **PEERS}[part]["listens"]:
                continue
            service, workload = one(self.things, "Service", part)["spec"], self.workload(part)["spec"]
            self.assertEqual(service["selector"], workload["selector"]["matchLabels"])
            self.assertEqual(service["selector"], workload["template"]["metadata"]["labels"])
            ports = {port["name"]: port["containerPort"] for port in self.container(part)["ports"]}
            self.assertEqual({port["targetPort"]: port["port"] for port in service["ports"]}, ports)

    def known(self, address):
        """Asserts that host and port are those of a Service."""
        host, _, port = address.partition(":")
        self.assertIn(int(port), [one["port"] for one in one(self.things, "Service", host)["spec"]["ports"]])

    def test_every_address_is_a_services(self):
        for part in SERVICES:
            with self.subTest(service=part):
                variables = self.variables(part)
                for variable in ("CONSUME__LOCAL__BOOTSTRAP_SERVERS", "WRITE__LOCAL__POSTGRES__URL", "WRITE__LOCAL__INFLUXDB__URL"):
                    if variable in variables:
                        self.known(urllib.parse.urlsplit(variables[variable]).netloc.rpartition("@")[2] or variables[variable])
                for argument in self.container(part)["args"]:
                    if argument.startswith("http://"):
                        self.known(urllib.parse.urlsplit(argument).netloc)
        self.assertIn("CONSUME__LOCAL__BOOTSTRAP_SERVERS", self.variables("event-api"))

    def test_the_series_file_names_the_services(self):
        series, original = toml(self.configuration["series.toml"]), toml((EXAMPLE / "series.toml").read_text())
        self.assertEqual([one["url"] for one in series["instance"]], ["http://consumer-high:9464", "http://consumer-low:9464"])
        for instance in series["instance"]:
            self.known(urllib.parse.urlsplit(instance["url"]).netloc)
        self.assertEqual(series["series"], original["series"])
        # Forwarded, they are where the example's own file expects them.
        here = {part["listens"]["metrics"]["here"] for part in SERVICES.values() if part["listens"].get("metrics", {}).get("fixed")}
        self.assertEqual({urllib.parse.urlsplit(one["url"]).port for one in original["instance"]}, here)

    def test_the_series_are_what_the_consumers_write(self):
        stores = {one["name"]: (one["store"], one.get("table") or one.get("measurement")) for one in toml(self.configuration["series.toml"])["series"]}
        self.assertEqual(stores, {
            "high": (self.env["SINK_HIGH"], self.env["PG_TABLE_HIGH"]),
            "low": (self.env["SINK_LOW"], self.env["INFLUX_MEASUREMENT_LOW"]),
        })

    def test_every_amount_is_one_consumers(self):
        high = re.fullmatch(r"payload\.amount > ([0-9.]+)", self.env["FILTER_HIGH"])
        low = re.fullmatch(r"payload\.amount <= ([0-9.]+)", self.env["FILTER_LOW"])
        self.assertEqual(high[1], low[1])
        # By different groups, or each would read a half of the partitions.
        self.assertNotEqual(self.env["GROUP_ID_HIGH"], self.env["GROUP_ID_LOW"])

    def test_the_examples_files_are_as_they_are(self):
        for key, path in ((".env", ".env"), ("environments.toml", "config/environments.toml"), ("amounts_v1.yaml", "contracts/streamproc/amounts_v1.yaml")):
            self.assertEqual(self.configuration[key], (EXAMPLE / path).read_text())
        documents = [file for file in (EXAMPLE / "contracts").rglob("*.yaml")]
        self.assertEqual(documents, [EXAMPLE / "contracts/streamproc/amounts_v1.yaml"])
        # The working directory of the pods is laid out like the example's folder.
        for part in SERVICES:
            volume = next(one for one in self.pod(part)["volumes"] if one["name"] == "example")["configMap"]
            self.assertEqual({item["key"]: item["path"] for item in volume["items"]}.keys(), self.configuration.keys())
            for item in volume["items"]:
                self.assertTrue((EXAMPLE / item["path"]).is_file(), item)
            self.assertEqual(self.container(part)["workingDir"], FOLDER)
            self.assertRegex(volume["name"], r"^streamproc-[a-z0-9]{10}$")

    def test_an_edit_of_the_example_restarts_the_programs_and_no_peer(self):
        def pods(things):
            return {t["metadata"]["name"]: json.dumps(t["spec"]["template"]) for t in things if t["kind"] in ("Deployment", "StatefulSet")}

        with Copy() as changed:
            changed.replace("examples/streamproc/.env", "payload.amount > 5", "payload.amount > 6")
            changed.render()
            after = pods(changed.build("overlays/local"))
        before = pods(self.things)
        self.assertEqual({name for name in before if before[name] != after[name]}, set(SERVICES))

    def test_a_series_file_that_names_other_instances(self):
        with Copy() as changed:
            changed.replace("examples/streamproc/series.toml", "127.0.0.1:9466", "127.0.0.1:9999")
            self.assertIn("series.toml names no instance http://127.0.0.1:9466", changed.refusal())

    def test_a_broken_example_keeps_no_cluster_from_a_release(self):
        with Copy() as changed:
            shutil.rmtree(changed.path("examples"))
            expression = f'(import {changed.root}/nix/manifests {{ root = {changed.root}; touched = [ "gke-uat" ]; }})'
            for attribute in ("drift", "warnings"):
                self.assertEqual(tree.nix(f"{expression}.{attribute}"), ([], None))
            self.assertIsNone(tree.nix(f"{expression}.tree")[1])

    def test_images(self):
        for part in self.each():
            image, policy = self.container(part)["image"], self.container(part).get("imagePullPolicy")
            if part in SERVICES:
                # It is loaded into the nodes; asking a registry for it would fail.
                self.assertEqual((image, policy), ("generic-consumer:local", "IfNotPresent"))
            else:
                self.assertRegex(image, r"^[a-z/]+:[0-9][a-z0-9.-]*@sha256:[0-9a-f]{64}$")

    def test_kafka_is_the_version_that_the_tests_run(self):
        pom = (ROOT / "tests/support/kafka/pom.xml").read_text()
        version = pom.split("<artifactId>kafka_2.13</artifactId>")[1].split("<version>")[1].split("<")[0]
        self.assertTrue(self.container("kafka")["image"].startswith(f"apache/kafka:{version}@"))

    def test_kafka_sends_those_who_come_through_a_forward_back_to_it(self):
        variables, listener = self.variables("kafka"), PEERS["kafka"]["listens"]["kafka"]
        listeners = dict(one.split("://") for one in variables["KAFKA_LISTENERS"].split(","))
        advertised = dict(one.split("://") for one in variables["KAFKA_ADVERTISED_LISTENERS"].split(","))
        self.assertEqual(advertised, {"PLAINTEXT": f"kafka:{listener['port']}", "FORWARDED": f"127.0.0.1:{listener['here']}"})
        self.assertEqual(listeners["PLAINTEXT"], f":{listener['port']}")
        self.assertEqual(listeners["FORWARDED"], f":{listener['forwarded']}")
        self.assertEqual(set(listeners), set(one.split(":")[0] for one in variables["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")))
        # Nobody but the node itself reaches the controller.
        self.assertTrue(listeners["CONTROLLER"].startswith("localhost:"))

    def test_databases_have_the_names_that_the_example_uses(self):
        environments = (EXAMPLE / "config/environments.toml").read_text()
        url = urllib.parse.urlsplit(self.variables("consumer-high")["WRITE__LOCAL__POSTGRES__URL"])
        database = self.variables("timescaledb")
        self.assertEqual((url.username, url.path), (database["POSTGRES_USER"], "/" + database["POSTGRES_DB"]))
        self.assertIn(f'bucket = "{self.variables("influxdb")["INFLUXDB_DB"]}"', environments)

    def test_pod_security_is_restricted(self):
        labels = one(self.things, "Namespace")["metadata"]["labels"]
        self.assertEqual(labels["pod-security.kubernetes.io/enforce"], "restricted")
        for part in self.each():
            pod, container = self.pod(part), self.container(part)
            self.assertIs(pod["securityContext"]["runAsNonRoot"], True)
            self.assertGreater(pod["securityContext"]["runAsUser"], 0)
            self.assertEqual(pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
            self.assertIs(pod["automountServiceAccountToken"], False)
            # Variables such as KAFKA_PORT would become settings of Kafka.
            self.assertIs(pod["enableServiceLinks"], False)
            context = container["securityContext"]
            self.assertEqual(context, {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}})
            self.assertFalse([volume for volume in pod["volumes"] if "hostPath" in volume])

    def test_resources_and_volumes(self):
        for part in self.each():
            resources = self.container(part)["resources"]
            self.assertLessEqual({"cpu", "memory"}, resources["requests"].keys())
            self.assertIn("memory", resources["limits"])
            if part in PEERS:
                claims = self.workload(part)["spec"]["volumeClaimTemplates"]
                mounts = {mount["name"] for mount in self.container(part)["volumeMounts"]}
                self.assertEqual([claim["metadata"]["name"] for claim in claims], ["data"])
                # The cluster's default class: kind and k3d name theirs differently.
                self.assertNotIn("storageClassName", claims[0]["spec"])
                self.assertEqual(mounts, {"data"} | {volume["name"] for volume in self.pod(part)["volumes"]})
                for probe in ("startup", "readiness", "liveness"):
                    self.assertIn(f"{probe}Probe", self.container(part))

    def test_one_node_can_hold_it(self):
        """kind's and k3d's clusters have one node, which has no zones."""
        for part in self.each():
            self.assertEqual(self.workload(part)["spec"]["replicas"], 1)
            self.assertNotIn("topologySpreadConstraints", self.pod(part))
        unit = {"Mi": 1, "Gi": 1024}
        requested = sum(int(text[:-2]) * unit[text[-2:]] for text in (self.container(part)["resources"]["requests"]["memory"] for part in [*SERVICES, *PEERS]))
        self.assertLess(requested, 2048)

    def test_a_service_is_switched_off_by_a_patch(self):
        """What `kubectl set env deployment/… DISABLE=true` does: the variable beside the others."""
        keys = (ROOT / "src/config/keys.rs").read_text()
        self.assertIn("DISABLE:", keys)
        off = [part for part, given in SERVICES.items() if given["off"] == "disable"]
        self.assertEqual(off, ["event-api", "consumer-high", "consumer-low"])
        self.assertEqual({given["off"] for given in SERVICES.values()}, {"disable", "scale"})
        self.assertNotIn("DISABLE", " ".join(self.env))
        for part in off:
            patch = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": part}}
            patch["spec"] = {"template": {"spec": {"containers": [{"name": NAME, "env": [{"name": "DISABLE", "value": "true"}]}]}}}
            with Copy() as changed:
                overlay = {"resources": ["../overlays/local"], "namespace": "streamproc", "patches": [{"patch": yaml.safe_dump(patch)}]}
                changed.path("kustomize/off").mkdir()
                changed.path("kustomize/off/kustomization.yaml").write_text(yaml.safe_dump(overlay))
                things = changed.build("off")
            before, after = self.workload(part), one(things, "Deployment", part)
            expected = copy.deepcopy(before)
            expected["spec"]["template"]["spec"]["containers"][0]["env"].insert(0, {"name": "DISABLE", "value": "true"})
            sort = lambda thing: sorted(thing["spec"]["template"]["spec"]["containers"][0]["env"], key=lambda one: one["name"])
            self.assertEqual(sort(after), sort(expected))
            self.assertEqual([t for t in things if t is not after], [t for t in self.things if t is not before])

    def test_argocd_does_not_know_it(self):
        for thing in build(ROOT / "kustomize/argocd"):
            self.assertNotIn("overlays/local", json.dumps(thing))
            self.assertNotIn('"local"', json.dumps(thing))
