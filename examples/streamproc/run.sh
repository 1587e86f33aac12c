#!/usr/bin/env bash
# Runs StreamProc on this machine, for `make streamproc`. CHECK=1 compares and ends; RATE and EVENTS change how
# much is produced.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
python=python3 arguments=(--rate "${RATE:-100/s}")
if [ "${CHECK:-0}" != 0 ]; then
  python=$("$root/tests/setup/venv.sh" "$target/python-streamproc" "$here/requirements.txt")
  arguments=(--rate "${RATE:-500/s}" --check "${EVENTS:-2000}")
fi
influxd=$("$root/tests/support/influx/install.sh" "$target/tools")
exec "$python" -B "$here/run.py" "$target/debug/generic-consumer" "$influxd" "$target" "${arguments[@]}"
