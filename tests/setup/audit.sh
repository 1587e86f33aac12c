#!/usr/bin/env bash
# Runs cargo-deny on the dependencies: licences, bans and sources always, advisories if their database
# can be reached.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

version=0.18.5
tools="${CARGO_TARGET_DIR:-$PWD/target}/tools"
deny="$tools/bin/cargo-deny"
if command -v cargo-deny >/dev/null; then
  deny=cargo-deny
elif [ ! -x "$deny" ]; then
  echo "installing cargo-deny $version (takes minutes, once)"
  cargo install --locked --root "$tools" "cargo-deny@$version"
fi

"$deny" --locked check licenses bans sources
if "$deny" --locked fetch db 2>/dev/null; then
  "$deny" --locked check advisories
else
  echo "advisories NOT CHECKED: cannot reach the advisory database" >&2
fi
