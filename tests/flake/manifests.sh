#!/usr/bin/env bash
# Tests the manifests: mistakes in the data are refused, kustomize/ is up to date, and kustomize's
# output is valid and has the intended content. Needs nix (no network), Go for kustomize, and Python
# with venv.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=$("$here/../setup/venv.sh" "${CARGO_TARGET_DIR:-$here/../../target}/python-manifests" "$here/requirements.txt")
KUSTOMIZE=$("$here/tools.sh" kustomize)/kustomize
export KUSTOMIZE
cd "$here"
exec "$python" -B -m unittest "$@"
