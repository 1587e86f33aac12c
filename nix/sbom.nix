# What is in the image, as a CycloneDX document: the crates that the program is made of, the store paths
# and the contracts.
{
  runCommand,
  closureInfo,
  rustPlatform,
  cargo,
  rustc,
  python3,
  package,
  image,
}:
let
  cargoOn = import ./cargo.nix { inherit rustPlatform; };
in
runCommand "${package.pname}.cdx.json"
  {
    nativeBuildInputs = [
      cargo
      rustc
      python3
    ];
    closure = closureInfo { rootPaths = image.shipped; };
    inherit image;
    lock = ../Cargo.lock;
    program = package;
    packageVersion = package.version;
    inherit (image) contractsRevision;
  }
  ''
    ${cargoOn package.src}
    # Only crates whose code is in the program: no proc macros, and nothing for builds or tests.
    cargo tree --offline --locked --no-default-features --features ${toString package.features} \
      --edges normal,no-proc-macro --prefix depth --format '|{p}|{l}' > ../crates
    cd ..
    tar -xOf "$image" ./index.json > index.json
    python3 ${./sbom.py} > "$out"
  ''
