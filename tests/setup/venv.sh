#!/usr/bin/env bash
# Creates a virtual environment with pinned Python packages in the given folder, once and again when the
# pins change, and prints the path of its Python. pip accepts only files with the hashes in the list. To
# renew a list:
#   uv pip compile --universal --python-version 3.10 --generate-hashes --no-header --no-annotate \
#     requirements.in -o requirements.txt
set -euo pipefail
usage="usage: venv.sh FOLDER REQUIREMENTS"
venv=${1:?$usage}
requirements=${2:?$usage}
if ! cmp -s "$requirements" "$venv/.complete"; then
  python3 -m venv --clear "$venv" >&2
  "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$requirements" >&2
  cp "$requirements" "$venv/.complete"
fi
echo "$venv/bin/python"
