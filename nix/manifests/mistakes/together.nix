# Validates what instances share across all clusters: a consumer group belongs to one domain, and one
# group fills a table. Returns { clusters, sentence } for each mistake.
{ identity }:
let
  inherit (builtins)
    attrNames
    attrValues
    concatMap
    concatStringsSep
    filter
    groupBy
    head
    length
    map
    ;
  list = concatStringsSep ", ";
  text = import ../text.nix;
in
clusters:
let
  all = concatMap (
    c:
    map (i: {
      inherit (i) domain;
      cluster = c.name;
      place = "nix/clusters/${c.name}/instances/${text.showName i.file}";
      group = identity.group c i;
      table = identity.table c i;
      tableKey = identity.tableKey c i;
    }) (filter (i: i.plain) c.instances)
  ) clusters;
  read = filter (i: i.group != null) all;
  distinct = f: items: length (attrNames (groupBy f items));
  # The items that have the same key but not the same property.
  conflicts =
    key: property: items:
    filter (same: distinct property same > 1) (attrValues (groupBy key items));
  mistake = same: sentence: {
    clusters = attrNames (groupBy (i: i.cluster) same);
    sentence = "${list (map (i: i.place) same)}: ${sentence}";
  };
in
map (
  same:
  mistake same "different domains use the consumer group `${(head same).group.name}`: give each its own GROUP_ID, otherwise Kafka splits the partitions between them."
) (conflicts (i: i.group.id) (i: i.domain) read)
++ map (
  same:
  mistake same (
    if distinct (i: i.domain) same > 1 then
      "several domains write to the table `${(head same).table}`, each from its own consumer group: give each its own ${(head same).tableKey}."
    else
      "duplicate instance: several consumer groups would write ${(head same).domain} to the table `${(head same).table}`, each of them every event: remove all but one, or give them the same GROUP_ID (as a move between clusters does)."
  )
) (conflicts (i: i.table) (i: i.group.id) (filter (i: i.table != null) read))
