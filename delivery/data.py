"""Edits the data under nix/clusters. The flake validates the result of every edit before it is
committed. Refused here is only what the result does not show, such as adding an instance that
exists already."""

import json
import re
from dataclasses import dataclass, field

from refusal import Refusal

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass
class Edit:
    """What was done (the commit's message), and the instances whose .env the program has to validate,
    as (cluster, instance)."""

    summary: str
    to_validate: list = field(default_factory=list)


def mark(release, key, instance, wanted):
    """Puts an instance onto one of the lists of release.json, or takes it off."""
    names = set(release.pop(key, [])) - {instance} | ({instance} if wanted else set())
    if names:
        release[key] = sorted(names)


def text_of(content, source):
    """The text of an instance's .env, given as bytes."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refusal(f"{source} is not UTF-8 (byte {error.start + 1}): save it as UTF-8.") from None
    if "\0" in text:
        raise Refusal(f"{source} contains a NUL byte: save it as plain text.")
    return text.replace("\r\n", "\n")


class Clusters:
    def __init__(self, root):
        self.folder = root / "nix/clusters"

    def names(self):
        return sorted(folder.name for folder in self.folder.iterdir() if folder.is_dir() and not folder.is_symlink())

    def require(self, cluster):
        """Refuses the name of a cluster that does not exist."""
        self._cluster(cluster)

    # Which image runs

    def set_release(self, cluster, digest, instance=None, drop_pins=False):
        release = self._release(cluster)
        if instance is not None:
            self._present(cluster, instance)
            release["pins"][instance] = digest
            self._write_release(cluster, release)
            return Edit(f"{cluster}/{instance}: image {digest}")
        release["digest"] = digest
        if drop_pins:
            release["pins"] = {}
        self._write_release(cluster, release)
        kept = ", ".join(sorted(release["pins"]))
        return Edit(f"{cluster}: image {digest}" + (f"\n\nPinned, unchanged: {kept}" if kept else ""))

    def unpin(self, cluster, instance):
        release = self._release(cluster)
        self._present(cluster, instance)
        release["pins"].pop(instance, None)
        self._write_release(cluster, release)
        return Edit(f"{cluster}/{instance}: back to the cluster's image")

    def running(self, cluster):
        """Instance -> digest."""
        release = self._release(cluster)
        return {name: release["pins"].get(name, release["digest"]) for name in self._names(cluster)}

    def transfers(self, cluster):
        return sorted(file.stem for file in (self._cluster(cluster) / "transfers").glob("*.toml"))

    # Which domains run

    def add(self, cluster, instance, text, replace=False):
        file = self._file(cluster, instance)
        if file.exists() and not replace:
            raise Refusal(f"duplicate instance: {cluster} has `{instance}` already; to change it use --replace (REPLACE_INSTANCE).")
        if replace and not file.exists():
            raise Refusal(f"{cluster} has no instance `{instance}` to replace: it has {', '.join(self._names(cluster))}.")
        file.parent.mkdir(exist_ok=True)
        file.write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")
        return Edit(f"{cluster}/{instance}: {'changed' if replace else 'added'}", [(cluster, instance)])

    def remove(self, cluster, instance):
        self._present(cluster, instance).unlink()
        release = self._release(cluster)
        release["pins"].pop(instance, None)
        for key in ("paused", "arriving"):
            mark(release, key, instance, False)
        self._write_release(cluster, release)
        return Edit(f"{cluster}/{instance}: removed")

    def begin_move(self, instance, source, target):
        """Both clusters run the instance in the same consumer group, so they share the partitions. On
        the source its autoscaler is paused; on the target it is held at two pods and not paused: KEDA
        may keep reporting an autoscaler as paused that was created so."""
        if source.split("-")[-1] != target.split("-")[-1]:
            raise Refusal(f"{source} and {target} write to different environments: to move it, add it on {target} and remove it on {source}.")
        file = self._present(source, instance)
        text = text_of(file.read_bytes(), f"nix/clusters/{source}/instances/{file.name}")
        digest = self.running(source)[instance]
        self.add(target, instance, text)
        release = self._release(source)
        mark(release, "paused", instance, True)
        self._write_release(source, release)
        release = self._release(target)
        if release["digest"] != digest:
            release["pins"][instance] = digest
        mark(release, "arriving", instance, True)
        self._write_release(target, release)
        return Edit(f"{instance}: begins to move from {source} to {target}", [(target, instance)])

    def end_move(self, instance, source, target):
        self._moving(instance, source, target)
        self.remove(source, instance)
        self._resume(target, instance)
        return Edit(f"{instance}: has moved from {source} to {target}")

    def undo_move(self, instance, source, target):
        self._moving(instance, source, target)
        self.remove(target, instance)
        self._resume(source, instance)
        return Edit(f"{instance}: stays on {source}, its move to {target} is undone")

    def _moving(self, instance, source, target):
        for cluster in (source, target):
            self._present(cluster, instance)
        begun = [
            instance in self._release(source).get("paused", []),
            # `paused`: by a move that began before there was `arriving`.
            any(instance in self._release(target).get(key, []) for key in ("arriving", "paused")),
        ]
        if not all(begun):
            raise Refusal(f"{instance} is not moving between {source} and {target}: begin the move first.")

    def _resume(self, cluster, instance):
        release = self._release(cluster)
        for key in ("paused", "arriving"):
            mark(release, key, instance, False)
        self._write_release(cluster, release)

    # Files

    def _cluster(self, cluster):
        if not NAME.fullmatch(cluster) or cluster not in self.names():
            raise Refusal(f"unknown cluster `{cluster}`: the clusters are {', '.join(self.names())}.")
        return self.folder / cluster

    def _names(self, cluster):
        return sorted(file.stem for file in (self._cluster(cluster) / "instances").glob("*.env"))

    def _file(self, cluster, instance):
        if not NAME.fullmatch(instance):
            raise Refusal(f"`{instance}` is not a valid instance name: use lower case with hyphens between words; delivery-events is the domain DELIVERY_EVENTS.")
        return self._cluster(cluster) / "instances" / f"{instance}.env"

    def _present(self, cluster, instance):
        file = self._file(cluster, instance)
        if not file.is_file():
            raise Refusal(f"{cluster} has no instance `{instance}`: it has {', '.join(self._names(cluster))}.")
        return file

    def _release(self, cluster):
        """release.json, in the form that this class edits; the flake validates its values."""
        where = f"nix/clusters/{cluster}/release.json"
        try:
            release = json.loads((self._cluster(cluster) / "release.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise Refusal(f'{where} is missing: write {{ "digest": "sha256:…", "pins": {{}} }}.') from None
        except (ValueError, RecursionError) as error:
            raise Refusal(f"{where} is not JSON ({error}): correct it.") from None
        if not isinstance(release, dict):
            raise Refusal(f'{where} is not a map: write {{ "digest": "sha256:…", "pins": {{}} }}.')
        if not isinstance(release.get("digest"), str):
            raise Refusal(f"{where}: `digest` is not an image digest: write \"sha256:\" and 64 hexadecimal digits.")
        pins = release.setdefault("pins", {})
        if not isinstance(pins, dict) or not all(isinstance(digest, str) for digest in pins.values()):
            raise Refusal(f"{where}: `pins` is not a map of image digests: write {{ \"<instance>\": \"sha256:…\" }}.")
        for key in ("paused", "arriving"):
            names = release.get(key, [])
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                raise Refusal(f"{where}: `{key}` is not a list of instances: correct or remove it.")
        return release

    def _write_release(self, cluster, release):
        release["pins"] = dict(sorted(release["pins"].items()))
        (self._cluster(cluster) / "release.json").write_text(json.dumps(release, indent=2) + "\n", encoding="utf-8")
