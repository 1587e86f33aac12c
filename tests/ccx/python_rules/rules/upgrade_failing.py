"""An upgrade does not get on."""

from insights import make_fail, rule

from ..parsers import ClusterVersion


@rule(ClusterVersion)
def report(version):
    if version.has("Failing", "True"):
        details = {
            "from": next(iter(version.completed), ""),
            "to": version.status.get("desired", {}).get("version", ""),
            "reason": version.of_type("Failing")[0].get("reason", ""),
        }
        return make_fail("CLUSTER_UPGRADE_FAILING", **details)
