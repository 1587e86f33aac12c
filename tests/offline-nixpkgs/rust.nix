# rustPlatform.buildRustPackage with this machine's cargo. Crates come from cargo's cache and are
# held against the checksums of the lock file, as nixpkgs' own fetcher does.
{
  lib,
  make,
  libraries,
  ...
}:
let
  vendor =
    { lockFile }:
    let
      crates = builtins.filter (p: p ? source) (builtins.fromTOML (builtins.readFile lockFile)).package;
      foreign = builtins.filter (p: !(p ? checksum)) crates;
    in
    assert
      foreign == [ ]
      || throw "not from a registry with a checksum: ${toString (map (p: p.name) foreign)}";
    make {
      name = "cargo-vendor-dir";
      list = lib.concatStrings (map (p: "${p.name} ${p.version} ${p.checksum}\n") crates);
      passAsFile = [ "list" ];
      inherit lockFile;
      buildCommand = ''
        mkdir -p "$out"
        cp "$lockFile" "$out/Cargo.lock"
        while read -r name version sum; do
          crate=$(echo "$cargo"/registry/cache/*/"$name-$version.crate")
          echo "$sum  $crate" | sha256sum --status -c || { echo "wrong or missing: $crate"; exit 1; }
          tar xzf "$crate" -C "$out"
          printf '{"files":{},"package":"%s"}' "$sum" > "$out/$name-$version/.cargo-checksum.json"
        done < "$listPath"
      '';
    };

  # As in stdenv.nix, and the store's loader, so that the program needs nothing of the machine.
  linking =
    inputs:
    [
      "-Wl,--dynamic-linker=${libraries.glibc}/lib/ld-linux-x86-64.so.2"
      "-Wl,--disable-new-dtags"
    ]
    ++ map (input: "-Wl,-rpath,${input}/lib") (
      [
        libraries.glibc
        libraries.libgcc
      ]
      ++ inputs
    );
in
{
  rustPlatform.buildRustPackage =
    {
      pname,
      version,
      src,
      cargoLock,
      buildNoDefaultFeatures ? false,
      buildFeatures ? [ ],
      nativeBuildInputs ? [ ],
      buildInputs ? [ ],
      nativeCheckInputs ? [ ],
      doCheck ? true,
      cargoTestFlags ? [ ],
      meta ? { },
    }:
    make {
      inherit
        pname
        version
        src
        buildInputs
        meta
        ;
      nativeBuildInputs = nativeBuildInputs ++ nativeCheckInputs;
      vendored = vendor cargoLock;
      target = "x86_64-unknown-linux-gnu";
      buildCommand = ''
        export PATH=$PATH:$cargo/bin:/usr/bin
        export CARGO_HOME=$NIX_BUILD_TOP/cargo RUSTUP_HOME=$rustup HOME=$NIX_BUILD_TOP
        cp -r "$src" source
        chmod -R u+w source
        cd source
        cmp Cargo.lock "$vendored/Cargo.lock"
        mkdir -p "$CARGO_HOME"
        cat > "$CARGO_HOME/config.toml" <<END
        [source.crates-io]
        replace-with = "vendored"
        [source.vendored]
        directory = "$vendored"
        [target.$target]
        rustflags = [
          ${lib.concatStrings (map (flag: "\"-Clink-arg=${flag}\", ") (linking buildInputs))}
          "--remap-path-prefix=$vendored=/vendor", "--remap-path-prefix=$NIX_BUILD_TOP=/build",
        ]
        END
        flags=(--release --offline --frozen --target "$target" -j "$NIX_BUILD_CORES"
          ${if buildNoDefaultFeatures then "--no-default-features" else ""}
          --features ${lib.escapeShellArg (builtins.concatStringsSep "," buildFeatures)})
        cargo build "''${flags[@]}"
        mkdir -p "$out/bin"
        find "target/$target/release" -maxdepth 1 -type f -executable ! -name '*.so' -exec cp -t "$out/bin" {} +
        ${if doCheck then ''cargo test "''${flags[@]}" ${toString cargoTestFlags}'' else ""}
      '';
    };
}
