#!/usr/bin/env bash
# Draws the Grafana dashboard with the numbers of a running StreamProc into docs/grafana.png, or into the given
# file. MINUTES says how long it runs (6).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
python=$("$here/../setup/venv.sh" "$target/python-grafana" "$here/requirements.txt")
influxd=$("$here/../support/influx/install.sh" "$target/tools")
PROMETHEUS=$("$here/../setup/prometheus.sh" "$target/tools")
export PROMETHEUS
exec "$python" -B "$here/picture.py" "${GENERIC_CONSUMER:-$target/debug/generic-consumer}" "$influxd" "$target" \
  "${1:-$root/docs/grafana.png}" --minutes "${MINUTES:-6}"
