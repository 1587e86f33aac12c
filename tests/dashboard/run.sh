#!/usr/bin/env bash
# Tests the dashboard's page in headless Chromium (Debian's package `chromium`): first against `mock.py`,
# which fails in every way, then against the program with PostgreSQL, InfluxDB and an instance.
# `run.sh PROGRAM [ARGUMENTS]`; arguments go to pytest: `run.sh target/debug/generic-consumer -k zoom`.
# DASHBOARD_URL instead: the page of a running server, without the tests that need faults.
# DASHBOARD_SHOTS=FOLDER keeps a screenshot of each state.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target}
program=$(realpath "${1:-$target/debug/generic-consumer}")
shift $(($# > 0))
python=$("$here/../setup/venv.sh" "$target/python-dashboard" "$here/requirements.txt")
cd "$here"
tests() { "$python" -B -m pytest -p no:cacheprovider --quiet --numprocesses 2 --durations 5 "$@"; }
if [ -n "${DASHBOARD_URL:-}" ]; then
  tests test_page.py "$@"
  exit
fi
tests test_page.py "$@"
INFLUXD=$("$here/../support/influx/install.sh" "$target/tools")
export INFLUXD
DASHBOARD_PROGRAM=$program tests test_page.py test_real.py "$@"
