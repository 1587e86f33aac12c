"""What runs in the local cluster: nix/local/services.json, which the overlay is rendered from too.
nix/manifests/local/default.nix says what its keys mean."""

import dataclasses
import json
import pathlib

from refusal import Refusal

ROOT = pathlib.Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Listener:
    name: str
    # In the cluster, and on this machine.
    port: int
    here: int
    # Others expect just this port here.
    fixed: bool
    # Where forwarding goes to.
    target: int
    # The variable that sets the address, for the program's services.
    variable: str | None

    @classmethod
    def of(cls, name, given):
        port = given["port"]
        return cls(name, port, given["here"], given.get("fixed", False), given.get("forwarded", port), given.get("variable"))


@dataclasses.dataclass(frozen=True)
class Part:
    """A service of the program, or a peer."""

    name: str
    listens: list
    # What those get who need it: arguments, variables, secrets.
    given: dict
    # Of the services only:
    arguments: list
    off: str | None
    needs: list

    @classmethod
    def of(cls, name, given):
        listens = [Listener.of(port, one) for port, one in given["listens"].items()]
        return cls(name, listens, given.get("given", {}), given.get("arguments", []), given.get("off"), given.get("needs", []))

    @property
    def workload(self):
        return f"{'deployment' if self.arguments else 'statefulset'}/{self.name}"


class System:
    def __init__(self, root=ROOT):
        given = json.loads((root / "nix/local/services.json").read_text())
        self.root, self.namespace, self.image, self.secret = root, given["namespace"], given["image"], given["secret"]
        self.example = root / given["example"]
        self.services = {name: Part.of(name, one) for name, one in given["services"].items()}
        self.peers = {name: Part.of(name, one) for name, one in given["peers"].items()}

    @property
    def parts(self):
        return {**self.peers, **self.services}

    def service(self, name):
        return found(self.services, name, "service")

    def part(self, name):
        return found(self.parts, name, "service or peer")


def found(parts, name, what):
    if name not in parts:
        raise Refusal(f"there is no {what} `{name}`: choose one of {', '.join(parts)}.")
    return parts[name]
