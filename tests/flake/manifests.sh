#!/usr/bin/env bash
# The manifests: data that is wrong is refused, kustomize/ is in step, and what kustomize makes of
# it is valid and as meant. Needs nix (no network), Go for kustomize, Python with venv.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target}/flake-tests
# The version that ArgoCD 3.5 bundles; kubectl's own is compared with it where there is one.
kustomize=5.8.1
mkdir -p "$target"

if [ ! -x "$target/kustomize-$kustomize" ]; then
  GOBIN="$target/bin" go install "sigs.k8s.io/kustomize/kustomize/v5@v$kustomize"
  mv "$target/bin/kustomize" "$target/kustomize-$kustomize"
fi
venv=$target/python
if [ ! -e "$venv/.complete" ] || [ "$here/requirements.txt" -nt "$venv/.complete" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  touch "$venv/.complete"
fi

export KUSTOMIZE="$target/kustomize-$kustomize"
cd "$here"
exec "$venv/bin/python" -B -m unittest "$@"
