"""Two nodes have different versions of kubelet."""

from insights import make_fail, rule

from ..parsers import Node


@rule(Node)
def report(nodes):
    if any(it.kubelet != nodes[0].kubelet for it in nodes):
        return make_fail(
            "KUBELET_VERSIONS_DIFFER",
            nodes=[{"name": it.name, "kubelet": it.kubelet} for it in nodes],
        )
