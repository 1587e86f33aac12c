#!/usr/bin/env bash
# Checks infra/: the templates with cfn-lint and by their properties, the scripts with shellcheck and by
# running them. Needs Python with venv, nix-instantiate, shellcheck, jq and BusyBox; no cloud account.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
python=$("$here/../setup/venv.sh" "${CARGO_TARGET_DIR:-$root/target}/python-infra" "$here/requirements.txt")
shellcheck "$root/infra/gcp/setup" "$here/run.sh"
# Warnings and notes fail as well. The regions differ in the resource types and values that they know.
templates=("$root"/infra/aws/*.yaml)
"$(dirname "$python")/cfn-lint" --include-checks I --regions eu-west-1 eu-central-1 us-east-1 --template "${templates[@]}"
echo "${#templates[@]} templates are clean"
cd "$here"
exec "$python" -B -m unittest "$@"
