#!/usr/bin/env bash
# Installs what `make bench` needs in addition to `make test`, on Debian; on other systems lists what is
# missing.
set -euo pipefail
missing=()
for tool in kcat openssl; do
  command -v "$tool" >/dev/null 2>&1 || missing+=("$tool")
done
[ ${#missing[@]} -gt 0 ] || exit 0
if [ ! -e /etc/debian_version ]; then
  printf 'this machine lacks what make bench needs; install: %s\n' "${missing[*]}" >&2
  exit 1
fi
as_root=(env DEBIAN_FRONTEND=noninteractive apt-get)
[ "$(id -u)" = 0 ] || as_root=(sudo "${as_root[@]}")
"${as_root[@]}" update -qq
"${as_root[@]}" install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
