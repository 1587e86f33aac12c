#!/usr/bin/env bash
# Fetches Apache Kafka's jars, in the versions that pom.xml pins, into the given folder.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
into=${1:?usage: fetch.sh FOLDER}
command -v mvn >/dev/null || { echo "fetch.sh: mvn (Apache Maven) is missing" >&2; exit 1; }
# Fetches into another folder and renames it, so that the given folder is never incomplete.
new="$into.new.$$"
trap 'rm -rf "$new"' EXIT
mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies "-DoutputDirectory=$new" >&2
rm -rf "$into"
mv "$new" "$into"
