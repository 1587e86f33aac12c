#!/usr/bin/env bash
# Builds InfluxDB 1.8, pinned by go.mod and go.sum, into the given folder if it is missing (this takes a
# minute), and prints its path. It has the API of InfluxDB 1 and that of 2 for writing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:?usage: install.sh FOLDER}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
package=github.com/influxdata/influxdb
version=$(awk -v package="$package" '$1 == "require" && $2 == package { print $3 }' "$here/go.mod")
program=$folder/influxd-${version:?go.mod names no version of InfluxDB}
echo "$program"
if [ -x "$program" ]; then exit; fi
trap 'rm -rf "$program.new.$$"' EXIT

go=$("$here/../../setup/go.sh" "$folder")
# Without C: only the query language Flux, which the tests do not use, is slower so.
env GOFLAGS=-buildvcs=false GOTOOLCHAIN=local CGO_ENABLED=0 \
  "$go" build -C "$here" -p 2 -ldflags="-s -w" -o "$program.new.$$" "$package/cmd/influxd" >&2
mv "$program.new.$$" "$program"
