#!/usr/bin/env bash
# Creates a virtual environment with the Python consumers' clients in the given folder, once, and prints
# the path of its Python.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=${1:?usage: venv.sh FOLDER}/python-bench
if [ ! -e "$venv/.complete" ] || [ "$here/requirements.txt" -nt "$venv/.complete" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
  touch "$venv/.complete"
fi
echo "$venv/bin/python"
