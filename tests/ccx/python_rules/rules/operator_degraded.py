"""A cluster operator is degraded."""

from insights import make_fail, rule

from ..parsers import ClusterOperator


@rule(ClusterOperator)
def report(operators):
    degraded = [it for it in operators if it.has("Degraded", "True")]
    if degraded:
        return make_fail("CLUSTER_OPERATOR_DEGRADED", operators=[described(it) for it in degraded])


def described(operator):
    first = operator.of_type("Degraded")[0]
    return {
        "name": operator.name,
        "reason": first.get("reason", ""),
        "message": first.get("message", ""),
    }
