# stdenv.mkDerivation (configure, make, make install) with this machine's compiler; and
# fetchFromGitHub, which takes the source from the crate that contains it. Nix verifies the hash.
{
  make,
  compiler,
  libraries,
  ...
}:
let
  # Flags to link against store paths. DT_RPATH, because it also applies to the libraries that a
  # library needs.
  linking =
    inputs:
    "-Wl,--disable-new-dtags "
    + toString (
      map (input: "-Wl,-rpath,${input}/lib") (
        [
          libraries.glibc
          libraries.libgcc
        ]
        ++ inputs
      )
    );
in
{
  mkDerivation =
    {
      pname,
      version,
      src,
      nativeBuildInputs ? [ ],
      buildInputs ? [ ],
      preConfigure ? "",
      configureFlags ? [ ],
      makeFlags ? [ ],
      enableParallelBuilding ? false,
      postInstall ? "",
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
      nativeBuildInputs = nativeBuildInputs ++ [ compiler ];
      LDFLAGS = linking buildInputs;
      buildCommand = ''
        patchShebangs() { :; }
        cp -r "$src" source
        chmod -R u+w source
        cd source
        quietly() { "$@" >> ../log 2>&1 || { tail -50 ../log; exit 1; }; }
        ${preConfigure}
        quietly ./configure --prefix="$out" ${toString configureFlags}
        quietly make ${if enableParallelBuilding then "-j$NIX_BUILD_CORES" else ""} ${toString makeFlags}
        quietly make ${toString makeFlags} install
        ${postInstall}
        find "$out/lib" -name '*.so*' -type f -exec strip --strip-unneeded {} +
      '';
    };

  fetchFromGitHub =
    {
      owner,
      repo,
      rev,
      hash,
    }:
    assert
      "${owner}/${repo}" == "confluentinc/librdkafka"
      || throw "the stand-in for nixpkgs cannot fetch ${owner}/${repo}";
    make {
      name = "source";
      outputHashMode = "recursive";
      outputHashAlgo = null;
      outputHash = hash;
      buildCommand = ''
        crate=$(echo "$cargo"/registry/cache/*/rdkafka-sys-*+${builtins.substring 1 (-1) rev}.crate)
        if [ ! -e "$crate" ]; then echo "missing: $crate; run cargo fetch first" >&2; exit 1; fi
        tar xzf "$crate"
        cp -r rdkafka-sys-*/librdkafka "$out"
      '';
    };
}
