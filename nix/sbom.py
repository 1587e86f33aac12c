"""Writes the image's bill of materials, a CycloneDX 1.6 document: the crates of the program, the store
paths and the contracts. The same image gives the same bytes: no times, and the serial number is a hash
of the content.

Reads `crates` (of cargo tree) and `index.json` (of the image) in the working directory, and what
sbom.nix puts into variables: closure (of closureInfo), lock (Cargo.lock), program (its store path),
packageVersion, contractsRevision.
"""

import base64
import json
import os
import pathlib
import re
import tomllib
import urllib.parse
import uuid

# Nix's own base 32.
DIGITS = "0123456789abcdfghijklmnpqrsvwxyz"


def purl(kind, name, version=None):
    quoted = "/".join(urllib.parse.quote(part, safe="") for part in name.split("/"))
    return f"pkg:{kind}/{quoted}" + (f"@{urllib.parse.quote(version, safe='')}" if version else "")


def crates(tree, lock):
    """The crates as components, with the program's own first, and the crates that each depends on.
    `tree` has a line for each edge: <depth>|<name> v<version> (…)|<licence>, and (*) where a crate's own
    dependencies stand further up."""
    checksums = {(p["name"], p["version"]): p.get("checksum") for p in lock["package"]}
    found, edges, path = {}, {}, []
    for line in tree.splitlines():
        depth, crate, licence = line.split("|")
        name, version = re.match(r"(\S+) v(\S+)", crate).groups()
        ref = purl("cargo", name, version)
        path[int(depth) :] = [ref]
        edges.setdefault(ref, set())
        if len(path) > 1:
            edges[path[-2]].add(ref)
        if ref in found:
            continue
        component = {"type": "library" if len(path) > 1 else "application", "bom-ref": ref, "name": name, "version": version, "purl": ref}
        checksum = checksums[name, version]
        if checksum:
            component["hashes"] = [{"alg": "SHA-256", "content": checksum}]
        licence = licence.removesuffix(" (*)")
        if licence:
            # Before there were expressions, Cargo had a slash for OR.
            component["licenses"] = [{"expression": re.sub(r"\s*/\s*", " OR ", licence)}]
        found[ref] = component
    first, *rest = found.values()
    return [first, *sorted(rest, key=lambda c: c["bom-ref"])], edges


def sri(narhash):
    """A hash as `nix path-info` prints it, from sha256:<base 16 or Nix's base 32>."""
    kind, _, text = narhash.rpartition(":")
    assert kind == "sha256", narhash
    if len(text) == 64:
        data = bytes.fromhex(text)
    else:
        assert len(text) == 52, narhash
        data = sum(DIGITS.index(digit) << (5 * place) for place, digit in enumerate(reversed(text))).to_bytes(32, "little")
    return f"sha256-{base64.b64encode(data).decode()}"


def store_paths(registration):
    """The store paths as components, and the paths that each refers to. The text has for each path: the
    path, its hash, its size, its deriver, and the number of references before these."""
    lines = iter(registration.splitlines())
    found, edges = [], {}
    for path in lines:
        narhash, _, _, count = (next(lines) for _ in range(4))
        edges[path] = {next(lines) for _ in range(int(count))} - {path}
        # As builtins.parseDrvName: the version begins after the first hyphen without a letter behind it.
        name, _, version = re.match(r"/nix/store/[0-9a-z]{32}-(.+?)(-([^a-zA-Z].*))?$", path).groups()
        component = {"type": "library", "bom-ref": path, "name": name}
        component |= {"version": version} if version else {}
        component["purl"] = purl("nix", name, version)
        component["properties"] = [{"name": "nix:path", "value": path}, {"name": "nix:narHash", "value": sri(narhash)}]
        found.append(component)
    return sorted(found, key=lambda c: c["bom-ref"]), edges


def document(given):
    own, crate_edges = crates(pathlib.Path("crates").read_text(), tomllib.loads(pathlib.Path(given["lock"]).read_text()))
    paths, path_edges = store_paths((pathlib.Path(given["closure"]) / "registration").read_text())
    (manifest,) = json.loads(pathlib.Path("index.json").read_text())["manifests"]
    contracts = {"type": "data", "bom-ref": "contracts", "name": "contracts", "version": given["contractsRevision"]}
    edges = {**path_edges, **crate_edges}
    # The program's store path is made of the crates.
    edges[given["program"]] = edges[given["program"]] | {own[0]["bom-ref"]}
    referred = set().union(*path_edges.values())
    edges["image"] = {path for path in path_edges if path not in referred} | {"contracts"}
    edges["contracts"] = set()
    image = {
        "type": "container",
        "bom-ref": "image",
        "name": own[0]["name"],
        "version": given["packageVersion"],
        "hashes": [{"alg": "SHA-256", "content": manifest["digest"].removeprefix("sha256:")}],
    }
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": image},
        "components": [*own, *paths, contracts],
        "dependencies": [{"ref": ref, "dependsOn": sorted(on)} for ref, on in sorted(edges.items())],
    }


def main():
    bom = document(os.environ)
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(bom, sort_keys=True))
    print(json.dumps({"$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "serialNumber": f"urn:uuid:{serial}", **bom}, indent=2))


if __name__ == "__main__":
    main()
