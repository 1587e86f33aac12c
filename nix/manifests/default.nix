# The content of kustomize/ (path -> text), and how the committed files differ from it. Uses builtins
# only, so that `nix eval` needs no nixpkgs.
{
  root ? ../..,
  clustersDir ? root + "/nix/clusters",
  committedDir ? root + "/kustomize",
  # The local cluster's parts, and the example that it runs.
  servicesFile ? root + "/nix/local/services.json",
  example ? root + "/examples/streamproc",
  gitops ? import ../gitops.nix,
  signing ? import ./signing.nix {
    keysDir = root + "/nix/keys";
    inherit (gitops) provenance;
  },
  environments ? builtins.fromTOML (builtins.readFile (root + "/config/environments.toml")),
  # The clusters that a change concerns: only their mistakes are refused, and only their overlays are
  # rendered. null: all clusters.
  touched ? null,
  # Clusters whose files are not read: see data.nix.
  unreadable ? { },
  data ? import ./data.nix {
    inherit
      clustersDir
      environments
      root
      unreadable
      ;
  },
}:
let
  inherit (builtins)
    any
    attrNames
    attrValues
    concatMap
    concatStringsSep
    elem
    filter
    foldl'
    groupBy
    isString
    length
    map
    mapAttrs
    removeAttrs
    replaceStrings
    stringLength
    substring
    ;
  inherit (gitops) name namespace;
  text = import ./text.nix;
  yaml = import ./yaml.nix;
  committed = import ./drift.nix { inherit committedDir; };
  inherit (committed) differences partOf;

  found = import ./mistakes { inherit data environments signing; };
  isTouched = name: touched == null || elem name touched;
  concerns = wanted: mistake: any wanted mistake.clusters;
  refused = filter (concerns isTouched) found;
  others = filter (mistake: !(concerns isTouched mistake)) found;
  hasMistake = name: any (concerns (other: other == name)) found;

  refuse =
    sentences:
    throw "nix/clusters has ${toString (length sentences)} mistake(s):\n${
      concatStringsSep "\n" (map (sentence: "  - ${sentence}") sentences)
    }";

  withPorts = mapAttrs (_: cluster: cluster // { inherit (data) brokerPorts; }) data.clusters;
  only = wanted: removeAttrs withPorts (filter (name: !(wanted name)) (attrNames withPorts));
  # Data with mistakes is not rendered.
  clusters =
    if refused == [ ] then only isTouched else refuse (map (mistake: mistake.sentence) refused);

  merge = foldl' (all: some: all // some) { };
  transfer = import ./transfer-base.nix { inherit name; };
  check = import ./check-base.nix { inherit name; };
  clusterFiles = import ./cluster.nix {
    inherit
      name
      namespace
      yaml
      signing
      transfer
      check
      ;
  };
  transferFiles = import ./transfer.nix {
    inherit
      name
      namespace
      yaml
      transfer
      ;
  };
  instanceFiles = import ./instance.nix {
    inherit
      name
      namespace
      yaml
      check
      ;
  };
  overlays =
    clusters:
    merge (
      concatMap (
        cluster:
        [ (clusterFiles cluster) ]
        ++ map (instanceFiles cluster) cluster.instances
        ++ map (transferFiles cluster) cluster.transfers
      ) (attrValues clusters)
    );
  # Depends on the names of all clusters, so a change of some of them leaves it as it is.
  argocd = import ./argocd.nix {
    inherit name namespace;
    inherit (gitops) argocd;
    clusters = filter isNamed (attrNames data.clusters);
  };
  isNamed = name: data.clusters.${name}.cloud != null;
  # No change of a cluster concerns the local one: with `touched` neither it nor the example is read.
  local = import ./local {
    inherit
      name
      yaml
      servicesFile
      example
      ;
    base = import ./base.nix gitops;
  };
  header = "# Written by `nix run .#render` from nix/manifests and nix/clusters: edit those.\n";
  texts = mapAttrs (_: value: if isString value then value else header + yaml value);
  tree = texts (
    import ./base.nix gitops
    // import ./components.nix gitops
    // overlays clusters
    // (if touched == null then argocd // local else { })
  );
  # Whether a file is in a part of kustomize/ that is rendered.
  isRendered =
    path:
    touched == null
    || elem (partOf path) (
      [
        "base"
        "components"
      ]
      ++ map (name: "overlays/${name}") touched
    );

  # What is not rendered, as far as it has no mistakes.
  rest = texts (overlays (only (name: !(isTouched name || hasMistake name))) // argocd);
  isRest =
    path:
    !(
      isRendered path
      || partOf path == "overlays/local"
      || any (name: partOf path == "overlays/${name}") (filter hasMistake (attrNames data.clusters))
    );
in
{
  inherit tree;
  # A summary of the data, for people and pipelines.
  clusters = mapAttrs (_: cluster: {
    inherit (cluster) cloud;
    inherit (cluster.spec) writeEnv image;
    inherit (cluster.release) digest;
    pins = cluster.release.pins or { };
    paused = cluster.release.paused or [ ];
    arriving = cluster.release.arriving or [ ];
    # The instances whose autoscaler is paused, whose health ArgoCD therefore reports as Suspended.
    suspended =
      if cluster.spec.pauseAutoscaling or false then
        map (instance: instance.name) cluster.instances
      else
        cluster.release.paused or [ ];
    # The pods' environment variables, without the secret ones.
    env = (cluster.spec.env or { }) // {
      CLUSTER = cluster.name;
      WRITE_ENV = cluster.spec.writeEnv;
    };
    secretEnv = attrNames (cluster.spec.secretEnv or { });
    transfers = map (t: t.name) cluster.transfers;
    instances = builtins.listToAttrs (
      map (instance: {
        inherit (instance) name;
        value = {
          inherit (instance) domain;
          # The document of its contract, without the file's ending.
          contract =
            let
              # The domain's own value, or else the default of all domains.
              value = instance.keys."IMPORT_PATH_${instance.domain}" or (instance.keys.IMPORT_PATH or "");
              folder = "contracts.";
              path =
                if text.hasPrefix folder value then
                  substring (stringLength folder) (stringLength value) value
                else
                  value;
            in
            "contracts/" + replaceStrings [ "." ] [ "/" ] path;
          file = "nix/clusters/${cluster.name}/instances/${instance.file}";
        };
      }) cluster.instances
    );
  }) clusters;

  # For delivery/image: what it verifies.
  signing =
    if signing.faults == [ ] then
      { inherit (signing) keys builder repository; }
    else
      refuse signing.faults;

  # `[]` if the committed kustomize/ is up to date, else one line for each file that is not.
  drift = map ({ path, problem }: "kustomize/${path}: ${problem}, run `nix run .#render`") (
    differences isRendered tree
  );

  # What is wrong with the clusters that a change does not concern: their mistakes, and the parts of
  # kustomize/ that are out of date.
  warnings =
    map (mistake: mistake.sentence) others
    ++ map (part: "kustomize/${part} is out of date: run `nix run .#render`.") (
      attrNames (groupBy ({ path, ... }: partOf path) (differences isRest rest))
    );
}
