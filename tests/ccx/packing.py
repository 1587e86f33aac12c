"""Writes tar archives whose bytes depend on nothing but their entries."""

import gzip
import io
import tarfile

from clusters import GATHERED


def member(path, content=b"", **more):
    """An entry of a tar archive: its header and its content."""
    info = tarfile.TarInfo(path)
    info.size, info.mtime, info.mode = len(content), int(GATHERED.timestamp()), 0o640
    for name, value in more.items():
        setattr(info, name, value)
    return info, content


def tar(members):
    """The bytes of a tar archive. Names that do not fit a header are in extended (PAX) headers."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def gz(content):
    return gzip.compress(content, compresslevel=6, mtime=0)


def members(cluster):
    return [member(path, content) for path, content in cluster.encoded().items()]


def fill(cluster, size):
    """Adds pods with logs that hardly compress, up to about this many bytes of archive."""
    for number in range(max(1, size // (128 * 1024))):
        lines = [
            f"E1001 05:00:{n % 60:02}.{n:06} 1 reflector.go:{n}] failed {cluster.hex(220)}"
            for n in range(1100)
        ]
        name = f"{'a-very-long-name-of-a-pod-' * 4}{number}-{cluster.word()}"
        cluster.add_pod("openshift-monitoring", name, lines)
