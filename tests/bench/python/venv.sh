#!/usr/bin/env bash
# Creates a virtual environment with the Python consumers' clients in the given folder, once, and prints
# the path of its Python.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
exec "$here/../../setup/venv.sh" "${1:?usage: venv.sh FOLDER}/python-bench" "$here/requirements.txt"
