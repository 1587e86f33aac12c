# This machine's C libraries, copied to store paths. A program that refers to these has a complete
# closure and runs without the machine's own libraries.
{ make, ... }:
let
  # Copies shared objects, by soname, from wherever the machine has them.
  take = ''
    take() {
      for name in "$@"; do
        for folder in /lib64 /lib/*-linux-gnu /usr/lib/*-linux-gnu; do
          if [ -e "$folder/$name" ]; then cp -L "$folder/$name" "$out/lib/$name"; continue 2; fi
        done
        echo "this machine has no $name" >&2; exit 1
      done
    }
    mkdir -p "$out/lib/pkgconfig"
  '';
  version = name: "$(env -u PKG_CONFIG_LIBDIR /usr/bin/pkg-config --modversion ${name})";
  describe = name: libs: ''
    cat > "$out/lib/pkgconfig/${name}.pc" <<END
    Name: ${name}
    Description: ${name} of this machine
    Version: ${version name}
    Libs: -L$out/lib ${libs}
    Cflags: -I/usr/include
    END
  '';
  library =
    name: buildCommand:
    make {
      inherit name;
      buildCommand = take + buildCommand;
    };
in
{
  glibc = library "glibc" ''
    take ld-linux-x86-64.so.2 libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1 libresolv.so.2
    rmdir "$out/lib/pkgconfig"
  '';
  libgcc = library "libgcc" ''
    take libgcc_s.so.1
    rmdir "$out/lib/pkgconfig"
  '';
  openssl = library "openssl" ''
    take libssl.so.3 libcrypto.so.3
    ln -s libssl.so.3 "$out/lib/libssl.so"
    ln -s libcrypto.so.3 "$out/lib/libcrypto.so"
    ${describe "libssl" "-lssl"}
    ${describe "libcrypto" "-lcrypto"}
    ${describe "openssl" "-lssl -lcrypto"}
  '';
  zlib = library "zlib" ''
    take libz.so.1
    ln -s libz.so.1 "$out/lib/libz.so"
    ${describe "zlib" "-lz"}
  '';
  zstd = library "zstd" ''
    take libzstd.so.1
    ln -s libzstd.so.1 "$out/lib/libzstd.so"
    ${describe "libzstd" "-lzstd"}
  '';
}
