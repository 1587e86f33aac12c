#!/usr/bin/env bash
# Lints the Jenkinsfiles with npm-groovy-lint; even an "info" fails. Needs Java 17 and Node 20; if Node
# is older or missing, it is installed as a Python wheel.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}/groovy-lint
mkdir -p "$target"

node_major() { node --version 2>/dev/null | sed -nE 's/^v([0-9]+).*/\1/p'; }
if ! command -v npm >/dev/null || [ "$(node_major)" -lt 20 ]; then
  if [ ! -x "$target/node/bin/npm" ]; then
    "$here/../setup/venv.sh" "$target/node" "$here/lint/node.txt" >/dev/null
  fi
  PATH=$target/node/bin:$PATH
fi
if ! cmp -s "$here/lint/package.json" "$target/package.json" || [ ! -e "$target/.complete" ]; then
  cp "$here/lint/package.json" "$here/lint/package-lock.json" "$target/"
  npm ci --prefix "$target" --silent --no-audit --no-fund >/dev/null
  touch "$target/.complete"
fi
lint() { "$target/node_modules/.bin/npm-groovy-lint" --noserver --config "$root" --failon info "$@"; }

if [ $# -gt 0 ]; then lint "$@"; exit; fi
jobs=("$root/Jenkinsfile" "$root"/jenkins/*)
output=$(lint "${jobs[@]}") || { echo "$output"; exit 1; }
# A file that the linter does not recognise as Groovy is skipped, which would pass as well.
sed 's/\x1b\[[0-9;]*m//g' <<<"$output" | grep -F "in ${#jobs[@]} linted files" >/dev/null ||
  { echo "$output"; echo "lint.sh: not all ${#jobs[@]} files were linted" >&2; exit 1; }
echo "${#jobs[@]} Jenkinsfiles are clean"
