"""Runs the image as an instance's pod would, against Apache Kafka and the embedded BigQuery. The
arguments, variables, mounts, hosts and limits come from kustomize's output for the instance."""

import json
import pathlib
import re
import tempfile
import unittest
import urllib.parse

import tree
from offline import build
from peers import BigQuery, Kafka, Podman, TokenService, free_port, status, until
from tree import ROOT, one

CLUSTER, INSTANCE, DOMAIN = "eks-uat", "inventory", "INVENTORY"
EVENTS, IGNORED, BAD = 200, 20, 3


class Rendered:
    """What a kubelet would use of the instance's objects."""

    def __init__(self, folder):
        things = tree.build(ROOT / "kustomize/overlays" / CLUSTER / "instances" / INSTANCE)
        self.pod = one(things, "Deployment")["spec"]["template"]["spec"]
        self.container = self.pod["containers"][0]
        self.folder = pathlib.Path(folder)
        maps = {t["metadata"]["name"]: t["data"] for t in things if t["kind"] == "ConfigMap"}
        self.volumes = {volume["name"]: self.written(volume, maps) for volume in self.pod["volumes"]}

    def written(self, volume, maps):
        """Writes a volume's files into a folder that every user can read."""
        folder = self.folder / f"volume-{volume['name']}"
        folder.mkdir()
        folder.chmod(0o755)
        for source in volume.get("projected", {}).get("sources", [volume]):
            if "configMap" in source:
                for name, text in maps[source["configMap"]["name"]].items():
                    (folder / name).write_text(text)
            if "serviceAccountToken" in source:
                (folder / source["serviceAccountToken"]["path"]).write_text("a-token")
        return folder

    def variables(self):
        return {entry["name"]: entry["value"] for entry in self.container["env"]}

    def hosts(self):
        return {name: alias["ip"] for alias in self.pod["hostAliases"] for name in alias["hostnames"]}

    def flags(self, network, variables, hosts):
        security = self.container["securityContext"]
        assert security["readOnlyRootFilesystem"] and security["capabilities"] == {"drop": ["ALL"]}
        user = self.pod["securityContext"]
        flags = ["--network", network, "--read-only", "--read-only-tmpfs=false", "--cap-drop", "ALL"]
        flags += ["--security-opt", "no-new-privileges", "--user", f"{user['runAsUser']}:{user['runAsGroup']}"]
        for mount in self.container["volumeMounts"]:
            flags += ["--volume", f"{self.volumes[mount['name']]}:{mount['mountPath']}:ro"]
        for name, value in {**self.variables(), **variables}.items():
            flags += ["--env", f"{name}={value}"]
        for name, address in hosts.items():
            flags += ["--add-host", f"{name}:{address}"]
        return flags


class Running(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        pathlib.Path(cls.folder.name).chmod(0o755)
        cls.rendered = Rendered(cls.folder.name)
        version = [line for line in (ROOT / "Cargo.toml").read_text().splitlines() if line.startswith("version")][0]
        cls.podman = Podman(build(ROOT, "image"), version.split('"')[1])
        cls.addClassCleanup(cls.podman.close)

    def loopback(self, variables=None):
        """Flags for the host's network, where every broker's name means this machine."""
        return self.rendered.flags("host", variables or {}, {name: "127.0.0.1" for name in self.rendered.hosts()})

    def test_version(self):
        done = self.podman.once(self.loopback(), ["--version"])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("librdkafka 2.12.1", done.stdout)
        for feature in ("ssl", "sasl_scram", "sasl_oauthbearer", "sasl_plain", "zstd", "lz4", "snappy", "gzip"):
            self.assertIn(feature, done.stdout)

    def test_the_rendered_configuration_is_read(self):
        done = self.podman.once(self.loopback(), ["config", DOMAIN, "--env-file", "/etc/generic-consumer/.env"])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"WRITE_ENV +uat +")
        self.assertRegex(done.stdout, r"GROUP_ID_INVENTORY +inventory-uat +")
        self.assertRegex(done.stdout, r"GOOGLE_APPLICATION_CREDENTIALS +/var/run/google/credentials.json +")

    def test_events_become_rows(self):
        folder = tempfile.mkdtemp(dir=self.folder.name)
        kafka = Kafka(folder, "uat")
        self.addCleanup(kafka.stop)
        bigquery = BigQuery(folder, build(ROOT, "default") / "bin/generic-consumer")
        self.addCleanup(bigquery.stop)
        metrics = free_port()
        flags = self.loopback(
            {
                # The ports are this test's; the broker's name is the rendered one, from the hosts file.
                "CONSUME__UAT__BOOTSTRAP_SERVERS": f"uat:{kafka.aliased}",
                "WRITE__UAT__ENDPOINT__REST": bigquery.rest,
                "WRITE__UAT__ENDPOINT__STORAGE": bigquery.storage,
                "METRICS_ADDR": f"127.0.0.1:{metrics}",
            }
        )
        produce = ["produce", DOMAIN, "-", "--no-validate", "--env-file", "/etc/generic-consumer/.env"]
        done = self.podman.once(flags, produce, events())
        self.assertEqual(done.returncode, 0, done.stderr)

        container = self.podman.start(flags, self.rendered.container["args"])
        try:
            until("the instance is ready", 90, lambda: status(metrics, "/readyz") == 200)
            until("the events are rows", 90, lambda: len(bigquery.rows("stock_events")) >= EVENTS)
            until("the invalid events are dead letters", 30, lambda: len(bigquery.rows("stock_events_dead_letters")) >= BAD)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.podman.logs(container)}") from None
        rows = [json.loads(row) for row in bigquery.rows("stock_events")]
        self.assertEqual(sorted(row["event_id"] for row in rows), sorted(event_id(n) for n in range(EVENTS)))
        self.assertEqual({row["_event_type"] for row in rows}, {"StockMovedEvent"})
        self.assertEqual(len(bigquery.rows("stock_events_dead_letters")), BAD)
        self.assertEqual(status(metrics, "/livez"), 200)

        self.podman.podman("kill", "--signal", "TERM", container)
        code = self.podman.podman("wait", container, timeout=90).stdout.strip()
        self.assertEqual(code, "0", self.podman.logs(container))

    def test_the_mounted_credentials_are_used(self):
        """The program exchanges the pod's token as the rendered file says, here at stand-ins for
        Google's services; without the file, its error names the missing file."""
        service = TokenService()
        self.addCleanup(service.stop)
        file = self.rendered.volumes["google"] / "credentials.json"
        given = file.read_text()
        self.addCleanup(file.write_text, given)
        file.write_text(re.sub(r"https://(sts|iamcredentials)[.]googleapis[.]com", service.url, given))

        def flags():
            # No request leaves this machine: Google's host names lead to loopback.
            names = ("bigquery.googleapis.com", "bigquerystorage.googleapis.com")
            hosts = [flag for name in names for flag in ("--add-host", f"{name}:127.0.0.1")]
            return self.loopback({"METRICS_ADDR": f"127.0.0.1:{free_port()}"}) + hosts

        arguments = self.rendered.container["args"]
        container = self.podman.start(flags(), arguments)
        try:
            until("the program has called both services", 60, lambda: len(service.requests) >= 2)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.podman.logs(container)}") from None
        (path, _, body), (other, bearer, _) = service.requests[:2]
        account = tree.spec(CLUSTER)["credentials"]["externalAccount"]
        form = urllib.parse.parse_qs(body)
        self.assertEqual((path, form["audience"], form["subject_token"]), ("/v1/token", [account["audience"]], ["a-token"]))
        self.assertIn(account["serviceAccount"], urllib.parse.unquote(other))
        self.assertEqual(bearer, "Bearer federated")

        file.unlink()
        done = self.podman.once(flags(), arguments)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("/var/run/google/credentials.json", done.stderr)

    def test_host_aliases_on_a_network_of_its_own(self):
        flags = self.rendered.flags("bridge", {}, self.rendered.hosts())
        # --disable: it runs, but connects to neither Kafka nor BigQuery.
        container = self.podman.start(flags, [*self.rendered.container["args"], "--disable"])
        path = until("the container has a hosts file", 30, lambda: self.podman.inspect(container, "{{.HostsPath}}"))
        lines = [line.split() for line in pathlib.Path(path).read_text().splitlines() if line.strip()]
        found = {name: line[0] for line in lines for name in line[1:]}
        for name, address in tree.spec(CLUSTER)["hosts"].items():
            self.assertEqual(found.get(name), address)
        self.assertEqual(self.podman.inspect(container, "{{.State.Running}}"), "true")


def event_id(number):
    return f"6a3a3d1e-4f0f-4f6b-9f0e-{number:012d}"


def events():
    """One event per line: moves, counts (which are ignored), and some that the contract rejects."""
    common = {"occurred_at": "2026-11-20T08:15:30Z", "sku": "SKU-1", "warehouse": "LIS-2"}
    lines = [{"type": "StockMovedEvent", "event_id": event_id(n), "quantity": n, **common} for n in range(EVENTS)]
    lines += [{"type": "StockCountedEvent", "event_id": event_id(0), "counted": n, **common} for n in range(IGNORED)]
    lines += [{"type": "StockMovedEvent", "event_id": event_id(0), "quantity": "many", **common} for _ in range(BAD)]
    return "".join(json.dumps(line) + "\n" for line in lines)
