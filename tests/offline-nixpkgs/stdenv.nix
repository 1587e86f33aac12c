# stdenv.mkDerivation's configure, make, make install with this machine's compiler; and
# fetchFromGitHub, served from the crate that carries the same tree: Nix verifies the hash.
{
  make,
  compiler,
  libraries,
  ...
}:
let
  # The machine's compiler, linking against store paths. DT_RPATH, because it holds for the
  # libraries' own libraries too.
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
      || throw "without internet ${owner}/${repo} cannot be fetched";
    make {
      name = "source";
      outputHashMode = "recursive";
      outputHashAlgo = null;
      outputHash = hash;
      buildCommand = ''
        crate=$(echo "$cargo"/registry/cache/*/rdkafka-sys-*+${builtins.substring 1 (-1) rev}.crate)
        if [ ! -e "$crate" ]; then echo "cargo fetch has to run first: $crate" >&2; exit 1; fi
        tar xzf "$crate"
        cp -r rdkafka-sys-*/librdkafka "$out"
      '';
    };
}
