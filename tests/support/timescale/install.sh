#!/usr/bin/env bash
# Installs PGlite with TimescaleDB, pinned by package-lock.json, into the given folder if it is missing.
# Prints the paths of Node and of the server's script. If Node 20 is missing, it is installed as a
# Python wheel.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:?usage: install.sh FOLDER}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

node_major() { node --version 2>/dev/null | sed -nE 's/^v([0-9]+).*/\1/p'; }
if ! command -v npm >/dev/null || [ "$(node_major)" -lt 20 ]; then
  if [ ! -x "$folder/node/bin/npm" ]; then
    "$here/../../setup/venv.sh" "$folder/node" "$here/../../delivery/lint/node.txt" >/dev/null
  fi
  PATH=$folder/node/bin:$PATH
fi
version=$(sed -nE 's/.*"@unni-craftsman\/pglite": "([^"]+)".*/\1/p' "$here/package.json")
target=$folder/timescale-${version:?package.json names no version of pglite}
if [ ! -e "$target/.complete" ]; then
  mkdir -p "$target"
  cp "$here/package.json" "$here/package-lock.json" "$target/"
  npm ci --prefix "$target" --silent --no-audit --no-fund --ignore-scripts >&2
  touch "$target/.complete"
fi
# The script finds its packages from where it lies.
cp "$here/server.mjs" "$target/server.mjs.$$"
mv "$target/server.mjs.$$" "$target/server.mjs"
command -v node
echo "$target/server.mjs"
