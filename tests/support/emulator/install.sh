#!/usr/bin/env bash
# Builds goccy/bigquery-emulator, pinned by go.mod and go.sum, into the given folder if it is missing
# (this takes minutes), and prints its path.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:?usage: install.sh FOLDER}
package=github.com/goccy/bigquery-emulator
version=$(awk -v package="$package" '$1 == "require" && $2 == package { print $3 }' "$here/go.mod")
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
program=$folder/bigquery-emulator-$version
echo "$program"
if [ -x "$program" ]; then exit; fi
trap 'rm -rf "$folder"/*.new.$$' EXIT

go=$("$here/../../setup/go.sh" "$folder")
# The SQL engine is one package of hundreds of megabytes. Compiling two packages at a time fits into 8 GB.
env GOFLAGS=-buildvcs=false GOTOOLCHAIN=local \
  "$go" build -C "$here" -p 2 -o "$program.new.$$" "$package/cmd/bigquery-emulator" >&2
mv "$program.new.$$" "$program"
