#!/usr/bin/env bash
# Fetches tools that Debian lacks into ~/.cache/generic-consumer/bin, once: kustomize (from Go's module
# proxy) and nixfmt (from crates.io: the port to Rust, whose output is the same).
set -euo pipefail
# The version that ArgoCD 3.5 bundles.
kustomize=5.8.1
nixfmt=0.4.0
# Not $HOME, which differs inside a build; the stand-in for nixpkgs looks for the tools here too.
cache=$(getent passwd "$(id -u)" | cut -d: -f6)/.cache/generic-consumer
bin=$cache/bin
mkdir -p "$bin"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

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
with_cargo() {
  CARGO_TARGET_DIR="$work/target" cargo install --quiet --locked --root "$work" nixfmt_rs --version "$nixfmt"
}

for tool in "$@"; do
  case $tool in
    kustomize) fetch kustomize "$kustomize" with_go ;;
    nixfmt) fetch nixfmt "$nixfmt" with_cargo ;;
    *) echo "tools.sh: unknown tool: $tool" >&2; exit 2 ;;
  esac
done
echo "$bin"
