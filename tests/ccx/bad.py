"""Archives that are not what they should be. `broken` ones must not be read as an archive of a
healthy cluster; `odd` ones are unusual, and a reader may accept them.

The cluster in them has a fault that each set of rules finds, so a reader that gets through to the
documents has a finding, and one that stops before has none.
"""

import bz2
import io
import json
import tarfile
import zipfile

import faults
from clusters import Cluster
from packing import fill, gz, member, members, tar


def sick(seed, name):
    cluster = Cluster(f"{seed}-{name}", nodes=3, pods=3)
    for fault in (faults.operator_degraded, faults.version_old, faults.pods_crashing):
        fault(cluster)
    return cluster


def _link(path, target, kind=tarfile.SYMTYPE):
    return member(path, type=kind, linkname=target)


def _replaced(cluster, path, *instead):
    """The cluster's entries with others in the place of one."""
    for info, content in members(cluster):
        if info.name == path:
            yield from instead
        else:
            yield info, content


def broken():
    """Name, what it is, and a function from a cluster to bytes."""

    def packed(cluster):
        return gz(tar(members(cluster)))

    yield (
        "truncated-gzip",
        "the gzip stream ends after 60 %",
        lambda c: packed(c)[: len(packed(c)) * 6 // 10],
    )
    yield (
        "truncated-in-file",
        "a whole gzip stream of a tar archive that ends within a file",
        lambda c: gz(_cut(c, "config/node/node-1.example.com.json", 512 + 100)),
    )
    yield (
        "truncated-in-header",
        "a whole gzip stream of a tar archive that ends within a header",
        lambda c: gz(_cut(c, "config/node/node-1.example.com.json", 100)),
    )
    yield (
        "truncated-between",
        "a whole gzip stream of a tar archive that ends after half of its files",
        lambda c: gz(_cut(c, "config/node/node-1.example.com.json", 0)),
    )
    yield "truncated-trailer", "gzip's checksum at the end is missing", lambda c: packed(c)[:-8]
    yield (
        "bad-checksum",
        "gzip's checksum at the end is wrong",
        lambda c: packed(c)[:-8] + bytes(4) + packed(c)[-4:],
    )
    yield (
        "archive-in-archive",
        "its only file is a .tar.gz with the documents",
        lambda c: gz(tar([member("archive.tar.gz", packed(c))])),
    )
    yield (
        "link-outside",
        "config/version.json is a symbolic link to /etc/hostname",
        lambda c: gz(
            tar(_replaced(c, "config/version.json", _link("config/version.json", "/etc/hostname")))
        ),
    )
    yield (
        "link-upwards",
        "config/version.json is a symbolic link that leads out with ..",
        lambda c: gz(
            tar(
                _replaced(
                    c, "config/version.json", _link("config/version.json", "../../../etc/hostname")
                )
            )
        ),
    )
    yield (
        "hard-link-outside",
        "config/version.json is a hard link to /etc/hostname",
        lambda c: gz(
            tar(
                _replaced(
                    c,
                    "config/version.json",
                    _link("config/version.json", "/etc/hostname", tarfile.LNKTYPE),
                )
            )
        ),
    )
    yield (
        "through-link",
        "config/node is a symbolic link to /tmp/ccx-escaped, and the nodes would go through it",
        lambda c: gz(tar([_link("config/node", "/tmp/ccx-escaped"), *members(c)])),
    )
    yield (
        "dot-dot",
        "an entry has the path ../../escaped.json",
        lambda c: gz(tar([*members(c), member("../../escaped.json", b"{}")])),
    )
    yield (
        "absolute",
        "an entry has the path /tmp/ccx-escaped.json",
        lambda c: gz(tar([*members(c), member("/tmp/ccx-escaped.json", b"{}")])),
    )
    yield (
        "huge-header",
        "an extended (PAX) header with a comment of 8 MiB",
        lambda c: gz(
            tar([member("config/x", pax_headers={"comment": "x" * (8 << 20)}), *members(c)])
        ),
    )
    yield (
        "bomb",
        "a log of 40 MiB of spaces",
        lambda c: gz(
            tar([*members(c), member(c.log_path("openshift-dns", "bomb"), b" " * (40 << 20))])
        ),
    )
    yield (
        "not-an-archive",
        "a web page (wrong content type)",
        lambda c: b"<!DOCTYPE html><html><body><h1>503 Service Unavailable</h1></body></html>\n",
    )
    yield (
        "json",
        "a JSON document instead of an archive",
        lambda c: json.dumps(c.files["config/version.json"]).encode(),
    )
    yield (
        "gzip-of-json",
        "gzip, but of a JSON document",
        lambda c: gz(json.dumps(c.files["config/version.json"]).encode()),
    )
    yield "empty-object", "no bytes", lambda c: b""
    yield "empty-tar", "a tar archive without entries", lambda c: gz(tar([]))
    yield "zeros", "a gzip stream of 64 KiB of zeros", lambda c: gz(bytes(65536))
    yield (
        "unparsable-json",
        "config/version.json ends in the middle",
        lambda c: gz(
            tar(
                _replaced(
                    c, "config/version.json", member("config/version.json", b'{"kind": "Cluste')
                )
            )
        ),
    )
    yield (
        "one-unparsable-of-many",
        "one of the cluster operators ends in the middle",
        lambda c: gz(
            tar(
                _replaced(
                    c,
                    "config/clusteroperator/dns.json",
                    member("config/clusteroperator/dns.json", b'{"a'),
                )
            )
        ),
    )
    yield (
        "empty-document",
        "config/version.json is empty",
        lambda c: gz(tar(_replaced(c, "config/version.json", member("config/version.json")))),
    )
    yield (
        "wrong-shape",
        "config/version.json is a list, install_plans.json a number",
        lambda c: gz(
            tar(
                _replaced(
                    _with(c, "config/install_plans.json", 7),
                    "config/version.json",
                    member("config/version.json", b"[1]"),
                )
            )
        ),
    )


def _cut(cluster, path, after):
    """The tar archive up to so many bytes after the beginning of this entry's header."""
    archive = tar(members(cluster))
    return archive[: archive.index(path.encode() + bytes(1)) + after]


def _with(cluster, path, document):
    cluster.files[path] = document
    return cluster


def odd():
    yield (
        "dot-slash",
        "all paths begin with ./",
        lambda c: gz(tar(member(f"./{info.name}", content) for info, content in members(c))),
    )
    yield (
        "folders",
        "with entries for the folders",
        lambda c: gz(
            tar(
                [
                    *(
                        member(it, type=tarfile.DIRTYPE, mode=0o755)
                        for it in ("config", "config/pod", "insights-operator")
                    ),
                    *members(c),
                ]
            )
        ),
    )
    yield (
        "twice",
        "config/version.json is there twice; the second is the sick one",
        lambda c: gz(
            tar([member("config/version.json", b'{"status": {"history": []}}'), *members(c)])
        ),
    )
    yield (
        "top-folder",
        "all files are in a folder of the archive's name",
        lambda c: gz(
            tar(member(f"cluster-1/{info.name}", content) for info, content in members(c))
        ),
    )
    yield (
        "beside-an-archive",
        "a .gz file lies next to the folder config",
        lambda c: gz(tar([*members(c), member("extra.gz", gz(b"extra"))])),
    )
    yield (
        "link-inside",
        "config/version.json is a symbolic link to another file of the archive",
        lambda c: gz(
            tar(
                [
                    *_replaced(c, "config/version.json", _link("config/version.json", "real.json")),
                    member("config/real.json", c.encoded()["config/version.json"]),
                ]
            )
        ),
    )
    yield "plain-tar", "not compressed", lambda c: tar(members(c))
    yield "bzip2", "compressed with bzip2", lambda c: bz2.compress(tar(members(c)))
    yield "zip", "a zip archive", _zip
    yield (
        "two-gzip-members",
        "the gzip stream has two members",
        lambda c: gz(tar(members(c))[:10240]) + gz(tar(members(c))[10240:]),
    )
    yield (
        "trailing-bytes",
        "bytes that belong to nothing follow the gzip stream",
        lambda c: gz(tar(members(c))) + b"\n<!-- end -->\n",
    )
    yield (
        "without-end",
        "the two empty blocks at the end of the tar archive are missing",
        lambda c: gz(_without_end(tar(members(c)))),
    )
    yield "gnu-long-names", "long names as GNU tar writes them", lambda c: gz(_gnu(c))
    yield (
        "nan",
        "a number in config/infrastructure.json is NaN",
        lambda c: gz(
            tar(members(_with(c, "config/infrastructure.json", {"status": {"load": float("nan")}})))
        ),
    )
    yield (
        "byte-order-mark",
        "config/version.json begins with a byte order mark",
        lambda c: gz(
            tar(
                _replaced(
                    c,
                    "config/version.json",
                    member(
                        "config/version.json", b"\xef\xbb\xbf" + c.encoded()["config/version.json"]
                    ),
                )
            )
        ),
    )
    yield (
        "line-before-json",
        "config/version.json has a line of text before the document",
        lambda c: gz(
            tar(
                _replaced(
                    c,
                    "config/version.json",
                    member(
                        "config/version.json", b"warning\n" + c.encoded()["config/version.json"]
                    ),
                )
            )
        ),
    )
    yield (
        "deep",
        "config/version.json nests 5,000 lists",
        lambda c: gz(
            tar(
                _replaced(
                    c,
                    "config/version.json",
                    member("config/version.json", b"[" * 5000 + b"]" * 5000),
                )
            )
        ),
    )
    yield (
        "key-twice",
        "config/version.json has the key status twice; the second is the sick one",
        lambda c: gz(
            tar(
                _replaced(
                    c,
                    "config/version.json",
                    member(
                        "config/version.json",
                        b'{"status": {}, ' + c.encoded()["config/version.json"][1:],
                    ),
                )
            )
        ),
    )
    yield (
        "not-utf-8",
        "a log has bytes that are not UTF-8 next to an expired certificate",
        _not_utf_8,
    )
    yield "carriage-returns", "the lines of a log end with CR LF", _carriage_returns


def _without_end(archive):
    """Cuts the tar archive off after its last entry."""
    return archive.rstrip(b"\0") + bytes(-len(archive.rstrip(b"\0")) % 512)


def _gnu(cluster):
    fill(cluster, 1)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for info, content in members(cluster):
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def _zip(cluster):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in cluster.encoded().items():
            archive.writestr(zipfile.ZipInfo(path, (2026, 10, 1, 6, 0, 0)), content)
    return out.getvalue()


def _log(cluster):
    return next(path for path in sorted(cluster.files) if path.endswith("errors.log"))


def _not_utf_8(cluster):
    faults.certificate_expired(cluster)
    for path in [it for it in cluster.files if "/logs/oauth-" in it]:
        cluster.files[path] = b"\xff\xfe caf\xe9 \xc3\n" + cluster.files[path].replace(
            b"tls:", b"tls\xe9:"
        )
    return gz(tar(members(cluster)))


def _carriage_returns(cluster):
    faults.certificate_expired(cluster)
    for path in [it for it in cluster.files if it.endswith("errors.log")]:
        cluster.files[path] = cluster.files[path].replace(b"\n", b"\r\n")
    return gz(tar(members(cluster)))


def all_of(seed):
    """Each bad archive as (kind, name, what it is, cluster, bytes)."""
    for kind, some in (("broken", broken()), ("odd", odd())):
        for name, about, build in some:
            cluster = sick(seed, name)
            yield kind, name, about, cluster, build(cluster)
