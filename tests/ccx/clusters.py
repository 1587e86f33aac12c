"""The documents that the OpenShift insights-operator gathers from an invented cluster: healthy, or
with some faults. The same seed gives the same documents, with the same timestamps."""

import json
import random
import uuid
from datetime import UTC, datetime, timedelta

GATHERED = datetime(2026, 10, 1, 6, 0, 0, tzinfo=UTC)

OPERATORS = (
    "authentication baremetal cloud-controller-manager cloud-credential cluster-autoscaler "
    "config-operator console control-plane-machine-set csi-snapshot-controller dns etcd "
    "image-registry ingress insights kube-apiserver kube-controller-manager kube-scheduler "
    "kube-storage-version-migrator machine-api machine-approver machine-config marketplace "
    "monitoring network node-tuning openshift-apiserver openshift-controller-manager "
    "openshift-samples operator-lifecycle-manager service-ca storage"
).split()

NAMESPACES = (
    "openshift-apiserver openshift-authentication openshift-console openshift-dns openshift-etcd "
    "openshift-image-registry openshift-ingress openshift-monitoring openshift-sdn"
).split()

GATHERS = (
    "authentication certificate_signing_requests container_images install_plans nodes operators "
    "pdbs version"
)


def at(**ago):
    """A timestamp this long before the gathering, as Kubernetes writes it."""
    return (GATHERED - timedelta(**ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


def condition(kind, status, reason="AsExpected", message=""):
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": at(days=3),
    }


class Cluster:
    """The files of a cluster by path: JSON documents as objects, everything else as bytes."""

    def __init__(self, seed, version="4.17.12", nodes=5, pods=6):
        self.random = random.Random(seed)
        self.id = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
        self.version = version
        self.files = {
            "config/id": self.id.encode(),
            "config/version.json": self._version(),
            "config/infrastructure.json": self._infrastructure(),
            "config/install_plans.json": self._install_plans(self.random.randint(3, 12)),
            "insights-operator/gathers.json": self._gathers(),
        }
        for name in OPERATORS:
            self.files[f"config/clusteroperator/{name}.json"] = self._operator(name)
        for number in range(nodes):
            name = f"node-{number}.example.com"
            self.files[f"config/node/{name}.json"] = self._node(name, number < 3)
        for number in range(pods):
            namespace = NAMESPACES[number % len(NAMESPACES)]
            self.add_pod(namespace, f"{namespace.removeprefix('openshift-')}-{self.word()}")

    def word(self, length=5):
        return "".join(self.random.choices("bcdfghjklmnpqrstvwxz2456789", k=length))

    def hex(self, length):
        return f"{self.random.getrandbits(4 * length):0{length}x}"

    def paths(self, folder):
        """The paths of the JSON files in a folder, in order."""
        return sorted(p for p in self.files if p.startswith(folder) and p.endswith(".json"))

    def some(self, folder, count):
        return sorted(self.random.sample(self.paths(folder), count))

    def operator(self, name):
        return self.files[f"config/clusteroperator/{name}.json"]

    def encoded(self):
        """The files' contents as bytes, in the order of their paths."""
        return {
            path: content if isinstance(content, bytes) else json.dumps(content).encode()
            for path, content in sorted(self.files.items())
        }

    def add_pod(self, namespace, name, log=None):
        self.files[f"config/pod/{namespace}/{name}.json"] = self._pod(namespace, name)
        lines = log or [f"I1001 05:{n:02}:00.000000 1 controller.go:{n}] synced" for n in range(5)]
        self.files[self.log_path(namespace, name)] = ("\n".join(lines) + "\n").encode()

    @staticmethod
    def log_path(namespace, pod):
        return f"config/pod/{namespace}/logs/{pod}/errors.log"

    def _metadata(self, name, **more):
        return {
            "name": name,
            "uid": str(uuid.UUID(int=self.random.getrandbits(128), version=4)),
            "resourceVersion": str(self.random.randint(1000, 900_000)),
            "creationTimestamp": at(days=200),
            **more,
        }

    def _version(self):
        minor = self.version.rsplit(".", 1)[0]
        return {
            "kind": "ClusterVersion",
            "apiVersion": "config.openshift.io/v1",
            "metadata": self._metadata("version"),
            "spec": {"clusterID": self.id, "channel": f"stable-{minor}"},
            "status": {
                "desired": {
                    "version": self.version,
                    "image": f"quay.io/openshift-release-dev/ocp-release@sha256:{self.hex(64)}",
                },
                "history": [
                    {
                        "state": "Completed",
                        "startedTime": at(days=30),
                        "completionTime": at(days=30, hours=-1),
                        "version": self.version,
                        "image": f"quay.io/openshift-release-dev/ocp-release@sha256:{self.hex(64)}",
                        "verified": True,
                    }
                ],
                "observedGeneration": 2,
                "versionHash": self.hex(12),
                "conditions": [
                    condition("Available", "True", message=f"Done applying {self.version}"),
                    condition("Failing", "False"),
                    condition("Progressing", "False", message=f"Cluster version is {self.version}"),
                    condition("RetrievedUpdates", "True"),
                    condition("Upgradeable", "True"),
                ],
                "availableUpdates": None,
            },
        }

    def _infrastructure(self):
        return {
            "kind": "Infrastructure",
            "apiVersion": "config.openshift.io/v1",
            "metadata": self._metadata("cluster"),
            "spec": {"cloudConfig": {"name": ""}, "platformSpec": {"type": "AWS"}},
            "status": {
                "infrastructureName": f"cluster-{self.word()}",
                "platform": "AWS",
                "platformStatus": {"type": "AWS", "aws": {"region": "eu-central-1"}},
                "controlPlaneTopology": "HighlyAvailable",
                "infrastructureTopology": "HighlyAvailable",
                "apiServerURL": "https://api.example.com:6443",
            },
        }

    def _install_plans(self, count):
        items = [
            {
                "ns": f"openshift-operators-{n % 3}",
                "name": f"install-{self.word()}",
                "csv": f"operator-{n}.v1.{n}.0",
                "count": self.random.randint(1, 4),
            }
            for n in range(count)
        ]
        total = sum(item["count"] for item in items)
        return {"items": items, "stats": {"TOTAL_COUNT": total, "TOTAL_NONUNIQ_COUNT": count}}

    def set_install_plans(self, count):
        self.files["config/install_plans.json"] = self._install_plans(count)

    def _gathers(self):
        return {
            "status_reports": [
                {
                    "name": f"clusterconfig/{name}",
                    "duration_in_ms": self.random.randint(1, 900),
                    "records_count": self.random.randint(1, 40),
                    "errors": None,
                    "panic": None,
                }
                for name in GATHERS.split()
            ],
            "memory_alloc_bytes": self.random.randint(20_000_000, 90_000_000),
            "uptime_seconds": self.random.randint(1000, 900_000),
            "is_global_obfuscation_enabled": False,
        }

    def _operator(self, name):
        return {
            "apiVersion": "config.openshift.io/v1",
            "kind": "ClusterOperator",
            "metadata": self._metadata(name),
            "spec": {},
            "status": {
                "conditions": [
                    condition("Degraded", "False"),
                    condition("Progressing", "False"),
                    condition("Available", "True"),
                    condition("Upgradeable", "True"),
                ],
                "versions": [{"name": "operator", "version": self.version}],
                "relatedObjects": [
                    {"group": "", "resource": "namespaces", "name": f"openshift-{name}"}
                ],
            },
        }

    def _node(self, name, master):
        role = "master" if master else "worker"
        return {
            "kind": "Node",
            "apiVersion": "v1",
            "metadata": self._metadata(
                name,
                labels={
                    "kubernetes.io/hostname": name,
                    "kubernetes.io/os": "linux",
                    f"node-role.kubernetes.io/{role}": "",
                },
            ),
            "spec": {"providerID": f"aws:///eu-central-1a/i-{self.hex(17)}"},
            "status": {
                "capacity": {"cpu": "8", "memory": "32891568Ki", "pods": "250"},
                "allocatable": {"cpu": "7500m", "memory": "31740592Ki", "pods": "250"},
                "conditions": [
                    condition("MemoryPressure", "False", "KubeletHasSufficientMemory"),
                    condition("DiskPressure", "False", "KubeletHasNoDiskPressure"),
                    condition("PIDPressure", "False", "KubeletHasSufficientPID"),
                    condition("Ready", "True", "KubeletReady"),
                ],
                "nodeInfo": {
                    "architecture": "amd64",
                    "kernelVersion": "5.14.0-427.40.1.el9_4.x86_64",
                    "kubeletVersion": "v1.30.6",
                    "osImage": "Red Hat Enterprise Linux CoreOS 417.94",
                    "operatingSystem": "linux",
                },
            },
        }

    def _pod(self, namespace, name):
        return {
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": self._metadata(name, namespace=namespace),
            "spec": {
                "nodeName": "node-0.example.com",
                "containers": [
                    {
                        "name": "main",
                        "image": f"quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:{self.hex(64)}",
                        "resources": {"requests": {"cpu": "10m", "memory": "50Mi"}},
                    }
                ],
            },
            "status": {
                "phase": "Running",
                "startTime": at(days=2),
                "containerStatuses": [
                    {
                        "name": "main",
                        "ready": True,
                        "started": True,
                        "restartCount": self.random.randint(0, 2),
                        "state": {"running": {"startedAt": at(days=2)}},
                        "lastState": {},
                    }
                ],
            },
        }


def set_condition(document, kind, status, reason="AsExpected", message=""):
    """Replaces the document's condition of this type."""
    conditions = document["status"]["conditions"]
    conditions[:] = [it for it in conditions if it["type"] != kind]
    conditions.append(condition(kind, status, reason, message))
