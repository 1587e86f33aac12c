#!/usr/bin/env bash
# Tests the deployment tools and the jobs, two tests at a time. Each has its own folder, remote and
# registries. Arguments go to pytest: `run.sh -k rollback`.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=$("$here/../setup/venv.sh" "${CARGO_TARGET_DIR:-$here/../../target}/python-delivery" "$here/requirements.txt")
cd "$here"
exec "$python" -B -m pytest -p no:cacheprovider --quiet --numprocesses 2 --dist worksteal --durations 10 "$@"
