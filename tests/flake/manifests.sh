#!/usr/bin/env bash
# Tests the manifests: mistakes in the data are refused, kustomize/ is up to date, and kustomize's
# output is valid and has the intended content; alerts fire when they should, and the dashboard's queries
# are queries. Needs nix (no network), Go for kustomize, Prometheus (Debian's is fetched) and Python with
# venv.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target}
python=$("$here/../setup/venv.sh" "$target/python-manifests" "$here/requirements.txt")
KUSTOMIZE=$("$here/tools.sh" kustomize)/kustomize
PROMETHEUS=$("$here/../setup/prometheus.sh" "$target/tools")
export KUSTOMIZE PROMETHEUS
cd "$here"
# Arguments name modules, those of the image too, or single tests.
if [ $# != 0 ]; then exec "$python" -B -m unittest "$@"; fi
# A class's tests share what they have rendered, so they stay in one process.
exec "$python" -B -m pytest -p no:cacheprovider --quiet -o verbosity_subtests=0 --numprocesses 2 --dist loadscope --durations 5
