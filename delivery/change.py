"""One change of the clusters' data as one commit: edited, judged, rendered."""

import manifests
from data import Clusters


def commit(repository, onto, change, program, note):
    """A commit on `onto`, or nothing where nothing changes. Until it is whole nobody sees it."""
    with repository.scratch(onto) as scratch:
        manifests.refuse_drift(scratch.root)
        done = change(Clusters(scratch.root))
        manifests.render(scratch.root)
        for cluster, instance in done.judged:
            manifests.judge(scratch.root, cluster, instance, program)
        message = "\n\n".join(filter(None, [done.summary, note]))
        return scratch.commit(message, ["nix/clusters", "kustomize"])
