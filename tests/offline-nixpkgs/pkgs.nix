# The packages, made with this machine's compiler, cargo and libraries. Functions take exactly the
# argument names of nixpkgs and no `...`, so that a misspelt name fails here too.
system:
let
  lib = import ./lib.nix;
  inherit (import ./derivation.nix { inherit lib system; })
    make
    runCommand
    writeText
    initialPath
    compiler
    closure
    ;
  call =
    file: extra:
    import file (
      {
        inherit
          lib
          make
          runCommand
          writeText
          compiler
          ;
      }
      // extra
    );

  libraries = call ./libraries.nix { };
  stdenv = call ./stdenv.nix { inherit libraries; };
  rust = call ./rust.nix { inherit libraries; };

  # A package that links to a program of this machine, at the first of `places` that has it.
  tool =
    name: places:
    make {
      inherit name;
      meta.mainProgram = name;
      buildCommand = ''
        mkdir -p "$out/bin"
        for place in ${toString places}; do
          if [ -x "$place" ]; then ln -s "$place" "$out/bin/${name}"; exit 0; fi
        done
        echo "this machine has no ${name}: make nix installs it" >&2
        exit 1
      '';
    };
  debian =
    name:
    tool name [
      "/usr/bin/${name}"
      "/usr/sbin/${name}"
    ];
  # A Rust tool: rustup's, which needs RUSTUP_HOME because HOME differs in a build, or Debian's.
  rustTool =
    name:
    make {
      inherit name;
      meta.mainProgram = name;
      buildCommand = ''
        mkdir -p "$out/bin"
        for place in "$cargo/bin" /usr/bin; do
          if [ -x "$place/${name}" ]; then
            printf '#!/bin/bash\nRUSTUP_HOME="%s" exec "%s" "$@"\n' "$rustup" "$place/${name}" > "$out/bin/${name}"
            chmod +x "$out/bin/${name}"
            exit 0
          fi
        done
        echo "this machine has no ${name}: rustup component add rustfmt clippy" >&2
        exit 1
      '';
    };
  # A tool that tests/flake/tools.sh has fetched.
  fetched = name: tool name [ "$home/.cache/generic-consumer/bin/${name}" ];

  called =
    file: extra:
    let
      f = import file;
    in
    f (builtins.intersectAttrs (builtins.functionArgs f) pkgs // extra);

  pkgs = {
    inherit
      lib
      system
      runCommand
      stdenv
      ;
    inherit (libraries) openssl zlib zstd;
    inherit (stdenv) fetchFromGitHub;
    inherit (rust) rustPlatform;
    dockerTools = call ./docker.nix { };

    pkg-config = debian "pkg-config";
    python3 = debian "python3";
    which = debian "which";
    skopeo = debian "skopeo";
    coreutils = initialPath;
    kustomize = fetched "kustomize";
    nixfmt = fetched "nixfmt";
    nixfmt-tree = fetched "nixfmt";
    cargo-deny = fetched "cargo-deny";
    rustfmt = rustTool "rustfmt";
    cargo = rustTool "cargo";
    rustc = rustTool "rustc";
    clippy = rustTool "cargo-clippy";

    cacert = make {
      name = "nss-cacert";
      buildCommand = ''
        install -Dm444 /etc/ssl/certs/ca-certificates.crt "$out/etc/ssl/certs/ca-bundle.crt"
      '';
    };

    closureInfo =
      { rootPaths }:
      closure {
        name = "closure-info";
        exportReferencesGraph.closure = rootPaths;
      };

    writeShellApplication =
      {
        name,
        text,
        runtimeInputs ? [ ],
      }:
      make {
        inherit name text;
        passAsFile = [ "text" ];
        meta.mainProgram = name;
        buildCommand = ''
          mkdir -p "$out/bin"
          {
            echo '#!/bin/bash'
            echo 'set -o errexit -o nounset -o pipefail'
            echo 'export PATH="${
              builtins.concatStringsSep ":" (map (input: "${input}/bin") runtimeInputs)
            }:$PATH"'
            cat "$textPath"
          } > "$out/bin/${name}"
          chmod +x "$out/bin/${name}"
          bash -n "$out/bin/${name}"
        '';
      };

    mkShell =
      {
        packages ? [ ],
        inputsFrom ? [ ],
      }:
      make {
        name = "shell";
        nativeBuildInputs = packages;
        buildInputs = builtins.concatMap (from: from.buildInputs or [ ]) inputsFrom;
        buildCommand = ''mkdir "$out"'';
      };

    # Adds `override` and `overrideDerivation` to any result, as nixpkgs does.
    callPackage =
      file: extra:
      called file extra
      // {
        override = other: pkgs.callPackage file (extra // other);
        overrideDerivation = _: throw "the stand-in for nixpkgs has no overrideDerivation";
      };
    # Adds `override` to each package of a set.
    callPackages =
      file: extra:
      builtins.mapAttrs (
        name: package: package // { override = other: (pkgs.callPackages file (extra // other)).${name}; }
      ) (called file extra);
  };
in
pkgs
