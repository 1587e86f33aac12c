#!/usr/bin/env bash
# Runs Google's own clients against the embedded BigQuery, at $1 (REST) and $2 (gRPC), both host:port.
# Creates its virtual environment under target/ the first time.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=${CARGO_TARGET_DIR:-$here/../../target}/python-clients
if [ ! -e "$venv/.complete" ] || [ "$here/requirements.txt" -nt "$venv/.complete" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  touch "$venv/.complete"
fi
exec "$venv/bin/python" "$here/google_clients.py" "$1" "$2"
