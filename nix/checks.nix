# What `nix flake check` builds: the program and its tests, the image and what it may hold, the
# overlays and whether they are in step, every instance's configuration, formatting.
{
  lib,
  runCommand,
  closureInfo,
  cacert,
  kustomize,
  nixfmt,
  rustfmt,
  librdkafka,
  # Without `local`, as the image has it; `default` has its tests.
  consumer,
  default,
  image,
  rendered,
  contracts,
  manifests,
  source,
}:
let
  program = lib.getExe consumer;

  # The program's own reading of each instance's `.env`, in the environment of its cluster's pods.
  instance =
    cluster: i:
    let
      variables = cluster.env // lib.genAttrs cluster.secretEnv (_: "a-secret");
      given = lib.concatStrings (
        lib.mapAttrsToList (name: value: "${name}=${lib.escapeShellArg value} ") variables
      );
    in
    ''
      if ! env -i ${given} ${program} config ${i.domain} --env-file ${source + "/${i.file}"} > answer 2>&1; then
        cat answer
        echo "${i.file}: the program refuses this configuration; correct the keys that it names above"
        failed=1
      fi
      cat answer >> $out
    '';
in
{
  inherit image;
  package = consumer;
  tests = default;
  overlays = rendered;

  # Evaluation says it: nothing is built from a tree that is behind.
  in-step =
    assert
      manifests.drift == [ ]
      || throw "kustomize/ is not in step with nix/clusters:\n  ${builtins.concatStringsSep "\n  " manifests.drift}";
    runCommand "in-step" { nativeBuildInputs = [ kustomize ]; } ''
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
        _: cluster: lib.concatStrings (lib.mapAttrsToList (_: instance cluster) cluster.instances)
      ) manifests.clusters
    )}
    test $failed = 0
  '';

  # The library that the program runs with is the pinned one, with all that clusters may ask of it.
  librdkafka = runCommand "librdkafka-version" { } ''
    ${program} --version | tee $out
    grep -F 'librdkafka ${librdkafka.version} ' $out > /dev/null
    for feature in gzip snappy lz4 zstd ssl sasl_plain sasl_scram sasl_oauthbearer; do
      grep -wF $feature $out > /dev/null || { echo "librdkafka lacks $feature"; exit 1; }
    done
  '';

  # The image's program has no embedded peers.
  lean = runCommand "lean" { } ''
    if ${program} local bigquery --rest 127.0.0.1:0 --grpc 127.0.0.1:0 --store x > answer 2>&1; then
      echo "the image's program serves an embedded BigQuery"; exit 1
    fi
    grep -F 'no embedded BigQuery' answer > $out
  '';

  # By name: a compiler, a shell or a package manager that the program refers to is a mistake.
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
        # gcc-14.3.0 is the compiler; gcc-14.3.0-libgcc is what every program needs of it.
        if grep -E '^(gcc-[0-9.]+$|(gcc-wrapper|clang|rustc|cargo|binutils|bash|dash|busybox|coreutils|perl|python3?|nix)-)' $out; then
          echo "the image would hold what is listed above"; exit 1
        fi
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
        # Each is a crate of its own, whose modules it follows.
        shopt -s nullglob
        rustfmt --check --edition 2024 src/lib.rs src/main.rs tests/*/{main,bench}.rs
        touch $out
      '';
}
