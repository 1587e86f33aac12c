# The beginning of a build that asks cargo about the crates, without network: it changes into a copy of
# the sources, and cargo finds every crate of Cargo.lock. Needs `cargo` among nativeBuildInputs.
{ rustPlatform }:
sources: ''
  export HOME=$PWD CARGO_HOME=$PWD/cargo
  mkdir "$CARGO_HOME"
  cat > "$CARGO_HOME/config.toml" <<END
  [source.crates-io]
  replace-with = "vendored"
  [source.vendored]
  directory = "${rustPlatform.importCargoLock { lockFile = ../Cargo.lock; }}"
  END
  cp -r --no-preserve=mode ${sources} sources
  cd sources
''
