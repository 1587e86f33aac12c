#!/usr/bin/env bash
# Runs Google's Java writers against the embedded BigQuery, at $1 (REST) and $2 (gRPC), both host:port.
# Fetches the jars to target/ the first time.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target}
mkdir -p "$target"
jars=$(cd "$target" && pwd)/java-clients
if [ ! -e "$jars/.complete" ] || [ "$here/pom.xml" -nt "$jars/.complete" ]; then
  "$here/../setup/maven.sh" "$here/pom.xml" "$jars"
  touch "$jars/.complete"
fi
classes=$(mktemp -d)
trap 'rm -rf "$classes"' EXIT
java -cp "$jars/*" org.eclipse.jdt.internal.compiler.batch.Main -17 -proc:none -nowarn \
  -cp "$(printf '%s:' "$jars"/*.jar)" -d "$classes" "$here/JsonWriters.java"
java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$classes:$jars/*" JsonWriters "$1" "$2"
