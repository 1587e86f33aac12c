#!/usr/bin/env bash
# Fuzzes the transcoder against its plain twin for FUZZ_SECONDS (600), from the kept corpus and the
# contract's accepted and rejected samples, and keeps what is new in it, minimised. The argument is
# the target folder. No nightly toolchain: the compiler's coverage passes are asked for by hand.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export CARGO_TARGET_DIR=$1/fuzz RUSTC_BOOTSTRAP=1
version=0.13.2
tools=$1/tools/cargo-fuzz-$version
if [ ! -x "$tools/bin/cargo-fuzz" ]; then
  cargo install --locked --quiet --root "$tools" --target-dir "$1/cargo-fuzz" "cargo-fuzz@$version"
fi
fuzz() { "$tools/bin/cargo-fuzz" fuzz "$@"; }
fuzz run --fuzz-dir . --sanitizer none transcode -- \
  -max_total_time="${FUZZ_SECONDS:-600}" -max_len=4096 -dict=transcode.dict -print_final_stats=1
# The fewest inputs that reach everything: what is not among them is not worth a file.
least=$CARGO_TARGET_DIR/least
rm -rf "$least"
mkdir -p "$least"
fuzz run --fuzz-dir . --sanitizer none transcode "$least" corpus/transcode -- -set_cover_merge=1
rm -r corpus/transcode
mv "$least" corpus/transcode
