#!/usr/bin/env bash
# Runs cargo-deny on the dependencies: licences, bans and sources always, advisories if their database
# can be reached. CARGO_DENY names another cargo-deny.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
deny=${CARGO_DENY:-$(tests/flake/tools.sh cargo-deny)/cargo-deny}

"$deny" --locked check licenses bans sources
if why=$("$deny" --locked fetch db 2>&1); then
  "$deny" --locked check advisories
else
  echo "$why" >&2
  echo "advisories NOT CHECKED: cannot reach the advisory database" >&2
fi
