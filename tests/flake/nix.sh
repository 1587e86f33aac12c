#!/usr/bin/env bash
# The flake without internet, on the stand-in for nixpkgs: every check, the image, and the image at
# work in podman. NIXPKGS=locked does the same on the locked nixpkgs, with internet.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
KUSTOMIZE=$("$here/tools.sh" nixfmt kustomize)/kustomize
export KUSTOMIZE
export NIX_CONFIG='
experimental-features = nix-command flakes
warn-dirty = false'
override=()
if [ "${NIXPKGS:-}" != locked ]; then
  if [ -e /nix ] && [ ! -w /nix/store ] || [ ! -e /nix ] && [ "$(id -u)" != 0 ]; then
    echo "make nix builds without Nix's daemon, in /nix: run it as root, or as the user whom /nix belongs to" >&2
    exit 1
  fi
  # Builds use this machine's tools, as its user: no sandbox, no build users, no caches to ask.
  NIX_CONFIG+='
build-users-group =
sandbox = false
substituters ='
  override=(--no-write-lock-file --override-input nixpkgs "path:$here/../offline-nixpkgs")
  # The crates that a build finds in cargo's cache.
  cargo fetch --quiet --locked --manifest-path "$root/Cargo.toml"
fi

# On the same Nix: `make deploy-demo`.
if [ "${1:-}" = demo ]; then
  cd "$here/../delivery"
  exec python3 -B demo.py
fi

began=$SECONDS
nix flake check -L "$root" "${override[@]}"
echo "nix flake check: $((SECONDS - began)) s"

# "$@" names single tests.
if [ $# = 0 ]; then set -- check_flake check_image check_run; fi
"$here/manifests.sh" --verbose "$@"
