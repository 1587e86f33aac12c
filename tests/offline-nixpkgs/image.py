"""Writes a docker archive with a layer for each store path on standard input, and a given last layer."""

import calendar
import hashlib
import io
import json
import os
import sys
import tarfile
import time


def added(tar, path, mtime):
    """Adds a file, or a folder with its content sorted by name, owned by root."""
    info = tar.gettarinfo(path, path.lstrip("/"))
    if info.islnk():
        info.type, info.linkname, info.size = tarfile.REGTYPE, "", os.stat(path).st_size
    info.mtime, info.uid, info.gid, info.uname, info.gname = mtime, 0, 0, "root", "root"
    if info.isreg():
        with open(path, "rb") as file:
            tar.addfile(info, file)
    else:
        tar.addfile(info)
    if info.isdir():
        for name in sorted(os.listdir(path)):
            added(tar, os.path.join(path, name), mtime)


def layer(paths, mtime):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for folder in ("nix", "nix/store"):
            info = tarfile.TarInfo(folder)
            info.type, info.mode, info.mtime = tarfile.DIRTYPE, 0o755, mtime
            tar.addfile(info)
        for path in paths:
            added(tar, path, mtime)
    return buffer.getvalue()


def main():
    given, last = sys.argv[1:]
    with open(given) as file:
        conf = json.load(file)
    paths = sys.stdin.read().split()
    mtime = calendar.timegm(time.strptime(conf["mtime"], "%Y-%m-%dT%H:%M:%SZ"))
    # One layer is the last; paths beyond the maximum share one layer.
    alone = conf["maxLayers"] - 2
    groups = [[path] for path in paths[:alone]] + ([paths[alone:]] if paths[alone:] else [])
    with open(last, "rb") as file:
        layers = [(layer(group, mtime), group) for group in groups] + [(file.read(), [last])]

    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.GNU_FORMAT) as out:

        def put(name, data):
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), mtime
            out.addfile(info, io.BytesIO(data))

        digests = [hashlib.sha256(data).hexdigest() for data, _ in layers]
        for digest, (data, _) in zip(digests, layers):
            put(f"{digest}/layer.tar", data)
        image = {
            "created": conf["created"],
            "architecture": conf["architecture"],
            "os": "linux",
            "config": conf["config"],
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
            "history": [
                {"created": conf["created"], "comment": f"store paths: {group}"} for _, group in layers
            ],
        }
        text = json.dumps(image, indent=4).encode()
        name = hashlib.sha256(text).hexdigest() + ".json"
        put(name, text)
        manifest = {
            "Config": name,
            "RepoTags": [f"{conf['name']}:{conf['tag']}"],
            "Layers": [f"{digest}/layer.tar" for digest in digests],
        }
        put("manifest.json", json.dumps([manifest], indent=4).encode())


main()
