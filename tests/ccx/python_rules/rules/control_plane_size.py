"""A highly available cluster has another number of control plane nodes than three."""

from insights import make_fail, rule

from ..parsers import Infrastructure, Node


@rule(Node, Infrastructure)
def report(nodes, infrastructure):
    control_plane = [it.name for it in nodes if it.is_control_plane]
    available = infrastructure.status.get("controlPlaneTopology") == "HighlyAvailable"
    if available and len(control_plane) != 3:
        return make_fail(
            "CONTROL_PLANE_NODES_NOT_THREE", count=len(control_plane), nodes=control_plane
        )
