"""A container of a pod was restarted ten times or more."""

from insights import make_fail, rule

from ..parsers import Pod

RESTARTS = 10


@rule(Pod)
def report(pods):
    crashing = [it for it in pods if it.restarted(RESTARTS)]
    if crashing:
        return make_fail("PODS_CRASHING", pods=[described(it) for it in crashing])


def described(pod):
    return {
        "namespace": pod.data["metadata"]["namespace"],
        "name": pod.name,
        "containers": [
            {"name": it["name"], "restarts": it["restartCount"]} for it in pod.restarted(RESTARTS)
        ],
    }
