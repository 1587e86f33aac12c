# rustPlatform.buildRustPackage and importCargoLock, with this machine's cargo. Crates come from cargo's cache; their
# checksums are compared with the lock file, as nixpkgs' fetcher does.
{
  lib,
  make,
  compiler,
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
      || throw "these crates have no checksum in Cargo.lock: ${toString (map (p: p.name) foreign)}";
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

  # As in stdenv.nix, and with the loader from the store, so that the program uses no library of the
  # machine.
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

  # What nixpkgs calls a type is a profile of cargo's, but for `debug`, and the name of its folder.
  # nixpkgs also exports a variable with the name in it.
  profile =
    type:
    assert
      builtins.match "[A-Za-z0-9_]+" type != null
      || throw "buildType `${type}` is not a part of a variable's name";
    if type == "debug" then "dev" else type;
in
{
  rustPlatform.importCargoLock = vendor;
  rustPlatform.buildRustPackage =
    {
      pname,
      version,
      src,
      cargoLock,
      buildType ? "release",
      buildNoDefaultFeatures ? false,
      buildFeatures ? [ ],
      nativeBuildInputs ? [ ],
      buildInputs ? [ ],
      nativeCheckInputs ? [ ],
      doCheck ? true,
      checkType ? buildType,
      cargoTestFlags ? [ ],
      postInstall ? "",
      passthru ? { },
      meta ? { },
    }:
    make {
      inherit
        pname
        version
        src
        buildInputs
        passthru
        meta
        ;
      nativeBuildInputs = nativeBuildInputs ++ nativeCheckInputs ++ [ compiler ];
      vendored = vendor cargoLock;
      target = "x86_64-unknown-linux-gnu";
      linking = toString (linking buildInputs);
      buildCommand = ''
        # rustup's tools, or Debian's.
        mkdir tools
        for tool in cargo rustc rustdoc; do
          for place in "$cargo/bin" /usr/bin; do
            if [ -x "$place/$tool" ]; then ln -s "$place/$tool" "tools/$tool"; break; fi
          done
        done
        export PATH=$PATH:$PWD/tools
        export CARGO_HOME=$NIX_BUILD_TOP/cargo RUSTUP_HOME=$rustup HOME=$NIX_BUILD_TOP

        # Compiled crates are kept for builds with the same crates, libraries and compilers; the
        # program itself is always compiled again. All builds use the same folders, because their
        # paths are part of rustc's arguments.
        kept=$home/.cache/generic-consumer/crates
        mkdir -p "$kept"
        exec 9> "$kept/lock"
        /usr/bin/flock 9
        inputs="$vendored $linking $(rustc -vV; cc --version)"
        if [ "$(cat "$kept/inputs" 2> /dev/null)" != "$inputs" ]; then
          rm -rf "$kept/target"
          echo "$inputs" > "$kept/inputs"
        fi
        export CARGO_TARGET_DIR=$kept/target CARGO_INCREMENTAL=0
        rm -rf "$kept/source" "$CARGO_TARGET_DIR/$target/${buildType}/${pname}"
        cp -r "$src" "$kept/source"
        chmod -R u+w "$kept/source"
        cd "$kept/source"
        cmp Cargo.lock "$vendored/Cargo.lock"
        mkdir -p "$CARGO_HOME"
        cat > "$CARGO_HOME/config.toml" <<END
        [source.crates-io]
        replace-with = "vendored"
        [source.vendored]
        directory = "$vendored"
        [target.$target]
        rustflags = [
          $(printf '"-Clink-arg=%s", ' $linking)
          "--remap-path-prefix=$vendored=/vendor", "--remap-path-prefix=$kept=/build",
        ]
        END
        flags=(--offline --frozen --target "$target" -j "$NIX_BUILD_CORES"
          ${if buildNoDefaultFeatures then "--no-default-features" else ""}
          --features ${lib.escapeShellArg (builtins.concatStringsSep "," buildFeatures)})
        cargo clean --quiet --offline --target "$target" --profile ${profile buildType} --package ${pname}
        cargo build --profile ${profile buildType} "''${flags[@]}"
        install -Dm755 "$CARGO_TARGET_DIR/$target/${buildType}/${pname}" "$out/bin/${pname}"
        ${postInstall}
        ${
          if doCheck then
            ''
              cargo clean --quiet --offline --target "$target" --profile ${profile checkType} --package ${pname}
              # The tests wait for timeouts more than they compute.
              RUST_TEST_THREADS=8 cargo test --profile ${profile checkType} "''${flags[@]}" ${toString cargoTestFlags}
            ''
          else
            ""
        }
      '';
    };
}
