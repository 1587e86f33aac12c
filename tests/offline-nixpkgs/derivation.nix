# The derivation under all packages: built by bash, with only the tools of nixpkgs' stdenv on its PATH,
# so that an undeclared input is missing here as it is there.
{ lib, system }:
let
  # coreutils, findutils, diffutils, sed, grep, awk, tar, compressors, make, bash, patch.
  tools = "[ awk base64 basename bash bunzip2 bzip2 cat chmod chown cmp comm cp csplit cut date dd diff dirname du echo egrep env expand expr false fgrep file find fmt fold gawk getconf grep gunzip gzip head hostname id install join ln ls make md5sum mkdir mkfifo mktemp mv nl nproc od paste patch pr printenv printf pwd readlink realpath rm rmdir sed seq sh sha1sum sha256sum sha512sum shuf sleep sort split stat stty sum sync tac tail tar tee test timeout touch tr true truncate tsort tty uname unexpand uniq unlink unxz wc xargs xz yes zcat";

  # The folders of the user's tools. Inside a build HOME is not the user's home.
  places = ''
    home=$(/usr/bin/getent passwd "$(/usr/bin/id -u)" | /usr/bin/cut -d: -f6)
    for cargo in "$home/.cargo" /usr/local/cargo; do [ -d "$cargo/registry" ] && break; done
    for rustup in "$home/.rustup" /usr/local/rustup; do [ -d "$rustup" ] && break; done
  '';

  raw =
    attributes:
    derivation (
      {
        inherit system;
        builder = "/bin/bash";
        LC_ALL = "C";
        # 1980, as in nixpkgs: zip archives cannot have earlier times.
        SOURCE_DATE_EPOCH = "315532800";
        preferLocalBuild = true;
        allowSubstitutes = false;
      }
      // attributes
    );

  initialPath = raw {
    name = "initial-path";
    args = [
      "-euc"
      ''
        /usr/bin/mkdir -p $out/bin
        for tool in ${tools}; do
          for place in /usr/bin /bin; do
            if [ -x $place/$tool ]; then /usr/bin/ln -s $place/$tool "$out/bin/$tool"; break; fi
          done
        done
        exit 0
      ''
    ];
  };

  # The compiler and its linker, which stdenv also has.
  compiler = raw {
    name = "compiler";
    args = [
      "-euc"
      ''
        /usr/bin/mkdir -p $out/bin
        for tool in cc c++ gcc g++ cpp ar as ld ld.bfd nm objcopy objdump ranlib readelf strip; do
          if [ -x /usr/bin/$tool ]; then /usr/bin/ln -s /usr/bin/$tool "$out/bin/$tool"; fi
        done
        exit 0
      ''
    ];
  };

  # Builds with `buildCommand`; takes name (or pname and version), meta and passthru as nixpkgs does.
  make =
    {
      buildCommand,
      nativeBuildInputs ? [ ],
      buildInputs ? [ ],
      meta ? { },
      passthru ? { },
      ...
    }@attributes:
    let
      # pkg-config finds only the declared inputs, not the machine's libraries.
      declared = builtins.filter (input: input ? outPath) (buildInputs ++ nativeBuildInputs);
      built = raw (
        builtins.removeAttrs attributes [
          "buildCommand"
          "nativeBuildInputs"
          "buildInputs"
          "meta"
          "passthru"
          "pname"
          "version"
        ]
        // {
          name = attributes.name or "${attributes.pname}-${attributes.version}";
          PATH = lib.concatStrings (map (input: "${input}/bin:") nativeBuildInputs) + "${initialPath}/bin";
          PKG_CONFIG_LIBDIR = builtins.concatStringsSep ":" (map (input: "${input}/lib/pkgconfig") declared);
          args = [
            "-euo"
            "pipefail"
            "-c"
            # The last command is a builtin: Nix 2.8 kills a builder whose last command closes its
            # output before it ends, as coreutils' programs do.
            "${places}\n${buildCommand}\nexit 0\n"
          ];
        }
      );
    in
    built
    // passthru
    // {
      inherit meta buildInputs;
    }
    // (if attributes ? pname then { inherit (attributes) pname version; } else { });

  # closureInfo's files. With structured attributes Nix tells a builder the hashes of the store paths, and
  # passes no variables but through a file.
  closure =
    attributes:
    raw (
      attributes
      // {
        __structuredAttrs = true;
        args = [
          "-euc"
          ''
            . "''${NIX_ATTRS_SH_FILE:-.attrs.sh}"
            /usr/bin/mkdir -p "''${outputs[out]}"
            /usr/bin/python3 ${./closure.py} "''${NIX_ATTRS_JSON_FILE:-.attrs.json}" "''${outputs[out]}"
            exit 0
          ''
        ];
      }
    );

  runCommand =
    name: environment: buildCommand:
    make (environment // { inherit name buildCommand; });

  writeText =
    name: text:
    make {
      inherit name text;
      passAsFile = [ "text" ];
      buildCommand = ''cp "$textPath" "$out"'';
    };
in
{
  inherit
    make
    runCommand
    writeText
    initialPath
    compiler
    closure
    ;
}
