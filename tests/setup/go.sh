#!/usr/bin/env bash
# Prints the path of a Go that is new enough: this machine's, or else a pinned version, which is fetched
# once from the module proxy into the given folder.
set -euo pipefail
folder=${1:?usage: go.sh FOLDER}
go_needed=25        # 1.25, from the emulator's go.mod; kustomize needs less
go_pinned=1.25.4
declare -A go_sha256=(
  [amd64]=f4fa35e13952bae9836a82d8cf077710cd58fee98d31680f94edf435852b1af2
  [arm64]=2f51856a090fbee308b1e38e19eb46f59827b1518c61afb4cc46cc4f649b1799
)

found=$(go version 2>/dev/null | sed -nE 's/.* go1\.([0-9]+).*/\1/p' || true)
if [ "${found:-0}" -ge "$go_needed" ]; then
  command -v go
  exit
fi

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
arch=$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
sum=${go_sha256[$arch]:?there is no pinned Go for this processor: install Go 1.$go_needed or later}
name=v0.0.1-go$go_pinned.linux-$arch
go=$folder/golang.org/toolchain@$name/bin/go
if [ ! -x "$go" ]; then
  python3 - "${GOPROXY:-https://proxy.golang.org}" "$name" "$sum" "$folder" <<'PY'
import hashlib, io, os, sys, urllib.request, zipfile
proxies, name, digest, folder = sys.argv[1:]
proxy = proxies.replace("|", ",").split(",")[0].rstrip("/")
data = urllib.request.urlopen(f"{proxy}/golang.org/toolchain/@v/{name}.zip").read()
if hashlib.sha256(data).hexdigest() != digest:
    sys.exit(f"go.sh: the fetched Go toolchain {name} does not have the pinned checksum")
zipfile.ZipFile(io.BytesIO(data)).extractall(folder)
root = os.path.join(folder, f"golang.org/toolchain@{name}")
for programs in ("bin", "pkg/tool"):  # a module's zip does not keep file modes
    for where, _, files in os.walk(os.path.join(root, programs)):
        for file in files:
            os.chmod(os.path.join(where, file), 0o755)
PY
fi
echo "$go"
