#!/usr/bin/env bash
# Runs the pipeline CCX on this machine, for `make ccx`. CHECK=1 compares and ends; RATE and EVENTS change how
# much is uploaded.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
python=$("$root/tests/setup/venv.sh" "$target/python-ccx" "$root/tests/ccx/requirements.txt")
arguments=(--rate "${RATE:-2/s}")
if [ "${CHECK:-0}" != 0 ]; then arguments=(--rate "${RATE:-20/s}" --check "${EVENTS:-100}"); fi
exec "$python" -B "$here/run.py" "$target/debug/generic-consumer" "$target" "${arguments[@]}"
