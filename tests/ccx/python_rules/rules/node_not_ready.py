"""A node is not ready."""

from insights import make_fail, rule

from ..parsers import Node


@rule(Node)
def report(nodes):
    unready = [it for it in nodes if not it.has("Ready", "True")]
    if unready:
        return make_fail("NODE_NOT_READY", nodes=[it.name for it in unready])
