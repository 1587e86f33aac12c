#!/usr/bin/env bash
# Tests the generated archives and what reads them, then runs the rules of the example through the program and
# through CCX's own framework, and compares what both find. `run.sh PROGRAM [ARGUMENTS]`; arguments go to pytest.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}
program=${1:-$CARGO_TARGET_DIR/debug/generic-consumer}
shift $(($# > 0))
python=$("$root/tests/setup/venv.sh" "$CARGO_TARGET_DIR/python-ccx" "$here/requirements.txt")
export PYTHONDONTWRITEBYTECODE=1
"$python" -m pytest -p no:cacheprovider --quiet "$here" "$@"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" "$here/archives.py" "$folder/archives"
"$python" "$here/run_ours.py" "$program" "$root/examples/ccx/contracts/rules/ccx_v1" "$folder/archives" "$folder/ours.json" &
"$python" "$here/run_theirs.py" "$folder/archives" "$folder/theirs.json"
wait $!
if ! "$python" "$here/compare.py" "$folder/ours.json" "$folder/theirs.json" --known "$here/known_differences.json" >"$folder/compared"; then
  cat "$folder/compared"
  exit 1
fi
tail -n 1 "$folder/compared"
