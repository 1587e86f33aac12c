"""Where an image comes from: the predicate of a SLSA provenance (https://slsa.dev/provenance/v1), from what
the build knows of itself, and what of it has to be right. docs/delivery.md, Signatures, explains it."""

import json
import os
import re

from refusal import Refusal, anonymous
from repository import git

TYPE = "https://slsa.dev/provenance/v1"
# Says how to read the parameters below; it is a name and need not be an address.
BUILD_TYPE = "https://generic-consumer.invalid/nix-image/v1"


def same_repository(one, other):
    """Whether two addresses of git mean the same repository, for example by https and by ssh."""

    def essence(url):
        url = anonymous(url).removeprefix("git+").removesuffix("/").removesuffix(".git")
        # host:path, as git writes ssh's short form.
        url = re.sub(r"^(?:[A-Za-z0-9_.-]+@)?([A-Za-z0-9.-]+):(?!//)", r"ssh://\1/", url)
        scheme, _, rest = url.rpartition("://")
        return ("" if scheme in ("http", "https", "ssh", "git") else scheme.removeprefix("file")), rest

    return essence(one) == essence(other)


def builder_of(build):
    """The job, from the address of its build: all but the number."""
    found = re.fullmatch(r"(https?://[^\s?#]+/)[0-9]+/", build)
    if not found:
        raise Refusal(f"BUILD_URL=`{build}` is no address of a build: the provenance names the build, so sign in Jenkins, in the job `image`.")
    return found[1]


def predicate(root, image, trusted):
    """The provenance of the image that image.json describes; `trusted` is what it has to say. Every text in it is a value of a JSON string,
    whatever characters it has."""
    build = os.environ.get("BUILD_URL", "")
    builder = builder_of(build)
    if builder != trusted["builder"]:
        raise Refusal(f"this build is one of {builder}, and images are trusted from {trusted['builder']} (nix/gitops.nix, provenance.builder): correct one of the two.")
    origin = git(root, "remote", "get-url", "origin").stdout.strip()
    if not same_repository(origin, trusted["repository"]):
        raise Refusal(f"this is a clone of {anonymous(origin)}, and images are trusted from {trusted['repository']} (nix/gitops.nix, provenance.repository): correct one of the two.")
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "repository": trusted["repository"],
                "output": "image",
                "contracts": image["contracts"]["from"],
            },
            "internalParameters": {"system": image["system"], "tag": image["tag"], "contractsRevision": image["contracts"]["revision"]},
            "resolvedDependencies": [
                {"uri": f"git+{trusted['repository']}", "digest": {"gitCommit": image["commit"]}},
                *image["inputs"],
            ],
        },
        "runDetails": {
            "builder": {"id": builder},
            "metadata": {"invocationId": build, "startedOn": image["started"], "finishedOn": image["finished"]},
            "byproducts": image["outputs"],
        },
    }


def inputs(root, contracts):
    """What the build takes from elsewhere: the inputs of flake.lock and, if they come from another
    repository, the contracts."""
    nodes = json.loads((root / "flake.lock").read_text())["nodes"]
    found = []
    for name, node in sorted(nodes.items()):
        locked = node.get("locked")
        if locked:
            uri = f"git+https://github.com/{locked['owner']}/{locked['repo']}"
            found.append({"name": name, "uri": uri, "digest": {"gitCommit": locked["rev"]}, "annotations": {"narHash": locked["narHash"]}})
    return found + ([{"name": "contracts", **contracts}] if contracts else [])


def lacks(found, trusted, digest):
    """What is wrong with a provenance whose signature is right, as a part of a sentence; None if nothing
    is. `found` is the whole statement."""
    try:
        definition, details = found["predicate"]["buildDefinition"], found["predicate"]["runDetails"]
        said = {
            "digest": [f"sha256:{subject['digest']['sha256']}" for subject in found["subject"]],
            "builder": details["builder"]["id"],
            "buildType": definition["buildType"],
            "repository": definition["externalParameters"]["repository"],
        }
    except (KeyError, TypeError):
        return "is incomplete"
    wanted = {"digest": [digest], "builder": trusted["builder"], "buildType": BUILD_TYPE, "repository": trusted["repository"]}
    for name, value in wanted.items():
        if said[name] != value:
            return f"names {said[name]} as its {name} instead of {value}"
    return None
