#!/usr/bin/env bash
# Installs what `make instructions` needs: valgrind, and gungraun's runner in the version of Cargo.lock.
# Prints the runner's path. The argument is the target folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
tools=$1/tools
if ! command -v valgrind >/dev/null 2>&1; then
  if [ ! -e /etc/debian_version ]; then
    echo 'make instructions needs valgrind, which this machine lacks: install it' >&2
    exit 1
  fi
  as_root=(env DEBIAN_FRONTEND=noninteractive apt-get)
  [ "$(id -u)" = 0 ] || as_root=(sudo "${as_root[@]}")
  "${as_root[@]}" update -qq >&2
  "${as_root[@]}" install -y -qq --no-install-recommends valgrind libc6-dbg >&2
fi
version=$(sed -n '/^name = "gungraun-runner"$/{n;s/^version = "\(.*\)"$/\1/p;}' Cargo.lock)
runner=$tools/gungraun-runner-$version/bin/gungraun-runner
if [ ! -x "$runner" ]; then
  cargo install --locked --quiet --root "$tools/gungraun-runner-$version" \
    --target-dir "$1/gungraun-runner" "gungraun-runner@$version" >&2
fi
printf '%s\n' "$runner"
