#!/usr/bin/env bash
# Fuzzes the transcoder against its oracle (src/transcode/tests) for FUZZ_SECONDS (600), starting
# from the corpus in this folder. New inputs are added to the corpus, which is then minimised. The
# argument is the target folder. RUSTC_BOOTSTRAP enables the compiler's coverage instrumentation
# without a nightly toolchain.
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
# Keeps the smallest set of inputs that covers as much code as all of them.
smallest=$CARGO_TARGET_DIR/smallest
rm -rf "$smallest"
mkdir -p "$smallest"
fuzz run --fuzz-dir . --sanitizer none transcode "$smallest" corpus/transcode -- -set_cover_merge=1
rm -r corpus/transcode
mv "$smallest" corpus/transcode
