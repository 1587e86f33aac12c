# The program. With `local` it contains the embedded broker and the embedded BigQuery, for `nix run`
# and the tests; the image's program is built without.
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

  # The files that the build sees. A change in kustomize/ or nix/ does not rebuild the program.
  sources = [
    "Cargo.toml"
    "Cargo.lock"
    "src"
  ];
  # Further files that the tests read.
  tested = [
    ".env"
    "README.md"
    "config"
    "contracts"
    "docs/reference"
    "docs/tutorial.md"
    "examples/ccx/.env"
    "examples/ccx/contracts"
    "examples/ccx/results.env"
    "examples/streamproc/contracts"
    "examples/transfer/contracts"
    "schemas"
    "tests/ccx/config.yaml"
    "tests/embedded_bigquery"
    "tests/fast"
    "tests/fuzz/corpus"
    "tests/live"
    "tests/model"
    "tests/support"
  ];
  features = [ "system-librdkafka" ] ++ lib.optionals local [ "local" ];
  root = toString ../.;
  only =
    listed: path:
    let
      relative = lib.removePrefix "${root}/" (toString path);
    in
    builtins.any (
      entry:
      relative == entry
      # Files below the entry, and the folders above it.
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
  buildFeatures = features;
  nativeBuildInputs = [ pkg-config ];
  buildInputs = [
    librdkafka
    # Required by rdkafka.pc.
    openssl
    zlib
    zstd
  ];
  # Runs tests/fast, whose tests run the program with these libraries; the others are the same in any
  # build, take minutes or need peers (`make test`). They run as a debug build: the release profile
  # aborts on panic, which tests cannot, so testing it would compile every crate again.
  doCheck = local;
  checkType = "debug";
  cargoTestFlags = [
    "--test"
    "fast"
  ];
  # Some tests create TLS clients, which load certificates.
  nativeCheckInputs = [ cacert ];
  # What a shell completes, and the manual, where shells and `man` look for them. The image has neither.
  postInstall = lib.optionalString local ''
    program=$out/bin/${manifest.name}
    share=$out/share
    mkdir -p $share/bash-completion/completions $share/zsh/site-functions $share/fish/vendor_completions.d
    $program completions bash > $share/bash-completion/completions/${manifest.name}
    $program completions zsh > $share/zsh/site-functions/_${manifest.name}
    $program completions fish > $share/fish/vendor_completions.d/${manifest.name}.fish
    $program man $share/man/man1
  '';
  # For the bill of materials.
  passthru = { inherit features; };
  meta = {
    inherit (manifest) description;
    mainProgram = manifest.name;
  };
}
