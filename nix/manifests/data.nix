# Reads nix/clusters: cluster -> { cloud, env, spec, release, instances, transfers, faults }. mistakes/ validates
# it. Whatever the files contain, reading them does not fail: `faults` are the sentences about what
# cannot be read. Only what Nix cannot catch still ends the evaluation: a cluster.nix with a
# syntax error, and a file with a NUL byte.
{
  clustersDir,
  environments,
  # cluster -> sentence: clusters whose files are not read at all, because that would fail.
  unreadable ? { },
  # Where the contracts and the SQL of transfers are.
  root ? clustersDir + "/../..",
}:
let
  inherit (builtins)
    attrNames
    attrValues
    concatMap
    deepSeq
    filter
    fromJSON
    groupBy
    head
    isList
    isString
    listToAttrs
    mapAttrs
    match
    readDir
    readFile
    replaceStrings
    split
    stringLength
    tryEval
    ;
  dotenv = import ./dotenv.nix;
  toml = import ./toml.nix;
  documents = import ./documents.nix { inherit root; };

  json = import ./json.nix;
  text = import ./text.nix;

  # delivery-events.env is the domain DELIVERY_EVENTS: names in Kubernetes have no capitals,
  # environment variables no hyphens.
  domainOf = name: replaceStrings [ "-" ] [ "_" ] (text.toUpper name);

  # Kubernetes' limit of a ConfigMap, in bytes.
  largest = 1024 * 1024;

  # Links are never followed: their targets may be files of this machine.
  kindsIn = folder: name: (readDir folder).${name} or null;
  notPlain =
    at: kind:
    "${at} is ${
      {
        symlink = "a symbolic link";
        directory = "a folder";
      }
      .${kind} or "no plain file"
    }: replace it by a plain file.";

  instance =
    dir: kind: file:
    let
      stem = match "(.*)[.]env" file;
      name = if stem == null then file else head stem;
      content = if kind == "regular" then readFile (dir + "/${file}") else "";
      tooLarge = stringLength content > largest;
      nothing = {
        assignments = [ ];
        faults = [ ];
      };
      read = if tooLarge then nothing else dotenv content;
    in
    {
      inherit file name tooLarge;
      inherit (read) assignments faults;
      plain = kind == "regular";
      domain = domainOf name;
      text = content;
      # Of a key that occurs twice, which is a mistake, the first value.
      keys = listToAttrs read.assignments;
    };
  instancesIn = dir: attrValues (mapAttrs (file: kind: instance dir kind file) (readDir dir));

  transfer =
    dir: kind: file:
    let
      stem = match "(.*)[.]toml" file;
      name = if stem == null then file else head stem;
      content = if kind == "regular" then readFile (dir + "/${file}") else "";
      tooLarge = stringLength content > 65536;
      isText = !tooLarge && text.isUtf8 content;
      read =
        if isText then
          toml content
        else
          {
            value = { };
            faults = [ ];
          };
      table = (read.value.transfer or { }).${name} or null;
      named = documents table;
    in
    {
      inherit
        file
        name
        tooLarge
        isText
        table
        ;
      inherit (read) value faults;
      inherit (named) files;
      missing = named.faults;
      plain = kind == "regular";
      domain = domainOf name;
      text = content;
    };
  transfersIn = dir: attrValues (mapAttrs (file: kind: transfer dir kind file) (readDir dir));

  # What is read of a cluster's folder. Where something cannot be read, the sentences about it are in
  # `faults`, and its value is null or empty.
  read =
    at: dir:
    let
      kind = kindsIn dir;
      # deepSeq: what a value throws is thrown here.
      spec = tryEval (
        let
          value = import (dir + "/cluster.nix");
        in
        deepSeq value value
      );
      release = json (readFile (dir + "/release.json"));
      # The sentence about a file, if there is one to say.
      about =
        file: missing: wrong:
        if kind file == null then
          [ "${at}/${file} is missing: ${missing}" ]
        else if kind file != "regular" then
          [ (notPlain "${at}/${file}" (kind file)) ]
        else if wrong != null then
          [ "${at}/${file} ${wrong}" ]
        else
          [ ];
      example = ''write { "digest": "sha256:…", "pins": {} }'';
      # Whether there is a folder of this name, and what to say if it is something else.
      isFolder = name: kind name == "directory";
      noFolder =
        name: of:
        if kind name == null || isFolder name then
          [ ]
        else
          [ "${at}/${name} is no folder of its own: replace it by a folder of ${of} files." ];
      faults = {
        spec = about "cluster.nix" "copy another cluster's and change it." (
          if spec.success then null else "throws an error of its own: write plain values."
        );
        release = about "release.json" "${example}." (
          if release ? fault then "${release.fault}: ${example}, as delivery/gitops does." else null
        );
        instances = noFolder "instances" ".env";
        transfers = noFolder "transfers" ".toml";
      };
    in
    {
      inherit faults;
      spec = if faults.spec == [ ] then spec.value else null;
      release = if faults.release == [ ] then release.value else null;
      instances = if isFolder "instances" then instancesIn (dir + "/instances") else [ ];
      transfers = if isFolder "transfers" then transfersIn (dir + "/transfers") else [ ];
    };
  notRead = sentence: {
    spec = null;
    release = null;
    instances = [ ];
    transfers = [ ];
    faults.all = [ sentence ];
  };

  cluster =
    name:
    let
      parts = match "([a-z0-9]+)-([a-z0-9]+)" name;
    in
    {
      inherit name;
      cloud = if parts == null then null else head parts;
      env = if parts == null then null else builtins.elemAt parts 1;
    }
    // (
      if unreadable ? ${name} then
        notRead unreadable.${name}
      else
        read "nix/clusters/${text.showName name}" (clustersDir + "/${name}")
    );

  entries = readDir clustersDir;
  folders = filter (name: entries.${name} == "directory") (attrNames entries);

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
    }) folders
  );
  # A link to a folder would be a second cluster with the files of the first, or of this machine.
  links = filter (name: entries.${name} == "symlink") (attrNames entries);

  # The brokers' host names that DNS does not know (those without a dot), and the brokers' ports.
  hostNames = attrNames (groupBy head (filter isList (map (match "([a-z0-9-]+):[0-9]+") servers)));
  brokerPorts = map fromJSON (
    attrNames (groupBy head (filter isList (map (match ".*:([0-9]+)") servers)))
  );
}
