# The librdkafka that the crate rdkafka-sys asks for, from its pinned source.
# Its own configure, because the CMake build gives SCRAM and OAUTHBEARER only together with Cyrus
# SASL. The hash is the tag's and, byte for byte, that of the copy inside the crate.
{
  stdenv,
  fetchFromGitHub,
  openssl,
  zlib,
  zstd,
  pkg-config,
  python3,
  which,
}:
let
  version = "2.12.1";

  # rdkafka-sys 4.10.0+2.12.1 carries librdkafka's version behind the plus.
  inherit (builtins)
    elemAt
    filter
    fromTOML
    head
    readFile
    split
    ;
  crate = head (filter (p: p.name == "rdkafka-sys") (fromTOML (readFile ../../Cargo.lock)).package);
  locked = elemAt (split "\\+" crate.version) 2;
in
assert
  version == locked
  || throw "nix/librdkafka builds librdkafka ${version}, but Cargo.lock's rdkafka-sys ${crate.version} asks for ${locked}: set version = \"${locked}\" and the hash of its tag.";
stdenv.mkDerivation {
  pname = "librdkafka";
  inherit version;
  src = fetchFromGitHub {
    owner = "confluentinc";
    repo = "librdkafka";
    rev = "v${version}";
    hash = "sha256-BqATSZgAYIfIGt9OMXN6UYkFW7fQH4ifyaz3gTVmUso=";
  };
  nativeBuildInputs = [
    pkg-config
    # The linker's version script is written by Python.
    python3
    which
  ];
  # rdkafka.pc names all three.
  buildInputs = [
    openssl
    zlib
    zstd
  ];
  # `configure` and the linker script's generator are run by their first lines.
  preConfigure = "patchShebangs .";
  # lz4 and snappy are in the source.
  configureFlags = [
    "--enable-ssl"
    "--enable-zlib"
    "--enable-zstd"
    "--disable-gssapi"
    "--disable-curl"
    "--disable-lz4-ext"
  ];
  # The C library alone: no C++, no examples.
  makeFlags = [
    "-C"
    "src"
  ];
  enableParallelBuilding = true;
  postInstall = "rm -rf $out/lib/*.a $out/lib/pkgconfig/*-static.pc $out/share";
  meta.description = "Kafka client library, as rdkafka-sys pins it";
}
