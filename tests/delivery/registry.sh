#!/usr/bin/env bash
# Prints the path of docker-registry. If it is not installed, unpacks Debian's package into
# ~/.cache/generic-consumer; installing the package would start a service.
set -euo pipefail
if command -v docker-registry; then exit; fi
cache=$(getent passwd "$(id -u)" | cut -d: -f6)/.cache/generic-consumer/docker-registry
if [ ! -x "$cache/usr/bin/docker-registry" ]; then
  command -v apt-get >/dev/null || { echo "registry.sh: docker-registry is missing, and this is not Debian: install it" >&2; exit 1; }
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  # apt-get downloads as another user, who has to write here.
  chmod 755 "$work"
  cd "$work"
  download() { apt-get download docker-registry >&2; }
  download || { if [ "$(id -u)" = 0 ]; then apt-get update -qq; else sudo apt-get update -qq; fi >&2; download; }
  dpkg-deb -x docker-registry_*.deb unpacked
  mkdir -p "$(dirname "$cache")"
  rm -rf "$cache"
  mv unpacked "$cache"
fi
echo "$cache/usr/bin/docker-registry"
