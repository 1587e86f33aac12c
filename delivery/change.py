"""Makes one commit of a change to the clusters' data: edits it, renders kustomize/ and validates it."""

import manifests
from data import Clusters


def commit(repository, onto, change, judge, note):
    """The commit, on top of `onto`; None if nothing changes. It is made in a temporary working tree,
    so an incomplete change is never visible. `judge` runs the program on a new .env (images.py); None
    judges none."""
    with repository.scratch(onto) as scratch:
        manifests.refuse_drift(scratch.root)
        done = change(Clusters(scratch.root))
        manifests.render(scratch.root)
        for cluster, instance in done.to_validate if judge else []:
            manifests.validate(scratch.root, cluster, instance, judge)
        message = "\n\n".join(filter(None, [done.summary, note]))
        return scratch.commit(message, ["nix/clusters", "kustomize"])
