"""The cluster runs a version that is no longer supported."""

import re

from insights import make_fail, rule

from ..parsers import ClusterVersion

OLD = re.compile(r"4\.([0-9]|1[0-3])\.")


@rule(ClusterVersion)
def report(version):
    if version.completed and OLD.match(version.completed[0]):
        return make_fail("CLUSTER_VERSION_OLD", version=version.completed[0])
