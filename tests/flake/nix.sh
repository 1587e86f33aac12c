#!/usr/bin/env bash
# Runs the flake's checks without internet, on the stand-in for nixpkgs, then tests the image and runs
# it in podman. NIXPKGS=locked does the same with the locked nixpkgs, which needs internet.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
KUSTOMIZE=$("$here/tools.sh" nixfmt kustomize cargo-deny)/kustomize
export KUSTOMIZE
export NIX_CONFIG='
experimental-features = nix-command flakes
warn-dirty = false'
override=()
if [ "${NIXPKGS:-}" != locked ]; then
  if [ -e /nix ] && [ ! -w /nix/store ] || [ ! -e /nix ] && [ "$(id -u)" != 0 ]; then
    echo "make nix builds in /nix without Nix's daemon: run it as root, or as the owner of /nix" >&2
    exit 1
  fi
  # Builds use this machine's tools as the current user: no sandbox, no build users, no caches.
  NIX_CONFIG+='
build-users-group =
sandbox = false
substituters ='
  override=(--no-write-lock-file --override-input nixpkgs "path:$here/../offline-nixpkgs")
  # Builds take the crates from cargo's cache.
  cargo fetch --quiet --locked --manifest-path "$root/Cargo.toml"
fi

# `make deploy-demo` uses the same Nix configuration.
if [ "${1:-}" = demo ]; then
  cd "$here/../delivery"
  exec python3 -B demo.py
fi

began=$SECONDS
nix flake check -L "$root" "${override[@]}"
echo "nix flake check: $((SECONDS - began)) s"

# Arguments name single tests.
if [ $# = 0 ]; then set -- check_flake check_image check_sbom check_signed check_run; fi
"$here/manifests.sh" --verbose "$@"
