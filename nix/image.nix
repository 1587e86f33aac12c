# The OCI image, as a tar archive of an OCI layout. It has one layer for each store path and one for
# the contracts; it has no shell and no package manager, and does not run as root. The same inputs
# give the same bytes: the git revision is in the tag that the image is pushed under, not in the
# image.
{
  lib,
  dockerTools,
  runCommand,
  skopeo,
  cacert,
  package,
  contracts,
}:
let
  name = package.pname;
  epoch = "1970-01-01T00:00:01Z";

  # A layer with the configuration, linked into /app.
  config = runCommand "config" { } ''
    mkdir -p "$out/app/config"
    cp ${../config/environments.toml} "$out/app/config/environments.toml"
  '';

  stream = dockerTools.streamLayeredImage {
    inherit name;
    tag = package.version;
    created = epoch;
    mtime = epoch;
    contents = [ config ];
    # The last layer: the contracts, and small files that never change. Changing a contract changes
    # only this layer.
    extraCommands = ''
      mkdir -p app etc
      cp -r --no-preserve=mode ${contracts} app/contracts
      echo '${name}:x:65532:65532::/app:/sbin/nologin' > etc/passwd
      echo '${name}:x:65532:' > etc/group
      # Without this file glibc may ask DNS before the hosts file, which has the brokers' names.
      echo 'hosts: files dns' > etc/nsswitch.conf
    '';
    config = {
      Entrypoint = [ (lib.getExe package) ];
      User = "65532:65532";
      WorkingDir = "/app";
      Env = [ "SSL_CERT_FILE=${cacert}/etc/ssl/certs/ca-bundle.crt" ];
      ExposedPorts."9464/tcp" = { };
      Labels = {
        "org.opencontainers.image.title" = name;
        "org.opencontainers.image.description" = package.meta.description;
        "org.opencontainers.image.version" = package.version;
        "org.opencontainers.image.licenses" = "MIT OR Apache-2.0";
        "generic-consumer.contracts.revision" = contracts.revision;
      };
    };
  };
in
runCommand "${name}-image.tar"
  {
    nativeBuildInputs = [ skopeo ];
    passthru = {
      inherit stream;
      # The roots of the store paths that are in the image.
      shipped = [
        package
        cacert
        config
      ];
      contractsRevision = contracts.revision;
    };
  }
  ''
    export HOME=$PWD
    ${stream} > docker.tar
    skopeo --insecure-policy --tmpdir "$PWD" copy --quiet \
      docker-archive:docker.tar "oci:layout:${package.version}"
    # Not written by skopeo, whose archives contain the time of the build.
    tar --sort=name --mtime=@1 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
      --format=gnu -cf "$out" -C layout .
  ''
