"""What the rules read, as insights-core parses it. A file of many that cannot be parsed stops the rules
that read these files (`continue_on_error=False`), as it does in our rules."""

import re

from insights import JSONParser, Parser, parser

from .specs import Specs


class Document(JSONParser):
    """A Kubernetes object."""

    @property
    def name(self):
        return self.data["metadata"]["name"]

    @property
    def status(self):
        return self.data.get("status", {})

    def of_type(self, kind):
        """The conditions of this type, in order."""
        return [it for it in self.status.get("conditions", []) if it["type"] == kind]

    def has(self, kind, status):
        return any(it["status"] == status for it in self.of_type(kind))


@parser(Specs.cluster_operators, continue_on_error=False)
class ClusterOperator(Document):
    pass


@parser(Specs.entrance_operators, continue_on_error=False)
class EntranceOperator(Document):
    pass


@parser(Specs.cluster_version)
class ClusterVersion(Document):
    @property
    def completed(self):
        """The versions that the cluster had, the newest first."""
        history = self.status.get("history", [])
        return [it["version"] for it in history if it["state"] == "Completed"]


@parser(Specs.nodes, continue_on_error=False)
class Node(Document):
    @property
    def kubelet(self):
        return self.status["nodeInfo"]["kubeletVersion"]

    @property
    def is_control_plane(self):
        labels = self.data["metadata"].get("labels", {})
        roles = ("node-role.kubernetes.io/master", "node-role.kubernetes.io/control-plane")
        return any(role in labels for role in roles)


@parser(Specs.infrastructure)
class Infrastructure(Document):
    pass


@parser(Specs.pods, continue_on_error=False)
class Pod(Document):
    def restarted(self, times):
        """The containers that were restarted this often or more."""
        containers = self.status.get("containerStatuses", [])
        return [it for it in containers if it["restartCount"] >= times]


@parser(Specs.pod_logs, continue_on_error=False)
class PodLog(Parser):
    EXPIRED = re.compile(
        r"x509: certificate has expired or is not yet valid: current time \S+ is after (?P<expired>\S+)"
    )

    def parse_content(self, content):
        found = (self.EXPIRED.search(line) for line in content)
        self.expired = [it["expired"] for it in found if it]


@parser(Specs.install_plans)
class InstallPlans(JSONParser):
    def above(self, count):
        return [it for it in self.data.get("items", []) if it["count"] > count]


@parser(Specs.gathers)
class Gathers(JSONParser):
    @property
    def with_errors(self):
        return [it for it in self.data.get("status_reports", []) if it.get("errors")]
