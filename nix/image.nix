# The OCI image as an archive of an OCI layout, the same bytes from the same inputs: a layer for each
# store path, one for the contracts, no shell, no package manager, not root. No git revision is in
# it, so that its digest is a function of its content; the revision goes into the tag at the push.
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

  # Under /app by links, from a layer of its own.
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
    # The last layer: the contracts as files, and what never changes. A contract changes this layer
    # and no other.
    extraCommands = ''
      mkdir -p app etc
      cp -r --no-preserve=mode ${contracts} app/contracts
      echo '${name}:x:65532:65532::/app:/sbin/nologin' > etc/passwd
      echo '${name}:x:65532:' > etc/group
      # Without it glibc may ask DNS before the hosts file, where the brokers' names are.
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
      contractsRevision = contracts.revision;
    };
  }
  ''
    export HOME=$PWD
    ${stream} > docker.tar
    skopeo --insecure-policy --tmpdir "$PWD" copy --quiet \
      docker-archive:docker.tar "oci:layout:${package.version}"
    # skopeo's own archive has the time of the build in it.
    tar --sort=name --mtime=@1 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
      --format=gnu -cf "$out" -C layout .
  ''
