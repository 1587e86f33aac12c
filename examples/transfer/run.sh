#!/usr/bin/env bash
# Tells what a transfer is, step by step, for `make transfer-demo`. CHECK=1 says less, compares more, and ends.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
python=python3 arguments=()
if [ "${CHECK:-0}" != 0 ]; then
  python=$("$root/tests/setup/venv.sh" "$target/python-transfer" "$here/requirements.txt")
  arguments=(--check)
fi
exec "$python" -B "$here/run.py" "$target/debug/generic-consumer" "$target" "${arguments[@]}"
