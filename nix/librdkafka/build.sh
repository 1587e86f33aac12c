#!/usr/bin/env bash
# The library of default.nix without Nix, for the benchmark and the live tests: `build.sh FOLDER`
# builds it there once, from the source inside the crate, and prints where it is.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)

crate=$(sed -n '/^name = "rdkafka-sys"$/{n;s/^version = "\(.*\)"$/\1/p}' "$here/../../Cargo.lock")
made_of=$({ echo "$crate"; cc --version; cat "$here"/{build.sh,flags.sh,options} "$here"/*.patch; } | sha256sum)
built=$folder/librdkafka-${crate#*+}-${made_of:0:12}
if [ -e "$built" ]; then
  echo "$built"
  exit
fi

cargo fetch --locked --quiet --manifest-path "$here/../../Cargo.toml" >&2
archive=$(echo "${CARGO_HOME:-$HOME/.cargo}"/registry/cache/*/"rdkafka-sys-$crate.crate")
work=$(mktemp -d "$folder/librdkafka.XXXXXX")
trap 'rm -rf "$work"' EXIT
quietly() { "$@" >> "$work/log" 2>&1 || { tail -50 "$work/log" >&2; exit 1; }; }
tar xzf "$archive" -C "$work"
cd "$work/rdkafka-sys-$crate/librdkafka"
for patch in "$here"/*.patch; do quietly patch -p1 -i "$patch"; done
# shellcheck source=nix/librdkafka/flags.sh
. "$here/flags.sh"
mapfile -t options < "$here/options"
quietly ./configure --prefix="$built" "${options[@]}"
quietly make -C src -j"$(nproc)"
quietly make -C src install DESTDIR="$work/installed"
# Whole or not at all.
mv "$work/installed$built" "$built"
echo "$built"
