#!/usr/bin/env bash
# Installs what `make test` needs and this machine lacks, on Debian; on other systems lists it.
# `install.sh nix` also installs Nix, for the manifests; `install.sh delivery` also installs the tools that
# the jobs call; `install.sh infra` also installs the tools that check infra/; `install.sh image` also
# installs the tools that build and run the image; `install.sh browser` also installs what the dashboard
# is tested with; `install.sh ccx` also installs what the framework of CCX runs with.
set -euo pipefail

rust_needed=90      # 1.90, rust-version in Cargo.toml
java_needed=17      # Kafka 4
packages=()         # names of Debian's packages
missing=()          # what they contain, for people on other systems

has() { command -v "$1" >/dev/null 2>&1; }
want() { missing+=("$1"); shift; packages+=("$@"); }

java_version() { java -version 2>&1 | sed -nE '1s/.*"([0-9]+)[."].*/\1/p'; }

if ! has cc && ! has gcc && ! has clang; then want "a C compiler" gcc libc6-dev; fi
has c++ || want "a C++ compiler" g++
has make || want "make" make
has perl || want "perl" perl
has git || want "git" git
has java && [ "$(java_version)" -ge "$java_needed" ] || want "Java $java_needed or later" java
[ -n "$(compgen -G '/usr/lib/postgresql/*/bin/initdb')" ] || has initdb || want "PostgreSQL 15 or later" postgresql
has mvn || want "Maven (mvn)" maven
case ${1:-} in
  browser)
    has chromium || [ -n "${DASHBOARD_CHROMIUM:-}" ] || want "Chromium" chromium
    [ -n "$(compgen -G '/usr/share/fonts/truetype/dejavu/*.ttf')" ] || want "a font" fonts-dejavu-core
    ;;
  ccx)
    has unzip || want "unzip" unzip
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || want "Python 3.11 or later" python3
    ;;
  nix) has nix-instantiate || want "Nix 2.8 or later" nix-bin ;;
  delivery)
    has nix-instantiate || want "Nix 2.8 or later" nix-bin
    has skopeo || want "skopeo" skopeo
    has jq || want "jq" jq
    ;;
  infra)
    has nix-instantiate || want "Nix 2.8 or later" nix-bin
    has shellcheck || want "shellcheck" shellcheck
    has jq || want "jq" jq
    has busybox || want "BusyBox" busybox
    ;;
  image)
    has nix || want "Nix 2.8 or later" nix-bin
    has skopeo || want "skopeo" skopeo
    # Without recommended packages, podman's network needs the other two named here.
    has podman || want "podman" podman netavark iptables
    has runc || want "runc" runc
    # The stand-in for nixpkgs uses these from the machine.
    has pkg-config || want "pkg-config" pkg-config
    [ -e /usr/include/openssl/ssl.h ] || want "OpenSSL's headers" libssl-dev
    [ -e /usr/include/zlib.h ] || want "zlib's headers" zlib1g-dev
    [ -e /usr/include/zstd.h ] || want "zstd's headers" libzstd-dev
    [ -e /etc/ssl/certs/ca-certificates.crt ] || want "certificates" ca-certificates
    ;;
esac
has openssl || want "openssl" openssl
has setpriv || want "setpriv (util-linux)" util-linux
if ! has python3 || ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
  want "Python 3 with venv" python3 python3-venv ca-certificates
fi

apt() {
  if [ "$(id -u)" = 0 ]; then env DEBIAN_FRONTEND=noninteractive apt-get "$@"
  else sudo env DEBIAN_FRONTEND=noninteractive apt-get "$@"; fi
}

if [ ${#packages[@]} -gt 0 ]; then
  if [ ! -e /etc/debian_version ] || ! has apt-get; then
    printf 'this machine lacks what make test needs; install:\n' >&2
    printf '  - %s\n' "${missing[@]}" >&2
    exit 1
  fi
  echo "installing: ${missing[*]}"
  apt update -qq
  # Debian 12 has Java 17, later releases have newer ones.
  for index in "${!packages[@]}"; do
    [ "${packages[$index]}" = java ] || continue
    packages[index]=default-jre-headless
    for version in 17 21 25; do
      if apt-cache show "openjdk-$version-jre-headless" >/dev/null 2>&1; then
        packages[index]="openjdk-$version-jre-headless"
        break
      fi
    done
  done
  apt install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

# Rust is installed last, with Debian's rustup, because Debian's rustc is usually too old.
rust_minor() { cargo --version 2>/dev/null | sed -nE 's/^cargo 1\.([0-9]+).*/\1/p'; }
if ! has cargo && [ -e /etc/debian_version ] && ! has rustup; then
  apt update -qq && apt install -y -qq --no-install-recommends rustup >/dev/null 2>&1 || true
fi
if has rustup && [ "$(rust_minor || echo 0)" -lt "$rust_needed" ] 2>/dev/null; then
  rustup toolchain install stable --profile minimal --component clippy,rustfmt
fi
minor=$(rust_minor || true)
if [ -z "$minor" ] || [ "$minor" -lt "$rust_needed" ]; then
  echo "make test needs Rust 1.$rust_needed or later: install it with rustup (https://rustup.rs)" >&2
  exit 1
fi
for tool in rustfmt cargo-clippy; do
  has "$tool" || { echo "make test needs $tool: rustup component add rustfmt clippy" >&2; exit 1; }
done
