#!/usr/bin/env bash
# Prints the path of Prometheus: this machine's, or else Debian's, which is unpacked once into the given
# folder. It is not installed, because Debian's package would start a server.
set -euo pipefail
folder=${1:?usage: prometheus.sh FOLDER}
command -v prometheus && exit
program=$folder/prometheus/usr/bin/prometheus
if [ ! -x "$program" ]; then
  command -v apt-get >/dev/null || { echo "prometheus.sh: install Prometheus (https://prometheus.io)" >&2; exit 1; }
  mkdir -p "$folder"
  new=$(mktemp -d "$folder/prometheus.new.XXXXXX")
  trap 'rm -rf "$new"' EXIT
  # Where a machine has no package lists yet, they are fetched, which needs root.
  if ! (cd "$new" && apt-get -qq download prometheus) 2>"$new/why"; then
    apt-get -qq update >&2 && (cd "$new" && apt-get -qq download prometheus >&2) ||
      { cat "$new/why" >&2; exit 1; }
  fi
  dpkg-deb --extract "$new"/prometheus_*.deb "$new/prometheus"
  rm -rf "$folder/prometheus"
  mv "$new/prometheus" "$folder/prometheus"
fi
echo "$program"
