# The checks of `nix flake check`: the program and its tests, the image, its content and its bill of
# materials, whether kustomize/ is up to date, every instance's configuration, the crates' licences and
# origins, formatting.
{
  lib,
  runCommand,
  closureInfo,
  cacert,
  kustomize,
  nixfmt,
  rustfmt,
  rustPlatform,
  cargo,
  rustc,
  cargo-deny,
  librdkafka,
  # `consumer` is built without the feature `local`, as for the image; building `default` runs the
  # tests.
  consumer,
  default,
  image,
  sbom,
  rendered,
  contracts,
  manifests,
  source,
}:
let
  program = lib.getExe consumer;
  cargoOn = import ./cargo.nix { inherit rustPlatform; };

  # Runs `generic-consumer config` on an instance's `.env`, with the environment variables that its
  # cluster's pods have. A pinned instance runs another image, which may have a contract that is not
  # among these: its `.env` was judged by that image when it was deployed.
  instance =
    cluster: name: i:
    let
      pinned = cluster.pins ? ${name};
      contract = lib.escapeShellArg i.contract;
      variables = cluster.env // lib.genAttrs cluster.secretEnv (_: "a-secret");
      given = lib.concatStrings (
        lib.mapAttrsToList (name: value: "${name}=${lib.escapeShellArg value} ") variables
      );
    in
    lib.optionalString pinned ''
      found=
      for ending in yaml yml json; do
        if [ -e ${contract}.$ending ]; then found=1; fi
      done
      if [ -z "$found" ]; then
        echo ${i.file}: runs a pinned image, and its contract ${contract} is not here: not judged | tee -a $out
      else
    ''
    + ''
      if ! env -i ${given} ${program} config ${i.domain} --env-file ${source + "/${i.file}"} > output 2>&1; then
        cat output
        echo "${i.file}: the program refuses this configuration; correct the keys that it names above"
        failed=1
      fi
      cat output >> $out
    ''
    + lib.optionalString pinned "fi\n";
in
{
  inherit image sbom;
  package = consumer;
  tests = default;
  overlays = rendered;

  # Fails at evaluation if kustomize/ is out of date, so that nothing is built from it.
  up-to-date =
    assert
      manifests.drift == [ ]
      || throw "kustomize/ is out of date:\n  ${builtins.concatStringsSep "\n  " manifests.drift}";
    runCommand "up-to-date" { nativeBuildInputs = [ kustomize ]; } ''
      for overlay in ${source}/kustomize/overlays/* ${source}/kustomize/argocd; do
        kustomize build $overlay > committed.yaml
        diff -u ${rendered}/rendered/$(basename $overlay).yaml committed.yaml
      done
      touch $out
    '';

  instances = runCommand "instances" { } ''
    mkdir config
    cp ${source}/config/environments.toml config/
    ln -s ${contracts} contracts
    failed=0
    ${lib.concatStrings (
      lib.mapAttrsToList (
        _: cluster: lib.concatStrings (lib.mapAttrsToList (instance cluster) cluster.instances)
      ) manifests.clusters
    )}
    test $failed = 0
  '';

  # The program is linked with the pinned librdkafka, which has every feature that a cluster may
  # configure.
  librdkafka = runCommand "librdkafka-version" { } ''
    ${program} --version | tee $out
    grep -F 'librdkafka ${librdkafka.version} ' $out > /dev/null
    for feature in gzip snappy lz4 zstd ssl sasl_plain sasl_scram sasl_oauthbearer; do
      grep -wF $feature $out > /dev/null || { echo "librdkafka lacks $feature"; exit 1; }
    done
  '';

  # The image's program has no embedded broker and no embedded BigQuery.
  lean = runCommand "lean" { } ''
    if ${program} local bigquery --rest 127.0.0.1:0 --grpc 127.0.0.1:0 --store x > output 2>&1; then
      echo "the image's program serves an embedded BigQuery"; exit 1
    fi
    grep -F 'no embedded BigQuery' output > $out
  '';

  # The image contains no compiler, shell or package manager, judged by the names of its store paths.
  closure =
    runCommand "closure"
      {
        info = closureInfo {
          rootPaths = [
            consumer
            cacert
          ];
        };
      }
      ''
        sed 's|^/nix/store/[^-]*-||' $info/store-paths | sort > $out
        cat $out
        # gcc-14.3.0 is the compiler; gcc-14.3.0-libgcc is a library that every program needs.
        if grep -E '^(gcc-[0-9.]+$|(gcc-wrapper|clang|rustc|cargo|binutils|bash|dash|busybox|coreutils|perl|python3?|nix)-)' $out; then
          echo "the image would contain the store paths listed above"; exit 1
        fi
      '';

  # Licences, banned crates and sources. Advisories need their database, which a build cannot fetch:
  # `make audit` checks them where it can.
  audit =
    runCommand "audit"
      {
        nativeBuildInputs = [
          cargo
          rustc
          cargo-deny
        ];
      }
      ''
        ${cargoOn consumer.src}
        cargo-deny --offline --locked --log-level error --config ${../deny.toml} check licenses bans sources 2>&1 | tee $out
      '';

  formatting =
    runCommand "formatting"
      {
        nativeBuildInputs = [
          nixfmt
          rustfmt
        ];
      }
      ''
        find ${source}/flake.nix ${source}/nix ${source}/tests/offline-nixpkgs -name '*.nix' -print0 | xargs -0 nixfmt --check
        cd ${source}
        # Each file is the root of a crate; rustfmt follows its modules.
        shopt -s nullglob
        rustfmt --check --edition 2024 src/lib.rs src/main.rs tests/*/{main,bench}.rs
        touch $out
      '';
}
