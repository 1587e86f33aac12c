# The program. `local` has the embedded broker and the embedded BigQuery, for `nix run` and the
# tests; without it, for the image, it is the consumer alone.
{
  lib,
  rustPlatform,
  librdkafka,
  openssl,
  zlib,
  zstd,
  pkg-config,
  cacert,
  local ? true,
}:
let
  manifest = (builtins.fromTOML (builtins.readFile ../Cargo.toml)).package;

  # What the build sees is listed, so that neither kustomize/ nor nix/ changes the program.
  sources = [
    "Cargo.toml"
    "Cargo.lock"
    "src"
  ];
  # What the tests look at besides.
  tested = [
    ".env"
    "config"
    "contracts"
    "docs/reference"
    "tests/embedded_bigquery"
    "tests/fast"
    "tests/fuzz/corpus"
    "tests/live"
    "tests/model"
    "tests/support"
  ];
  root = toString ../.;
  only =
    listed: path:
    let
      relative = lib.removePrefix "${root}/" (toString path);
    in
    builtins.any (
      entry:
      relative == entry
      # What is below it, and the folders above it.
      || lib.hasPrefix "${entry}/" relative
      || lib.hasPrefix "${relative}/" entry
    ) listed;
in
rustPlatform.buildRustPackage {
  pname = manifest.name;
  inherit (manifest) version;
  src = lib.cleanSourceWith {
    name = "${manifest.name}-source";
    src = ../.;
    filter = path: _: only (if local then sources ++ tested else sources) path;
  };
  # Checksums come from the lock file: no hash to maintain, no second input.
  cargoLock.lockFile = ../Cargo.lock;
  # Optimised as a whole. Its name has no hyphen, because nixpkgs makes a variable's name of it.
  buildType = "dist";
  buildNoDefaultFeatures = true;
  buildFeatures = [ "system-librdkafka" ] ++ lib.optionals local [ "local" ];
  nativeBuildInputs = [ pkg-config ];
  buildInputs = [
    librdkafka
    # rdkafka.pc asks for them.
    openssl
    zlib
    zstd
  ];
  # Unit tests and the fast ones; the others need minutes or peers (`make test`). In a debug build:
  # what is shipped aborts on panic, which tests cannot, so every crate would be built once more.
  doCheck = local;
  checkType = "debug";
  cargoTestFlags = [
    "--lib"
    "--test"
    "fast"
  ];
  # TLS clients are built in some tests, and look for certificates.
  nativeCheckInputs = [ cacert ];
  meta = {
    inherit (manifest) description;
    mainProgram = manifest.name;
  };
}
