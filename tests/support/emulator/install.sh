#!/usr/bin/env bash
# Builds goccy/bigquery-emulator as go.mod and go.sum pin it, under the folder given (minutes, once),
# and prints where it is. Takes the machine's Go where it is new enough, else a pinned one from the
# module proxy.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:?usage: install.sh FOLDER}
package=github.com/goccy/bigquery-emulator
version=$(awk -v package="$package" '$1 == "require" && $2 == package { print $3 }' "$here/go.mod")
go_needed=25        # 1.25, by the emulator's go.mod
go_pinned=1.25.4
declare -A go_sha256=(
  [amd64]=f4fa35e13952bae9836a82d8cf077710cd58fee98d31680f94edf435852b1af2
  [arm64]=2f51856a090fbee308b1e38e19eb46f59827b1518c61afb4cc46cc4f649b1799
)
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
program=$folder/bigquery-emulator-$version
echo "$program"
if [ -x "$program" ]; then exit; fi
trap 'rm -rf "$folder"/*.new.$$' EXIT

minor() { "$1" version 2>/dev/null | sed -nE 's/.* go1\.([0-9]+).*/\1/p'; }

pinned_go() {
  local arch; arch=$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
  local sum=${go_sha256[$arch]:?no Go is pinned for this processor: install Go 1.$go_needed or later}
  local name=v0.0.1-go$go_pinned.linux-$arch
  local go=$folder/golang.org/toolchain@$name/bin/go
  if [ ! -x "$go" ]; then
    python3 - "${GOPROXY:-https://proxy.golang.org}" "$name" "$sum" "$folder" <<'PY'
import hashlib, io, os, sys, urllib.request, zipfile
proxies, name, digest, folder = sys.argv[1:]
proxy = proxies.replace("|", ",").split(",")[0].rstrip("/")
data = urllib.request.urlopen(f"{proxy}/golang.org/toolchain/@v/{name}.zip").read()
if hashlib.sha256(data).hexdigest() != digest:
    sys.exit(f"install.sh: Go's toolchain {name} is not the pinned one")
zipfile.ZipFile(io.BytesIO(data)).extractall(folder)
root = os.path.join(folder, f"golang.org/toolchain@{name}")
for programs in ("bin", "pkg/tool"):  # a zip of Go modules keeps no modes
    for where, _, files in os.walk(os.path.join(root, programs)):
        for file in files:
            os.chmod(os.path.join(where, file), 0o755)
PY
  fi
  echo "$go"
}

go=go
found=$(minor go || true)
if [ "${found:-0}" -lt "$go_needed" ]; then go=$(pinned_go); fi
# Its SQL engine is one package of hundreds of megabytes: two at a time fit into 8 GB.
env GOFLAGS=-buildvcs=false GOTOOLCHAIN=local \
  "$go" build -C "$here" -p 2 -o "$program.new.$$" "$package/cmd/bigquery-emulator" >&2
mv "$program.new.$$" "$program"
