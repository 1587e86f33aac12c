#!/usr/bin/env bash
# Runs Google's own clients against the embedded BigQuery, at $1 (REST) and $2 (gRPC), both host:port.
# Creates its virtual environment under target/ the first time.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=$("$here/../setup/venv.sh" "${CARGO_TARGET_DIR:-$here/../../target}/python-clients" "$here/requirements.txt")
exec "$python" "$here/google_clients.py" "$1" "$2"
