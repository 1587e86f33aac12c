"""Writes the files of nixpkgs' closureInfo, from what Nix says about a closure."""

import json
import pathlib
import sys

given, out = map(pathlib.Path, sys.argv[1:])
found = sorted(json.loads(given.read_text())["closure"], key=lambda each: each["path"])
lines = [[each["path"], each["narHash"], each["narSize"], "", len(each["references"]), *each["references"]] for each in found]
(out / "registration").write_text("".join(f"{line}\n" for each in lines for line in each))
(out / "store-paths").write_text("".join(f"{each['path']}\n" for each in found))
