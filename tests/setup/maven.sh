#!/usr/bin/env bash
# Fetches the jars that a pom.xml pins, with all that they depend on, into the folder given.
set -euo pipefail
usage="usage: maven.sh POM FOLDER"
pom=${1:?$usage}
into=${2:?$usage}
command -v mvn >/dev/null || { echo "maven.sh: mvn (Apache Maven) is missing" >&2; exit 1; }
# Into a folder of its own first: one that is there is whole.
new="$into.new.$$"
trap 'rm -rf "$new"' EXIT
mvn -q -B -f "$pom" dependency:copy-dependencies "-DoutputDirectory=$new" >&2
rm -rf "$into"
mv "$new" "$into"
