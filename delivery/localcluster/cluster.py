"""The cluster itself, by kind or k3d, and kubectl in it. Every call names the cluster's own context, so
whatever context the user has chosen, no other cluster is touched."""

import json

from refusal import Refusal

from .tools import first_of, output, run

NAME = "streamproc"
TOOLS = {"kind": f"kind-{NAME}", "k3d": f"k3d-{NAME}"}
# The first start pulls the peers' images.
PEERS_START, SERVICES_START = "600s", "300s"


def create(system, tool):
    tool = tool or first_of(TOOLS, "a tool that makes local clusters")
    if made(tool):
        raise Refusal(f"there is a cluster `{NAME}` of {tool} already: use it, or `delivery/local delete` it first.")
    run(*{
        "kind": ["kind", "create", "cluster", "--name", NAME, "--wait", "180s"],
        "k3d": ["k3d", "cluster", "create", NAME, "--wait", "--timeout", "180s"],
    }[tool])
    return Cluster(system, tool)


def made(tool):
    """The tools that have made a cluster of this name, among which may only be `tool`."""
    known = contexts()
    return [one for one in TOOLS if TOOLS[one] in known and tool in (None, one)]


def existing(system, tool):
    """The cluster that `create` has made, if it answers."""
    tools = made(tool)
    if not tools:
        raise Refusal(f"there is no cluster `{NAME}`{f' of {tool}' if tool else ''}: make it with `delivery/local up`.")
    if len(tools) > 1:
        raise Refusal(f"there are two clusters `{NAME}`: say which with `--with kind` or `--with k3d`.")
    cluster = Cluster(system, tools[0])
    answers, why = cluster.ask("get", "--raw", "/readyz", "--request-timeout", "10s")
    if not answers:
        raise Refusal(
            f"the cluster {cluster.context} does not answer: start Docker and the cluster's container, or make it anew with "
            f"`delivery/local delete` and `delivery/local up`. kubectl says: {last_line(why)}"
        )
    return cluster


def delete(system, tool):
    """Deletes the cluster, whether it answers or not."""
    tools = made(tool)
    if not tools:
        raise Refusal(f"there is no cluster `{NAME}`{f' of {tool}' if tool else ''}: nothing is deleted.")
    for one in tools:
        run(*{"kind": ["kind", "delete", "cluster", "--name", NAME], "k3d": ["k3d", "cluster", "delete", NAME]}[one])


def contexts():
    known, said = output("kubectl", "config", "get-contexts", "--output", "name")
    if not known:
        raise Refusal(f"kubectl cannot read its configuration: {last_line(said)}")
    return said.split()


def last_line(text):
    return (text.strip().splitlines() or ["nothing"])[-1]


class Cluster:
    def __init__(self, system, tool):
        self.system, self.tool, self.context = system, tool, TOOLS[tool]

    @property
    def kubectl(self):
        return ["kubectl", "--context", self.context, "--namespace", self.system.namespace]

    def ask(self, *arguments):
        return output(*self.kubectl, *arguments)

    def tell(self, *arguments):
        run(*self.kubectl, *arguments)

    def load(self, archive):
        run(*{
            "kind": ["kind", "load", "image-archive", archive, "--name", NAME],
            "k3d": ["k3d", "image", "import", archive, "--cluster", NAME],
        }[self.tool])

    def apply(self, folder):
        self.tell("apply", "--kustomize", folder)
        # The overlay has every service at work.
        for service in self.system.services.values():
            if service.off == "disable" and self.is_off(service):
                self.tell("set", "env", service.workload, "DISABLE-")

    def wait(self, *parts):
        for part in parts:
            timeout = SERVICES_START if part.arguments else PEERS_START
            try:
                self.tell("rollout", "status", part.workload, "--timeout", timeout)
            except Refusal:
                hint = " ".join([*self.kubectl, "describe" if not part.arguments else "logs", part.workload])
                raise Refusal(f"{part.name} is not ready: `{hint}` and `delivery/local status` say more.") from None

    def restart(self, service):
        self.tell("rollout", "restart", service.workload)
        self.wait(service)

    def switch_off(self, service):
        """Lets a service leave its work to a process elsewhere."""
        if service.off == "disable":
            self.tell("set", "env", service.workload, "DISABLE=true")
            self.wait(service)
        else:
            self.tell("scale", service.workload, "--replicas", "0")
            self.tell("wait", "--for", "delete", "pod", "--selector", f"app.kubernetes.io/name={service.name}", "--timeout", "120s")

    def switch_on(self, service):
        if service.off == "disable":
            self.tell("set", "env", service.workload, "DISABLE-")
        else:
            self.tell("scale", service.workload, "--replicas", "1")
        self.wait(service)

    def workload(self, part):
        """The object as the cluster has it."""
        known, said = self.ask("get", part.workload, "--output", "json")
        if not known:
            raise Refusal(f"the cluster has no {part.workload}: bring it there with `delivery/local deploy`. kubectl says: {last_line(said)}")
        return json.loads(said)

    def is_off(self, service):
        spec = self.workload(service)["spec"]
        if service.off == "scale":
            return spec["replicas"] == 0
        variables = spec["template"]["spec"]["containers"][0].get("env", [])
        return {"name": "DISABLE", "value": "true"} in variables
