# Reads nix/clusters: cluster -> { cloud, env, spec, release, instances }. mistakes.nix validates it.
{
  clustersDir,
  environments,
}:
let
  inherit (builtins)
    attrNames
    attrValues
    concatMap
    filter
    fromJSON
    groupBy
    head
    isList
    isString
    listToAttrs
    match
    pathExists
    readDir
    readFile
    replaceStrings
    split
    ;
  dotenv = import ./dotenv.nix;

  letters = text: map head (filter isList (split "(.)" text));
  lower = letters "abcdefghijklmnopqrstuvwxyz-";
  upper = letters "ABCDEFGHIJKLMNOPQRSTUVWXYZ_";
  # delivery-events.env is the domain DELIVERY_EVENTS: names in Kubernetes have no capitals,
  # environment variables no hyphens.
  domainOf = replaceStrings lower upper;

  folders = dir: filter (name: (readDir dir).${name} == "directory") (attrNames (readDir dir));
  files = dir: if pathExists dir then attrNames (readDir dir) else [ ];

  instance =
    dir: file:
    let
      stem = match "(.*)[.]env" file;
      name = if stem == null then file else head stem;
      text = readFile (dir + "/${file}");
      domain = domainOf name;
      keys = dotenv text;
    in
    {
      inherit
        file
        name
        domain
        text
        keys
        ;
      # The domain's own value, or else the default of all domains.
      value = base: keys."${base}_${domain}" or (keys.${base} or null);
    };

  cluster =
    name:
    let
      dir = clustersDir + "/${name}";
      parts = match "([a-z0-9]+)-([a-z0-9]+)" name;
    in
    {
      inherit name;
      cloud = if parts == null then null else head parts;
      env = if parts == null then null else builtins.elemAt parts 1;
      spec = if pathExists (dir + "/cluster.nix") then import (dir + "/cluster.nix") else null;
      release =
        if pathExists (dir + "/release.json") then fromJSON (readFile (dir + "/release.json")) else null;
      instances = map (instance (dir + "/instances")) (files (dir + "/instances"));
    };

  # `bootstrap_servers` is "a:1,b:2" or a list of "host:port".
  servers = concatMap (
    env:
    if isList env.bootstrap_servers then
      env.bootstrap_servers
    else
      filter isString (split "[, ]+" env.bootstrap_servers)
  ) (attrValues environments.consume);
in
{
  clusters = listToAttrs (
    map (name: {
      inherit name;
      value = cluster name;
    }) (folders clustersDir)
  );

  # The brokers' host names that DNS does not know (those without a dot), and the brokers' ports.
  hostNames = attrNames (groupBy head (filter isList (map (match "([a-z0-9-]+):[0-9]+") servers)));
  brokerPorts = map fromJSON (
    attrNames (groupBy head (filter isList (map (match ".*:([0-9]+)") servers)))
  );
}
