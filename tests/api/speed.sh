#!/usr/bin/env bash
# Measures events a second and events a core-second of a running event API: `speed.sh PID BODY EVENTS
# [CONTENT_TYPE]`, where PID is the API's process and BODY a file with EVENTS events. Needs wrk (Debian's
# package) and a release build; API_ADDR is 127.0.0.1:8080 by default.
set -euo pipefail
usage="usage: speed.sh PID BODY EVENTS [CONTENT_TYPE]"
pid=${1:?$usage} body=${2:?$usage} events=${3:?$usage} kind=${4:-application/json}
seconds=${SECONDS_MEASURED:-10}
script=$(mktemp --suffix .lua)
trap 'rm -f "$script"' EXIT
cat >"$script" <<END
wrk.method = "POST"
wrk.headers["Content-Type"] = "$kind"
local file = io.open("$body", "r")
wrk.body = file:read("*a")
file:close()
END
ticks() { awk '{ print $14 + $15 }' "/proc/$pid/stat"; }
post() { wrk -t1 -c"${CONNECTIONS:-32}" -d"$1s" --latency -s "$script" "http://${API_ADDR:-127.0.0.1:8080}/v1/events"; }
post 2 >/dev/null
before=$(ticks)
report=$(post "$seconds")
after=$(ticks)
echo "$report"
if grep -q "Non-2xx" <<<"$report"; then echo "some requests were refused"; exit 1; fi
requests=$(awk '/requests in/ { print $1 }' <<<"$report")
awk -v n="$((requests * events))" -v cpu="$((after - before))" -v hz="$(getconf CLK_TCK)" -v s="$seconds" \
  'BEGIN { printf "%.0f events/s, %.2f s of CPU, %.0f events a core-second\n", n / s, cpu / hz, n / (cpu / hz) }'
