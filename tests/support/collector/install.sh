#!/usr/bin/env bash
# Builds an OpenTelemetry Collector with the receiver of OTLP and the exporter to files, pinned by go.mod
# and go.sum, into the given folder if it is missing (this takes a minute or two), and prints its path.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:?usage: install.sh FOLDER}
package=go.opentelemetry.io/collector/otelcol
version=$(awk -v package="$package" '$1 == package { print $2 }' "$here/go.mod")
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
program=$folder/otelcol-${version:?go.mod names no version of the collector}
echo "$program"
if [ -x "$program" ]; then exit; fi
trap 'rm -rf "$program.new.$$"' EXIT
go=$("$here/../../setup/go.sh" "$folder")
env GOFLAGS=-buildvcs=false GOTOOLCHAIN=local "$go" build -C "$here" -p 2 -o "$program.new.$$" . >&2
mv "$program.new.$$" "$program"
