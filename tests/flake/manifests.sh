#!/usr/bin/env bash
# Tests the manifests: mistakes in the data are refused, kustomize/ is up to date, and kustomize's
# output is valid and has the intended content. Needs nix (no network), Go for kustomize, and Python
# with venv.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=${CARGO_TARGET_DIR:-$here/../../target}/python-manifests
if [ ! -e "$venv/.complete" ] || [ "$here/requirements.txt" -nt "$venv/.complete" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  touch "$venv/.complete"
fi
KUSTOMIZE=$("$here/tools.sh" kustomize)/kustomize
export KUSTOMIZE
cd "$here"
exec "$venv/bin/python" -B -m unittest "$@"
