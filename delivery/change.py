"""Makes one commit of a change to the clusters' data: edits it, renders kustomize/ and validates it."""

import sys

import plain
from data import Clusters
from manifests import Change
from refusal import anonymous

# What was printed already: a change that is made again repeats its warnings.
warned = set()


def commit(repository, onto, clusters, change, judge, note):
    """The commit, on top of `onto`; None if nothing changes. `clusters` are those that `change` edits:
    what is wrong with another one is a warning, and its part of kustomize/ stays as it is. The commit
    is made in a temporary working tree, so an incomplete change is never visible. `judge` runs the
    program on a new .env (images.py); None judges none."""
    with repository.scratch(onto) as scratch:
        data = Clusters(scratch.root)
        for cluster in clusters:
            data.require(cluster)
        # What is written below must not go through a link.
        edited = [f"{folder}/{cluster}" for folder in ("nix/clusters", "kustomize/overlays") for cluster in clusters]
        plain.refuse_in_folder(scratch.root, *edited, "kustomize/base", "kustomize/components")
        manifests = Change(scratch.root, clusters)
        for sentence in manifests.warnings():
            if sentence not in warned:
                print(f"warning: {anonymous(sentence)}", file=sys.stderr, flush=True)
            warned.add(sentence)
        manifests.refuse_drift()
        done = change(data)
        manifests.render()
        for cluster, instance in done.to_validate if judge else []:
            manifests.validate(cluster, instance, judge)
        message = anonymous("\n\n".join(filter(None, [done.summary, note])))
        return scratch.commit(message, ["nix/clusters", "kustomize"])
