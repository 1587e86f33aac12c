# The content of kustomize/ (path -> text), and how the committed files differ from it. Uses builtins
# only, so that `nix eval` needs no nixpkgs.
{
  root ? ../..,
  clustersDir ? root + "/nix/clusters",
  committedDir ? root + "/kustomize",
  gitops ? import ../gitops.nix,
}:
let
  inherit (builtins)
    attrNames
    attrValues
    concatMap
    concatStringsSep
    elem
    filter
    foldl'
    head
    isString
    map
    mapAttrs
    match
    pathExists
    readDir
    readFile
    replaceStrings
    ;
  inherit (gitops) name namespace;
  yaml = import ./yaml.nix;
  environments = builtins.fromTOML (readFile (root + "/config/environments.toml"));
  data = import ./data.nix { inherit clustersDir environments; };
  google = import ./google.nix;
  mistakes = import ./mistakes.nix { inherit data environments google; };

  # Data with mistakes is not rendered.
  clusters =
    if mistakes == [ ] then
      mapAttrs (_: cluster: cluster // { inherit (data) brokerPorts; }) data.clusters
    else
      throw (
        "nix/clusters has ${toString (builtins.length mistakes)} mistake(s):\n"
        + concatStringsSep "\n" (map (mistake: "  - ${mistake}") mistakes)
      );

  merge = foldl' (all: some: all // some) { };
  clusterFiles = import ./cluster.nix { inherit name namespace yaml; };
  instanceFiles = import ./instance.nix { inherit name namespace yaml; };
  values =
    import ./base.nix gitops
    // import ./components.nix gitops
    // import ./argocd.nix (gitops // { clusters = attrNames clusters; })
    // merge (
      concatMap (cluster: [ (clusterFiles cluster) ] ++ map (instanceFiles cluster) cluster.instances) (
        attrValues clusters
      )
    );
  header = "# Written by `nix run .#render` from nix/manifests and nix/clusters: edit those.\n";
  tree = mapAttrs (_: value: if isString value then value else header + yaml value) values;

  walk =
    dir: prefix:
    let
      entries = readDir dir;
    in
    concatMap (
      entry:
      if entries.${entry} == "directory" then
        walk (dir + "/${entry}") "${prefix}${entry}/"
      else
        [ "${prefix}${entry}" ]
    ) (attrNames entries);
  present = if pathExists committedDir then walk committedDir "" else [ ];
  named = problem: map (path: "kustomize/${path}: ${problem}");
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
      WRITE_ENV = cluster.spec.writeEnv;
    };
    secretEnv = attrNames (cluster.spec.secretEnv or { });
    instances = builtins.listToAttrs (
      map (instance: {
        inherit (instance) name;
        value = {
          inherit (instance) domain;
          # The document of its contract, without the file's ending.
          contract =
            let
              path = toString (instance.value "IMPORT_PATH");
              inside = match "contracts[.](.*)" path;
            in
            "contracts/" + replaceStrings [ "." ] [ "/" ] (if inside == null then path else head inside);
          file = "nix/clusters/${cluster.name}/instances/${instance.file}";
        };
      }) cluster.instances
    );
  }) clusters;

  # `[]` if the committed kustomize/ is up to date, else one line for each file that is not.
  drift =
    named "missing, run `nix run .#render`" (filter (path: !(elem path present)) (attrNames tree))
    ++ named "differs, run `nix run .#render`" (
      filter (path: elem path present && readFile (committedDir + "/${path}") != tree.${path}) (
        attrNames tree
      )
    )
    ++ named "left over, run `nix run .#render`" (filter (path: !(tree ? ${path})) present);
}
