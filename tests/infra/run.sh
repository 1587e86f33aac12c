#!/usr/bin/env bash
# Checks infra/: the templates with cfn-lint and by their properties, the scripts with shellcheck and by
# running them. Needs Python with venv, nix-instantiate, shellcheck, jq and BusyBox; no cloud account.
# The Python packages are pinned with their hashes. To renew requirements.txt:
#   uv pip compile --universal --python-version 3.10 --generate-hashes --no-header --no-annotate \
#     requirements.in -o requirements.txt
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=${CARGO_TARGET_DIR:-$root/target}/python-infra
if [ ! -e "$venv/.complete" ] || [ "$here/requirements.txt" -nt "$venv/.complete" ]; then
  python3 -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$here/requirements.txt"
  touch "$venv/.complete"
fi
shellcheck "$root/infra/gcp/setup" "$here/run.sh"
# Warnings and notes fail as well. The regions differ in the resource types and values that they know.
templates=("$root"/infra/aws/*.yaml)
"$venv/bin/cfn-lint" --include-checks I --regions eu-west-1 eu-central-1 us-east-1 --template "${templates[@]}"
echo "${#templates[@]} templates are clean"
cd "$here"
exec "$venv/bin/python" -B -m unittest "$@"
