#!/usr/bin/env bash
# Runs schemathesis against the event API of two contracts, on the embedded broker: one with the event
# type in the payload, one with the type in a header. Schemathesis makes requests from /openapi.json,
# good and bad ones, and compares every answer with what the document says. `run.sh PROGRAM`
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
program=${1:-$target/debug/generic-consumer}
python=$("$here/../setup/venv.sh" "$target/python-api" "$here/requirements.txt")
folder=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true; rm -rf "$folder"' EXIT
token=schemathesis-$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
echo "$token" >"$folder/tokens"
cat >"$folder/.env" <<'END'
IMPORT_PATH_DELIVERY='contracts.delivery.delivery_events_v10'
IMPORT_OBJECT_DELIVERY='DeliveryEventsV10Topic'
IMPORT_PATH_ORDERS='contracts.orders.order_events_v1'
IMPORT_OBJECT_ORDERS='OrderEventsV1Topic'
BQ_TABLE='events'
CONSUME_ENV='local'
GROUP_ID='api'
WRITE_ENV='local'
CONSUME__LOCAL__BOOTSTRAP_SERVERS='embedded'
WRITE__LOCAL__PROJECT='local'
WRITE__LOCAL__DATASET='events'
WRITE__LOCAL__ENDPOINT__REST='embedded'
WRITE__LOCAL__ENDPOINT__STORAGE='embedded'
METRICS_ADDR='127.0.0.1:0'
END
export SCHEMATHESIS_HOOKS=hooks PYTHONPATH=$here PYTHONDONTWRITEBYTECODE=1
cd "$folder"
for domain in DELIVERY ORDERS; do
  # OpenAPI cannot say which header belongs to which body: a good body of another type is refused.
  unless=()
  [ "$domain" != ORDERS ] || unless=(--exclude-checks positive_data_acceptance)
  port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  CONTRACTS_DIR="$root/contracts" API_TOKENS_FILE="$folder/tokens" API_ADDR="127.0.0.1:$port" \
    "$program" api "$domain" 2>"$domain.log" &
  pid=$!
  # The seed is fixed so that a failure is the change's. SCHEMATHESIS_SEED chooses another.
  if ! "$(dirname "$python")/schemathesis" run "http://127.0.0.1:$port/openapi.json" \
    --wait-for-schema 30 --header "Authorization: Bearer $token" --checks all --max-examples 60 \
    --suppress-health-check all "${unless[@]}" \
    --seed "${SCHEMATHESIS_SEED:-1}" --generation-database none --continue-on-failure >"$domain.out" 2>&1; then
    cat "$domain.out" "$domain.log"
    exit 1
  fi
  grep -E '^ *[0-9]+ generated' "$domain.out" | sed "s/^ */$domain: /"
  kill "$pid"
  if ! wait "$pid"; then echo "the API of $domain did not end with 0"; cat "$domain.log"; exit 1; fi
  pid=
done
