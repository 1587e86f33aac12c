#!/usr/bin/env bash
# Installs what the tests of remote configuration run against, into the given folder if it is missing:
# moto, which serves S3, with the hashes of requirements.txt, and fake-gcs-server, which serves Google
# Cloud Storage, built as go.mod and go.sum say. Prints the paths of moto_server's Python and of
# fake-gcs-server.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:?usage: install.sh FOLDER}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

"$here/../../setup/venv.sh" "$folder/python-stores" "$here/requirements.txt"

package=github.com/fsouza/fake-gcs-server
version=$(awk -v package="$package" '$1 == "require" { $1 = ""; $0 = $0; } $1 == package { print $2 }' "$here/go.mod")
program=$folder/fake-gcs-server-${version:?go.mod names no version of fake-gcs-server}
echo "$program"
if [ -x "$program" ]; then exit; fi
trap 'rm -rf "$program.new.$$"' EXIT
go=$("$here/../../setup/go.sh" "$folder")
env GOFLAGS=-buildvcs=false GOTOOLCHAIN=local "$go" build -C "$here" -p 2 -o "$program.new.$$" "$package" >&2
mv "$program.new.$$" "$program"
