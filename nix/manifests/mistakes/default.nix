# Validates the data under nix/clusters: all mistakes, as { clusters, sentence }. A sentence says what
# is wrong where, and what to do; `clusters` are those that it concerns. What is wrong with the keys of
# images concerns all. Whatever the data is, this does not fail.
{
  data,
  environments,
  signing,
}:
let
  inherit (builtins)
    attrNames
    attrValues
    concatLists
    concatMap
    elem
    filter
    groupBy
    length
    map
    ;
  text = import ../text.nix;
  shape = import ./shape.nix;
  inherit (shape) list when;

  # The kinds of credentials that each cloud supports. A key always comes from External Secrets.
  kinds = {
    gke = [
      "workloadIdentity"
      "key"
    ];
    eks = [
      "externalAccount"
      "key"
    ];
  };
  isEmbedded = env: env ? endpoint;
  writeEnvs = filter (env: !(isEmbedded environments.write.${env})) (attrNames environments.write);

  identity = import ./identity.nix { inherit environments; };
  spec = import ./cluster.nix {
    inherit (data) hostNames;
    inherit kinds signing;
  };
  release = import ./release.nix;
  instance = import ./instance.nix { inherit identity; };
  transfer = import ./transfer.nix { inherit identity; };
  together = import ./together.nix { inherit identity; };

  isKnown = c: kinds ? ${toString c.cloud} && elem c.env writeEnvs;
  wasRead = part: c: !(c.faults ? all) && c.faults.${part} == [ ];
  cluster =
    c:
    let
      at = "nix/clusters/${text.showName c.name}";
    in
    if !(isKnown c) then
      [
        "${at}: unknown cluster. A cluster is named <cloud>-<environment>; the clouds are ${list (attrNames kinds)}, the environments those with a [write.…] in config/environments.toml (${list writeEnvs}). Rename the folder, or add the environment."
      ]
    else
      concatLists (attrValues c.faults)
      # What could not be read is not validated.
      ++ (if wasRead "spec" c then spec "${at}/cluster.nix" c else [ ])
      ++ (if wasRead "release" c then release "${at}/release.json" c else [ ])
      ++ concatMap (instance at c) c.instances
      ++ concatMap (transfer at c) c.transfers
      ++ concatMap (
        same:
        when (length same > 1)
          "${at}/instances: duplicate instance ${(builtins.head same).domain} (${
            list (map (i: text.showName i.file) same)
          }): a domain runs once per cluster; remove all but one file."
      ) (attrValues (groupBy (i: i.domain) c.instances));
in
map (name: {
  clusters = [ name ];
  sentence = "nix/clusters/${text.showName name} is a symbolic link: replace it by a folder.";
}) data.links
++ map (sentence: {
  clusters = attrNames data.clusters;
  inherit sentence;
}) signing.faults
++ concatMap (
  c:
  map (sentence: {
    clusters = [ c.name ];
    inherit sentence;
  }) (cluster c)
) (attrValues data.clusters)
++ together (filter isKnown (attrValues data.clusters))
